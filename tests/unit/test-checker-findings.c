/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "health-checker/findings.h"
#include "health-checker/recheck.h"

#define SECOND 1000000ull
#define NOW (1000 * SECOND)

struct fixture {
	struct index *index;
	struct listing *listing;
	struct guard guard;
	struct findings findings;
	unsigned checks, deletions;
	uint32_t number;
};

static void setup(struct fixture *fixture, unsigned zones)
{
	char name[64];

	*fixture = (struct fixture){ .guard = { .max_count = 10, .max_share = 5 } };
	assert_int_equal(index_new(&fixture->index), 0);
	for (unsigned i = 0; i < zones; i++) {
		(void)snprintf(name, sizeof(name), "z%u.example.", i);
		struct index_head head = { .zone = name, .generation = 1, .sequence = i + 1, .serial = 1, .state = ZONE_STATE_PRESENT };
		assert_int_equal(index_put(fixture->index, &head, NULL), INDEX_NEW);
	}
}

/* The primary lists the zones from first to last - 1. */
static void list(struct fixture *fixture, unsigned first, unsigned last, uint32_t serial)
{
	char name[64];

	listing_free(fixture->listing);
	assert_int_equal(listing_new(&fixture->listing), 0);
	for (unsigned i = first; i < last; i++) {
		(void)snprintf(name, sizeof(name), "z%u.example.", i);
		assert_int_equal(listing_add(fixture->listing, name, &(struct listing_facts){ .serial = serial }), 0);
	}
}

static void want(const char *zone, enum zone_change change, void *userdata)
{
	struct fixture *fixture = userdata;

	(void)zone;
	fixture->checks += change == ZONE_CHECK;
	fixture->deletions += change == ZONE_DELETED;
}

static void make(struct fixture *fixture, uint64_t now)
{
	findings_free(&fixture->findings);
	fixture->checks = fixture->deletions = 0;
	assert_int_equal(findings_make(fixture->index, &fixture->guard, fixture->listing, ++fixture->number, now, now, want, fixture,
	                               &fixture->findings), 0);
}

static void teardown(struct fixture *fixture)
{
	findings_free(&fixture->findings);
	listing_free(fixture->listing);
	index_free(fixture->index);
}

static void equal_lists_want_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	setup(&fixture, 50);
	list(&fixture, 0, 50, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.checks + fixture.deletions, 0);
	assert_int_equal(fixture.findings.missing, 0);
	teardown(&fixture);
}

static void missing_and_moved_zones_are_checked_once_in_a_while(void **state)
{
	struct fixture fixture;

	(void)state;
	setup(&fixture, 50);
	list(&fixture, 0, 52, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.checks, 2);
	assert_int_equal(fixture.findings.missing, 2);
	make(&fixture, NOW + 30 * SECOND);
	assert_int_equal(fixture.checks, 0);
	make(&fixture, NOW + 61 * SECOND);
	assert_int_equal(fixture.checks, 2);
	list(&fixture, 0, 50, 2);
	make(&fixture, NOW + 62 * SECOND);
	assert_int_equal(fixture.checks, 50);
	assert_int_equal(fixture.deletions, 0);
	teardown(&fixture);
}

static void a_young_head_is_left_alone(void **state)
{
	struct fixture fixture;
	struct index_head head = { .zone = "young.example.", .generation = 9, .sequence = 99, .serial = 1, .received_us = NOW - SECOND };

	(void)state;
	setup(&fixture, 50);
	assert_int_equal(index_put(fixture.index, &head, NULL), INDEX_NEW);
	list(&fixture, 0, 50, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.deletions, 0);
	make(&fixture, NOW + 10 * SECOND);
	assert_int_equal(fixture.deletions, 1);
	teardown(&fixture);
}

static void few_deletions_pass_and_many_are_held(void **state)
{
	struct fixture fixture;

	(void)state;
	setup(&fixture, 100);
	list(&fixture, 10, 100, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.deletions, 10);
	assert_int_equal(fixture.findings.held_count, 0);
	/* Ten more within the hour are too many, though each portion is small. */
	list(&fixture, 20, 100, 1);
	make(&fixture, NOW + 10 * SECOND);
	assert_int_equal(fixture.deletions, 0);
	assert_int_equal(fixture.findings.held_count, 10);
	/* The first ten are not held now because of the others. */
	make(&fixture, NOW + 100 * SECOND);
	assert_int_equal(fixture.deletions, 10);
	assert_int_equal(fixture.findings.held_count, 10);
	/* They are back: nothing is held any more. */
	list(&fixture, 10, 100, 1);
	make(&fixture, NOW + 101 * SECOND);
	assert_int_equal(fixture.findings.held_count, 0);
	teardown(&fixture);
}

static void an_approved_deletion_passes(void **state)
{
	struct fixture fixture;

	(void)state;
	setup(&fixture, 100);
	list(&fixture, 50, 100, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.findings.held_count, 50);
	for (size_t i = 0; i < fixture.findings.held_count; i++)
		index_find(fixture.index, fixture.findings.held[i])->approved = true;
	make(&fixture, NOW + SECOND);
	assert_int_equal(fixture.deletions, 50);
	assert_int_equal(fixture.findings.held_count, 0);
	teardown(&fixture);
}

static void unknown_zones_of_a_secondary_are_deleted_only_when_the_primary_lacks_them(void **state)
{
	struct fixture fixture;
	struct index_zone *zone;

	(void)state;
	setup(&fixture, 2);
	assert_int_equal(index_want(fixture.index, "z2.example.", &zone), 0);
	zone->on_secondary = true;
	assert_int_equal(index_want(fixture.index, "stray.example.", &zone), 0);
	zone->on_secondary = true;
	assert_int_equal(index_want(fixture.index, "nothing.example.", &zone), 0);
	list(&fixture, 0, 3, 1);
	make(&fixture, NOW);
	assert_int_equal(fixture.checks, 1);
	assert_int_equal(fixture.deletions, 1);
	assert_null(index_find(fixture.index, "nothing.example."));
	teardown(&fixture);
}

static void every_zone_falls_once_into_each_interval(void **state)
{
	const uint64_t interval = 3600 * SECOND, start = 1700000000 * SECOND;
	unsigned busiest = 0, per_step[60] = { 0 };
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		unsigned times = 0;
		(void)snprintf(name, sizeof(name), "z%u.example.", i);
		for (unsigned step = 0; step < 60; step++) {
			bool falls = recheck_falls(name, interval, start + step * 60 * SECOND, start + (step + 1) * 60 * SECOND);
			times += falls;
			per_step[step] += falls;
		}
		assert_int_equal(times, 1);
	}
	for (unsigned step = 0; step < 60; step++)
		busiest = per_step[step] > busiest ? per_step[step] : busiest;
	assert_in_range(busiest, 10, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_lists_want_nothing),
		cmocka_unit_test(missing_and_moved_zones_are_checked_once_in_a_while),
		cmocka_unit_test(a_young_head_is_left_alone),
		cmocka_unit_test(few_deletions_pass_and_many_are_held),
		cmocka_unit_test(an_approved_deletion_passes),
		cmocka_unit_test(unknown_zones_of_a_secondary_are_deleted_only_when_the_primary_lacks_them),
		cmocka_unit_test(every_zone_falls_once_into_each_interval),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
