/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/emit.h"
#include <errno.h>
#include "common/cleanup.h"
#include "health-checker/enrol.h"

#define BATCH 500
#define WAITING_MAX 1000000
#define COLLECT_US 20000
#define RETRY_US 500000
#define RETRY_CEILING_US 30000000

struct wish {
	enum zone_change change;
	UT_hash_handle hh;
	char zone[];
};

struct emit {
	struct checker *checker;
	struct wish *wishes; /* in the order they came */
	sd_event_source *timer;
	bool armed, sending;
	unsigned failures;
};

struct batch {
	struct work_job job; /* first */
	struct checker *checker;
	struct wish *wishes[BATCH];
	struct bus_message *messages[BATCH];
	int results[BATCH];
	size_t count;
};

static int flush(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct emit *emit, uint64_t delay_us)
{
	if (!emit->armed && !emit->sending && !emit->checker->stopping)
		emit->armed = checker_set_timer(emit->checker, &emit->timer, delay_us, flush, emit) == 0;
}

int emit_new(struct checker *checker, struct emit **ret)
{
	struct emit *emit = calloc(1, sizeof(*emit));

	if (!emit)
		return -ENOMEM;
	emit->checker = checker;
	*ret = emit;
	return 0;
}

void emit_free(struct emit *emit)
{
	struct wish *wish, *next;

	if (!emit)
		return;
	HASH_ITER(hh, emit->wishes, wish, next) {
		HASH_DEL(emit->wishes, wish);
		free(wish);
	}
	sd_event_source_disable_unref(emit->timer);
	free(emit);
}

static void count_event(enum zone_change change)
{
	metric_add(&checker_metric_table[change == ZONE_DELETED ? METRIC_EVENTS_DELETED :
	                                 change == ZONE_REWRITE ? METRIC_EVENTS_REWRITE : METRIC_EVENTS_CHECK], 1);
}

/* Takes the wish over. */
static void add_wish(struct emit *emit, struct wish *wish)
{
	struct wish *old;

	HASH_FIND_STR(emit->wishes, wish->zone, old);
	if (old) {
		if (wish->change != ZONE_CHECK)
			old->change = wish->change;
		free(wish);
		return;
	}
	HASH_ADD_STR(emit->wishes, zone, wish);
	metric_set(&checker_metric_table[METRIC_EVENTS_WAITING], (int64_t)HASH_COUNT(emit->wishes));
}

void emit_add(struct emit *emit, const char *zone, enum zone_change change)
{
	struct wish *wish;

	if (HASH_COUNT(emit->wishes) >= WAITING_MAX)
		return;
	wish = calloc(1, sizeof(*wish) + strlen(zone) + 1);
	if (!wish)
		return;
	wish->change = change;
	memcpy(wish->zone, zone, strlen(zone) + 1);
	add_wish(emit, wish);
	arm(emit, COLLECT_US);
}

size_t emit_waiting(const struct emit *emit)
{
	return HASH_COUNT(emit->wishes);
}

/* On a worker. */
static void batch_run(struct work_job *job, void *context)
{
	struct batch *batch = (struct batch *)job;
	struct zone_event event;
	char by[128];
	int result = 0;

	(void)context;
	(void)snprintf(by, sizeof(by), SERVICE_CHECKER "/%s", batch->checker->id);
	for (size_t i = 0; i < batch->count && result == 0; i++) {
		zone_event_init(&event, batch->wishes[i]->zone, batch->wishes[i]->change, by);
		result = zone_event_encode(&event, batch->checker->prefix, &batch->messages[i]);
	}
	if (result == 0)
		result = bus_store_many(batch->checker->bus, batch->messages, NULL, batch->count, batch->results);
	for (size_t i = 0; i < batch->count; i++) {
		if (result < 0 && batch->results[i] == -ECANCELED)
			batch->results[i] = result;
		bus_message_free(batch->messages[i]);
	}
}

static void batch_done(struct work_job *job, void *userdata)
{
	struct batch *batch = (struct batch *)job;
	struct checker *checker = userdata;
	struct emit *emit = checker->emit;
	int error = 0;

	emit->sending = false;
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->results[i] == 0) {
			count_event(batch->wishes[i]->change);
			free(batch->wishes[i]);
		} else {
			error = batch->results[i];
			add_wish(emit, batch->wishes[i]);
		}
	}
	free(batch);
	if (checker->stopping)
		return;
	if (error < 0) {
		if (emit->failures++ % 16 == 3)
			LOG(LOG_WARNING, "cannot publish zone events: %s; %zu wait", error_text(error), emit_waiting(emit));
		if (error == ERROR_NO_STREAM)
			enrol_soon(checker->enrol);
	} else {
		emit->failures = 0;
	}
	if (emit->wishes)
		arm(emit, error < 0 ? clock_backoff_us(emit->failures, RETRY_US, RETRY_CEILING_US) : 0);
	metric_set(&checker_metric_table[METRIC_EVENTS_WAITING], (int64_t)emit_waiting(emit));
}

static int flush(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct emit *emit = userdata;
	struct batch *batch;
	struct wish *wish, *next;

	(void)source;
	(void)usec;
	emit->armed = false;
	if (emit->sending || !emit->wishes)
		return 0;
	batch = calloc(1, sizeof(*batch));
	if (!batch) {
		arm(emit, RETRY_US);
		return 0;
	}
	batch->job.run = batch_run;
	batch->job.done = batch_done;
	batch->checker = emit->checker;
	HASH_ITER(hh, emit->wishes, wish, next) {
		if (batch->count == BATCH)
			break;
		HASH_DEL(emit->wishes, wish);
		batch->results[batch->count] = -ECANCELED;
		batch->wishes[batch->count++] = wish;
	}
	emit->sending = true;
	work_submit(emit->checker->pool, &batch->job);
	return 0;
}
