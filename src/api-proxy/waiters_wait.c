/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include "api-proxy/waiters_internal.h"
#include "common/cleanup.h"
#include "common/clock.h"

/*
 * Who has stored the head already does not say so again, so it is asked: at once when the change altered nothing, later when
 * a confirmation may have been lost.
 */
#define ASK_FIRST_US UINT64_C(500000)
#define ASK_AGAIN_US UINT64_C(2000000)
#define ASK_MAX 256 /* secondaries in one round */

void change_look(const struct change *change, uint64_t now_us, struct change_view *ret,
                 void (*visit)(const struct secondary *secondary, enum change_part part, const struct confirmation *confirmation,
                               void *userdata), void *userdata)
{
	const struct waiters *waiters = change->waiters;
	struct secondary *secondary, *next;
	*ret = (struct change_view){ .next_us = UINT64_MAX };
	HASH_ITER(hh, waiters->secondaries, secondary, next) {
		struct confirmation *confirmation;
		uint64_t silent_at = waiters_silent_at(secondary);
		HASH_FIND_STR(change->place->confirmations, secondary->id, confirmation);
		bool there = change->stored && (change->generation == 0 || (confirmation && confirmation->generation >= change->generation));
		bool away = now_us >= silent_at;
		if (away && silent_at <= change->started_us)
			continue; /* it was not there when the change was made */
		enum change_part part = there ? CHANGE_THERE : away ? CHANGE_AWAY : CHANGE_WAITING;
		ret->total++;
		ret->done += part == CHANGE_THERE;
		ret->away += part == CHANGE_AWAY;
		if (part == CHANGE_WAITING && silent_at < ret->next_us)
			ret->next_us = silent_at;
		if (visit)
			visit(secondary, part, confirmation, userdata);
	}
	if (now_us < waiters->known_us && waiters->known_us < ret->next_us)
		ret->next_us = waiters->known_us;
}

/* Nobody is left who could still get it. */
static bool is_over(struct change *change, uint64_t now_us, struct change_view *ret)
{
	change_look(change, now_us, ret, NULL, NULL);
	bool over = change->stored && now_us >= change->waiters->known_us && ret->done + ret->away == ret->total;
	if (over && ret->away == 0 && ret->total > 0 && change->in_sync_us == 0)
		change->in_sync_us = now_us;
	return over;
}

struct missing {
	char (*ids)[SUBJECT_ID_SIZE];
	size_t count;
};

static void note_missing(const struct secondary *secondary, enum change_part part, const struct confirmation *confirmation, void *userdata)
{
	struct missing *missing = userdata;
	(void)confirmation;
	if (part == CHANGE_WAITING && missing->count < ASK_MAX)
		memcpy(missing->ids[missing->count++], secondary->id, SUBJECT_ID_SIZE);
}

/* With the mutex held, which is given up while it asks. */
static void ask_missing(struct change *change)
{
	struct waiters *waiters = change->waiters;
	CLEANUP(free) void *ids = calloc(ASK_MAX, SUBJECT_ID_SIZE);
	struct missing missing = { ids, 0 };
	struct change_view view;
	if (!ids || !change->stored || !waiters->on_ask)
		return;
	change_look(change, clock_monotonic_us(), &view, note_missing, &missing);
	pthread_mutex_unlock(&waiters->mutex);
	for (size_t i = 0; i < missing.count; i++)
		waiters->on_ask(missing.ids[i], change->place->zone, waiters->userdata);
	pthread_mutex_lock(&waiters->mutex);
}

void change_ask(struct change *change)
{
	pthread_mutex_lock(&change->waiters->mutex);
	ask_missing(change);
	pthread_mutex_unlock(&change->waiters->mutex);
}

static void sleep_until(struct change *change, uint64_t until_us)
{
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000 };
	(void)pthread_cond_timedwait(&change->place->moved, &change->waiters->mutex, &until);
}

void change_wait(struct change *change, uint64_t deadline_us)
{
	struct waiters *waiters = change->waiters;
	uint64_t ask_us = 0; /* 0: not yet to be asked */
	pthread_mutex_lock(&waiters->mutex);
	while (!waiters->cancelled) {
		struct change_view view;
		uint64_t now = clock_monotonic_us();
		if (is_over(change, now, &view) || now >= deadline_us)
			break;
		if (change->stored && ask_us == 0)
			ask_us = change->changed ? now + ASK_FIRST_US : now;
		if (ask_us > 0 && now >= ask_us) {
			ask_missing(change);
			ask_us = clock_monotonic_us() + ASK_AGAIN_US;
			continue;
		}
		uint64_t next = view.next_us < deadline_us ? view.next_us : deadline_us;
		sleep_until(change, ask_us > 0 && ask_us < next ? ask_us : next);
	}
	pthread_mutex_unlock(&waiters->mutex);
}

static void add_part(const struct secondary *secondary, enum change_part part, const struct confirmation *confirmation, void *userdata)
{
	static const char *const names[] = { [CHANGE_THERE] = "in-sync", [CHANGE_WAITING] = "waiting", [CHANGE_AWAY] = "away" };
	bool failed = part == CHANGE_WAITING && confirmation && confirmation->failed > confirmation->generation && confirmation->reason;
	json_t *object = json_pack("{s:s,s:s,s:I}", "id", secondary->id, "state", names[part], "generation",
	                           (json_int_t)(confirmation ? confirmation->generation : 0));
	if (failed)
		(void)json_object_set_new(object, "reason", json_string(confirmation->reason));
	(void)json_array_append_new(userdata, object);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct secondary *)a)->id, ((const struct secondary *)b)->id);
}

struct change_state change_state(struct change *change)
{
	struct waiters *waiters = change->waiters;
	struct change_view view;
	json_t *secondaries = json_array();
	pthread_mutex_lock(&waiters->mutex);
	uint64_t now = clock_monotonic_us();
	bool over = is_over(change, now, &view);
	HASH_SORT(waiters->secondaries, by_id);
	change_look(change, now, &view, add_part, secondaries);
	struct change_state state = {
		.published = change->event > 0,
		.stored = change->stored,
		.in_sync = over && view.away == 0 && view.total > 0,
		.total = view.total,
		.done = view.done,
		.event = change->event,
		.generation = change->generation,
		.took_us = (change->in_sync_us ? change->in_sync_us : now) - change->started_us,
		.secondaries = secondaries,
	};
	pthread_mutex_unlock(&waiters->mutex);
	return state;
}

json_t *waiters_secondaries(struct waiters *waiters)
{
	struct secondary *secondary, *next;
	json_t *list = json_array();
	pthread_mutex_lock(&waiters->mutex);
	uint64_t now = clock_monotonic_us();
	HASH_SORT(waiters->secondaries, by_id);
	HASH_ITER(hh, waiters->secondaries, secondary, next) {
		const struct heartbeat *last = &secondary->last;
		(void)json_array_append_new(list, json_pack("{s:s,s:b,s:I,s:I,s:I,s:s,s:f,s:s,s:I}", "id", secondary->id, "active",
			(int)(now < waiters_silent_at(secondary)), "zones", (json_int_t)last->zones, "failing", (json_int_t)last->failing,
			"working", (json_int_t)last->working, "pdns", last->pdns_up ? "up" : "down", "load", last->load,
			"version", last->version, "seen_ms", (json_int_t)((now - secondary->seen_us) / 1000)));
	}
	pthread_mutex_unlock(&waiters->mutex);
	return list;
}
