/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include <sodium.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/spool.h"
#include "common/subject.h"
#include "common/zone_event.h"
#include "common/zone_store.h"
#include "nats-server.h"

#define PREFIX "pdns"
#define HOUR_US (3600 * INT64_C(1000000))

static struct nats_server server;
static struct bus *bus;
static struct signing_key *key;
static struct trusted_keys *trusted;
static struct zone_store_sink sink = { .folder = server.folder, .memory_limit = 1 << 20 };

static int setup(void **state)
{
	char private_file[96], public_file[96], text[256] = "", id[KEY_ID_SIZE];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	nats_server_init(&server, NULL);
	bus = nats_server_bus(&server, NULL, NULL);
	snprintf(private_file, sizeof(private_file), "%s/private", server.folder);
	snprintf(public_file, sizeof(public_file), "%s/public", server.folder);
	assert_int_equal(signing_key_generate(private_file, public_file, id), 0);

	FILE *file = fopen(private_file, "r");

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_int_equal(signing_key_parse(text, &key), 0);
	assert_int_equal(trusted_keys_load(public_file, &trusted), 0);
	/* JetStream may need a moment after the first connection. */
	for (int i = 0; i < 200 && zone_store_ensure(bus, PREFIX, 1) < 0; i++)
		usleep(50000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	signing_key_free(key);
	trusted_keys_free(trusted);
	bus_close(bus);
	nats_server_end(&server);
	return 0;
}

static struct spool *make_body(size_t size)
{
	struct spool *spool;
	char *data = malloc(size);

	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 + i / 1000);
	assert_int_equal(spool_new(server.folder, 1 << 20, &spool), 0);
	assert_int_equal(spool_write(spool, data, size), 0);
	assert_int_equal(spool_finish(spool), 0);
	free(data);
	return spool;
}

static struct zone_head make_head(const char *zone, uint64_t generation, uint64_t size)
{
	struct zone_head head = { .zone = "", .state = ZONE_STATE_PRESENT, .generation = generation };

	strcpy(head.zone, zone);
	head.facts = (struct zone_body_facts){ .serial = 1, .records = 1, .size = size };
	return head;
}

static void check_same(struct spool *a, struct spool *b)
{
	char x[4096], y[4096];

	assert_int_equal(spool_size(a), spool_size(b));
	for (uint64_t at = 0; at < spool_size(a);) {
		int64_t n = spool_read(a, at, x, sizeof(x));

		assert_true(n > 0);
		assert_int_equal(spool_read(b, at, y, (size_t)n), n);
		assert_memory_equal(x, y, (size_t)n);
		at += (uint64_t)n;
	}
}

static uint64_t count_bodies(void)
{
	struct bus_stream_facts facts;

	assert_int_equal(bus_stream_facts(bus, "PDNS_BODIES", &facts), 0);
	return facts.messages;
}

static void test_ensure(void **state)
{
	struct bus_consumer_facts facts;

	(void)state;
	assert_int_equal(zone_store_ensure(bus, PREFIX, 1), 0);
	assert_int_equal(bus_consumer_facts(bus, "PDNS_EVENTS", SUBJECT_PROVIDER_CONSUMER, &facts), 0);
	assert_int_equal(bus_kv_put(bus, "PDNS_STATE", "leader", "x", 0, NULL), 0);
}

static void test_sizes(void **state)
{
	static const struct { const char *zone; size_t size; enum zone_body_place place; unsigned chunks; } table[] = {
		{ "one.example.", 1, ZONE_BODY_INLINE, 0 },
		{ "limit.example.", ZONE_STORE_INLINE_LIMIT, ZONE_BODY_INLINE, 0 },
		{ "over.example.", ZONE_STORE_INLINE_LIMIT + 1, ZONE_BODY_CHUNKS, 1 },
		{ "chunk.example.", ZONE_STORE_CHUNK_SIZE, ZONE_BODY_CHUNKS, 1 },
		{ "chunks.example.", ZONE_STORE_CHUNK_SIZE + 1, ZONE_BODY_CHUNKS, 2 },
		{ ".", 5000000, ZONE_BODY_CHUNKS, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct zone_head head = make_head(table[i].zone, clock_realtime_us(), table[i].size), back;
		struct spool *body = make_body(table[i].size), *read;
		struct bus_message *message = NULL;
		uint64_t sequence = 0, found = 1;

		assert_int_equal(zone_store_head(bus, PREFIX, trusted, table[i].zone, &back, &found, NULL), -ENOENT);
		assert_int_equal(found, 0);
		assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, 0, &sequence), 0);
		assert_int_equal(head.place, table[i].place);
		assert_int_equal(head.chunks, table[i].chunks);
		assert_int_equal(head.encoded_size, table[i].size);
		assert_int_equal(zone_store_head(bus, PREFIX, trusted, table[i].zone, &back, &found, &message), 0);
		assert_int_equal(found, sequence);
		assert_int_equal(back.sequence, sequence);
		assert_int_equal(back.generation, head.generation);
		assert_string_equal(back.body_id, head.body_id);
		assert_int_equal(zone_store_body(bus, PREFIX, &back, message, &sink, &read), 0);
		check_same(body, read);
		spool_free(read);
		spool_free(body);
		bus_message_free(message);
	}
}

static void test_conflict(void **state)
{
	struct zone_head head = make_head("conflict.example.", clock_realtime_us(), 1000000), stale = head;
	struct spool *body = make_body(1000000);
	uint64_t first, second, before;

	(void)state;
	assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, 0, &first), 0);
	before = count_bodies();
	assert_int_equal(zone_store_put(bus, PREFIX, key, &stale, body, 0, &second), ERROR_CONFLICT);
	assert_int_equal(count_bodies(), before); /* the chunks of the loser are gone */
	assert_int_equal(stale.place, ZONE_BODY_NONE);

	struct zone_head deleted = { .zone = "conflict.example.", .state = ZONE_STATE_DELETED, .generation = head.generation + 1 };

	assert_int_equal(zone_store_put(bus, PREFIX, key, &deleted, NULL, first, &second), 0);
	assert_true(second > first);
	assert_int_equal(zone_store_drop_body(bus, PREFIX, head.body_id), 0);
	assert_int_equal(count_bodies(), before - head.chunks);
	assert_int_equal(zone_store_head(bus, PREFIX, trusted, "conflict.example.", &deleted, &first, NULL), 0);
	assert_int_equal(deleted.state, ZONE_STATE_DELETED);
	assert_int_equal(first, second);
	spool_free(body);
}

struct pieces { uint64_t size, stop_at; };

static int on_piece(const void *data, size_t size, void *userdata)
{
	struct pieces *pieces = userdata;
	const char *octets = data;

	for (size_t i = 0; i < size; i++) {
		uint64_t at = pieces->size + i;

		if (octets[i] != (char)(at * 31 + at / 1000))
			return -EBADMSG;
	}
	pieces->size += size;
	return pieces->stop_at && pieces->size >= pieces->stop_at ? -ECANCELED : 0;
}

/* Whoever reads along sees all of it, once and in order, and may end it. */
static void test_pieces(void **state)
{
	static const size_t sizes[] = { 1000, 20000000 };
	const char *zones[] = { "small.pieces.", "large.pieces." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct zone_head head = make_head(zones[i], clock_realtime_us(), sizes[i]), back;
		struct spool *body = make_body(sizes[i]), *read = NULL;
		struct pieces pieces = { 0 };
		struct zone_store_sink along = { .folder = server.folder, .memory_limit = 1 << 20, .on_piece = on_piece, .userdata = &pieces };
		struct bus_message *message = NULL;
		uint64_t sequence;

		assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, 0, &sequence), 0);
		assert_int_equal(zone_store_head(bus, PREFIX, trusted, zones[i], &back, &sequence, &message), 0);
		assert_int_equal(zone_store_body(bus, PREFIX, &back, message, &along, &read), 0);
		assert_int_equal(pieces.size, sizes[i]);
		check_same(body, read);
		spool_free(read);
		read = NULL;
		pieces = (struct pieces){ .stop_at = sizes[i] / 2 };
		assert_int_equal(zone_store_body(bus, PREFIX, &back, message, &along, &read), -ECANCELED);
		assert_null(read);
		assert_true(pieces.size < sizes[i] || sizes[i] == 1000);
		bus_message_free(message);
		spool_free(body);
	}
}

static void test_damaged(void **state)
{
	struct zone_head head = make_head("damaged.example.", clock_realtime_us(), 2000000), back;
	struct spool *body = make_body(2000000), *read;
	struct bus_message *message;
	char subject[SUBJECT_SIZE];
	uint64_t sequence, found;

	(void)state;
	assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, 0, &sequence), 0);
	/* A chunk shorter than it was, one longer, one missing. */
	subject_body(PREFIX, head.body_id, 1, subject);
	assert_int_equal(bus_message_new(subject, "short", 5, &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, NULL), 0);
	bus_message_free(message);
	assert_int_equal(zone_store_body(bus, PREFIX, &head, NULL, &sink, &read), ERROR_BODY);
	assert_int_equal(bus_stream_purge_subject(bus, "PDNS_BODIES", subject), 0);
	assert_int_equal(zone_store_body(bus, PREFIX, &head, NULL, &sink, &read), ERROR_BODY);

	/* An empty message in the place of the head: refused, but it can be replaced. */
	assert_int_equal(bus_message_new("pdns.zone.example.damaged", NULL, 0, &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, &sequence), 0);
	bus_message_free(message);
	assert_int_equal(zone_store_head(bus, PREFIX, trusted, "damaged.example.", &back, &found, NULL), ERROR_UNTRUSTED);
	assert_int_equal(found, sequence);
	assert_int_equal(zone_store_put(bus, PREFIX, key, &head, body, found, &sequence), 0);
	assert_int_equal(zone_store_head(bus, PREFIX, trusted, "damaged.example.", &back, &found, NULL), 0);
	spool_free(body);
}

static void test_sweep(void **state)
{
	uint64_t old = clock_realtime_us() - 2 * (uint64_t)HOUR_US, sequence;
	struct zone_head named = make_head("named.example.", old, 1000000), young = make_head("young.example.", clock_realtime_us(), 1000000);
	struct spool *body = make_body(1000000), *read;

	(void)state;
	while (zone_store_sweep(bus, PREFIX, trusted, -HOUR_US) > 0)
		;
	assert_int_equal(zone_store_put(bus, PREFIX, key, &named, body, 0, &sequence), 0);
	assert_int_equal(zone_store_put(bus, PREFIX, key, &young, body, 0, &sequence), 0);
	assert_int_equal(bus_stream_purge_subject(bus, "PDNS_ZONES", "pdns.zone.example.young"), 0);

	/* Left behind: an old body without a head, and one that we would not have made. */
	struct bus_message *message;

	assert_int_equal(bus_message_new("pdns.body.1-0123456789abcdef.0", "x", 1, &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, NULL), 0);
	bus_message_free(message);
	assert_int_equal(bus_message_new("pdns.body.strange.0", "x", 1, &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, NULL), 0);
	bus_message_free(message);

	assert_int_equal(zone_store_sweep(bus, PREFIX, trusted, HOUR_US), 2);
	assert_int_equal(zone_store_sweep(bus, PREFIX, trusted, HOUR_US), 0);
	assert_int_equal(zone_store_body(bus, PREFIX, &named, NULL, &sink, &read), 0);
	spool_free(read);
	assert_int_equal(zone_store_body(bus, PREFIX, &young, NULL, &sink, &read), 0);
	spool_free(read);
	assert_int_equal(zone_store_sweep(bus, PREFIX, trusted, 0), 1); /* now the young one is old enough */
	spool_free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ensure), cmocka_unit_test(test_sizes), cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_damaged), cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
