/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/reapply.h"
#include <errno.h>
#include <jansson.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/json_wire.h"
#include "common/subject.h"

#define ASK_US 2000000
#define CEILING_US (5 * 60 * 1000000ull)
#define STALLED_US 10000000 /* a consumer that stands still for so long is not waited for: asking goes another way */

struct apply {
	struct work_job job; /* first */
	struct checker *checker;
	char secondary[SUBJECT_ID_SIZE];
	json_t *zones;      /* names … */
	uint64_t *sequence; /* … and where their heads are in the stream; 0: to be asked for in any case */
	uint64_t delivered, acked, moved_us; /* as in struct member */
	size_t coming;      /* zones left out */
	int error;
};

static void apply_free(struct apply *apply)
{
	if (!apply)
		return;
	json_decref(apply->zones);
	free(apply->sequence);
	free(apply);
}
DEFINE_CLEANUP(apply, struct apply *, apply_free)

/* Leaves out what comes by itself: not acknowledged yet, while the consumer gets on. */
static void leave_out_coming(struct apply *apply)
{
	char stream[SUBJECT_SIZE], consumer[SUBJECT_SIZE];
	struct bus_consumer_facts facts;
	subject_stream(apply->checker->prefix, STREAM_ZONES, stream);
	subject_consumer(apply->secondary, consumer);
	if (bus_consumer_facts(apply->checker->bus, stream, consumer, &facts) < 0)
		return;
	uint64_t now = clock_monotonic_us();
	if (facts.delivered_sequence != apply->delivered || facts.acked_sequence != apply->acked)
		apply->moved_us = now;
	apply->delivered = facts.delivered_sequence;
	apply->acked = facts.acked_sequence;
	bool stalled = apply->moved_us == 0 || now - apply->moved_us > STALLED_US;
	for (size_t i = json_array_size(apply->zones); !stalled && i-- > 0;) {
		if (apply->sequence[i] > facts.acked_sequence && json_array_remove(apply->zones, i) == 0)
			apply->coming++;
	}
}

static void apply_run(struct work_job *job, void *context)
{
	struct apply *apply = (struct apply *)job;
	json_t *answer = NULL;
	char *reason = NULL;

	(void)context;
	leave_out_coming(apply);
	CLEANUP(json) json_t *question = json_pack("{s:O}", "zones", apply->zones);
	apply->error = json_array_size(apply->zones) == 0 ? 0 : ask(apply->checker->bus, apply->checker->prefix, SERVICE_SYNCER,
	                                                           apply->secondary, "apply", question, ASK_US, &answer, &reason);
	json_decref(answer);
	free(reason);
}

static void apply_done(struct work_job *job, void *userdata)
{
	CLEANUP(apply) struct apply *apply = (struct apply *)job;
	struct checker *checker = userdata;
	struct member *member = presence_find(checker->presence, SERVICE_SYNCER, apply->secondary);
	size_t count = json_array_size(apply->zones);

	if (member) {
		member->delivered = apply->delivered;
		member->acked = apply->acked;
		member->moved_us = apply->moved_us;
	}
	if (apply->coming > 0)
		LOG_FIELDS(LOG_DEBUG, (.secondary = apply->secondary), "%zu zones are still to be delivered", apply->coming);
	if (count == 0 || apply->error == -ECANCELED)
		return;
	if (apply->error < 0) {
		LOG_FIELDS(LOG_WARNING, (.secondary = apply->secondary), "cannot be asked to apply %zu zones again: %s", count,
		           error_text(apply->error));
		return;
	}
	metric_add(&checker_metric_table[METRIC_ASKED_AGAIN], (int64_t)count);
	LOG_FIELDS(LOG_INFO, (.secondary = apply->secondary, .zone = count == 1 ? json_string_value(json_array_get(apply->zones, 0)) : NULL),
	           "asked to apply %zu zone%s again", count, count == 1 ? "" : "s");
}

static void on_due(const struct confirm_zone *zone, void *userdata)
{
	struct apply *apply = userdata;
	const struct index_zone *known = index_find(apply->checker->index, zone->zone);
	size_t count = json_array_size(apply->zones);

	if (json_array_append_new(apply->zones, json_string(zone->zone)) == 0)
		apply->sequence[count] = known && !zone->forced ? known->sequence : 0;
}

static int ask_member(struct member *member, void *userdata)
{
	struct checker *checker = userdata;

	if (!member->enrolled || !member->active)
		return 0;
	CLEANUP(apply) struct apply *apply = calloc(1, sizeof(*apply));
	if (!apply)
		return 0;
	apply->zones = json_array();
	apply->sequence = calloc(CONFIRM_BATCH, sizeof(*apply->sequence));
	apply->checker = checker;
	if (!apply->zones || !apply->sequence ||
	    confirm_due(checker->confirm, member->id, clock_monotonic_us(), (uint64_t)checker->options->confirm_timeout, CEILING_US,
	                on_due, apply) == 0)
		return 0;
	apply->job.run = apply_run;
	apply->job.done = apply_done;
	apply->error = -ECANCELED;
	apply->delivered = member->delivered;
	apply->acked = member->acked;
	apply->moved_us = member->moved_us;
	memcpy(apply->secondary, member->id, sizeof(apply->secondary));
	work_submit(checker->pool, &TAKE(apply)->job);
	return 0;
}

void reapply_due(struct checker *checker)
{
	(void)presence_each(checker->presence, ask_member, checker);
}
