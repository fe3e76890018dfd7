/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/option.h"

struct sample {
	const char *name, *secret;
	int64_t count, wait, size, colour, free_number;
	bool on;
};

static const char *const colours[] = { "red", "green", NULL };
#define FIELD(member) offsetof(struct sample, member)
static const struct option table[] = {
	{ .name = "name", .type = OPTION_STRING, .flags = OPTION_REQUIRED, .offset = FIELD(name), .help = "a name" },
	{ .name = "secret-file", .type = OPTION_SECRET, .offset = FIELD(secret), .help = "a secret" },
	{ .name = "count", .type = OPTION_INTEGER, .minimum = 1, .maximum = 64, .default_text = "4",
	  .flags = OPTION_RELOAD, .offset = FIELD(count), .help = "how many" },
	{ .name = "wait", .type = OPTION_DURATION, .minimum = 1000, .maximum = INT64_C(3600000000), .default_text = "10s",
	  .offset = FIELD(wait), .help = "how long" },
	{ .name = "size", .type = OPTION_SIZE, .minimum = 0, .maximum = INT64_C(1) << 40, .default_text = "64K",
	  .offset = FIELD(size), .help = "how large" },
	{ .name = "colour", .type = OPTION_CHOICE, .choices = colours, .default_text = "green", .offset = FIELD(colour),
	  .help = "which" },
	{ .name = "on", .type = OPTION_BOOLEAN, .default_text = "no", .offset = FIELD(on), .help = "whether" },
	OPTION_END
};
static const struct option more_table[] = {
	{ .name = "free-number", .type = OPTION_INTEGER, .offset = FIELD(free_number), .help = "any" },
	OPTION_END
};
static const struct option other_table[] = {
	{ .name = "somebody-elses", .type = OPTION_INTEGER, .offset = 0, .help = "not ours" },
	OPTION_END
};
static const struct option *const set[] = { table, more_table, NULL };
static const struct option *const others[] = { other_table, NULL };

static char folder[64];

static char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(path_of(name), "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-option-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "a.conf.d/10.conf", "a.conf.d/9.conf", "a.conf.d/no", "a.conf.d", "a.conf",
	                                     "secret", "big" };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)remove(path_of(names[i]));
	return rmdir(folder);
}

static void values(void **state)
{
	static const struct {
		const char *option, *in;
		int64_t want;
		const char *why; /* of a refusal */
	} cases[] = {
		{ "count", "64", 64, NULL },
		{ "count", "65", 0, "must be from 1 to 64" },
		{ "count", "-1", 0, "must be from 1 to 64" },
		{ "count", "99999999999999999999999", 0, "must be from 1 to 64" },
		{ "count", "", 0, "must be a whole number" },
		{ "count", "4x", 0, "must be a whole number" },
		{ "count", "4 4", 0, "must be a whole number" },
		{ "free-number", "-7", -7, NULL },
		{ "free-number", "99999999999999999999999", 0, "is too large" },
		{ "wait", "500ms", 500000, NULL },
		{ "wait", "5 min", 300000000, NULL },
		{ "wait", "1H", INT64_C(3600000000), NULL },
		{ "wait", "0", 0, "must be from 1ms to 1h" },
		{ "wait", "10", 0, "must be a duration such as 500ms, 10s, 5min, 2h or 7d" },
		{ "wait", "9223372036854775807d", 0, "must be from 1ms to 1h" },
		{ "size", "0", 0, NULL },
		{ "size", "17", 17, NULL },
		{ "size", "2m", 2 << 20, NULL },
		{ "size", "1G", 1 << 30, NULL },
		{ "size", "2T", 0, "must be a size such as 64K, 2M or 1G" },
		{ "size", "1025G", 0, "must be from 0 to 1024G" },
		{ "colour", "RED", 0, NULL },
		{ "colour", "blue", 0, "must be one of red, green" },
		{ "on", "Yes", 1, NULL },
		{ "on", "off", 0, NULL },
		{ "on", "maybe", 0, "must be yes or no" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sample sample = { .name = NULL };
		CLEANUP(free) char *why = NULL;
		const struct option *option = option_find(set, cases[i].option);
		int result = option_set_text(option, &sample, cases[i].in, &why);
		assert_int_equal(result, cases[i].why ? -EINVAL : 0);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		int64_t got = option->type == OPTION_BOOLEAN ? sample.on : *(int64_t *)((char *)&sample + option->offset);
		assert_int_equal(got, cases[i].want);
	}
}

static void defaults_and_required(void **state)
{
	struct sample sample = { .name = NULL };
	CLEANUP(free) char *why = NULL;
	(void)state;
	assert_int_equal(option_defaults(set, &sample), 0);
	assert_int_equal(sample.count, 4);
	assert_int_equal(sample.wait, 10000000);
	assert_int_equal(sample.size, 65536);
	assert_int_equal(sample.colour, 1);
	assert_int_equal(option_check(set, &sample, &why), -EINVAL);
	assert_string_equal(why, "name: must be set (a name)");
	assert_int_equal(option_set_text(option_find(set, "name"), &sample, "x", NULL), 0);
	assert_int_equal(option_check(set, &sample, NULL), 0);
	assert_int_equal(option_set_text(option_find(set, "name"), &sample, "", NULL), 0);
	assert_null(sample.name);
	option_free(set, &sample);
	assert_int_equal(sample.count, 0);
}

static void refuse_file(const char *text, const char *want)
{
	struct sample sample = { .name = NULL };
	CLEANUP(free) char *why = NULL;
	write_file("a.conf", text, 0644);
	assert_int_equal(option_read_file(set, others, &sample, path_of("a.conf"), &why), -EINVAL);
	assert_non_null(why);
	assert_string_equal(why + strlen(folder), want);
	option_free(set, &sample);
}

static void files(void **state)
{
	struct sample sample = { .name = NULL };
	CLEANUP(free) char *why = NULL;
	char line[1100], text[1200];
	(void)state;
	assert_int_equal(option_read_file(set, others, &sample, path_of("a.conf"), &why), -ENOENT);

	refuse_file("\n; x\ncount = 3\nnonsense = 1\n", "/a.conf:4: nonsense: unknown option");
	refuse_file("count 3\n", "/a.conf:1: must read \"name = value\"");
	refuse_file("# one\ncount = 99", "/a.conf:2: count: must be from 1 to 64");
	refuse_file("[section]\n", "/a.conf:1: must read \"name = value\"");

	/* a line longer than any buffer of a parser library */
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	snprintf(text, sizeof(text), " name=%s ; why\r\nsomebody-elses = what\ncount =\t7 # seven\non=yes", line);
	write_file("a.conf", text, 0644);
	assert_int_equal(mkdir(path_of("a.conf.d"), 0700), 0);
	write_file("a.conf.d/10.conf", "count = 10\n", 0644);
	write_file("a.conf.d/9.conf", "count = 9\n", 0644);
	write_file("a.conf.d/no", "nonsense\n", 0644);
	assert_int_equal(option_read_file(set, others, &sample, path_of("a.conf"), &why), 0);
	assert_string_equal(sample.name, line);
	assert_int_equal(sample.count, 9); /* by name: "10" is before "9" */
	assert_true(sample.on);

	/* the folder counts without the file */
	assert_int_equal(remove(path_of("a.conf")), 0);
	sample.count = 0;
	assert_int_equal(option_read_file(set, others, &sample, path_of("a.conf"), &why), -ENOENT);
	assert_int_equal(sample.count, 9);
	assert_null(why);
	option_free(set, &sample);
}

static void refuse_secret(const char *value, const char *want)
{
	struct sample sample = { .name = NULL };
	CLEANUP(free) char *why = NULL;
	assert_int_equal(option_set_text(option_find(set, "secret-file"), &sample, value, &why), -EINVAL);
	assert_non_null(strstr(why, want));
	assert_null(strstr(why, "hush"));
	assert_null(sample.secret);
}

static void secrets(void **state)
{
	struct sample sample = { .name = NULL };
	const struct option *option = option_find(set, "secret-file");
	CLEANUP(free) char *big = malloc(70000);
	(void)state;
	assert_non_null(big);
	memset(big, 'x', 70000);
	big[69999] = '\0';

	write_file("secret", "hush hush\n", 0640);
	assert_int_equal(option_set_text(option, &sample, path_of("secret"), NULL), 0);
	assert_string_equal(sample.secret, "hush hush");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	assert_int_equal(option_set_text(option, &sample, "credential:secret", NULL), 0);
	assert_string_equal(sample.secret, "hush hush");
	refuse_secret("credential:../secret", "is not the name of a credential");
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	refuse_secret("credential:secret", "CREDENTIALS_DIRECTORY");

	write_file("secret", "hush", 0604);
	refuse_secret(path_of("secret"), "is open to all users");
	write_file("secret", "\n", 0600);
	refuse_secret(path_of("secret"), "is empty");
	write_file("big", big, 0600);
	refuse_secret(path_of("big"), "does not hold a secret");
	refuse_secret(path_of("nothing"), "No such file");
	refuse_secret(folder, "is not a regular file");
	option_free(set, &sample);
}

/* Runs last: there is no way back. */
static void credentials_passed_over(void **state)
{
	struct sample sample = { .name = NULL };
	const struct option *option = option_find(set, "secret-file");
	(void)state;
	write_file("secret", "hush", 0600);
	option_pass_over_credentials();
	assert_int_equal(option_set_text(option, &sample, "credential:secret", NULL), 0);
	assert_string_equal(sample.secret, "");
	assert_int_equal(option_set_text(option, &sample, path_of("secret"), NULL), 0);
	assert_string_equal(sample.secret, "hush");
	refuse_secret(path_of("nothing"), "No such file");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	refuse_secret("credential:nothing", "No such file");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1), 0);
	assert_int_equal(option_set_text(option, &sample, "credential:secret", NULL), 0);
	assert_string_equal(sample.secret, "");
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	option_free(set, &sample);
}

static void prints(void **state)
{
	struct sample sample = { .name = NULL };
	CLEANUP(free) char *text = NULL;
	size_t size;
	(void)state;
	write_file("secret", "hush", 0600);
	assert_int_equal(option_defaults(set, &sample), 0);
	assert_int_equal(option_set_text(option_find(set, "secret-file"), &sample, path_of("secret"), NULL), 0);
	FILE *out = open_memstream(&text, &size);
	option_print_values(set, &sample, out);
	option_print_sample(set, out);
	option_print_help(set, out);
	fclose(out);
	static const char *const want[] = { "count = 4\n", "wait = 10s\n", "size = 64K\n", "colour = green\n", "on = no\n",
	                                    "secret-file = (set)\n", ";count = 4\n", "number from 1 to 64, default 4, reloadable" };
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_non_null(strstr(text, want[i]));
	assert_null(strstr(text, "hush"));
	option_free(set, &sample);
}

static void sample_reads_back(void **state)
{
	struct sample defaults = { .name = NULL }, read = { .name = NULL };
	(void)state;
	CLEANUP(free) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	option_print_sample(set, out);
	fclose(out);
	for (char *c = text; (c = strstr(c, "\n;")) != NULL;) /* the options come to life, the comments stay */
		c[1] = ' ';
	write_file("a.conf", text, 0600);
	/* an option without a default and with a number type cannot be empty */
	static const struct option *const first[] = { table, NULL };
	char *end = strstr(text, "# any");
	assert_non_null(end);
	*end = '\0';
	write_file("a.conf", text, 0600);
	CLEANUP(free) char *why = NULL;
	assert_int_equal(option_read_file(first, NULL, &read, path_of("a.conf"), &why), 0);
	assert_int_equal(option_defaults(first, &defaults), 0);
	for (const struct option *option = table; option->name; option++)
		assert_true(option_same(option, &defaults, &read));
	option_free(first, &read);
	option_free(first, &defaults);
}

static void same_and_swap(void **state)
{
	struct sample a = { .name = strdup("one"), .on = true }, b = { .name = strdup("one"), .count = 5 };
	(void)state;
	const struct option *name = option_find(set, "name"), *on = option_find(set, "on");
	assert_true(option_same(name, &a, &b));
	assert_false(option_same(on, &a, &b));
	assert_int_equal(option_set_text(name, &b, "two", NULL), 0);
	assert_false(option_same(name, &a, &b));
	option_swap(name, &a, &b);
	option_swap(on, &a, &b);
	assert_string_equal(a.name, "two");
	assert_string_equal(b.name, "one");
	assert_false(a.on);
	assert_true(b.on);
	assert_null(option_find(set, "none"));
	option_free(set, &a);
	option_free(set, &b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values), cmocka_unit_test(defaults_and_required),
		cmocka_unit_test_setup_teardown(files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(secrets, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(prints, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(sample_reads_back, make_folder, remove_folder),
		cmocka_unit_test(same_and_swap),
		cmocka_unit_test_setup_teardown(credentials_passed_over, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
