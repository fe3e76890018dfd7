/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The last heads are found again, the oldest make room, and each zone has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "zone-provider/head_cache.h"

static void put(struct head_cache *cache, const char *zone, uint64_t generation)
{
	struct zone_head head = { .generation = generation };
	snprintf(head.zone, sizeof(head.zone), "%s", zone);
	head_cache_put(cache, &head);
}

static uint64_t got(struct head_cache *cache, const char *zone)
{
	struct zone_head head = { .generation = 99 };
	return head_cache_get(cache, zone, &head) ? head.generation : 0;
}

static void test_keeps_the_newest(void **state)
{
	struct head_cache *cache;
	(void)state;
	assert_int_equal(head_cache_new(&cache), 0);
	assert_int_equal(got(cache, "a.example."), 0);
	put(cache, "a.example.", 1);
	put(cache, "b.example.", 2);
	put(cache, "a.example.", 3);
	assert_int_equal(got(cache, "a.example."), 3);
	assert_int_equal(got(cache, "b.example."), 2);
	head_cache_drop(cache, "a.example.");
	head_cache_drop(cache, "never.example.");
	assert_int_equal(got(cache, "a.example."), 0);
	assert_int_equal(got(cache, "b.example."), 2);
	head_cache_free(cache);
}

static void test_is_bounded(void **state)
{
	struct head_cache *cache;
	char zone[64];
	(void)state;
	assert_int_equal(head_cache_new(&cache), 0);
	put(cache, "old.example.", 1);
	put(cache, "renewed.example.", 1);
	for (int i = 0; i < 1023; i++) {
		snprintf(zone, sizeof(zone), "z%d.example.", i);
		put(cache, zone, 2);
		if (i == 500)
			put(cache, "renewed.example.", 3);
	}
	assert_int_equal(got(cache, "old.example."), 0);
	assert_int_equal(got(cache, "renewed.example."), 3);
	assert_int_equal(got(cache, "z0.example."), 2);
	head_cache_free(cache);
	head_cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keeps_the_newest), cmocka_unit_test(test_is_bounded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
