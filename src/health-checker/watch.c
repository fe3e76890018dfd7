/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/watch.h"
#include "common/cleanup.h"
#include "health-checker/compare.h"
#include "health-checker/emit.h"
#include "health-checker/enrol.h"
#include "health-checker/leader.h"
#include "health-checker/reapply.h"
#include "health-checker/scan.h"

#define LOAD_HIGH 4.0       /* per core, over one minute */
#define LOAD_FINE 2.0
#define STILL_BEATS 2       /* a secondary that stands still with other zones for longer is compared right away … */
#define COMPARE_AGAIN_US 5000000 /* … and again after a growing delay */

struct wanted { struct checker *checker; const struct index_zone *zone; uint64_t now_us, due_us; };

static int want_of(struct member *member, void *userdata)
{
	const struct wanted *wanted = userdata;

	if (member->enrolled && member->active)
		(void)confirm_want(wanted->checker->confirm, member->id, wanted->zone->zone, wanted->zone->generation, wanted->now_us, wanted->due_us);
	return 0;
}

static void tell_counts(struct checker *checker)
{
	struct index_counts counts;

	index_counts(checker->index, &counts);
	metric_set(&checker_metric_table[METRIC_ZONES], (int64_t)counts.present);
	metric_set(&checker_metric_table[METRIC_ZONES_DELETED], (int64_t)counts.deleted);
	metric_set(&checker_metric_table[METRIC_BAD_HEADS], (int64_t)counts.bad);
}

static void mend(struct checker *checker, const char *zone, int error)
{
	metric_add(&checker_metric_table[METRIC_BAD_HEADS_SEEN], 1);
	LOG_ZONE(LOG_WARNING, zone, "its newest message in the zone store is not a good head (%s); it is written again", error_text(error));
	(void)repair_add(checker->repair, zone, clock_monotonic_us());
}

static void on_head(const struct index_head *received, void *userdata)
{
	struct checker *checker = userdata;
	struct index_head head = *received;
	uint64_t now = clock_monotonic_us();
	struct index_zone *zone;
	int result;

	/* What is delivered before we have caught up was there already: heartbeats tell whether secondaries have it. */
	head.received_us = checker->caught_up ? now : 0;
	result = index_put(checker->index, &head, &zone);
	if (result == ERROR_REPLAYED)
		mend(checker, head.zone, result);
	if (result < 0)
		return;
	repair_done(checker->repair, head.zone, now);
	if (result == INDEX_NEW && checker->caught_up) {
		checker->set_changed_us = now;
		(void)presence_each(checker->presence, want_of, &(struct wanted){ checker, zone, now,
			now + confirm_time_us(checker->options->confirm_timeout, zone->records) });
	}
}

static void on_bad_head(const char *name, int error, void *userdata)
{
	struct checker *checker = userdata;

	if (index_mark_bad(checker->index, name, NULL) == 0)
		mend(checker, name, error);
}

static void on_misplaced(const char *subject, void *userdata)
{
	(void)userdata;
	metric_add(&checker_metric_table[METRIC_MISPLACED], 1);
	LOG(LOG_WARNING, "a message in the zone store is on a subject that is no zone's: %.200s", subject);
}

static void on_reset(void *userdata)
{
	struct checker *checker = userdata;

	checker->caught_up = false;
	index_restart(checker->index);
	enrol_soon(checker->enrol);
}

static void on_caught_up(void *userdata)
{
	struct checker *checker = userdata;
	size_t lost = index_caught_up(checker->index);

	checker->caught_up = true;
	checker->set_changed_us = clock_monotonic_us();
	if (lost > 0)
		LOG(LOG_WARNING, "the zone store has lost %zu heads: it is filled again from the primary", lost);
	scan_soon(checker->scan);
	enrol_soon(checker->enrol);
	tell_counts(checker);
}

static void watch_load(struct member *member)
{
	if (!member->overloaded && member->last.load > LOAD_HIGH) {
		member->overloaded = true;
		LOG_FIELDS(LOG_WARNING, (.peer = member->id), "%s on %s: load of %.1f per core", member->service, member->last.host, member->last.load);
	} else if (member->overloaded && member->last.load < LOAD_FINE) {
		member->overloaded = false;
	}
}

/* A set that differs may be on its way to become equal; one that stands still will not. */
static void watch_set(struct checker *checker, struct member *member, const struct heartbeat *before, bool had_before)
{
	char root[SET_DIGEST_HEX_SIZE];
	struct confirm_counts counts;
	uint64_t now = clock_monotonic_us();

	if (!checker->caught_up || !member->last.has_set)
		return;
	set_digest_root_hex(index_set_digest(checker->index), root);
	if (strcmp(root, member->last.set_digest) == 0) {
		confirm_all(checker->confirm, member->id);
		member->disagreeing = member->compares = 0;
		member->compare_next_us = 0;
		return;
	}
	if (member->last.working > 0 || !had_before || strcmp(before->set_digest, member->last.set_digest) != 0 ||
	    now - checker->set_changed_us < member->last.interval_us) {
		member->disagreeing = 0;
		return;
	}
	confirm_counts(checker->confirm, member->id, &counts);
	if (++member->disagreeing <= STILL_BEATS || counts.open > counts.failing || now < member->compare_next_us ||
	    !leader_leads(checker->leader))
		return;
	member->compare_next_us = now + clock_backoff_us(member->compares++, COMPARE_AGAIN_US, (uint64_t)checker->options->check_interval);
	compare_start(checker, member);
}

static void on_heartbeat(const struct heartbeat *beat, bool leads, void *userdata)
{
	struct checker *checker = userdata;
	struct member *member = presence_find(checker->presence, beat->service, beat->id);
	struct heartbeat before = { 0 };
	bool had_before = member && member->active;
	int result;

	if (had_before)
		before = member->last;
	result = presence_heartbeat(checker->presence, beat, clock_monotonic_us(), &member);
	if (result < 0)
		return;
	if (result == PRESENCE_ARRIVED)
		LOG_FIELDS(LOG_NOTICE, (.peer = member->id), "%s is there", member->service);
	member->leads = leads;
	watch_load(member);
	if (strcmp(member->service, SERVICE_SYNCER) != 0)
		return;
	if (!member->enrolled && leader_leads(checker->leader))
		enrol_unknown(checker->enrol, member);
	if (member->enrolled) {
		member->unknown_us = 0;
		watch_set(checker, member, &before, had_before);
	}
}

struct doubt { struct checker *checker; const char *zone, *secondary; unsigned others, content; };

static int ask_other(struct member *member, void *userdata)
{
	struct doubt *doubt = userdata;

	if (!member->enrolled || !member->active || strcmp(member->id, doubt->secondary) == 0)
		return 0;
	doubt->others++;
	doubt->content += !confirm_find(doubt->checker->confirm, member->id, doubt->zone);
	return 0;
}

/*
 * A head that was refused though its signature is good has a body that is missing or cut. If other secondaries are content
 * with it, the fault is that secondary's.
 */
static bool head_is_doubtful(struct checker *checker, const char *secondary, const struct applied *applied)
{
	const struct index_zone *zone = index_find(checker->index, applied->zone);
	struct doubt doubt = { checker, applied->zone, secondary, 0, 0 };

	if (!zone || (applied->generation != 0 && applied->generation < zone->generation))
		return false;
	(void)presence_each(checker->presence, ask_other, &doubt);
	return doubt.others == 0 || doubt.content < doubt.others;
}

static void on_applied(const char *secondary, const struct applied *applied, void *userdata)
{
	struct checker *checker = userdata;
	const struct member *member = presence_find(checker->presence, SERVICE_SYNCER, secondary);
	uint64_t now = clock_monotonic_us();

	if (!member || !member->enrolled)
		return;
	(void)confirm_applied(checker->confirm, secondary, applied, now, now + (uint64_t)checker->options->confirm_timeout);
	if (applied->result == APPLIED_OK)
		return;
	LOG_FIELDS(LOG_WARNING, (.zone = applied->zone, .secondary = secondary), "%s: %s", applied_result_name(applied->result), applied->reason);
	if (applied->result == APPLIED_REFUSED && head_is_doubtful(checker, secondary, applied))
		(void)repair_add(checker->repair, applied->zone, now);
}

const struct listen_handlers *watch_handlers(struct checker *checker)
{
	static struct listen_handlers handlers;

	handlers = (struct listen_handlers){
		.on_head = on_head, .on_bad_head = on_bad_head, .on_misplaced = on_misplaced, .on_reset = on_reset,
		.on_caught_up = on_caught_up, .on_heartbeat = on_heartbeat, .on_applied = on_applied, .userdata = checker,
	};
	return &handlers;
}

static void on_gone(const struct member *member, void *userdata)
{
	(void)userdata;
	LOG_FIELDS(LOG_WARNING, (.peer = member->id), "%s has sent no heartbeat for %.0f s", member->service,
	           3 * (double)member->last.interval_us / 1e6);
}

struct round { struct checker *checker; uint64_t now_us; bool compare; int64_t active, in_sync, open, failing; char root[SET_DIGEST_HEX_SIZE]; };

static int check_member(struct member *member, void *userdata)
{
	struct round *round = userdata;
	struct confirm_counts counts;
	bool equal;

	if (!member->enrolled)
		return 0;
	confirm_counts(round->checker->confirm, member->id, &counts);
	equal = member->last.has_set && strcmp(member->last.set_digest, round->root) == 0;
	round->active += member->active;
	round->in_sync += member->active && equal && counts.open == 0;
	round->open += (int64_t)counts.open;
	round->failing += (int64_t)counts.failing;
	/* What is being worked on would be found to differ, and then be done twice. */
	if (round->compare && member->active && member->last.has_set && !equal && member->last.working == 0)
		compare_start(round->checker, member);
	return 0;
}

static void want_rewrite(const char *zone, void *userdata)
{
	struct checker *checker = userdata;

	emit_add(checker->emit, zone, ZONE_REWRITE);
}

void watch_tick(struct checker *checker)
{
	struct round round = { .checker = checker, .now_us = clock_monotonic_us() };

	presence_tick(checker->presence, round.now_us, on_gone, checker);
	if (checker->caught_up && leader_leads(checker->leader) &&
	    round.now_us - checker->compared_us >= (uint64_t)checker->options->check_interval) {
		checker->compared_us = round.now_us;
		round.compare = true;
	}
	set_digest_root_hex(index_set_digest(checker->index), round.root);
	(void)presence_each(checker->presence, check_member, &round);
	metric_set(&checker_metric_table[METRIC_SECONDARIES_ACTIVE], round.active);
	metric_set(&checker_metric_table[METRIC_SECONDARIES_IN_SYNC], round.in_sync);
	metric_set(&checker_metric_table[METRIC_UNCONFIRMED], round.open);
	metric_set(&checker_metric_table[METRIC_FAILING], round.failing);
	tell_counts(checker);
	if (!leader_leads(checker->leader))
		return;
	repair_due(checker->repair, round.now_us, want_rewrite, checker);
	if (checker->caught_up)
		reapply_due(checker);
}
