/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/spool.h"
#include "common/subject.h"

/* Room that headers, subject and protocol take in a message of the largest size. */
#define HEADER_ROOM 8192
#define EVENTS_PENDING 100000 /* zones that cannot be published must not hold up the others */
#define HEADS_PENDING 256     /* bounds what a syncer holds in memory */

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

static int ensure_stream(struct bus *bus, const char *prefix, enum subject_stream which, const char *kind, int replicas)
{
	char name[SUBJECT_SIZE], subject[SUBJECT_SIZE];

	subject_stream(prefix, which, name);
	snprintf(subject, sizeof(subject), "%s.%s.>", prefix, kind);

	/* One message a subject also for the chunks: storing one again after an answer got lost changes nothing. */
	struct bus_stream_options options = {
		.name = name, .subjects = { subject }, .max_messages_per_subject = 1, .replicas = replicas,
	};

	return bus_stream_ensure(bus, &options, NULL);
}

int zone_store_ensure(struct bus *bus, const char *prefix, int replicas)
{
	char events[SUBJECT_SIZE], bucket[SUBJECT_SIZE], filter[SUBJECT_SIZE];
	int r = ensure_stream(bus, prefix, STREAM_EVENTS, "event", replicas);

	r = r < 0 ? r : ensure_stream(bus, prefix, STREAM_ZONES, "zone", replicas);
	r = r < 0 ? r : ensure_stream(bus, prefix, STREAM_BODIES, "body", replicas);
	if (r < 0)
		return r;
	subject_stream(prefix, BUCKET_STATE, bucket);
	r = bus_kv_ensure(bus, bucket, replicas, NULL);
	if (r < 0)
		return r;
	subject_stream(prefix, STREAM_EVENTS, events);
	snprintf(filter, sizeof(filter), "%s.event.>", prefix);

	struct bus_consumer_options consumer = {
		.stream = events, .name = SUBJECT_PROVIDER_CONSUMER, .filter = filter,
		.ack_wait_us = ZONE_STORE_ACK_WAIT_US, .max_ack_pending = EVENTS_PENDING,
	};

	return bus_consumer_ensure(bus, &consumer, NULL);
}

int zone_store_ensure_secondary(struct bus *bus, const char *prefix, const char *secondary, bool *ret_made)
{
	char stream[SUBJECT_SIZE], name[SUBJECT_SIZE], filter[SUBJECT_SIZE];

	subject_stream(prefix, STREAM_ZONES, stream);
	subject_consumer(secondary, name);
	snprintf(filter, sizeof(filter), "%s.zone.>", prefix);

	struct bus_consumer_options consumer = {
		.stream = stream, .name = name, .filter = filter,
		.ack_wait_us = ZONE_STORE_ACK_WAIT_US, .max_ack_pending = HEADS_PENDING,
	};

	return bus_consumer_ensure(bus, &consumer, ret_made);
}

int zone_store_head(struct bus *bus, const char *prefix, const struct trusted_keys *keys, const char *zone,
                    struct zone_head *ret_head, uint64_t *ret_sequence, struct bus_message **ret_message)
{
	char stream[SUBJECT_SIZE], subject[SUBJECT_SIZE];
	CLEANUP(message) struct bus_message *message = NULL;
	int r = subject_zone(prefix, zone, subject);

	if (r < 0)
		return r;
	subject_stream(prefix, STREAM_ZONES, stream);
	r = bus_stream_last(bus, stream, subject, &message);
	if (r == -ENOENT)
		*ret_sequence = 0;
	if (r < 0)
		return r;
	*ret_sequence = bus_message_sequence(message);
	/* The server's word on whose message this is does not count for more than the signature's. */
	if (strcmp(bus_message_subject(message), subject) != 0)
		return ERROR_MALFORMED;
	r = zone_head_decode(message, prefix, keys, ret_head);
	if (r == 0 && ret_message)
		*ret_message = TAKE(message);
	return r;
}

static uint64_t largest_payload(struct bus *bus, uint64_t wanted)
{
	int64_t limit = bus_max_payload(bus) - HEADER_ROOM;

	/* A server that takes less than this is of no use, but must not make us loop. */
	if (limit < HEADER_ROOM)
		limit = HEADER_ROOM;
	return wanted < (uint64_t)limit ? wanted : (uint64_t)limit;
}

/* Unique, and telling when it was made: that is how the sweep knows a body that is only just being written. */
static void make_body_id(uint64_t generation, char ret[ZONE_HEAD_BODY_ID_SIZE])
{
	uint64_t random;

	randombytes_buf(&random, sizeof(random));
	snprintf(ret, ZONE_HEAD_BODY_ID_SIZE, "%" PRIx64 "-%016" PRIx64, generation, random);
}

static int read_fully(struct spool *spool, uint64_t offset, uint8_t *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		int64_t n = spool_read(spool, offset + done, buffer + done, size - done);

		if (n <= 0)
			return n < 0 ? (int)n : ERROR_BODY;
		done += (size_t)n;
	}
	return 0;
}

/* Chunks on their way to the store at the same time: bounds what they take in memory, a few times over on their way out. */
#define CHUNKS_AT_ONCE 4

struct chunks {
	struct bus_message *messages[CHUNKS_AT_ONCE];
	char ids[CHUNKS_AT_ONCE][SUBJECT_SIZE];
	size_t count;
};

static void chunks_clear(struct chunks *chunks)
{
	for (size_t i = 0; i < chunks->count; i++)
		bus_message_free(chunks->messages[i]);
	chunks->count = 0;
}

static int add_chunk(struct chunks *chunks, const char *prefix, const char *body_id, unsigned number, const uint8_t *data, size_t size)
{
	char subject[SUBJECT_SIZE];

	subject_body(prefix, body_id, number, subject);
	snprintf(chunks->ids[chunks->count], SUBJECT_SIZE, "%s.%u", body_id, number);

	int r = bus_message_new(subject, data, size, &chunks->messages[chunks->count]);

	chunks->count += r == 0;
	return r;
}

static int store_chunks(struct bus *bus, struct chunks *chunks)
{
	const char *ids[CHUNKS_AT_ONCE];
	int results[CHUNKS_AT_ONCE], r = 0;

	for (size_t i = 0; i < chunks->count; i++)
		ids[i] = chunks->ids[i];
	(void)bus_store_many(bus, chunks->messages, ids, chunks->count, results);
	for (size_t i = 0; i < chunks->count && r == 0; i++) {
		r = results[i];
		/* Once more: one lost answer is no reason to begin a large body all over again. */
		if (r == -ETIMEDOUT)
			r = bus_store(bus, chunks->messages[i], ids[i], BUS_ANY, NULL);
	}
	chunks_clear(chunks);
	return r;
}

static int put_chunks(struct bus *bus, const char *prefix, const struct zone_head *head, struct spool *body, size_t chunk_size)
{
	CLEANUP(free) uint8_t *buffer = malloc(chunk_size);
	struct chunks chunks = { .count = 0 };
	int r = buffer ? 0 : -ENOMEM;

	for (unsigned i = 0; i < head->chunks && r == 0; i++) {
		uint64_t offset = (uint64_t)i * chunk_size, left = head->encoded_size - offset;
		size_t size = left < chunk_size ? (size_t)left : chunk_size;

		r = read_fully(body, offset, buffer, size);
		r = r < 0 ? r : add_chunk(&chunks, prefix, head->body_id, i, buffer, size);
		if (r == 0 && (chunks.count == CHUNKS_AT_ONCE || i + 1 == head->chunks))
			r = store_chunks(bus, &chunks);
	}
	chunks_clear(&chunks);
	return r;
}

static int put_head(struct bus *bus, const char *prefix, const struct signing_key *key, const struct zone_head *head,
                    struct spool *body, uint64_t expected_last, uint64_t *ret_sequence)
{
	char message_id[ZONE_HEAD_BODY_ID_SIZE];
	size_t size = head->place == ZONE_BODY_INLINE ? (size_t)head->encoded_size : 0;
	CLEANUP(free) uint8_t *payload = size > 0 ? malloc(size) : NULL;
	CLEANUP(message) struct bus_message *message = NULL;
	int r = size > 0 && !payload ? -ENOMEM : 0;

	if (r == 0 && size > 0)
		r = read_fully(body, 0, payload, size);
	r = r < 0 ? r : zone_head_encode(head, prefix, key, payload, size, &message);
	if (r < 0)
		return r;
	/* When just the answer was lost, the second try is told that the first one got in, whatever the expectation says. */
	make_body_id(head->generation, message_id);
	r = bus_store(bus, message, message_id, expected_last, ret_sequence);
	return r == -ETIMEDOUT ? bus_store(bus, message, message_id, expected_last, ret_sequence) : r;
}

int zone_store_put(struct bus *bus, const char *prefix, const struct signing_key *key, struct zone_head *head,
                   struct spool *body, uint64_t expected_last, uint64_t *ret_sequence)
{
	size_t chunk_size = (size_t)largest_payload(bus, ZONE_STORE_CHUNK_SIZE);
	struct zone_head filled = *head;
	int r = 0;

	filled.place = ZONE_BODY_NONE;
	filled.body_id[0] = '\0';
	filled.chunks = 0;
	filled.encoded_size = body ? spool_size(body) : 0;
	if (body && filled.encoded_size <= largest_payload(bus, ZONE_STORE_INLINE_LIMIT)) {
		filled.place = ZONE_BODY_INLINE;
	} else if (body) {
		uint64_t chunks = (filled.encoded_size + chunk_size - 1) / chunk_size;

		if (chunks > ZONE_HEAD_MAX_CHUNKS)
			return -EMSGSIZE;
		filled.place = ZONE_BODY_CHUNKS;
		filled.chunks = (unsigned)chunks;
		make_body_id(filled.generation, filled.body_id);
		r = put_chunks(bus, prefix, &filled, body, chunk_size);
	}
	r = r < 0 ? r : put_head(bus, prefix, key, &filled, body, expected_last, ret_sequence);
	if (r < 0) {
		/* After a timeout or a lost connection the head may be in all the same; then the sweep decides. */
		if (filled.place == ZONE_BODY_CHUNKS && r != -ETIMEDOUT && r != ERROR_DISCONNECTED)
			(void)zone_store_drop_body(bus, prefix, filled.body_id);
		return r;
	}
	*head = filled;
	return 0;
}

int zone_store_drop_body(struct bus *bus, const char *prefix, const char *body_id)
{
	char stream[SUBJECT_SIZE], subjects[SUBJECT_SIZE];

	subject_stream(prefix, STREAM_BODIES, stream);
	subject_bodies(prefix, body_id, subjects);
	return bus_stream_purge_subject(bus, stream, subjects);
}
