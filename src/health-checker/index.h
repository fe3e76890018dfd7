/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <uthash.h>
#include "common/zone_digest.h"
#include "common/zone_head.h"
/*
 * What the zone store has, zone by zone, and the digest of the whole set. Filled from the heads that the follower
 * delivers; remembers the newest generation of a zone even when its head is lost. Loop thread.
 */
struct index;

enum index_state { INDEX_PRESENT, INDEX_DELETED, INDEX_ABSENT /* no head in the store */ };

struct index_zone {
	uint64_t generation;        /* newest ever seen; 0: never a head */
	uint64_t sequence;          /* of the head in the stream */
	uint64_t stored_us;         /* since the epoch, by NATS's clock */
	uint64_t received_us;       /* monotonic; 0: was there before we looked */
	uint64_t records, covers_event, signatures_expire;
	uint32_t serial;
	enum index_state state;
	uint8_t bucket;
	bool bad;                   /* the newest message on the zone's subject is not a good head */
	bool newer_elsewhere;       /* a comparison has found a newer one on a secondary */
	bool on_secondary;          /* a secondary has it while the store knows nothing of it */
	bool approved;              /* an operator let its deletion pass the guard */
	uint8_t asked_change;       /* enum zone_change of the last event that a scan asked for … */
	uint8_t asked_count;        /* … how often, 0: never … */
	uint32_t asked_serial;      /* … and the primary's serial then */
	uint64_t asked_us;          /* monotonic */
	uint32_t scan;              /* number of the last scan that saw it on the primary */
	uint32_t round;             /* of delivery, see index_restart */
	struct zone_digest digest;
	UT_hash_handle hh;
	char zone[];                /* its own length and no more */
};

/* One head, small enough to wait in queues by the thousand. */
struct index_head {
	uint64_t generation, sequence, stored_us, received_us, records, covers_event, signatures_expire;
	uint32_t serial;
	enum zone_state state;
	struct zone_digest digest;
	const char *zone;
};
void index_head_from(const struct zone_head *head, uint64_t stored_us, struct index_head *ret);

int index_new(struct index **ret);
void index_free(struct index *index);

enum index_put_result { INDEX_NEW, INDEX_KNOWN };
/* Enters a verified head. Returns enum index_put_result; ERROR_REPLAYED when a newer generation was seen before (the zone is
   marked bad then); -ENOMEM, ERROR_MALFORMED. ret_zone (may be NULL). */
int index_put(struct index *index, const struct index_head *head, struct index_zone **ret_zone);
/* The newest message on the zone's subject is no good head: what was known stays, marked bad. */
int index_mark_bad(struct index *index, const char *zone, struct index_zone **ret_zone);
/* The entry, made without a head if there is none. */
int index_want(struct index *index, const char *zone, struct index_zone **ret_zone);
struct index_zone *index_find(struct index *index, const char *zone);
/* Forgets an entry that has no head. */
void index_drop(struct index *index, struct index_zone *zone);

/* Everything is about to be delivered anew … */
void index_restart(struct index *index);
/* … and now has been: zones whose head did not come again become absent. Returns how many did. */
size_t index_caught_up(struct index *index);

/* visit may drop the zone it is given, no other. Negative stops and is the result. */
int index_each(struct index *index, int (*visit)(struct index_zone *zone, void *userdata), void *userdata);
/* The next zones by name after `after` (NULL: from the first) into ret, at most `limit`; returns how many. */
size_t index_page(struct index *index, const char *after, struct index_zone **ret, size_t limit, bool *ret_more);

struct index_counts { uint64_t present, deleted, bad; };
void index_counts(const struct index *index, struct index_counts *ret);
const struct set_digest *index_set_digest(const struct index *index);
