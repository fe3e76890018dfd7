/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/daemon_options.h"
#include "common/log.h"
#include "common/subject.h"

struct sample {
	struct daemon_options common;
	int64_t workers;
};

static const struct option table[] = {
	{ .name = "workers", .type = OPTION_INTEGER, .minimum = 1, .maximum = 9, .default_text = "4",
	  .offset = offsetof(struct sample, workers), .help = "how many" },
	OPTION_END
};
static const struct option *const set[] = { daemon_option_table, table, NULL };

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	(void)unsetenv("STATE_DIRECTORY");
	snprintf(folder, sizeof(folder), "/tmp/test-daemon-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)remove(path);
	if (!text)
		return;
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int remove_folder(void **state)
{
	(void)state;
	write_file("common.conf", NULL);
	write_file("sample.conf", NULL);
	return rmdir(folder);
}

static int load(struct sample *sample, char **ret_why)
{
	memset(sample, 0, sizeof(*sample));
	return daemon_options_load(folder, "pdns-sample", "sample", set, sample, ret_why);
}

static void nothing_configured(void **state)
{
	struct sample sample;
	(void)state;
	assert_int_equal(load(&sample, NULL), 0);
	assert_int_equal(subject_check_id(sample.common.id), 0);
	assert_string_equal(sample.common.prefix, "pdns");
	assert_string_equal(sample.common.state_dir, "/var/lib/pdns-sample");
	assert_int_equal(daemon_options_log_level(&sample.common), LOG_INFO);
	assert_int_equal(sample.common.heartbeat_interval, 2000000);
	assert_int_equal(sample.workers, 4);
	option_free(set, &sample);

	assert_int_equal(setenv("STATE_DIRECTORY", "/run/one:/run/two", 1), 0);
	assert_int_equal(load(&sample, NULL), 0);
	assert_string_equal(sample.common.state_dir, "/run/one");
	option_free(set, &sample);
}

static void own_file_wins(void **state)
{
	struct sample sample;
	(void)state;
	write_file("common.conf", "id = ns1\nlog-level = debug\nprefix = one\n");
	write_file("sample.conf", "workers = 2\nprefix = two\nstate-dir = /x\n");
	assert_int_equal(load(&sample, NULL), 0);
	assert_string_equal(sample.common.id, "ns1");
	assert_string_equal(sample.common.prefix, "two");
	assert_string_equal(sample.common.state_dir, "/x");
	assert_int_equal(daemon_options_log_level(&sample.common), LOG_DEBUG);
	assert_int_equal(sample.workers, 2);
	option_free(set, &sample);
}

static void refusals(void **state)
{
	static const struct { const char *common, *own, *want; } cases[] = {
		{ "\nworkers = 2\n", NULL, "/common.conf:2: workers: unknown option" }, /* another daemon would stumble over it */
		{ NULL, "workers = 10", "/sample.conf:1: workers: must be from 1 to 9" },
		{ "id = NS1", NULL, "id: must be" },
		{ "prefix = a.b", NULL, "prefix: must be" },
		{ "nats-url =", NULL, "/sample.conf: nats-url: must be set" },
		{ "metrics-listen = 9100", NULL, "metrics-listen: must be" },
		{ "pdns-api-url = 127.0.0.1:8081", NULL, "pdns-api-url: must begin" },
		{ "nats-tls-key = /k", NULL, "nats-tls-key: needs" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sample sample;
		CLEANUP(free) char *why = NULL;
		write_file("common.conf", cases[i].common);
		write_file("sample.conf", cases[i].own);
		assert_int_equal(load(&sample, &why), -EINVAL);
		const char *text = cases[i].want[0] == '/' ? why + strlen(folder) : why;
		assert_int_equal(strncmp(text, cases[i].want, strlen(cases[i].want)), 0);
		assert_null(sample.common.prefix);
	}
}

static void no_folder(void **state)
{
	struct sample sample = { .workers = 0 };
	CLEANUP(free) char *why = NULL;
	(void)state;
	assert_int_equal(daemon_options_load("/nonexistent", "p", "s", set, &sample, &why), -EINVAL);
	assert_string_equal(why, "/nonexistent: No such file or directory");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_configured, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(own_file_wins, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(refusals, make_folder, remove_folder),
		cmocka_unit_test(no_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
