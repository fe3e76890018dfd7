/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/reapply.h"
#include <errno.h>
#include <jansson.h>
#include "common/ask.h"
#include "common/cleanup.h"

#define ASK_US 2000000
#define CEILING_US (5 * 60 * 1000000ull)

struct apply {
	struct work_job job; /* first */
	struct checker *checker;
	char secondary[SUBJECT_ID_SIZE];
	json_t *question;
	size_t count;
	int error;
};

static void apply_run(struct work_job *job, void *context)
{
	struct apply *apply = (struct apply *)job;
	json_t *answer = NULL;
	char *reason = NULL;

	(void)context;
	apply->error = ask(apply->checker->bus, apply->checker->prefix, SERVICE_SYNCER, apply->secondary, "apply", apply->question,
	                   ASK_US, &answer, &reason);
	json_decref(answer);
	free(reason);
}

static void apply_done(struct work_job *job, void *userdata)
{
	struct apply *apply = (struct apply *)job;

	(void)userdata;
	if (apply->error == 0)
		metric_add(&checker_metric_table[METRIC_ASKED_AGAIN], (int64_t)apply->count);
	else if (apply->error != -ECANCELED)
		LOG_FIELDS(LOG_WARNING, (.secondary = apply->secondary), "cannot be asked to apply %zu zones again: %s", apply->count,
		           error_text(apply->error));
	json_decref(apply->question);
	free(apply);
}

struct due { json_t *zones; };

static void on_due(const struct confirm_zone *zone, void *userdata)
{
	struct due *due = userdata;

	(void)json_array_append_new(due->zones, json_string(zone->zone));
}

static int ask_member(struct member *member, void *userdata)
{
	struct checker *checker = userdata;
	struct due due;
	struct apply *apply;

	if (!member->enrolled || !member->active)
		return 0;
	due.zones = json_array();
	if (!due.zones ||
	    confirm_due(checker->confirm, member->id, clock_monotonic_us(), (uint64_t)checker->options->confirm_timeout, CEILING_US,
	                on_due, &due) == 0) {
		json_decref(due.zones);
		return 0;
	}
	apply = calloc(1, sizeof(*apply));
	if (!apply) {
		json_decref(due.zones);
		return 0;
	}
	apply->job.run = apply_run;
	apply->job.done = apply_done;
	apply->checker = checker;
	apply->error = -ECANCELED;
	apply->count = json_array_size(due.zones);
	memcpy(apply->secondary, member->id, sizeof(apply->secondary));
	apply->question = json_pack("{s:o}", "zones", due.zones);
	LOG_FIELDS(LOG_INFO, (.secondary = member->id, .zone = apply->count == 1 ? json_string_value(json_array_get(due.zones, 0)) : NULL),
	           "asked to apply %zu zone%s again", apply->count, apply->count == 1 ? "" : "s");
	work_submit(checker->pool, &apply->job);
	return 0;
}

void reapply_due(struct checker *checker)
{
	(void)presence_each(checker->presence, ask_member, checker);
}
