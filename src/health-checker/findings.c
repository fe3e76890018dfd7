/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/findings.h"
#include <errno.h>
#include "common/cleanup.h"

#define YOUNG_US 5000000              /* a head that came so short before the scan may be newer than what the scan saw */
#define ASK_AGAIN_US (60 * 1000000ull) /* doubled each time … */
#define ASK_AGAIN_DOUBLINGS 6          /* … so often: about an hour */

struct comparison {
	struct index *index;
	uint32_t number;
	uint64_t started_us, now_us;
	void (*want)(const char *zone, enum zone_change change, void *userdata);
	void *userdata;
	uint64_t missing;
	struct index_zone **gone;
	size_t gone_count, gone_room;
};

/* Asked already, for the same reason, and not long ago: the event waits or the answer was that all is well. */
static bool asked(const struct index_zone *zone, enum zone_change change, uint32_t serial, uint64_t now_us)
{
	unsigned doublings = zone->asked_count < ASK_AGAIN_DOUBLINGS ? zone->asked_count : ASK_AGAIN_DOUBLINGS;

	return zone->asked_count > 0 && zone->asked_change == change && zone->asked_serial == serial &&
	       now_us - zone->asked_us < ASK_AGAIN_US << (doublings - 1);
}

static void ask(struct comparison *comparison, struct index_zone *zone, enum zone_change change, uint32_t serial)
{
	if (zone->asked_change != change || zone->asked_serial != serial)
		zone->asked_count = 0;
	zone->asked_change = (uint8_t)change;
	zone->asked_serial = serial;
	zone->asked_us = comparison->now_us;
	if (zone->asked_count < UINT8_MAX)
		zone->asked_count++;
	comparison->want(zone->zone, change, comparison->userdata);
}

static bool is_young(const struct comparison *comparison, const struct index_zone *zone)
{
	return zone->received_us != 0 && zone->received_us + YOUNG_US > comparison->started_us;
}

/*
 * The serial tells most changes; that a zone became signed or unsigned does not move it. What neither tells, the recheck
 * finds.
 */
static bool agrees(const struct index_zone *zone, const struct listing_facts *facts)
{
	return zone->serial == facts->serial && (zone->signatures_expire != 0) == facts->is_signed;
}

static int on_primary(const char *name, const struct listing_facts *facts, void *userdata)
{
	struct comparison *comparison = userdata;
	struct index_zone *zone;
	int result = index_want(comparison->index, name, &zone);

	if (result < 0)
		return result == -ENOMEM ? result : 0;
	zone->scan = comparison->number;
	zone->approved = false;
	if (zone->state == INDEX_PRESENT && (agrees(zone, facts) || is_young(comparison, zone)))
		return 0;
	if (zone->state == INDEX_DELETED && is_young(comparison, zone))
		return 0;
	comparison->missing += zone->state != INDEX_PRESENT;
	if (!asked(zone, ZONE_CHECK, facts->serial, comparison->now_us))
		ask(comparison, zone, ZONE_CHECK, facts->serial);
	return 0;
}

static int off_primary(struct index_zone *zone, void *userdata)
{
	struct comparison *comparison = userdata;

	if (zone->scan == comparison->number || is_young(comparison, zone))
		return 0;
	/* What is bad in place of a deletion, or where no zone ever was, is mended by a deletion too. */
	if (zone->state == INDEX_DELETED && !zone->bad)
		return 0;
	if (zone->state == INDEX_ABSENT && !zone->on_secondary && !zone->bad) {
		/* With a generation it still tells a replay, should somebody store an old head. */
		if (zone->generation == 0)
			index_drop(comparison->index, zone);
		return 0;
	}
	if (comparison->gone_count == comparison->gone_room) {
		size_t room = comparison->gone_room * 2 + 64;
		struct index_zone **gone = realloc(comparison->gone, room * sizeof(struct index_zone *));
		if (!gone)
			return -ENOMEM;
		comparison->gone = gone;
		comparison->gone_room = room;
	}
	comparison->gone[comparison->gone_count++] = zone;
	return 0;
}

/* Deletions that were let through before are not judged again, just asked for again. */
static bool was_let_through(const struct index_zone *zone)
{
	return zone->approved || (zone->asked_count > 0 && zone->asked_change == ZONE_DELETED);
}

static int hold(struct comparison *comparison, struct findings *findings)
{
	findings->held = calloc(comparison->gone_count, sizeof(char *));
	if (!findings->held)
		return -ENOMEM;
	for (size_t i = 0; i < comparison->gone_count; i++) {
		const struct index_zone *zone = comparison->gone[i];
		if (was_let_through(zone))
			continue;
		findings->held[findings->held_count] = strdup(zone->zone);
		if (!findings->held[findings->held_count])
			return -ENOMEM;
		findings->held_count++;
	}
	return 0;
}

static int judge_deletions(struct comparison *comparison, struct guard *guard, struct findings *findings)
{
	struct index_counts counts;
	uint64_t fresh = 0;
	bool pass;

	for (size_t i = 0; i < comparison->gone_count; i++)
		fresh += !was_let_through(comparison->gone[i]);
	index_counts(comparison->index, &counts);
	pass = fresh == 0 || guard_pass(guard, fresh, counts.present, comparison->now_us);
	for (size_t i = 0; i < comparison->gone_count; i++) {
		struct index_zone *zone = comparison->gone[i];
		if ((!pass && !was_let_through(zone)) || asked(zone, ZONE_DELETED, 0, comparison->now_us))
			continue;
		ask(comparison, zone, ZONE_DELETED, 0);
		findings->deletions++;
	}
	return pass ? 0 : hold(comparison, findings);
}

int findings_make(struct index *index, struct guard *guard, const struct listing *listing, uint32_t number, uint64_t started_us,
                  uint64_t now_us, void (*want)(const char *zone, enum zone_change change, void *userdata), void *userdata,
                  struct findings *ret)
{
	struct comparison comparison = { .index = index, .number = number, .started_us = started_us, .now_us = now_us,
	                                 .want = want, .userdata = userdata };
	struct findings findings = { 0 };
	int result = listing_each(listing, on_primary, &comparison);

	if (result == 0)
		result = index_each(index, off_primary, &comparison);
	if (result == 0)
		result = judge_deletions(&comparison, guard, &findings);
	free(comparison.gone);
	if (result < 0) {
		findings_free(&findings);
		return result;
	}
	findings.missing = comparison.missing;
	*ret = findings;
	return 0;
}

void findings_free(struct findings *findings)
{
	for (size_t i = 0; i < findings->held_count; i++)
		free(findings->held[i]);
	free(findings->held);
	*findings = (struct findings){ 0 };
}
