/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/compare.h"
#include <errno.h>
#include <jansson.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/json_wire.h"
#include "health-checker/scan.h"

#define ASK_US 5000000
#define PAGES_MAX 10000
#define ZONES_MAX 5000000
#define CALM_US 5000000 /* heads younger than this are left to the event check */

struct compare {
	struct work_job job; /* first */
	struct checker *checker;
	char secondary[SUBJECT_ID_SIZE];
	char ours[SET_BUCKETS][SET_DIGEST_HEX_SIZE];
	bool differs[SET_BUCKETS];
	struct compare_remote *remote;
	size_t count;
	int error;
	char *reason;
};

static int add_remote(struct compare *compare, const json_t *entry)
{
	char zone[ZONE_NAME_SIZE], text[ZONE_NAME_SIZE], digest[ZONE_DIGEST_HEX_SIZE];
	struct compare_remote *remote;
	struct zone_digest sum;
	uint64_t generation;

	if (json_wire_text(entry, "zone", text, sizeof(text)) < 0 || zone_name_from_text(text, zone) < 0 ||
	    json_wire_number(entry, "generation", INT64_MAX, &generation) < 0 ||
	    json_wire_text(entry, "digest", digest, sizeof(digest)) < 0 || zone_digest_from_hex(digest, &sum) < 0)
		return ERROR_MALFORMED;
	if (++compare->count > ZONES_MAX)
		return -E2BIG;
	HASH_FIND_STR(compare->remote, zone, remote);
	if (remote)
		return 0;
	remote = calloc(1, sizeof(*remote) + strlen(zone) + 1);
	if (!remote)
		return -ENOMEM;
	memcpy(remote->zone, zone, strlen(zone) + 1);
	remote->generation = generation;
	remote->digest = sum;
	HASH_ADD_STR(compare->remote, zone, remote);
	return 0;
}

static int ask_syncer(struct compare *compare, const char *verb, const json_t *question, json_t **ret_answer)
{
	free(TAKE(compare->reason));
	return ask(compare->checker->bus, compare->checker->prefix, SERVICE_SYNCER, compare->secondary, verb, question, ASK_US,
	           ret_answer, &compare->reason);
}

static int fetch_bucket(struct compare *compare, int bucket)
{
	CLEANUP(free) char *after = NULL;
	int result;

	for (int page = 0; page < PAGES_MAX && !work_stopping(compare->checker->pool); page++) {
		CLEANUP(json) json_t *question = json_pack("{s:i}", "bucket", bucket);
		CLEANUP(json) json_t *answer = NULL;
		const json_t *zones;
		const char *last;

		if (after)
			(void)json_object_set_new(question, "after", json_string(after));
		result = ask_syncer(compare, "bucket", question, &answer);
		zones = json_object_get(answer, "zones");
		for (size_t i = 0; result == 0 && i < json_array_size(zones); i++)
			result = add_remote(compare, json_array_get(zones, i));
		if (result < 0)
			return result;
		last = json_string_value(json_object_get(json_array_get(zones, json_array_size(zones) - 1), "zone"));
		if (!json_is_true(json_object_get(answer, "more")) || !last)
			return 0;
		free(after);
		after = strdup(last);
		if (!after)
			return -ENOMEM;
	}
	return -ECANCELED;
}

static int fetch(struct compare *compare)
{
	CLEANUP(json) json_t *question = json_object();
	CLEANUP(json) json_t *answer = NULL;
	const json_t *buckets;
	int result = ask_syncer(compare, "buckets", question, &answer);

	if (result < 0)
		return result;
	buckets = json_object_get(answer, "buckets");
	if (json_array_size(buckets) != SET_BUCKETS)
		return ERROR_MALFORMED;
	for (int i = 0; i < SET_BUCKETS && result == 0; i++) {
		const char *theirs = json_string_value(json_array_get(buckets, (size_t)i));
		compare->differs[i] = !theirs || strcmp(theirs, compare->ours[i]) != 0;
		if (compare->differs[i])
			result = fetch_bucket(compare, i);
	}
	return result;
}

static void compare_run(struct work_job *job, void *context)
{
	struct compare *compare = (struct compare *)job;

	(void)context;
	compare->error = fetch(compare);
}

struct round { struct index *index; const bool *buckets; struct compare_remote **remote;
	void (*visit)(enum compare_finding finding, const char *zone, const struct index_zone *known, void *userdata); void *userdata; };

static int check_zone(struct index_zone *zone, void *userdata)
{
	struct round *round = userdata;
	struct compare_remote *remote;

	if (!round->buckets[zone->bucket] || zone->state == INDEX_ABSENT)
		return 0;
	HASH_FIND_STR(*round->remote, zone->zone, remote);
	if (remote)
		remote->matched = true;
	if (zone->state == INDEX_DELETED) {
		if (remote && remote->generation < zone->generation)
			round->visit(COMPARE_APPLY, zone->zone, zone, round->userdata);
	} else if (!remote || remote->generation < zone->generation ||
	           (remote->generation == zone->generation && memcmp(&remote->digest, &zone->digest, sizeof(zone->digest)) != 0)) {
		round->visit(COMPARE_APPLY, zone->zone, zone, round->userdata);
	} else if (remote->generation > zone->generation) {
		round->visit(COMPARE_NEWER, zone->zone, zone, round->userdata);
	}
	return 0;
}

void compare_sets(struct index *index, const bool buckets[SET_BUCKETS], struct compare_remote **remote,
                  void (*visit)(enum compare_finding finding, const char *zone, const struct index_zone *known, void *userdata), void *userdata)
{
	struct round round = { index, buckets, remote, visit, userdata };
	struct compare_remote *one, *next;

	(void)index_each(index, check_zone, &round);
	HASH_ITER(hh, *remote, one, next)
		if (!one->matched)
			visit(COMPARE_UNKNOWN, one->zone, NULL, userdata);
}

struct outcome { struct checker *checker; const char *secondary; uint64_t now_us; size_t apply, unknown; };

static void on_difference(enum compare_finding finding, const char *name, const struct index_zone *known, void *userdata)
{
	struct outcome *outcome = userdata;
	struct checker *checker = outcome->checker;
	struct index_zone *zone;
	uint64_t due = outcome->now_us;

	if (finding == COMPARE_UNKNOWN) {
		if (index_want(checker->index, name, &zone) == 0 && !zone->on_secondary) {
			zone->on_secondary = true;
			outcome->unknown++;
		}
		return;
	}
	if (finding == COMPARE_NEWER) {
		/* Once may be a head that has not come to us yet; index_find: ours to write to. */
		zone = index_find(checker->index, name);
		if (zone && zone->newer_elsewhere) {
			LOG_FIELDS(LOG_WARNING, (.zone = name, .secondary = outcome->secondary), "is newer there than in the store: written again");
			(void)repair_add(checker->repair, name, outcome->now_us);
		} else if (zone) {
			zone->newer_elsewhere = true;
		}
		return;
	}
	if (known->received_us != 0 && known->received_us + CALM_US > outcome->now_us)
		due += confirm_time_us(checker->options->confirm_timeout, known->records);
	if (confirm_want(checker->confirm, outcome->secondary, name, known->generation, outcome->now_us, due) == 0)
		outcome->apply++;
}

static void use(struct compare *compare)
{
	struct checker *checker = compare->checker;
	struct outcome outcome = { .checker = checker, .secondary = compare->secondary, .now_us = clock_monotonic_us() };

	compare_sets(checker->index, compare->differs, &compare->remote, on_difference, &outcome);
	metric_add(&checker_metric_table[METRIC_COMPARES], 1);
	metric_add(&checker_metric_table[METRIC_COMPARE_DIFFERENCES], (int64_t)(outcome.apply + outcome.unknown));
	if (outcome.apply > 0)
		LOG_FIELDS(LOG_NOTICE, (.secondary = compare->secondary), "%zu zones differ from the store and are asked for", outcome.apply);
	if (outcome.unknown > 0) {
		LOG_FIELDS(LOG_NOTICE, (.secondary = compare->secondary),
		           "has %zu zones of which the store knows nothing: the primary is looked at", outcome.unknown);
		scan_soon(checker->scan);
	}
}

static void compare_done(struct work_job *job, void *userdata)
{
	struct compare *compare = (struct compare *)job;
	struct checker *checker = userdata;
	struct member *member = presence_find(checker->presence, SERVICE_SYNCER, compare->secondary);
	struct compare_remote *remote, *next;

	if (member)
		member->comparing = false;
	if (compare->error < 0 && compare->error != -ECANCELED)
		LOG_FIELDS(LOG_WARNING, (.secondary = compare->secondary), "cannot compare its zones with the store: %s",
		           compare->reason ? compare->reason : error_text(compare->error));
	else if (compare->error == 0 && !checker->stopping && checker->caught_up)
		use(compare);
	HASH_ITER(hh, compare->remote, remote, next) {
		HASH_DEL(compare->remote, remote);
		free(remote);
	}
	free(compare->reason);
	free(compare);
}

void compare_start(struct checker *checker, struct member *member)
{
	struct compare *compare;

	if (member->comparing)
		return;
	compare = calloc(1, sizeof(*compare));
	if (!compare)
		return;
	compare->job.run = compare_run;
	compare->job.done = compare_done;
	compare->checker = checker;
	compare->error = -ECANCELED;
	memcpy(compare->secondary, member->id, sizeof(compare->secondary));
	for (int i = 0; i < SET_BUCKETS; i++)
		set_digest_bucket_hex(index_set_digest(checker->index), i, compare->ours[i]);
	member->comparing = true;
	work_submit(checker->pool, &compare->job);
}
