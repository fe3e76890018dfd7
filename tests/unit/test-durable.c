/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/durable.h"
#include "common/error.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-durable-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "map/data.mdb", "map/lock.mdb", "map" };
	char path[128];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)remove(path);
	}
	return rmdir(folder);
}

static struct durable *open_map(size_t size, enum durable_sync sync)
{
	char path[128];
	struct durable *map = NULL;
	snprintf(path, sizeof(path), "%s/map", folder);
	assert_int_equal(durable_open(path, size, sync, &map), 0);
	return map;
}

static int collect(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	char *text = userdata;
	snprintf(text + strlen(text), 64, "%.*s=%.*s;", (int)key_size, (const char *)key, (int)value_size,
	         (const char *)value);
	return strlen(text) > 40 ? 7 : 0;
}

static void map_of_texts(void **state)
{
	char text[256] = "";
	void *value = NULL;
	size_t size = 99;
	struct stat status;
	(void)state;
	struct durable *map = open_map(1 << 20, DURABLE_SYNC);
	assert_int_equal(stat(folder, &status), 0);
	assert_int_equal(status.st_mode & 077, 0);
	assert_int_equal(durable_get(map, "a", 1, &value, &size), -ENOENT);
	assert_null(value);
	assert_int_equal(size, 99);
	assert_int_equal(durable_put(map, "b", 1, "two", 3), 0);
	assert_int_equal(durable_put(map, "a", 1, "one", 3), 0);
	assert_int_equal(durable_put(map, "c", 1, "", 0), 0);
	assert_int_equal(durable_put(map, "b", 1, "second", 6), 0);
	assert_int_equal(durable_count(map), 3);
	assert_int_equal(durable_get(map, "b", 1, &value, &size), 0);
	assert_string_equal(value, "second");
	free(value);
	assert_int_equal(durable_get(map, "c", 1, &value, NULL), 0);
	assert_string_equal(value, "");
	free(value);

	assert_int_equal(durable_each(map, NULL, 0, collect, text), 0);
	assert_string_equal(text, "a=one;b=second;c=;");
	text[0] = '\0';
	assert_int_equal(durable_each(map, "aa", 2, collect, text), 0);
	assert_string_equal(text, "b=second;c=;");
	memset(text, ' ', 40);
	text[40] = '\0';
	assert_int_equal(durable_each(map, NULL, 0, collect, text), 7);
	assert_int_equal(durable_each(map, "d", 1, collect, text), 0);

	assert_int_equal(durable_delete(map, "a", 1), 0);
	assert_int_equal(durable_delete(map, "a", 1), 0);
	durable_close(map);
	map = open_map(1 << 20, DURABLE_LAZY);
	assert_int_equal(durable_count(map), 2);
	durable_close(map);
	durable_close(NULL);
}

static void limits(void **state)
{
	char key[512];
	CLEANUP(free) char *value = calloc(1, (16u << 20) + 1);
	void *got = NULL;
	(void)state;
	memset(key, 'k', sizeof(key));
	struct durable *map = open_map(1 << 20, DURABLE_SYNC);
	assert_int_equal(durable_put(map, key, 0, "v", 1), -EINVAL);
	assert_int_equal(durable_put(map, key, 512, "v", 1), -EINVAL);
	assert_int_equal(durable_get(map, key, 512, &got, NULL), -EINVAL);
	assert_int_equal(durable_delete(map, key, 512), -EINVAL);
	assert_int_equal(durable_put(map, key, 511, "v", 1), 0);
	assert_int_equal(durable_put(map, "large", 5, value, (16u << 20) + 1), -EINVAL);
	assert_int_equal(durable_put(map, "large", 5, value, 2 << 20), -ENOSPC);
	/* a full map still works */
	assert_int_equal(durable_put(map, "small", 5, "v", 1), 0);
	assert_int_equal(durable_count(map), 2);
	durable_close(map);
	assert_int_equal(durable_open("/nonexistent/folder", 1 << 20, DURABLE_SYNC, &map), -ENOENT);
}

/* What was acknowledged before a kill -9 is there afterwards. */
static void survives_kill(enum durable_sync sync)
{
	int channel[2], status;
	unsigned acknowledged = 0, number;
	assert_int_equal(pipe(channel), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(channel[0]);
		struct durable *map = open_map(8 << 20, sync);
		for (number = 1;; number++) {
			if (durable_put(map, &number, sizeof(number), "value", 5) < 0 ||
			    write(channel[1], &number, sizeof(number)) != sizeof(number))
				_exit(1);
		}
	}
	close(channel[1]);
	while (acknowledged < 100 && read(channel[0], &number, sizeof(number)) == sizeof(number))
		acknowledged = number;
	assert_int_equal(kill(child, SIGKILL), 0);
	while (read(channel[0], &number, sizeof(number)) == sizeof(number))
		acknowledged = number;
	close(channel[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(acknowledged >= 100);

	struct durable *map = open_map(8 << 20, sync);
	for (number = 1; number <= acknowledged; number++) {
		void *value = NULL;
		assert_int_equal(durable_get(map, &number, sizeof(number), &value, NULL), 0);
		assert_string_equal(value, "value");
		free(value);
	}
	assert_in_range(durable_count(map), acknowledged, acknowledged + 1);
	assert_int_equal(durable_put(map, "after", 5, "v", 1), 0);
	durable_close(map);
}

static void kill_synced(void **state)
{
	(void)state;
	survives_kill(DURABLE_SYNC);
}

static void kill_lazy(void **state)
{
	(void)state;
	survives_kill(DURABLE_LAZY);
}

/* Writers at the same time, each with a put that fits and one that never does. */
struct writer {
	pthread_t thread;
	struct durable *map;
	unsigned number;
};

#define WRITERS 16
#define TURNS 30

static void *write_much(void *userdata)
{
	const struct writer *writer = userdata;
	static const char large[128 * 1024];
	for (unsigned turn = 0; turn < TURNS; turn++) {
		const unsigned keys[3] = { writer->number * 1000 + turn, 100000 + writer->number, 200000 + writer->number };
		const struct durable_change changes[] = { { &keys[0], sizeof(keys[0]), "value", 5 }, { &keys[1], sizeof(keys[1]), "other", 5 },
		                                          { &keys[1], sizeof(keys[1]), NULL, 0 } };
		assert_int_equal(durable_write(writer->map, changes, ARRAY_SIZE(changes)), 0);
		void *value = NULL;
		assert_int_equal(durable_get(writer->map, &keys[0], sizeof(keys[0]), &value, NULL), 0);
		free(value);
		const struct durable_change wrong[] = { { &keys[2], sizeof(keys[2]), "value", 5 }, { "large", 5, large, sizeof(large) } };
		assert_int_equal(durable_write(writer->map, wrong, ARRAY_SIZE(wrong)), -ENOSPC);
	}
	return NULL;
}

/* What one cannot write does not hinder the others, and leaves nothing behind. */
static void many_writers(void **state)
{
	struct writer writers[WRITERS];
	(void)state;
	struct durable *map = open_map(120 * 1024, DURABLE_SYNC);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .map = map, .number = i };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_much, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
	assert_int_equal(durable_count(map), WRITERS * TURNS);
	durable_close(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(map_of_texts, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(limits, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(many_writers, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(kill_synced, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(kill_lazy, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
