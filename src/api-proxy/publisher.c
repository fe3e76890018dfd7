/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/publisher.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include "api-proxy/proxy_metrics.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"

#define BATCH 256
#define BACKOFF_BASE_US UINT64_C(100000)
#define BACKOFF_CEILING_US UINT64_C(10000000)
#define FLUSH_AFTER_US UINT64_C(100000)    /* of quiet; before, notes that went ride along with the next one that comes */
#define CONNECTION_LOOK_US INT64_C(250000) /* how soon a stop is seen while NATS is away */

struct publisher {
	struct bus *bus;
	struct intents *intents;
	const char *prefix;
	char by[128];
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	bool woken, stopping;
	void (*on_published)(const char *zone, uint64_t stamp, uint64_t sequence, void *userdata);
	void *userdata;
	unsigned failures; /* in a row; the thread's own */
	int last_error;
};

struct batch {
	struct intent_due due[BATCH];
	struct bus_message *messages[BATCH];
	const char *ids[BATCH];
	int results[BATCH];
	uint64_t sequences[BATCH];
	size_t count;
};

void publisher_wake(void *userdata)
{
	struct publisher *publisher = userdata;
	pthread_mutex_lock(&publisher->mutex);
	publisher->woken = true;
	pthread_cond_signal(&publisher->condition);
	pthread_mutex_unlock(&publisher->mutex);
}

static bool is_stopping(struct publisher *publisher)
{
	pthread_mutex_lock(&publisher->mutex);
	bool stopping = publisher->stopping;
	pthread_mutex_unlock(&publisher->mutex);
	return stopping;
}

/* Until the time is over (0: never) or the publisher is to stop; also until it is woken, unless deaf. True: it was woken. */
static bool wait_for_work(struct publisher *publisher, uint64_t time_us, bool deaf)
{
	uint64_t end_us = clock_monotonic_us() + time_us;
	struct timespec end = { .tv_sec = (time_t)(end_us / 1000000), .tv_nsec = (long)(end_us % 1000000) * 1000 };
	pthread_mutex_lock(&publisher->mutex);
	int result = 0;
	while (!publisher->stopping && result == 0 && (deaf || !publisher->woken))
		result = time_us > 0 ? pthread_cond_timedwait(&publisher->condition, &publisher->mutex, &end)
		                     : pthread_cond_wait(&publisher->condition, &publisher->mutex);
	bool woken = publisher->woken;
	publisher->woken = false;
	pthread_mutex_unlock(&publisher->mutex);
	return woken;
}

static void make_messages(struct publisher *publisher, struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct intent_due *due = &batch->due[i];
		struct zone_event event = { .change = due->change, .at_us = due->at_us };
		snprintf(event.zone, sizeof(event.zone), "%s", due->zone);
		snprintf(event.by, sizeof(event.by), "%s", publisher->by);
		snprintf(event.request, sizeof(event.request), "%s", due->request);
		batch->messages[i] = NULL;
		batch->ids[i] = due->message_id;
		batch->results[i] = zone_event_encode(&event, publisher->prefix, &batch->messages[i]);
	}
}

/* Sends those that could be encoded; results as of bus_store. */
static void store(struct publisher *publisher, struct batch *batch)
{
	struct bus_message *messages[BATCH];
	const char *ids[BATCH];
	int results[BATCH];
	uint64_t sequences[BATCH];
	size_t at[BATCH], count = 0;
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->results[i] < 0)
			continue;
		messages[count] = batch->messages[i];
		ids[count] = batch->ids[i];
		at[count++] = i;
	}
	if (count > 0)
		(void)bus_store_many_sequences(publisher->bus, messages, ids, count, results, sequences);
	for (size_t i = 0; i < count; i++) {
		batch->results[at[i]] = results[i];
		batch->sequences[at[i]] = results[i] == 0 ? sequences[i] : 0;
	}
}

/* Logs at the first failure of a kind, not at each repetition. */
static void note_result(struct publisher *publisher, int error, int64_t waiting)
{
	if (error == 0) {
		if (publisher->failures > 0)
			LOG(LOG_NOTICE, "events are published again, %lld zones waiting", (long long)waiting);
		publisher->failures = 0;
	} else {
		if (error != publisher->last_error)
			LOG(LOG_WARNING, "events cannot be published, %lld zones waiting on disk: %s", (long long)waiting, error_text(error));
		publisher->failures++;
	}
	publisher->last_error = error;
}

/* Publishes one batch. 0: there is nothing more to do just now; 1: there may be; negative: why it failed. */
static int publish(struct publisher *publisher, struct batch *batch)
{
	batch->count = intents_take(publisher->intents, batch->due, BATCH);
	if (batch->count == 0)
		return 0;
	make_messages(publisher, batch);
	store(publisher, batch);
	int error = 0;
	for (size_t i = 0; i < batch->count; i++) {
		bool stored = batch->results[i] == 0;
		if (stored && publisher->on_published)
			publisher->on_published(batch->due[i].zone, batch->due[i].stamp, batch->sequences[i], publisher->userdata);
		intents_give_back(publisher->intents, &batch->due[i], stored);
		bus_message_free(batch->messages[i]);
		PROXY_COUNT(stored ? PROXY_METRIC_EVENTS_PUBLISHED : PROXY_METRIC_EVENTS_FAILED);
		if (!stored)
			error = batch->results[i];
	}
	note_result(publisher, error, intents_count(publisher->intents));
	return error < 0 ? error : 1;
}

static void flush(struct publisher *publisher)
{
	int result = intents_flush(publisher->intents);
	if (result < 0)
		LOG(LOG_WARNING, "published intents cannot be removed from disk (%s): they will be published once more", error_text(result));
	metric_set(&proxy_metric_table[PROXY_METRIC_INTENTS], intents_count(publisher->intents));
}

/* What is due while NATS is away stays on disk; the notes of refused requests go all the same. */
static bool wait_connected(struct publisher *publisher)
{
	while (!bus_connected(publisher->bus)) {
		if (is_stopping(publisher))
			return false;
		flush(publisher);
		(void)bus_wait_connected(publisher->bus, CONNECTION_LOOK_US);
	}
	return true;
}

static void *run(void *userdata)
{
	struct publisher *publisher = userdata;
	CLEANUP(free) struct batch *batch = calloc(1, sizeof(*batch));
	if (!batch) {
		LOG(LOG_ERR, "no memory for publishing: events stay on disk until the next start");
		return NULL;
	}
	bool flushed = false;
	for (;;) {
		bool stopping = is_stopping(publisher); /* before the last batch: all that was due by then */
		uint64_t look_us = intents_look_again(publisher->intents);
		int result = wait_connected(publisher) ? publish(publisher, batch) : ERROR_DISCONNECTED;
		if (result > 0)
			continue;
		if (stopping)
			break;
		if (result < 0) {
			flush(publisher);
			(void)wait_for_work(publisher, clock_backoff_us(publisher->failures, BACKOFF_BASE_US, BACKOFF_CEILING_US), true);
			flushed = false;
		} else if (wait_for_work(publisher, flushed || (look_us > 0 && look_us < FLUSH_AFTER_US) ? look_us : FLUSH_AFTER_US, false)) {
			flushed = false;
		} else {
			flush(publisher);
			flushed = true;
		}
	}
	flush(publisher);
	return NULL;
}

int publisher_new(struct bus *bus, const char *prefix, const char *by, struct publisher **ret)
{
	struct publisher *publisher = calloc(1, sizeof(*publisher));
	if (!publisher)
		return -ENOMEM;
	publisher->bus = bus;
	publisher->prefix = prefix;
	snprintf(publisher->by, sizeof(publisher->by), "%s", by);
	pthread_mutex_init(&publisher->mutex, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&publisher->condition, &attributes);
	pthread_condattr_destroy(&attributes);
	*ret = publisher;
	return 0;
}

void publisher_tell(struct publisher *publisher, void (*on_published)(const char *zone, uint64_t stamp, uint64_t sequence, void *userdata),
                    void *userdata)
{
	publisher->on_published = on_published;
	publisher->userdata = userdata;
}

int publisher_start(struct publisher *publisher, struct intents *intents)
{
	publisher->intents = intents;
	int result = -pthread_create(&publisher->thread, NULL, run, publisher);
	publisher->started = result == 0;
	return result;
}

void publisher_stop(struct publisher *publisher)
{
	if (!publisher || !publisher->started)
		return;
	pthread_mutex_lock(&publisher->mutex);
	publisher->stopping = true;
	pthread_cond_signal(&publisher->condition);
	pthread_mutex_unlock(&publisher->mutex);
	pthread_join(publisher->thread, NULL);
	publisher->started = false;
}

void publisher_free(struct publisher *publisher)
{
	if (!publisher)
		return;
	publisher_stop(publisher);
	pthread_cond_destroy(&publisher->condition);
	pthread_mutex_destroy(&publisher->mutex);
	free(publisher);
}
