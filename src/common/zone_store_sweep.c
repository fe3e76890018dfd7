/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_store.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/subject.h"

#define HEADS_WAIT_S 120
#define BODY_ID_TOKEN 2

/* A body that is old enough to be removed unless a head names it. */
struct candidate {
	char id[ZONE_HEAD_BODY_ID_SIZE];
	UT_hash_handle hh;
};

struct sweep {
	const char *prefix;
	uint64_t made_before_us;
	struct candidate *candidates;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool caught_up;
};

/* The time in a body's id; an id that nobody of us makes counts as old. */
static uint64_t made_at(const char *id)
{
	char *end;
	uint64_t generation = strtoull(id, &end, 16);

	return *end == '-' ? generation : 0;
}

static int on_body(const char *subject, void *userdata)
{
	struct sweep *sweep = userdata;
	struct candidate *candidate;
	char id[ZONE_HEAD_BODY_ID_SIZE];

	if (subject_token(subject, BODY_ID_TOKEN, id, sizeof(id)) < 0 || made_at(id) >= sweep->made_before_us)
		return 0;
	HASH_FIND_STR(sweep->candidates, id, candidate);
	if (candidate)
		return 0;
	candidate = calloc(1, sizeof(*candidate));
	if (!candidate)
		return -ENOMEM;
	strcpy(candidate->id, id);
	HASH_ADD_STR(sweep->candidates, id, candidate);
	return 0;
}

static void drop_candidate(struct sweep *sweep, struct candidate *candidate)
{
	HASH_DEL(sweep->candidates, candidate);
	free(candidate);
}

static void on_head(struct bus_message *message, void *userdata)
{
	struct sweep *sweep = userdata;
	struct candidate *candidate = NULL;
	const char *body = bus_message_header(message, "Body");

	/* Not verified: a head in bad order may keep one body too many, but a wrong key file must not cost any. */
	if (body)
		HASH_FIND(hh, sweep->candidates, body, strcspn(body, "/"), candidate);
	if (candidate)
		drop_candidate(sweep, candidate);
	bus_message_free(message);
}

static void on_caught_up(void *userdata)
{
	struct sweep *sweep = userdata;

	pthread_mutex_lock(&sweep->lock);
	sweep->caught_up = true;
	pthread_cond_signal(&sweep->done);
	pthread_mutex_unlock(&sweep->lock);
}

/* Takes every body that a head names out of the candidates. */
static int spare_named(struct sweep *sweep, struct bus *bus)
{
	char stream[SUBJECT_SIZE], filter[SUBJECT_SIZE];
	struct bus_follow_handlers handlers = { .on_message = on_head, .on_caught_up = on_caught_up, .userdata = sweep };
	struct bus_follow *follow;
	struct timespec until;
	int waited = 0;

	subject_stream(sweep->prefix, STREAM_ZONES, stream);
	snprintf(filter, sizeof(filter), "%s.zone.>", sweep->prefix);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HEADS_WAIT_S;

	int r = bus_follow_start(bus, stream, filter, &handlers, &follow);

	if (r < 0)
		return r;
	pthread_mutex_lock(&sweep->lock);
	while (!sweep->caught_up && waited == 0)
		waited = pthread_cond_timedwait(&sweep->done, &sweep->lock, &until);

	bool complete = sweep->caught_up;

	pthread_mutex_unlock(&sweep->lock);
	bus_follow_stop(follow);
	return complete ? 0 : -ETIMEDOUT;
}

int zone_store_sweep(struct bus *bus, const char *prefix, const struct trusted_keys *keys, int64_t grace_us)
{
	char stream[SUBJECT_SIZE], filter[SUBJECT_SIZE];
	struct sweep sweep = {
		.prefix = prefix, .made_before_us = clock_realtime_us() - (uint64_t)grace_us,
		.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER,
	};
	struct candidate *candidate, *next;
	int removed = 0;

	(void)keys;

	/* Bodies first, heads second: a body whose head comes in between is young and so never a candidate. */
	subject_stream(prefix, STREAM_BODIES, stream);
	snprintf(filter, sizeof(filter), "%s.body.>", prefix);

	int r = bus_stream_subjects(bus, stream, filter, on_body, &sweep);

	if (r == 0 && sweep.candidates)
		r = spare_named(&sweep, bus);
	HASH_ITER(hh, sweep.candidates, candidate, next) {
		if (r == 0)
			r = zone_store_drop_body(bus, prefix, candidate->id);
		if (r == 0)
			removed++;
		drop_candidate(&sweep, candidate);
	}
	pthread_cond_destroy(&sweep.done);
	pthread_mutex_destroy(&sweep.lock);
	return r < 0 ? r : removed;
}
