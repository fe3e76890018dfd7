/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/applied.h"
#include "common/covered.h"
#include "common/heartbeat.h"
/*
 * How far changes have come: from the request to the stream of events, to a head in the store, to each active secondary. What is
 * heard of them is brought in by whatever thread; a thread that waits for a change sleeps until it is everywhere.
 */
struct waiters;
struct change; /* one request's, while somebody holds it */

/*
 * on_ask asks a secondary, blocking, what it has of a zone, and brings the answer in by waiters_confirmed. quiet_us: how long to
 * listen at first until all heartbeats must have been heard.
 */
int waiters_new(void (*on_ask)(const char *secondary, const char *zone, void *userdata), void *userdata, int64_t quiet_us,
                struct waiters **ret);
void waiters_free(struct waiters *waiters); /* nobody holds a change any more */
/* Ends all waiting, now and later. */
void waiters_cancel(struct waiters *waiters);

/* What is heard. */
void waiters_published(struct waiters *waiters, const char *zone, uint64_t stamp, uint64_t sequence);
void waiters_covered(struct waiters *waiters, const struct covered *covered);
void waiters_confirmed(struct waiters *waiters, const char *secondary, const char *zone, uint64_t generation,
                       enum applied_result result, const char *reason);
void waiters_heartbeat(struct waiters *waiters, const struct heartbeat *heartbeat);
/* False while nothing is followed: what is heard of zones need not even be read. */
bool waiters_interested(struct waiters *waiters);

#define CHANGE_ID_SIZE (ZONE_ID_SIZE + 20)
/*
 * Begins to follow a change, before its intent is ended, so that nothing is missed. The newest ones are kept after they are
 * released, so that they can be asked for; an id also tells zone and time by itself.
 */
int change_open(struct waiters *waiters, const char *zone, struct change **ret);
/*
 * The change with this id, if it is still known; otherwise a new one of the same id, with *ret_new true: then nothing is
 * known of it, and it needs a new look at the zone. ERROR_MALFORMED: no such id can have been given.
 */
int change_find(struct waiters *waiters, const char *id, struct change **ret, bool *ret_new);
/* stamp: of intent_end; an event of this stamp, or a later one, covers the change. */
void change_follow(struct change *change, uint64_t stamp);
void change_release(struct change *change);
const char *change_id(const struct change *change);
const char *change_zone(const struct change *change);
/* True if it was published long ago and nobody said what became of it: what is told is told once. */
bool change_is_stale(struct change *change);

/* Blocks until all active secondaries have it, nobody is left to be waited for, or the time (monotonic) is over. */
void change_wait(struct change *change, uint64_t deadline_us);
/* Asks at once whoever has not confirmed it. Blocking. */
void change_ask(struct change *change);

struct change_state {
	bool published, stored; /* the event is; a head that covers it is, or none is needed */
	bool in_sync;           /* every active secondary has it, and there is one */
	unsigned total, done;   /* secondaries: all that count, those that have it */
	uint64_t event, generation;
	uint64_t took_us;       /* from its beginning until now, or until it was in sync */
	json_t *secondaries;    /* [{"id","state":"in-sync|waiting|away","generation","reason"}], in the order of ids; NULL: out of memory */
};
/* The caller frees ->secondaries. */
struct change_state change_state(struct change *change);

/* What the heartbeats said: [{"id","active","zones","failing","working","pdns","load","version","seen_ms"}] or NULL. */
json_t *waiters_secondaries(struct waiters *waiters);
