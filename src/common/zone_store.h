/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/bus.h"
#include "common/zone_head.h"
/*
 * The zone store: heads in PDNS_ZONES, large bodies in PDNS_BODIES. Blocking; any thread.
 */
#define ZONE_STORE_INLINE_LIMIT (256 * 1024)
#define ZONE_STORE_CHUNK_SIZE (512 * 1024)

/* Creates the streams that are missing (EVENTS, ZONES, BODIES, STATE) and the provider's durable consumer. */
int zone_store_ensure(struct bus *bus, const char *prefix, int replicas);

/*
 * What was delivered and neither acknowledged nor said to be worked on for so long is delivered again: to whoever took over
 * from a member that was killed. A member that holds messages says so every ZONE_STORE_PROGRESS_US.
 */
#define ZONE_STORE_ACK_WAIT_US 5000000
#define ZONE_STORE_PROGRESS_US 1500000

/* Makes the durable consumer from which a secondary follows the store, if missing; *ret_made (may be NULL) tells. */
int zone_store_ensure_secondary(struct bus *bus, const char *prefix, const char *secondary, bool *ret_made);

/*
 * Newest head of a zone, verified, and its stream sequence. *ret_message (may be NULL) gets the message with the inline body.
 * -ENOENT: none (sequence 0). On ERROR_MALFORMED, ERROR_VERSION, ERROR_UNTRUSTED *ret_sequence is set all the same, so that it can be replaced.
 */
int zone_store_head(struct bus *bus, const char *prefix, const struct trusted_keys *keys, const char *zone,
                    struct zone_head *ret_head, uint64_t *ret_sequence, struct bus_message **ret_message);

/*
 * Stores body and head on condition that the zone's last head has the sequence expected_last (ERROR_CONFLICT otherwise).
 * Fills in head->place, body_id, chunks, encoded_size. body: NULL for a deletion. Chunks that were written for a head that
 * did not get in are removed again.
 */
int zone_store_put(struct bus *bus, const char *prefix, const struct signing_key *key, struct zone_head *head,
                   struct spool *body, uint64_t expected_last, uint64_t *ret_sequence);

/* Removes the chunks of a body that no head names any more. */
int zone_store_drop_body(struct bus *bus, const char *prefix, const char *body_id);

/*
 * The encoded body of a verified head: out of its message or chunk by chunk out of the store. on_piece sees it in pieces while
 * the next chunks are on their way; its negative result ends the reading and is the result. ERROR_BODY: a chunk is missing or
 * the size is wrong; what the body says is not looked at.
 */
struct zone_store_sink {
	const char *folder; /* for the spool, where it is larger than memory_limit */
	size_t memory_limit;
	int (*on_piece)(const void *data, size_t size, void *userdata); /* may be NULL */
	void *userdata;
};
int zone_store_body(struct bus *bus, const char *prefix, const struct zone_head *head, const struct bus_message *message,
                    const struct zone_store_sink *sink, struct spool **ret);

/*
 * Removes bodies older than grace_us that no head names; returns how many, or negative. A head counts whether or not it
 * verifies (keys is not looked at): a wrong key file must not cost bodies. grace_us must be longer than any zone_store_put takes.
 */
int zone_store_sweep(struct bus *bus, const char *prefix, const struct trusted_keys *keys, int64_t grace_us);
