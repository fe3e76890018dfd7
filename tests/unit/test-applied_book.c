/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The book keeps what was applied over a restart, and its set digest follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "secondary-syncer/applied_book.h"

static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test-applied_book-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char path[128];
	for (const char *const *name = (const char *const[]){ "data.mdb", "lock.mdb", NULL }; *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		unlink(path);
	}
	return rmdir(folder);
}

static struct applied_book *book_open(void)
{
	struct applied_book *book;
	assert_int_equal(applied_book_open(folder, &book), 0);
	return book;
}

static struct book_entry entry_of(uint64_t generation, enum zone_state state)
{
	struct book_entry entry = { .state = state, .generation = generation, .serial = 7, .result = APPLIED_OK };
	memset(entry.digest.sum, (int)generation, sizeof(entry.digest.sum));
	entry.soa_size = 3;
	memcpy(entry.soa, "soa", 3);
	return entry;
}

static void entries_survive_and_digest_is_rebuilt(void **state)
{
	(void)state;
	char before[SET_DIGEST_HEX_SIZE], after[SET_DIGEST_HEX_SIZE];
	struct book_entry entry = entry_of(5, ZONE_STATE_PRESENT), got;
	struct applied_book *book = book_open();
	assert_int_equal(applied_book_get(book, "example.org.", &got), -ENOENT);
	assert_int_equal(applied_book_put(book, "example.org.", &entry), 0);
	assert_int_equal(applied_book_put(book, ".", &entry), 0);
	applied_book_root_hex(book, before);
	applied_book_close(book);

	book = book_open();
	applied_book_root_hex(book, after);
	assert_string_equal(before, after);
	assert_int_equal(applied_book_get(book, "example.org.", &got), 0);
	assert_int_equal(got.generation, 5);
	assert_int_equal(got.soa_size, 3);
	assert_memory_equal(got.soa, "soa", 3);
	applied_book_close(book);
}

static void only_present_zones_count(void **state)
{
	(void)state;
	char empty[SET_DIGEST_HEX_SIZE], now[SET_DIGEST_HEX_SIZE];
	uint64_t zones, failing;
	struct applied_book *book = book_open();
	applied_book_root_hex(book, empty);
	struct book_entry entry = entry_of(5, ZONE_STATE_PRESENT);
	applied_book_put(book, "a.", &entry);
	entry.result = APPLIED_REFUSED;
	applied_book_put(book, "a.", &entry);
	applied_book_counts(book, &zones, &failing);
	assert_int_equal(zones, 1);
	assert_int_equal(failing, 1);
	entry = entry_of(6, ZONE_STATE_DELETED);
	applied_book_put(book, "a.", &entry);
	applied_book_counts(book, &zones, &failing);
	assert_int_equal(zones, 0);
	assert_int_equal(failing, 0);
	applied_book_root_hex(book, now);
	assert_string_equal(empty, now);
	applied_book_close(book);
}

static int count_zone(const char *zone, const struct book_entry *entry, void *userdata)
{
	(void)entry;
	snprintf(userdata, 64, "%s", zone);
	return 0;
}

static void walk_begins_after_a_zone(void **state)
{
	(void)state;
	char last[64] = "";
	struct applied_book *book = book_open();
	struct book_entry entry = entry_of(5, ZONE_STATE_PRESENT);
	applied_book_put(book, "a.", &entry);
	applied_book_put(book, "b.", &entry);
	assert_int_equal(applied_book_each(book, "a.", count_zone, last), 0);
	assert_string_equal(last, "b.");
	last[0] = '\0';
	assert_int_equal(applied_book_each(book, "b.", count_zone, last), 0);
	assert_string_equal(last, "");
	applied_book_close(book);
}

/* One of many writers: zones of its own, and one that all write. */
static struct applied_book *shared;
static void *writer(void *number)
{
	char zone[64];
	for (uint64_t i = 1; i <= 20; i++) {
		struct book_entry entry = entry_of(i, ZONE_STATE_PRESENT);
		snprintf(zone, sizeof(zone), "zone-%llu.writer-%d.", (unsigned long long)i % 7, *(int *)number);
		assert_int_equal(applied_book_put(shared, zone, &entry), 0);
		assert_int_equal(applied_book_put(shared, "shared.", &entry), 0);
	}
	return NULL;
}

static void many_writers_leave_a_true_digest(void **state)
{
	(void)state;
	char before[SET_DIGEST_HEX_SIZE], after[SET_DIGEST_HEX_SIZE];
	pthread_t threads[16];
	int numbers[ARRAY_SIZE(threads)];
	uint64_t zones, failing;
	shared = book_open();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		numbers[i] = (int)i;
		assert_int_equal(pthread_create(&threads[i], NULL, writer, &numbers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	applied_book_root_hex(shared, before);
	applied_book_counts(shared, &zones, &failing);
	assert_int_equal(zones, ARRAY_SIZE(threads) * 7 + 1);
	applied_book_close(shared);
	shared = book_open();
	applied_book_root_hex(shared, after);
	assert_string_equal(before, after);
	applied_book_close(shared);
}

static size_t count_unproven_by_walk(struct applied_book *book)
{
	struct book_unproven one;
	size_t count = 0;
	for (int r = applied_book_next_unproven(book, NULL, &one); r == 0; r = applied_book_next_unproven(book, &one, &one))
		count++;
	return count;
}

static void what_is_unproven_is_found_until_it_is_proven(void **state)
{
	(void)state;
	static const char *const zones[] = { ".", "a.", "sub.a.", "b." };
	struct book_unproven one;
	char last[64] = "";
	struct applied_book *book = book_open();
	struct book_entry entry = entry_of(5, ZONE_STATE_PRESENT), got;
	assert_int_equal(applied_book_next_unproven(book, NULL, &one), -ENOENT);
	assert_int_equal(applied_book_put(book, "proven.", &entry), 0);
	assert_int_equal(applied_book_next_unproven(book, NULL, &one), -ENOENT);
	entry.unproven = true;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		assert_int_equal(applied_book_put(book, zones[i], &entry), 0);
	assert_int_equal(applied_book_get(book, "a.", &got), 0);
	assert_true(got.unproven);
	assert_int_equal(got.result, APPLIED_OK);
	assert_int_equal(count_unproven_by_walk(book), 4);
	assert_int_equal(applied_book_count_unproven(book), 4);
	assert_int_equal(applied_book_each(book, NULL, count_zone, last), 0); /* a walk over the zones ends before them */
	assert_string_equal(last, "proven.");
	applied_book_close(book);

	book = book_open();
	assert_int_equal(applied_book_count_unproven(book), 4);
	entry.generation = 6;
	assert_int_equal(applied_book_put(book, "b.", &entry), 0); /* one generation of a zone at a time */
	assert_int_equal(applied_book_count_unproven(book), 4);
	one = (struct book_unproven){ .zone = "b.", .generation = 5 };
	assert_int_equal(applied_book_proven(book, &one), 0); /* too late: another one is to be proven */
	assert_int_equal(applied_book_settle(book), 0);
	assert_int_equal(applied_book_count_unproven(book), 4);
	entry.unproven = false;
	assert_int_equal(applied_book_put(book, "a.", &entry), 0);
	assert_int_equal(applied_book_count_unproven(book), 3);
	one = (struct book_unproven){ .zone = ".", .generation = 5 };
	assert_int_equal(applied_book_proven(book, &one), 0);
	assert_int_equal(applied_book_count_unproven(book), 2);
	applied_book_close(book);

	book = book_open();
	assert_int_equal(applied_book_count_unproven(book), 2);
	assert_int_equal(count_unproven_by_walk(book), 2);
	applied_book_close(book);
}

static void many_are_proven(void **state)
{
	(void)state;
	struct applied_book *book = book_open();
	struct book_unproven one = { .generation = 5 };
	struct book_entry entry = entry_of(5, ZONE_STATE_PRESENT);
	entry.unproven = true;
	for (int i = 0; i < 100; i++) {
		snprintf(one.zone, sizeof(one.zone), "zone-%d.", i);
		assert_int_equal(applied_book_put(book, one.zone, &entry), 0);
		if (i % 2 == 0)
			assert_int_equal(applied_book_proven(book, &one), 0);
	}
	assert_int_equal(applied_book_count_unproven(book), 50);
	for (int i = 1; i < 100; i += 2) { /* with no entry between them */
		snprintf(one.zone, sizeof(one.zone), "zone-%d.", i);
		assert_int_equal(applied_book_proven(book, &one), 0);
	}
	assert_int_equal(applied_book_count_unproven(book), 0);
	assert_int_equal(applied_book_settle(book), 0);
	assert_int_equal(count_unproven_by_walk(book), 0);
	applied_book_close(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries_survive_and_digest_is_rebuilt, setup, teardown),
		cmocka_unit_test_setup_teardown(only_present_zones_count, setup, teardown),
		cmocka_unit_test_setup_teardown(many_writers_leave_a_true_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_unproven_is_found_until_it_is_proven, setup, teardown),
		cmocka_unit_test_setup_teardown(many_are_proven, setup, teardown),
		cmocka_unit_test_setup_teardown(walk_begins_after_a_zone, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
