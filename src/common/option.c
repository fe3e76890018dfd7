/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/option.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/stat.h>
#include "common/cleanup.h"

#define SECRET_MAX 65536
#define CREDENTIAL_SCHEME "credential:"

static int refuse(char **ret_reason, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char **ret_reason, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return -ENOMEM;
	if (ret_reason)
		*ret_reason = text;
	else
		free(text);
	return -EINVAL;
}

static void *field(const struct option *option, void *configuration)
{
	return (char *)configuration + option->offset;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: printing takes the first that divides without a rest. */
static const struct unit duration_units[] = {
	{ "d", INT64_C(86400000000) }, { "h", INT64_C(3600000000) }, { "min", 60000000 },
	{ "s", 1000000 }, { "ms", 1000 }, { "us", 1 }, { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "G", INT64_C(1) << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 }, { NULL, 0 },
};
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(const struct option *option)
{
	if (option->type == OPTION_DURATION)
		return duration_units;
	return option->type == OPTION_SIZE ? size_units : plain_units;
}

int option_format_number(const struct option *option, int64_t value, char *text, size_t size)
{
	const struct unit *unit = units_of(option);
	if (value == 0)
		return snprintf(text, size, "0");
	while (unit[1].name && value % unit->factor != 0)
		unit++;
	return snprintf(text, size, "%" PRId64 "%s", value / unit->factor, unit->name);
}

static int refuse_range(const struct option *option, char **ret_reason)
{
	char low[32], high[32];
	option_format_number(option, option->minimum, low, sizeof(low));
	option_format_number(option, option->maximum, high, sizeof(high));
	return refuse(ret_reason, "must be from %s to %s", low, high);
}

static int parse_number(const struct option *option, const char *text, int64_t *ret, char **ret_reason)
{
	const char *what = option->type == OPTION_DURATION ? "a duration such as 500ms, 10s, 5min, 2h or 7d"
	                 : option->type == OPTION_SIZE ? "a size such as 64K, 2M or 1G" : "a whole number";
	char *end;
	errno = 0;
	intmax_t number = strtoimax(text, &end, 10);
	if (end == text || isspace((unsigned char)*text))
		return refuse(ret_reason, "must be %s", what);
	bool overflow = errno == ERANGE;

	while (*end == ' ')
		end++;
	const struct unit *unit = units_of(option);
	while (unit->name && strcasecmp(end, unit->name) != 0)
		unit++;
	int64_t value = 0;
	if (!unit->name && !(number == 0 && *end == '\0')) /* nothing needs no unit */
		return refuse(ret_reason, "must be %s", what);
	if (unit->name && __builtin_mul_overflow((int64_t)number, unit->factor, &value))
		overflow = true;
	bool bounded = option->minimum != 0 || option->maximum != 0;
	if (bounded && (overflow || value < option->minimum || value > option->maximum))
		return refuse_range(option, ret_reason);
	if (overflow)
		return refuse(ret_reason, "is too large");
	*ret = value;
	return 0;
}

static int parse_boolean(const char *text, bool *ret, char **ret_reason)
{
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return refuse(ret_reason, "must be yes or no");
}

static int parse_choice(const struct option *option, const char *text, int64_t *ret, char **ret_reason)
{
	char list[256] = "";
	size_t used = 0;
	for (int64_t i = 0; option->choices[i]; i++) {
		if (strcasecmp(text, option->choices[i]) == 0) {
			*ret = i;
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", option->choices[i]);
	}
	return refuse(ret_reason, "must be one of %s", list);
}

static int parse_string(const char *text, const char **ret)
{
	char *copy = NULL;
	if (*text && !(copy = strdup(text)))
		return -ENOMEM;
	free((char *)*ret);
	*ret = copy;
	return 0;
}

static bool credentials_passed_over;

void option_pass_over_credentials(void)
{
	credentials_passed_over = true;
}

static bool is_passed_over(const char *text)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	return credentials_passed_over && (!folder || access(folder, X_OK) < 0) &&
	       strncmp(text, CREDENTIAL_SCHEME, strlen(CREDENTIAL_SCHEME)) == 0;
}

/* The path that a secret's value stands for; malloc'ed. */
static int secret_path(const char *text, char **ret_path, char **ret_reason)
{
	char *path = NULL;
	if (strncmp(text, CREDENTIAL_SCHEME, strlen(CREDENTIAL_SCHEME)) != 0) {
		path = strdup(text);
	} else {
		const char *name = text + strlen(CREDENTIAL_SCHEME), *folder = getenv("CREDENTIALS_DIRECTORY");
		if (!*name || strchr(name, '/'))
			return refuse(ret_reason, "is not the name of a credential");
		if (!folder)
			return refuse(ret_reason, "systemd passed no credentials (CREDENTIALS_DIRECTORY is not set)");
		if (asprintf(&path, "%s/%s", folder, name) < 0)
			path = NULL;
	}
	if (!path)
		return -ENOMEM;
	*ret_path = path;
	return 0;
}

static int read_secret(int fd, char *buffer, size_t size, size_t *ret_length)
{
	size_t length = 0;
	while (length < size) {
		ssize_t n = read(fd, buffer + length, size - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	*ret_length = length;
	return 0;
}

static void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static int secret_load(int fd, const char *path, const char **ret, char **ret_reason)
{
	char buffer[SECRET_MAX + 1];
	size_t length = 0;
	int error = read_secret(fd, buffer, sizeof(buffer), &length);
	if (error < 0)
		return refuse(ret_reason, "cannot read %s: %s", path, strerrordesc_np(-error));
	if (length > 0 && length <= SECRET_MAX && buffer[length - 1] == '\n')
		length--;
	if (length > 0 && buffer[length - 1] == '\r')
		length--;

	if (length == 0)
		error = refuse(ret_reason, "%s is empty", path);
	else if (length > SECRET_MAX || memchr(buffer, '\0', length))
		error = refuse(ret_reason, "%s does not hold a secret", path);
	char *copy = error < 0 ? NULL : strndup(buffer, length);
	explicit_bzero(buffer, sizeof(buffer));
	if (!copy)
		return error < 0 ? error : -ENOMEM;
	secret_free((char *)*ret);
	*ret = copy;
	return 0;
}

static int parse_secret(const char *text, const char **ret, char **ret_reason)
{
	if (!*text) {
		secret_free((char *)*ret);
		*ret = NULL;
		return 0;
	}
	CLEANUP(free) char *path = NULL;
	if (is_passed_over(text)) {
		char *nothing = strdup("");
		if (!nothing)
			return -ENOMEM;
		secret_free((char *)*ret);
		*ret = nothing;
		return 0;
	}
	int error = secret_path(text, &path, ret_reason);
	if (!path)
		return error;
	/* O_NONBLOCK: opening a FIFO by mistake must not hang. */
	CLEANUP(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return refuse(ret_reason, "cannot open %s: %s", path, strerrordesc_np(errno));
	if (!S_ISREG(status.st_mode))
		return refuse(ret_reason, "%s is not a regular file", path);
	if (status.st_mode & S_IRWXO)
		return refuse(ret_reason, "%s is open to all users: chmod o= it", path);
	return secret_load(fd, path, ret, ret_reason);
}

int option_set_text(const struct option *option, void *configuration, const char *text, char **ret_reason)
{
	void *target = field(option, configuration);
	switch (option->type) {
	case OPTION_STRING: return parse_string(text, target);
	case OPTION_SECRET: return parse_secret(text, target, ret_reason);
	case OPTION_BOOLEAN: return parse_boolean(text, target, ret_reason);
	case OPTION_CHOICE: return parse_choice(option, text, target, ret_reason);
	case OPTION_INTEGER:
	case OPTION_DURATION:
	case OPTION_SIZE: return parse_number(option, text, target, ret_reason);
	}
	return -EINVAL;
}

int option_defaults(option_set set, void *configuration)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			int error = option->default_text ? option_set_text(option, configuration, option->default_text, NULL) : 0;
			if (error < 0)
				return error;
		}
	}
	return 0;
}

const struct option *option_find(option_set set, const char *name)
{
	for (; set && *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			if (strcmp(option->name, name) == 0)
				return option;
		}
	}
	return NULL;
}

static bool is_text(const struct option *option)
{
	return option->type == OPTION_STRING || option->type == OPTION_SECRET;
}

int option_check(option_set set, const void *configuration, char **ret_reason)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			if (!(option->flags & OPTION_REQUIRED) || !is_text(option))
				continue;
			if (!*(const char *const *)field(option, (void *)configuration))
				return refuse(ret_reason, "%s: must be set (%s)", option->name, option->help);
		}
	}
	return 0;
}

static size_t field_size(const struct option *option)
{
	return is_text(option) ? sizeof(char *) : option->type == OPTION_BOOLEAN ? sizeof(bool) : sizeof(int64_t);
}

bool option_same(const struct option *option, const void *a, const void *b)
{
	const void *left = field(option, (void *)a), *right = field(option, (void *)b);
	if (!is_text(option))
		return memcmp(left, right, field_size(option)) == 0;
	const char *left_text = *(const char *const *)left, *right_text = *(const char *const *)right;
	return left_text && right_text ? strcmp(left_text, right_text) == 0 : left_text == right_text;
}

void option_swap(const struct option *option, void *a, void *b)
{
	char kept[sizeof(int64_t)];
	size_t size = field_size(option);
	memcpy(kept, field(option, a), size);
	memcpy(field(option, a), field(option, b), size);
	memcpy(field(option, b), kept, size);
}

static void zero_field(const struct option *option, void *configuration)
{
	void *target = field(option, configuration);
	if (is_text(option))
		secret_free(*(char **)target);
	memset(target, 0, field_size(option));
}

void option_free(option_set set, void *configuration)
{
	for (; *set; set++) {
		for (const struct option *option = *set; option->name; option++)
			zero_field(option, configuration);
	}
}
