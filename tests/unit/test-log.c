/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/log.h"

static int kept_stderr = -1;
static FILE *captured;

static int capture(void **state)
{
	(void)state;
	captured = tmpfile();
	kept_stderr = dup(STDERR_FILENO);
	if (!captured || kept_stderr < 0 || dup2(fileno(captured), STDERR_FILENO) < 0)
		return -1;
	/* several threads write: each at the end, as a log file or pipe takes it */
	return fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
}

static int restore(void **state)
{
	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	return fclose(captured);
}

/* All lines written since the start, without the times they begin with; malloc'ed. */
static char *lines(void)
{
	char *text = NULL, line[16384];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	rewind(captured);
	while (fgets(line, sizeof(line), captured)) {
		assert_int_equal(line[23], 'Z');
		assert_int_equal(line[24], ' ');
		fputs(line + 25, out);
	}
	fclose(out);
	return text;
}

static void writes_lines(void **state)
{
	(void)state;
	log_open("pdns-test", LOG_INFO);
	LOG(LOG_NOTICE, "plain");
	LOG(LOG_DEBUG, "not shown");
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_DEBUG);
	LOG_ZONE(LOG_DEBUG, "example.org.", "%d zones", 3);
	LOG_FIELDS(LOG_ERR, (.zone = "a b.", .secondary = "ns1", .request = "r", .peer = "[::1]:1", .has_serial = true,
	           .serial = 4294967295u), "failed");
	CLEANUP(free) char *text = lines();
	assert_string_equal(text, "pdns-test: notice: plain\n"
	                          "pdns-test: debug: 3 zones zone=example.org.\n"
	                          "pdns-test: error: failed zone=a\\x20b. serial=4294967295 secondary=ns1 request=r peer=[::1]:1\n");
}

static void escapes(void **state)
{
	(void)state;
	log_open("pdns-test", LOG_INFO);
	LOG_FIELDS(LOG_INFO, (.zone = "x\n<3>forged"), "one\ntwo\r\x1b[31m\x7f\xc3\xbc \\032");
	CLEANUP(free) char *text = lines();
	assert_string_equal(text, "pdns-test: info: one\\x0atwo\\x0d\\x1b[31m\\x7f\\xc3\\xbc \\032 zone=x\\x0a<3>forged\n");
}

static void bounds_long_texts(void **state)
{
	CLEANUP(free) char *large = malloc(100001);
	(void)state;
	assert_non_null(large);
	memset(large, '\n', 100000);
	large[100000] = '\0';
	log_open("pdns-test", LOG_INFO);
	LOG_FIELDS(LOG_INFO, (.zone = large, .peer = large), "%s", large);
	CLEANUP(free) char *text = lines();
	assert_true(strlen(text) < 16384 && strchr(text, '\n') == text + strlen(text) - 1);
}

static void *writer(void *argument)
{
	for (int i = 0; i < 200; i++)
		LOG(LOG_INFO, "%s", (const char *)argument);
	return NULL;
}

static void threads_do_not_mix(void **state)
{
	static char texts[4][200];
	pthread_t threads[4];
	(void)state;
	log_open("t", LOG_INFO);
	for (int i = 0; i < 4; i++) {
		memset(texts[i], 'a' + i, sizeof(texts[i]) - 1);
		assert_int_equal(pthread_create(&threads[i], NULL, writer, texts[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CLEANUP(free) char *text = lines();
	unsigned count = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), count++) {
		assert_int_equal(strlen(line), 9 + 199);
		assert_int_equal(strspn(line + 9, (char[]){ line[9], '\0' }), 199);
	}
	assert_int_equal(count, 800);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_lines, capture, restore),
		cmocka_unit_test_setup_teardown(escapes, capture, restore),
		cmocka_unit_test_setup_teardown(bounds_long_texts, capture, restore),
		cmocka_unit_test_setup_teardown(threads_do_not_mix, capture, restore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
