/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "api-proxy/waiters.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#define ZONE "example.org."
#define LONG_US UINT64_C(20000000)

static struct waiters *waiters;
static int asked;
static uint64_t told; /* what an asked secondary says */

static void on_ask(const char *secondary, const char *zone, void *userdata)
{
	(void)userdata;
	__atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
	waiters_confirmed(waiters, secondary, zone, told, APPLIED_OK, "");
}

static int set_up(void **state)
{
	(void)state;
	asked = 0;
	told = 0;
	return waiters_new(on_ask, NULL, 0, &waiters);
}

static int tear_down(void **state)
{
	(void)state;
	waiters_free(waiters);
	return 0;
}

static void beat(const char *id, uint64_t interval_us)
{
	struct heartbeat heartbeat = { .service = "secondary-syncer", .interval_us = interval_us, .pdns_up = true };
	snprintf(heartbeat.id, sizeof(heartbeat.id), "%s", id);
	waiters_heartbeat(waiters, &heartbeat);
}

static void cover(const char *zone, uint64_t event, uint64_t generation, bool changed)
{
	struct covered covered = { .event = event, .generation = generation, .changed = changed };
	snprintf(covered.zone, sizeof(covered.zone), "%s", zone);
	waiters_covered(waiters, &covered);
}

static struct change *open_change(uint64_t stamp)
{
	struct change *change;
	assert_int_equal(change_open(waiters, ZONE, &change), 0);
	change_follow(change, stamp);
	return change;
}

static void check(struct change *change, bool in_sync, unsigned done, unsigned total)
{
	struct change_state state = change_state(change);
	json_decref(state.secondaries);
	assert_int_equal(state.done, done);
	assert_int_equal(state.total, total);
	assert_int_equal(state.in_sync, in_sync);
}

static void check_part(struct change *change, size_t index, const char *id, const char *what)
{
	struct change_state state = change_state(change);
	const json_t *part = json_array_get(state.secondaries, index);
	assert_string_equal(json_string_value(json_object_get(part, "id")), id);
	assert_string_equal(json_string_value(json_object_get(part, "state")), what);
	json_decref(state.secondaries);
}

static void test_in_order(void **state)
{
	(void)state;
	beat("b", LONG_US);
	beat("a", LONG_US);
	struct change *change = open_change(5);
	check(change, false, 0, 2);
	waiters_published(waiters, ZONE, 4, 10); /* of a request before: not enough */
	cover(ZONE, 10, 100, true);
	check(change, false, 0, 2);
	waiters_published(waiters, ZONE, 5, 11);
	waiters_confirmed(waiters, "a", ZONE, 100, APPLIED_OK, "");
	check(change, false, 0, 2);
	cover(ZONE, 11, 101, true);
	waiters_confirmed(waiters, "a", ZONE, 101, APPLIED_OK, "");
	waiters_confirmed(waiters, "b", ZONE, 101, APPLIED_FAILED, "no");
	check(change, false, 1, 2);
	check_part(change, 0, "a", "in-sync");
	check_part(change, 1, "b", "waiting");
	waiters_confirmed(waiters, "b", ZONE, 105, APPLIED_OK, ""); /* a newer one will do */
	check(change, true, 2, 2);
	change_release(change);
}

/* Goal: what is heard before we know what it is about counts: confirmation, cover, publication, in the reverse order. */
static void test_in_reverse(void **state)
{
	struct change *change;
	(void)state;
	beat("a", LONG_US);
	assert_int_equal(change_open(waiters, ZONE, &change), 0);
	waiters_confirmed(waiters, "a", ZONE, 101, APPLIED_OK, "");
	cover(ZONE, 12, 101, true);
	waiters_published(waiters, ZONE, 9, 12);
	change_follow(change, 7);
	check(change, true, 1, 1);
	change_release(change);
}

static void test_first_event_counts(void **state)
{
	(void)state;
	beat("a", LONG_US);
	struct change *change = open_change(5);
	waiters_published(waiters, ZONE, 5, 11);
	cover(ZONE, 11, 101, true);
	waiters_published(waiters, ZONE, 6, 12); /* somebody else's */
	cover(ZONE, 12, 102, true);
	waiters_confirmed(waiters, "a", ZONE, 101, APPLIED_OK, "");
	check(change, true, 1, 1);
	change_release(change);
}

static void test_other_zone(void **state)
{
	(void)state;
	beat("a", LONG_US);
	struct change *change = open_change(5);
	waiters_published(waiters, "other.example.", 5, 11);
	cover("other.example.", 11, 1, true);
	waiters_confirmed(waiters, "a", "other.example.", 9, APPLIED_OK, "");
	check(change, false, 0, 1);
	change_release(change);
}

static void test_unchanged_is_asked(void **state)
{
	(void)state;
	beat("a", LONG_US);
	beat("b", LONG_US);
	told = 50;
	struct change *change = open_change(5);
	waiters_published(waiters, ZONE, 5, 11);
	cover(ZONE, 11, 50, false);
	uint64_t begin = clock_monotonic_us();
	change_wait(change, begin + LONG_US);
	assert_true(clock_monotonic_us() - begin < LONG_US / 4);
	assert_int_equal(asked, 2);
	check(change, true, 2, 2);
	change_release(change);
}

static void *confirm_later(void *userdata)
{
	(void)userdata;
	usleep(50000);
	waiters_published(waiters, ZONE, 5, 11);
	usleep(20000);
	cover(ZONE, 11, 101, true);
	usleep(20000);
	waiters_confirmed(waiters, "a", ZONE, 101, APPLIED_OK, "");
	return NULL;
}

static void test_wakes(void **state)
{
	pthread_t thread;
	(void)state;
	beat("a", LONG_US);
	struct change *change = open_change(5);
	assert_int_equal(pthread_create(&thread, NULL, confirm_later, NULL), 0);
	uint64_t begin = clock_monotonic_us();
	change_wait(change, begin + LONG_US);
	assert_true(clock_monotonic_us() - begin < LONG_US / 4);
	pthread_join(thread, NULL);
	check(change, true, 1, 1);
	change_release(change);
}

static void test_time_is_over(void **state)
{
	(void)state;
	beat("a", LONG_US);
	struct change *change = open_change(5);
	uint64_t begin = clock_monotonic_us();
	change_wait(change, begin + 100000);
	assert_true(clock_monotonic_us() - begin >= 100000);
	check(change, false, 0, 1);
	check_part(change, 0, "a", "waiting");
	change_release(change);
}

static void test_goes_away(void **state)
{
	(void)state;
	beat("gone", 1000);
	usleep(20000);
	beat("a", LONG_US);
	beat("b", 50000);
	struct change *change = open_change(5);
	waiters_published(waiters, ZONE, 5, 11);
	cover(ZONE, 11, 101, true);
	waiters_confirmed(waiters, "a", ZONE, 101, APPLIED_OK, "");
	told = 3; /* b has something older */
	uint64_t begin = clock_monotonic_us();
	change_wait(change, begin + LONG_US);
	assert_true(clock_monotonic_us() - begin < LONG_US / 4);
	check(change, false, 1, 2); /* "gone" had gone before */
	check_part(change, 1, "b", "away");
	change_release(change);
}

static void test_nobody(void **state)
{
	(void)state;
	struct change *change = open_change(5);
	waiters_published(waiters, ZONE, 5, 11);
	cover(ZONE, 11, 101, true);
	change_wait(change, clock_monotonic_us() + LONG_US);
	check(change, false, 0, 0);
	change_release(change);
}

static void *cancel_later(void *userdata)
{
	(void)userdata;
	usleep(50000);
	waiters_cancel(waiters);
	return NULL;
}

static void test_cancel(void **state)
{
	pthread_t thread;
	(void)state;
	struct change *change = open_change(5);
	uint64_t begin = clock_monotonic_us();
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, NULL), 0);
	change_wait(change, begin + LONG_US);
	assert_true(clock_monotonic_us() - begin < LONG_US / 4);
	pthread_join(thread, NULL);
	change_release(change);
}

static void test_ids(void **state)
{
	char id[CHANGE_ID_SIZE];
	struct change *again;
	bool is_new;
	(void)state;
	struct change *change = open_change(5);
	snprintf(id, sizeof(id), "%s", change_id(change));
	assert_int_equal(change_find(waiters, id, &again, &is_new), 0);
	assert_false(is_new);
	assert_ptr_equal(again, change);
	change_release(again);
	change_release(change);
	/* Another run of the proxy. */
	waiters_free(waiters);
	assert_int_equal(waiters_new(on_ask, NULL, 0, &waiters), 0);
	assert_int_equal(change_find(waiters, id, &again, &is_new), 0);
	assert_true(is_new);
	assert_string_equal(change_zone(again), ZONE);
	change_release(again);
	static const char *const wrong[] = { "", "x", "12", "12-", "-example.org.", "12-example.org", "12-EXAMPLE.org.", "12-a=2f.", "ffffffffffffffff-a.", "01234567890123456-a." };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(change_find(waiters, wrong[i], &again, &is_new), ERROR_MALFORMED);
}

/* Goal: however many changes there are, only so many are kept, and those held are among them. */
static void test_bound(void **state)
{
	char id[CHANGE_ID_SIZE];
	struct change *again;
	bool is_new;
	(void)state;
	struct change *held = open_change(1), *first = open_change(2);
	snprintf(id, sizeof(id), "%s", change_id(first));
	change_release(first);
	for (unsigned i = 3; i < 3000; i++)
		change_release(open_change(i));
	assert_int_equal(change_find(waiters, change_id(held), &again, &is_new), 0);
	assert_false(is_new);
	change_release(again);
	assert_int_equal(change_find(waiters, id, &again, &is_new), 0);
	assert_true(is_new);
	change_release(again);
	change_release(held);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_in_order), TEST(test_in_reverse), TEST(test_first_event_counts), TEST(test_other_zone),
		TEST(test_unchanged_is_asked), TEST(test_wakes), TEST(test_time_is_over), TEST(test_goes_away), TEST(test_nobody),
		TEST(test_cancel), TEST(test_ids), TEST(test_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
