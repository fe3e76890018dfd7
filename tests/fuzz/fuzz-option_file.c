/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "common/cleanup.h"
#include "common/option.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	const char *text, *default_text;
	int64_t number, unbounded, duration, size, choice;
	bool flag;
};

static const char *const choices[] = { "error", "warning", "debug", NULL };
#define AT(member) .offset = offsetof(struct values, member), .help = "help"
static const struct option table[] = {
	{ .name = "text", .type = OPTION_STRING, AT(text) },
	{ .name = "default-text", .type = OPTION_STRING, .default_text = "nats://127.0.0.1:4222", AT(default_text) },
	{ .name = "number", .type = OPTION_INTEGER, .minimum = 1, .maximum = 64, .default_text = "4", AT(number) },
	{ .name = "unbounded", .type = OPTION_INTEGER, AT(unbounded) },
	{ .name = "duration", .type = OPTION_DURATION, .maximum = INT64_MAX, .default_text = "10ms", AT(duration) },
	{ .name = "size", .type = OPTION_SIZE, .minimum = 4096, .maximum = INT64_C(1) << 30, .default_text = "1M", AT(size) },
	{ .name = "choice", .type = OPTION_CHOICE, .choices = choices, .default_text = "warning", AT(choice) },
	{ .name = "flag", .type = OPTION_BOOLEAN, .default_text = "no", AT(flag) },
	OPTION_END
};
static const struct option *const set[] = { table, NULL };

static void must(int condition)
{
	if (!condition)
		abort();
}

static int read_content(const void *data, size_t size, struct values *values, char **ret_reason)
{
	char path[64];
	CLEANUP(close) int fd = memfd_create("options", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(option_defaults(set, values) == 0);
	return option_read_file(set, NULL, values, path, ret_reason);
}

/* A value that begins like a comment can only be written without the blank that is printed before it. */
static bool prints_as_comment(const char *text)
{
	return text && (*text == ';' || *text == '#');
}

/* A file is refused with a reason, or its values, written out, are read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct values values = { 0 }, again = { 0 };
	char *reason = NULL, *printed = NULL;
	size_t printed_size;

	int result = read_content(data, size, &values, &reason);
	must((result == 0) == (reason == NULL));
	if (result == 0 && !prints_as_comment(values.text) && !prints_as_comment(values.default_text)) {
		FILE *out = open_memstream(&printed, &printed_size);
		must(out != NULL);
		option_print_values(set, &values, out);
		must(fclose(out) == 0);
		must(read_content(printed, printed_size, &again, &reason) == 0);
		for (const struct option *option = table; option->name; option++)
			must(option_same(option, &values, &again));
	}
	free(printed);
	free(reason);
	option_free(set, &values);
	option_free(set, &again);
	return 0;
}
