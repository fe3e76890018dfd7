/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One zone runs once at a time, bursts collapse, failures come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/zone_schedule.h"

#define RUNS_MAX 16

struct fixture {
	sd_event *loop;
	struct zone_schedule *schedule;
	struct zone_run *runs[RUNS_MAX]; /* started and not ended */
	unsigned started;
};

static void on_start(struct zone_run *run, void *userdata)
{
	struct fixture *fixture = userdata;
	assert_true(fixture->started < RUNS_MAX);
	fixture->runs[fixture->started++] = run;
}

static int setup_with(void **state, int64_t coalesce_us)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct zone_schedule_options options = { .coalesce_us = coalesce_us, .retry_us = 2000, .retry_ceiling_us = 4000,
	                                         .later_ceiling_us = 4000, .start = on_start, .userdata = fixture };
	assert_int_equal(sd_event_new(&fixture->loop), 0);
	assert_int_equal(zone_schedule_new(fixture->loop, &options, &fixture->schedule), 0);
	*state = fixture;
	return 0;
}

static int setup(void **state) { return setup_with(state, 0); }
static int setup_coalescing(void **state) { return setup_with(state, 3000); }

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	zone_schedule_free(fixture->schedule);
	sd_event_unref(fixture->loop);
	free(fixture);
	return 0;
}

static struct bus_message *message_new(void)
{
	struct bus_message *message;
	assert_int_equal(bus_message_new("pdns.event.org.example", "", 0, &message), 0);
	return message;
}

static void add(struct fixture *fixture, const char *zone)
{
	assert_int_equal(zone_schedule_add(fixture->schedule, zone, 0, "request", message_new()), 0);
}

/* Runs the loop until so many runs were started. */
static void wait_started(struct fixture *fixture, unsigned count)
{
	while (fixture->started < count)
		assert_true(sd_event_run(fixture->loop, 5000000) > 0);
}

static void idle_zone_starts_at_once(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "example.org.");
	assert_int_equal(fixture->started, 1);
	assert_string_equal(fixture->runs[0]->zone, "example.org.");
	assert_int_equal(fixture->runs[0]->message_count, 1);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 1);
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_DONE, 0);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 0);
}

static void zone_never_runs_beside_itself(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	add(fixture, "a.");
	assert_int_equal(zone_schedule_add(fixture->schedule, "a.", 2, NULL, NULL), 0);
	add(fixture, "b.");
	assert_int_equal(fixture->started, 2); /* a and b */
	assert_true(zone_schedule_busy(fixture->schedule, "a."));
	assert_false(zone_schedule_busy(fixture->schedule, "c."));
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_DONE, 0);
	wait_started(fixture, 3);
	assert_string_equal(fixture->runs[2]->zone, "a.");
	assert_int_equal(fixture->runs[2]->wishes, 2);
	zone_schedule_ended(fixture->schedule, fixture->runs[1], ZONE_RUN_DONE, 0);
	zone_schedule_ended(fixture->schedule, fixture->runs[2], ZONE_RUN_DONE, 0);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 0);
}

static void failure_keeps_its_messages(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_AGAIN, 4);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 1);
	wait_started(fixture, 2);
	assert_int_equal(fixture->runs[1]->message_count, 1);
	assert_int_equal(fixture->runs[1]->attempt, 1);
	assert_int_equal(fixture->runs[1]->wishes, 4);
	zone_schedule_ended(fixture->schedule, fixture->runs[1], ZONE_RUN_LATER, 8);
	wait_started(fixture, 3);
	assert_int_equal(fixture->runs[2]->message_count, 0);
	assert_int_equal(fixture->runs[2]->wishes, 8);
	zone_schedule_ended(fixture->schedule, fixture->runs[2], ZONE_RUN_DONE, 0);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 0);
}

static void news_cut_the_delay_of_a_failed_zone(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_AGAIN, 0);
	add(fixture, "a.");
	assert_int_equal(fixture->started, 2);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 1);
	zone_schedule_ended(fixture->schedule, fixture->runs[1], ZONE_RUN_AGAIN, 0);
	assert_int_equal(zone_schedule_kick(fixture->schedule), 0);
	wait_started(fixture, 3);
	zone_schedule_ended(fixture->schedule, fixture->runs[2], ZONE_RUN_DONE, 0);
}

static void burst_collapses_into_one_more_run(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_DONE, 0);
	for (int i = 0; i < 50; i++)
		add(fixture, "a.");
	assert_int_equal(fixture->started, 1); /* within the gap */
	wait_started(fixture, 2);
	zone_schedule_ended(fixture->schedule, fixture->runs[1], ZONE_RUN_DONE, 0);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 0);
}

/* The timer that would forget a quiet zone must not do so while the zone runs again. */
static void running_zone_is_not_forgotten(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_DONE, 0);
	usleep(10); /* beyond the gap, so that it starts at once, with the timer still to fire */
	add(fixture, "a.");
	assert_int_equal(fixture->started, 2);
	while (sd_event_run(fixture->loop, 1000) > 0) {
	}
	assert_true(zone_schedule_busy(fixture->schedule, "a."));
	zone_schedule_ended(fixture->schedule, fixture->runs[1], ZONE_RUN_DONE, 0);
	assert_int_equal(zone_schedule_waiting(fixture->schedule), 0);
}

static void ending_with_work_left_frees_it(void **state)
{
	struct fixture *fixture = *state;
	add(fixture, "a.");
	add(fixture, "a.");
	zone_schedule_ended(fixture->schedule, fixture->runs[0], ZONE_RUN_AGAIN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(idle_zone_starts_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(zone_never_runs_beside_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_keeps_its_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(news_cut_the_delay_of_a_failed_zone, setup, teardown),
		cmocka_unit_test_setup_teardown(burst_collapses_into_one_more_run, setup_coalescing, teardown),
		cmocka_unit_test_setup_teardown(running_zone_is_not_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(ending_with_work_left_frees_it, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
