/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/spool.h"

#define TOTAL 300000

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-spool-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

/* rmdir also shows that no file with a name was left behind. */
static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static unsigned char octet(uint64_t offset)
{
	return (unsigned char)(offset * 31 + offset / 256);
}

static struct spool *fill(size_t limit, size_t total, size_t step)
{
	struct spool *spool = NULL;
	unsigned char buffer[5000];
	assert_int_equal(spool_new(folder, limit, &spool), 0);
	for (size_t at = 0; at < total;) {
		size_t n = step < total - at ? step : total - at;
		for (size_t i = 0; i < n; i++)
			buffer[i] = octet(at + i);
		assert_int_equal(spool_write(spool, buffer, n), 0);
		at += n;
	}
	assert_int_equal(spool_write(spool, NULL, 0), 0);
	assert_int_equal(spool_finish(spool), 0);
	assert_int_equal(spool_write(spool, "x", 1), -EINVAL);
	assert_int_equal(spool_size(spool), total);
	return spool;
}

static int compare(struct spool *spool, size_t step)
{
	unsigned char buffer[4096];
	uint64_t at = 0;
	int64_t n;
	while ((n = spool_read(spool, at, buffer, step)) > 0) {
		for (int64_t i = 0; i < n; i++)
			if (buffer[i] != octet(at + (uint64_t)i))
				return -1;
		at += (uint64_t)n;
	}
	return n == 0 && at == spool_size(spool) ? 0 : -1;
}

static void round_trips(void **state)
{
	static const struct { size_t limit, total, step; } cases[] = {
		{ 1000, 0, 1 }, { 0, 10, 3 }, { 1000, 1000, 7 }, { 1000, 1001, 7 }, { 1000, 1001, 1001 },
		{ 1 << 20, TOTAL, 4999 }, { 4096, TOTAL, 5000 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct spool *spool = fill(cases[i].limit, cases[i].total, cases[i].step);
		assert_int_equal(compare(spool, 1000), 0);
		assert_int_equal(spool_read(spool, UINT64_MAX, NULL, 5), 0);
		spool_free(spool);
	}
	spool_free(NULL);
}

static void *reader(void *argument)
{
	struct spool *spool = argument;
	int result = compare(spool, 777);
	spool_free(spool);
	return result == 0 ? argument : NULL;
}

static void many_readers(void **state)
{
	pthread_t threads[4];
	(void)state;
	struct spool *spool = fill(1000, TOTAL, 5000);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, spool_ref(spool)), 0);
	spool_free(spool);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_non_null(result);
	}
}

static void no_folder(void **state)
{
	struct spool *spool = NULL;
	(void)state;
	assert_int_equal(spool_new("/nonexistent", 4, &spool), 0);
	assert_int_equal(spool_write(spool, "1234", 4), 0);
	assert_int_equal(spool_write(spool, "5", 1), -ENOENT);
	assert_int_equal(spool_size(spool), 4);
	spool_free(spool);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trips, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(many_readers, make_folder, remove_folder),
		cmocka_unit_test(no_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
