/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/daemon_options.h"
#include "common/log.h"
#include "common/subject.h"

struct sample {
	struct daemon_options common;
	int64_t workers;
	const char *colour;
};

static const struct option table[] = {
	{ .name = "workers", .type = OPTION_INTEGER, .minimum = 1, .maximum = 9, .default_text = "4",
	  .offset = offsetof(struct sample, workers), .help = "how many" },
	{ .name = "colour", .type = OPTION_STRING, .default_text = "blue", .flags = OPTION_REQUIRED,
	  .offset = offsetof(struct sample, colour), .help = "which" },
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
	umask(077); /* secrets that others may read are refused */
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Of what must be set, everything but the API key has a default. */
static void write_common(const char *text)
{
	char all[512];
	snprintf(all, sizeof(all), "%s\npdns-api-key-file = %s/key\n", text ? text : "", folder);
	write_file("common.conf", all);
}

static void make_key(void)
{
	write_file("key", "secret\n");
}

static int remove_folder(void **state)
{
	(void)state;
	write_file("key", NULL);
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
	CLEANUP(free) char *why = NULL;
	char want[192];
	(void)state;
	snprintf(want, sizeof(want), "%s/common.conf: pdns-api-key-file: must be set (api-key of the local PowerDNS)", folder);
	assert_int_equal(load(&sample, &why), -EINVAL);
	assert_string_equal(why, want);
}

/* All that is missing, each with the file in which it is looked for, in one line. */
static void missing_in_two_files(void **state)
{
	struct sample sample;
	CLEANUP(free) char *why = NULL;
	char want[256];
	(void)state;
	write_file("common.conf", "");
	write_file("sample.conf", "colour =\n");
	snprintf(want, sizeof(want), "%s/common.conf: pdns-api-key-file: must be set (api-key of the local PowerDNS); "
	         "%s/sample.conf:1: colour: must be set (which)", folder, folder);
	assert_int_equal(load(&sample, &why), -EINVAL);
	assert_string_equal(why, want);
}

static void defaults(void **state)
{
	struct sample sample;
	(void)state;
	make_key();
	write_common(NULL);
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
	make_key();
	write_common("id = ns1\nlog-level = debug\nprefix = one");
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
		{ "id = NS1", NULL, "/common.conf:1: id: must be" },
		{ "prefix = ok", "# twice\nprefix = fine\nprefix = a.b\n", "/sample.conf:3: prefix: must be" },
		{ "nats-url =", NULL, "/common.conf:1: nats-url: must be set" },
		{ NULL, "pdns-api-key-file =", "/sample.conf:1: pdns-api-key-file: must be set" },
		{ "metrics-listen = 9100", NULL, "/common.conf:1: metrics-listen: must be" },
		{ "pdns-api-url = 127.0.0.1:8081", NULL, "/common.conf:1: pdns-api-url: must begin" },
		{ "nats-tls-key = /k", NULL, "/common.conf:1: nats-tls-key: needs" },
		{ NULL, "nats-tls-ca = /nonexistent", "/sample.conf:1: nats-tls-ca: cannot read /nonexistent: No such file" },
		{ "\nnats-credentials-file = /nonexistent", NULL, "/common.conf:2: nats-credentials-file: cannot read" },
	};
	(void)state;
	make_key();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sample sample;
		CLEANUP(free) char *why = NULL;
		write_common(cases[i].common);
		write_file("sample.conf", cases[i].own);
		assert_int_equal(load(&sample, &why), -EINVAL);
		assert_string_equal(strndupa(why + strlen(folder), strlen(cases[i].want)), cases[i].want);
		assert_null(sample.common.prefix);
	}
}

/* What a program's own check says of an option, also of one that no file sets, or of no option at all. */
static void located(void **state)
{
	static const struct { const char *reason, *want; } cases[] = {
		{ "workers: too many", "/sample.conf.d/local.conf:2: workers: too many" },
		{ "id: taken", "/common.conf:1: id: taken" },
		{ "nats-user: who?", "/common.conf: nats-user: who?" },
		{ "colour: ugly", "/sample.conf: colour: ugly" },
		{ "nonsense: why", "nonsense: why" },
		{ "", "" },
	};
	char drop_ins[96];
	(void)state;
	snprintf(drop_ins, sizeof(drop_ins), "%s/sample.conf.d", folder);
	assert_int_equal(mkdir(drop_ins, 0700), 0);
	write_file("common.conf", "id = ns1\n");
	write_file("sample.conf", "workers = 3\n");
	write_file("sample.conf.d/local.conf", "\nworkers = 4\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *reason = strdup(cases[i].reason);
		daemon_options_locate(folder, "sample", set, &reason);
		assert_string_equal(cases[i].want[0] == '/' ? reason + strlen(folder) : reason, cases[i].want);
	}
	char *none = NULL;
	daemon_options_locate(folder, "sample", set, &none);
	assert_null(none);
	write_file("sample.conf.d/local.conf", NULL);
	assert_int_equal(rmdir(drop_ins), 0);
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
		cmocka_unit_test_setup_teardown(missing_in_two_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(defaults, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(own_file_wins, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(refusals, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(located, make_folder, remove_folder),
		cmocka_unit_test(no_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
