/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "health-checker/presence.h"

#define SECOND 1000000ull

static int beat(struct presence *presence, const char *service, const char *id, uint64_t now)
{
	struct heartbeat heartbeat = { .interval_us = SECOND };
	struct member *member;

	(void)snprintf(heartbeat.service, sizeof(heartbeat.service), "%s", service);
	(void)snprintf(heartbeat.id, sizeof(heartbeat.id), "%s", id);
	return presence_heartbeat(presence, &heartbeat, now, &member);
}

static void on_gone(const struct member *member, void *userdata)
{
	(void)member;
	++*(unsigned *)userdata;
}

static void members_come_and_go(void **state)
{
	struct presence *presence = NULL;
	unsigned gone = 0;
	char enrolled[1][SUBJECT_ID_SIZE] = { "ns1" };

	(void)state;
	assert_int_equal(presence_new(&presence), 0);
	assert_int_equal(presence_set_enrolled(presence, enrolled, 1), 0);
	assert_false(presence_find(presence, "secondary-syncer", "ns1")->active);
	assert_int_equal(beat(presence, "secondary-syncer", "ns1", 100 * SECOND), PRESENCE_ARRIVED);
	assert_int_equal(beat(presence, "secondary-syncer", "ns1", 101 * SECOND), PRESENCE_SAME);
	assert_int_equal(beat(presence, "zone-provider", "p", 101 * SECOND), PRESENCE_ARRIVED);
	assert_int_equal(presence_active(presence, "zone-provider"), 1);
	presence_tick(presence, 104 * SECOND, on_gone, &gone);
	assert_int_equal(gone, 0);
	presence_tick(presence, 105 * SECOND, on_gone, &gone);
	assert_int_equal(gone, 2);
	assert_int_equal(presence_active(presence, "zone-provider"), 0);
	presence_tick(presence, 112 * SECOND, on_gone, &gone);
	assert_int_equal(gone, 2);
	assert_null(presence_find(presence, "zone-provider", "p"));
	assert_non_null(presence_find(presence, "secondary-syncer", "ns1"));
	assert_int_equal(beat(presence, "secondary-syncer", "ns1", 113 * SECOND), PRESENCE_ARRIVED);
	presence_free(presence);
}

static void removed_members_lose_their_enrolment(void **state)
{
	struct presence *presence = NULL;
	char two[2][SUBJECT_ID_SIZE] = { "ns1", "ns2" };

	(void)state;
	assert_int_equal(presence_new(&presence), 0);
	assert_int_equal(presence_set_enrolled(presence, two, 2), 0);
	assert_int_equal(beat(presence, "secondary-syncer", "ns1", SECOND), PRESENCE_ARRIVED);
	assert_int_equal(presence_set_enrolled(presence, NULL, 0), 0);
	assert_false(presence_find(presence, "secondary-syncer", "ns1")->enrolled);
	assert_null(presence_find(presence, "secondary-syncer", "ns2"));
	presence_free(presence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(removed_members_lose_their_enrolment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
