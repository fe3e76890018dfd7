/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "health-checker/confirm.h"
#include "health-checker/repair.h"

#define SECOND 1000000ull

static struct applied said(const char *zone, uint64_t generation, enum applied_result result)
{
	struct applied applied = { .generation = generation, .result = result, .reason = "because" };

	(void)snprintf(applied.zone, sizeof(applied.zone), "%s", zone);
	return applied;
}

static void count(const struct confirm_zone *zone, void *userdata)
{
	(void)zone;
	++*(unsigned *)userdata;
}

static unsigned due(struct confirm *confirm, uint64_t now)
{
	unsigned visited = 0;
	size_t number = confirm_due(confirm, "ns1", now, 10 * SECOND, 100 * SECOND, count, &visited);

	assert_int_equal(number, visited);
	return visited;
}

static void only_the_wanted_generation_confirms(void **state)
{
	struct confirm *confirm = NULL;
	struct confirm_counts counts;
	struct applied old = said("a.example.", 4, APPLIED_OK), good = said("a.example.", 5, APPLIED_OK);

	(void)state;
	assert_int_equal(confirm_new(&confirm), 0);
	assert_int_equal(confirm_want(confirm, "ns1", "a.example.", 5, SECOND, 11 * SECOND), 0);
	assert_int_equal(confirm_applied(confirm, "ns1", &old, 2 * SECOND, 0), 0);
	confirm_counts(confirm, "ns1", &counts);
	assert_int_equal(counts.open, 1);
	assert_int_equal(counts.oldest_us, SECOND);
	assert_int_equal(confirm_applied(confirm, "ns2", &good, 2 * SECOND, 0), 0);
	assert_non_null(confirm_find(confirm, "ns1", "a.example."));
	assert_int_equal(confirm_applied(confirm, "ns1", &good, 2 * SECOND, 0), 0);
	assert_null(confirm_find(confirm, "ns1", "a.example."));
	confirm_free(confirm);
}

static void asks_again_with_growing_delay(void **state)
{
	struct confirm *confirm = NULL;

	(void)state;
	assert_int_equal(confirm_new(&confirm), 0);
	assert_int_equal(confirm_want(confirm, "ns1", "a.example.", 5, SECOND, 11 * SECOND), 0);
	assert_int_equal(due(confirm, 10 * SECOND), 0);
	assert_int_equal(due(confirm, 11 * SECOND), 1);
	assert_int_equal(due(confirm, 12 * SECOND), 0);
	assert_int_equal(due(confirm, 22 * SECOND), 1);
	assert_int_equal(due(confirm, 26 * SECOND), 0);
	/* A newer head starts anew. */
	assert_int_equal(confirm_want(confirm, "ns1", "a.example.", 6, 26 * SECOND, 27 * SECOND), 0);
	assert_int_equal(due(confirm, 27 * SECOND), 1);
	confirm_free(confirm);
}

static void failures_are_kept_until_all_is_well(void **state)
{
	struct confirm *confirm = NULL;
	struct confirm_counts counts;
	struct applied conflict = said("a.example.", 5, APPLIED_CONFLICT), history = said("a.example.", 3, APPLIED_FAILED);

	(void)state;
	assert_int_equal(confirm_new(&confirm), 0);
	assert_int_equal(confirm_applied(confirm, "ns1", &conflict, SECOND, 9 * SECOND), 0);
	assert_int_equal(confirm_applied(confirm, "ns1", &history, SECOND, 9 * SECOND), 0);
	assert_int_equal(confirm_find(confirm, "ns1", "a.example.")->result, APPLIED_CONFLICT);
	assert_string_equal(confirm_find(confirm, "ns1", "a.example.")->reason, "because");
	confirm_counts(confirm, "ns1", &counts);
	assert_int_equal(counts.failing, 1);
	confirm_all(confirm, "ns1");
	confirm_counts(confirm, "ns1", &counts);
	assert_int_equal(counts.open, 0);
	/* What an operator wants again is asked for even if the sets are equal. */
	assert_int_equal(confirm_force(confirm, "ns1", "a.example.", 5, SECOND), 0);
	confirm_all(confirm, "ns1");
	assert_int_equal(due(confirm, SECOND), 1);
	confirm_all(confirm, "ns1");
	assert_null(confirm_find(confirm, "ns1", "a.example."));
	confirm_free(confirm);
}

/* A zone of 400,000 records takes PowerDNS long: asked for again meanwhile, it would be applied all over. */
static void large_zones_have_longer(void **state)
{
	struct confirm *confirm = NULL;

	(void)state;
	assert_in_range(confirm_time_us(10 * SECOND, 10), 10 * SECOND, 10 * SECOND + SECOND / 100);
	uint64_t time = confirm_time_us(10 * SECOND, 400000);
	assert_in_range(time, 60 * SECOND, 300 * SECOND);
	assert_int_equal(confirm_new(&confirm), 0);
	assert_int_equal(confirm_want(confirm, "ns1", "a.example.", 5, SECOND, SECOND + time), 0);
	assert_int_equal(due(confirm, 30 * SECOND), 0);
	assert_int_equal(due(confirm, SECOND + time), 1);
	confirm_free(confirm);
}

static void count_zone(const char *zone, void *userdata)
{
	(void)zone;
	++*(unsigned *)userdata;
}

static unsigned repairs(struct repair *repair, uint64_t now)
{
	unsigned visited = 0;

	repair_due(repair, now, count_zone, &visited);
	return visited;
}

static void repairs_are_throttled_per_zone(void **state)
{
	struct repair *repair = NULL;
	unsigned total = 0;

	(void)state;
	assert_int_equal(repair_new(&repair), 0);
	assert_int_equal(repair_add(repair, "a.example.", SECOND), 0);
	assert_int_equal(repair_add(repair, "b.example.", SECOND), 0);
	assert_int_equal(repair_count(repair), 2);
	assert_int_equal(repairs(repair, SECOND), 2);
	assert_int_equal(repairs(repair, SECOND + 1), 0);
	repair_done(repair, "b.example.", 2 * SECOND);
	/* Somebody spoils the head again every second: it is not written 100 times. */
	for (uint64_t i = 3; i < 103; i++) {
		assert_int_equal(repair_add(repair, "a.example.", i * SECOND), 0);
		total += repairs(repair, i * SECOND);
		repair_done(repair, "a.example.", i * SECOND + SECOND / 2);
	}
	assert_in_range(total, 4, 12);
	repair_free(repair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_wanted_generation_confirms),
		cmocka_unit_test(asks_again_with_growing_delay),
		cmocka_unit_test(failures_are_kept_until_all_is_well),
		cmocka_unit_test(large_zones_have_longer),
		cmocka_unit_test(repairs_are_throttled_per_zone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
