/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/error.h"
#include "nats-server.h"

/* A real server, whose user "limited" has just the rights of a secondary. */
static const char config[] =
	"authorization { users: [\n"
	" { user: admin, password: admin }\n"
	" { user: limited, password: limited, permissions: {\n"
	"   publish: [ \"$JS.API.CONSUMER.MSG.NEXT.ZONES.secondary-ns1\", \"$JS.ACK.ZONES.secondary-ns1.>\",\n"
	"              \"$JS.API.DIRECT.GET.ZONES.zone.>\", \"applied.ns1\" ]\n"
	"   subscribe: [ \"_INBOX_user.>\" ] } }\n"
	"] }\n";

static struct nats_server server;
static struct bus *bus;

#define SECOND UINT64_C(1000000)

/* Waits until the condition holds, never for a time; fails after 20 s. */
#define WAIT_FOR(condition) do { \
	uint64_t wait_until = clock_monotonic_us() + 20 * SECOND; \
	while (!(condition)) { \
		assert_true(clock_monotonic_us() < wait_until); \
		usleep(2000); \
	} \
} while (0)

static struct bus *open_bus(const char *user)
{
	return nats_server_bus(&server, user, user);
}

static int setup(void **state)
{
	(void)state;
	nats_server_init(&server, config);
	bus = open_bus("admin");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bus_close(bus);
	nats_server_end(&server);
	return 0;
}

static void make_stream(const char *name, const char *subject)
{
	struct bus_stream_options options = { .name = name, .subjects = { subject }, .max_messages_per_subject = 1 };

	assert_int_equal(bus_stream_ensure(bus, &options, NULL), 0);
}

static void make_consumer(const char *stream, const char *name)
{
	struct bus_consumer_options options = { .stream = stream, .name = name, .ack_wait_us = 2000000, .max_ack_pending = 100 };

	assert_int_equal(bus_consumer_ensure(bus, &options, NULL), 0);
}

static uint64_t store(const char *subject, const char *text)
{
	struct bus_message *message;
	uint64_t sequence = 0;

	assert_int_equal(bus_message_new(subject, text, strlen(text), &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, &sequence), 0);
	bus_message_free(message);
	return sequence;
}

/* Counts what comes. */
struct counter {
	struct bus *bus;
	atomic_int messages, problems, last_problem, resets, caught_up;
	atomic_uint deliveries;
	atomic_ullong sequence;
	atomic_bool refuse; /* do not acknowledge */
};

static void on_message(struct bus_message *message, void *userdata)
{
	struct counter *counter = userdata;

	atomic_store(&counter->sequence, bus_message_sequence(message));
	atomic_store(&counter->deliveries, bus_message_deliveries(message));
	if (atomic_load(&counter->refuse))
		assert_int_equal(bus_ack_later(counter->bus, message, 50000), 0);
	else if (counter->bus)
		(void)bus_ack(counter->bus, message);
	atomic_fetch_add(&counter->messages, 1);
	bus_message_free(message);
}

static void on_problem(int error, void *userdata)
{
	struct counter *counter = userdata;

	atomic_store(&counter->last_problem, error);
	if (error != 0)
		atomic_fetch_add(&counter->problems, 1);
}

static void on_reset(void *userdata)
{
	atomic_fetch_add(&((struct counter *)userdata)->resets, 1);
}

static void on_caught_up(void *userdata)
{
	atomic_fetch_add(&((struct counter *)userdata)->caught_up, 1);
}

static void test_options(void **state)
{
	static const struct { const char *name; struct bus_options options; } bad[] = {
		{ "no URL", { .urls = "" } },
		{ "another scheme", { .urls = "http://127.0.0.1:4222" } },
		{ "no host", { .urls = "nats://:4222" } },
		{ "no port", { .urls = "nats://127.0.0.1:" } },
		{ "port too large", { .urls = "nats://127.0.0.1:65536" } },
		{ "one of two", { .urls = "nats://127.0.0.1:4222,nats://[::1" } },
		{ "malformed seed", { .urls = "nats://127.0.0.1:1", .nkey_seed = "SUAMALFORMED" } },
		{ "missing CA", { .urls = "nats://127.0.0.1:1", .tls_ca = "/nonexistent" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bus *other = NULL;
		char *reason = NULL;

		print_message("%s\n", bad[i].name);
		assert_true(bus_open(&bad[i].options, "test", NULL, NULL, &other, &reason) < 0);
		assert_non_null(reason);
		free(reason);
	}
}

static void test_not_connected(void **state)
{
	struct bus_options options = { .urls = "nats://127.0.0.1:1,nats://[::1]:1" };
	struct bus *other;
	struct bus_message *message;
	char text[256];

	(void)state;
	assert_int_equal(bus_open(&options, "test", NULL, NULL, &other, NULL), 0);
	assert_int_equal(bus_wait_connected(other, 100000), ERROR_DISCONNECTED);
	assert_int_equal(bus_publish(other, "a", "b", 1), ERROR_DISCONNECTED);
	assert_int_equal(bus_request(other, "a", "b", 1, 1000000, &message), ERROR_DISCONNECTED);
	bus_last_error(other, text, sizeof(text));
	assert_string_not_equal(text, "");
	bus_close(other);
}

static void test_message(void **state)
{
	struct bus_message *message;
	size_t size;

	(void)state;
	assert_int_equal(bus_message_new("a.b", "text", 4, &message), 0);
	assert_string_equal(bus_message_subject(message), "a.b");
	assert_memory_equal(bus_message_payload(message, &size), "text", 4);
	assert_int_equal(size, 4);
	assert_null(bus_message_reply(message));
	assert_null(bus_message_header(message, "Zone"));
	assert_int_equal(bus_message_set_header(message, "Zone", "a."), 0);
	assert_int_equal(bus_message_set_header(message, "Zone", "b."), 0);
	assert_string_equal(bus_message_header(message, "Zone"), "b.");
	assert_int_equal(bus_message_header_count(message, "Zone"), 1);
	assert_null(bus_message_header(message, "zone"));
	assert_int_equal(bus_message_set_header(message, "Zone", "a\r\nState: x"), -EINVAL);
	bus_message_free(message);
	bus_message_free(NULL);
}

static void answer(struct bus_message *message, void *userdata)
{
	assert_int_equal(bus_respond(userdata, message, "pong", 4), 0);
	bus_message_free(message);
}

static void test_request(void **state)
{
	struct bus_subscription *subscription;
	struct bus_message *reply;
	size_t size;

	(void)state;
	assert_int_equal(bus_request(bus, "nobody", "ping", 4, 1000000, &reply), ERROR_NO_RESPONDER);
	assert_int_equal(bus_subscribe(bus, "ask.*", "group", answer, bus, &subscription), 0);
	assert_int_equal(bus_request(bus, "ask.x", "ping", 4, 1000000, &reply), 0);
	assert_memory_equal(bus_message_payload(reply, &size), "pong", 4);
	bus_message_free(reply);
	bus_unsubscribe(subscription);
	assert_int_equal(bus_request(bus, "ask.x", "ping", 4, 1000000, &reply), ERROR_NO_RESPONDER);
}

static void test_store(void **state)
{
	struct bus_message *message, *last;
	struct bus_stream_options options = { .name = "S", .subjects = { "s.>" }, .max_messages_per_subject = 1 };
	struct bus_stream_facts facts;
	uint64_t first, second, third;
	bool created;
	size_t size;

	(void)state;
	assert_int_equal(bus_message_new("s.a", "one", 3, &message), 0);
	assert_int_equal(bus_store(bus, message, "id", BUS_ANY, NULL), ERROR_NO_STREAM);
	assert_int_equal(bus_stream_last(bus, "S", "s.a", &last), ERROR_NO_STREAM);
	assert_int_equal(bus_stream_facts(bus, "S", &facts), ERROR_NO_STREAM);
	assert_int_equal(bus_stream_ensure(bus, &options, &created), 0);
	assert_true(created);
	assert_int_equal(bus_stream_ensure(bus, &options, &created), 0);
	assert_false(created);

	/* The same message can be stored again, under other conditions. */
	assert_int_equal(bus_stream_last(bus, "S", "s.a", &last), -ENOENT);
	assert_int_equal(bus_store(bus, message, "id", 0, &first), 0);
	assert_int_equal(bus_store(bus, message, "id", 0, &second), 0); /* a repetition is no conflict */
	assert_int_equal(second, first);
	assert_int_equal(bus_store(bus, message, NULL, 0, &third), ERROR_CONFLICT);
	assert_int_equal(bus_store(bus, message, NULL, first + 1, &third), ERROR_CONFLICT);
	assert_int_equal(bus_store(bus, message, NULL, first, &third), 0);
	assert_true(third > first);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, &third), 0);
	bus_message_free(message);

	assert_int_equal(bus_stream_last(bus, "S", "s.a", &last), 0);
	assert_string_equal(bus_message_subject(last), "s.a");
	assert_int_equal(bus_message_sequence(last), third);
	assert_memory_equal(bus_message_payload(last, &size), "one", 3);
	assert_true(clock_realtime_us() - bus_message_time_us(last) < 60 * SECOND);
	assert_int_equal(bus_message_stored_size(last), 3);
	bus_message_free(last);

	assert_int_equal(bus_stream_facts(bus, "S", &facts), 0);
	assert_int_equal(facts.messages, 1);
	assert_int_equal(facts.last_sequence, third);
	assert_int_equal(bus_stream_purge_subject(bus, "S", "s.a"), 0);
	assert_int_equal(bus_stream_last(bus, "S", "s.a", &last), -ENOENT);
}

/* Headers that a publisher made up must not pass for the server's. */
static void test_forged_headers(void **state)
{
	struct bus_message *message, *last;
	uint64_t sequence;

	(void)state;
	make_stream("S", "s.>");
	assert_int_equal(bus_message_new("s.forged", "x", 1, &message), 0);
	assert_int_equal(bus_message_set_header(message, "Nats-Sequence", "999999"), 0);
	assert_int_equal(bus_message_set_header(message, "Nats-Subject", "s.other"), 0);
	assert_int_equal(bus_message_set_header(message, "Status", "404"), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, &sequence), 0);
	bus_message_free(message);
	assert_int_equal(bus_stream_last(bus, "S", "s.forged", &last), 0);
	assert_int_equal(bus_message_sequence(last), sequence);
	assert_string_equal(bus_message_subject(last), "s.forged");
	bus_message_free(last);
}

static void test_store_many(void **state)
{
	enum { COUNT = 500 };
	struct bus_message *messages[COUNT];
	int results[COUNT];
	char subject[32];

	(void)state;
	make_stream("S", "s.>");
	for (int i = 0; i < COUNT; i++) {
		snprintf(subject, sizeof(subject), i == 7 ? "unstored.%d" : "s.many.%d", i);
		assert_int_equal(bus_message_new(subject, subject, strlen(subject), &messages[i]), 0);
		assert_int_equal(bus_message_set_header(messages[i], "Name", subject), 0);
	}
	assert_int_not_equal(bus_store_many(bus, messages, NULL, COUNT, results), 0);
	assert_int_not_equal(results[7], 0);
	bus_message_free(messages[7]);
	assert_int_equal(bus_message_new("s.many.7", "x", 1, &messages[7]), 0);
	assert_int_equal(bus_store_many(bus, messages, NULL, COUNT, results), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(results[i], 0);
		bus_message_free(messages[i]);
	}

	struct bus_message *last;

	assert_int_equal(bus_stream_last(bus, "S", "s.many.499", &last), 0);
	assert_string_equal(bus_message_header(last, "Name"), "s.many.499");
	bus_message_free(last);
}

static int count_subject(const char *subject, void *userdata)
{
	assert_memory_equal(subject, "s.many.", 7);
	++*(int *)userdata;
	return 0;
}

static void test_subjects(void **state)
{
	int count = 0;

	(void)state;
	assert_int_equal(bus_stream_subjects(bus, "S", "s.many.*", count_subject, &count), 0);
	assert_int_equal(count, 500);
	assert_int_equal(bus_stream_subjects(bus, "S", "s.nothing.*", count_subject, &count), 0);
	assert_int_equal(bus_stream_subjects(bus, "NONE", "s.>", count_subject, &count), ERROR_NO_STREAM);
}

static int count_consumer(const struct bus_consumer_facts *facts, void *userdata)
{
	assert_int_equal(strncmp(facts->name, "secondary-", 10), 0);
	++*(int *)userdata;
	return 0;
}

static void test_consumers(void **state)
{
	struct bus_consumer_facts facts;
	int count = 0;

	(void)state;
	make_stream("ZONES", "zone.>");
	make_consumer("ZONES", "secondary-a");
	make_consumer("ZONES", "secondary-b");
	assert_int_equal(bus_consumer_each(bus, "ZONES", count_consumer, &count), 0);
	assert_int_equal(count, 2);
	store("zone.x", "x");
	assert_int_equal(bus_consumer_facts(bus, "ZONES", "secondary-a", &facts), 0);
	assert_string_equal(facts.name, "secondary-a");
	assert_int_equal(facts.pending, 1);
	assert_true(clock_realtime_us() - facts.created_us < 60 * SECOND);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "secondary-a"), 0);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "secondary-a"), 0);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "secondary-b"), 0);
	assert_int_equal(bus_consumer_facts(bus, "ZONES", "secondary-a", &facts), ERROR_NO_STREAM);
	assert_int_equal(bus_stream_purge_subject(bus, "ZONES", "zone.>"), 0);
}

/* With no more rights than a secondary has. */
static void test_pull(void **state)
{
	struct bus *limited = open_bus("limited");
	struct counter counter = { .bus = limited };
	struct bus_pull *pull;
	struct bus_message *last;
	struct bus_consumer_facts facts;

	(void)state;
	make_stream("ZONES", "zone.>");
	assert_int_equal(bus_pull_start(limited, "ZONES", "secondary-ns1", 10, on_message, on_problem, &counter, &pull), 0);
	WAIT_FOR(atomic_load(&counter.last_problem) == ERROR_NO_STREAM);
	make_consumer("ZONES", "secondary-ns1");

	uint64_t sequence = store("zone.a", "a");

	WAIT_FOR(atomic_load(&counter.sequence) == sequence);
	assert_int_equal(atomic_load(&counter.last_problem), 0);
	for (int i = 0; i < 50; i++)
		sequence = store("zone.b", "b");
	WAIT_FOR(atomic_load(&counter.sequence) == sequence);

	assert_int_equal(bus_stream_last(limited, "ZONES", "zone.b", &last), 0);
	assert_int_equal(bus_message_sequence(last), sequence);
	bus_message_free(last);
	assert_int_equal(bus_request(limited, "forbidden", "x", 1, 300000, &last), ERROR_DENIED);

	/* What is not acknowledged comes again. */
	atomic_store(&counter.refuse, true);
	sequence = store("zone.c", "c");
	WAIT_FOR(atomic_load(&counter.sequence) == sequence && atomic_load(&counter.deliveries) >= 2);
	atomic_store(&counter.refuse, false);
	do {
		assert_int_equal(bus_consumer_facts(bus, "ZONES", "secondary-ns1", &facts), 0);
	} while (facts.ack_pending > 0);

	/* The consumer disappears and comes back. */
	atomic_store(&counter.problems, 0);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "secondary-ns1"), 0);
	WAIT_FOR(atomic_load(&counter.problems) > 0);
	make_consumer("ZONES", "secondary-ns1");
	WAIT_FOR(atomic_load(&counter.last_problem) == 0);
	sequence = store("zone.d", "d");
	WAIT_FOR(atomic_load(&counter.sequence) == sequence);
	bus_pull_stop(pull);
	bus_close(limited);
}

static void test_pull_denied(void **state)
{
	struct bus *limited = open_bus("limited");
	struct counter counter = { .bus = limited };
	struct bus_pull *pull;

	(void)state;
	make_stream("ZONES", "zone.>");
	make_consumer("ZONES", "secondary-other");
	assert_int_equal(bus_pull_start(limited, "ZONES", "secondary-other", 10, on_message, on_problem, &counter, &pull), 0);
	WAIT_FOR(atomic_load(&counter.last_problem) == ERROR_DENIED);
	assert_int_equal(atomic_load(&counter.messages), 0);
	bus_pull_stop(pull);
	bus_close(limited);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "secondary-other"), 0);
}

/* More is there than may be unacknowledged at once: the pull waits, calls it no trouble, and goes on. */
static void test_pull_full(void **state)
{
	struct counter counter = { 0 };
	struct bus_consumer_options options = { .stream = "FULL", .name = "full", .ack_wait_us = 1000000, .max_ack_pending = 3 };
	struct bus_consumer_facts facts;
	struct bus_pull *pull;
	char subject[32];

	(void)state;
	make_stream("FULL", "full.>");
	assert_int_equal(bus_consumer_ensure(bus, &options, NULL), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(subject, sizeof(subject), "full.%d", i);
		store(subject, "x");
	}
	assert_int_equal(bus_pull_start(bus, "FULL", "full", 10, on_message, on_problem, &counter, &pull), 0);
	WAIT_FOR(atomic_load(&counter.messages) >= 6); /* three, and the same three again */
	assert_int_equal(atomic_load(&counter.problems), 0);
	bus_pull_stop(pull);
	counter.bus = bus;
	assert_int_equal(bus_pull_start(bus, "FULL", "full", 10, on_message, on_problem, &counter, &pull), 0);
	do {
		assert_int_equal(bus_consumer_facts(bus, "FULL", "full", &facts), 0);
	} while (facts.ack_pending > 0 || facts.pending > 0);
	assert_int_equal(atomic_load(&counter.problems), 0);
	bus_pull_stop(pull);
}

/* An idle pull is handed a new message at once. */
static void test_pull_latency(void **state)
{
	enum { ROUNDS = 50 };
	struct counter counter = { .bus = bus };
	struct bus_pull *pull;
	uint64_t best = UINT64_MAX;

	(void)state;
	make_stream("ZONES", "zone.>");
	make_consumer("ZONES", "latency");
	assert_int_equal(bus_pull_start(bus, "ZONES", "latency", 10, on_message, on_problem, &counter, &pull), 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_monotonic_us();
		uint64_t sequence = store("zone.latency", "x");

		while (atomic_load(&counter.sequence) != sequence)
			usleep(20);
		if (clock_monotonic_us() - start < best)
			best = clock_monotonic_us() - start;
	}
	print_message("stored and delivered in %llu us at best\n", (unsigned long long)best);
	assert_true(best < 50000);
	bus_pull_stop(pull);
	assert_int_equal(bus_consumer_delete(bus, "ZONES", "latency"), 0);
}

/*
 * Messages that come at the very moment at which a request expires: nats-server 2.9.10 then drops the request without a word.
 * No pull may take that for the consumer's end, or let the message wait for its next request.
 */
static void test_pull_expiring(void **state)
{
	enum { PULLS = 25, FROM_MS = 470, UNTIL_MS = 540, SILENCE_MS = 1800 };
	struct counter counters[PULLS];
	struct bus_pull *pulls[PULLS];
	char name[16];

	(void)state;
	make_stream("EXPIRY", "expiry.>");
	for (int i = 0; i < PULLS; i++) {
		snprintf(name, sizeof(name), "expiry-%d", i);
		make_consumer("EXPIRY", name);
	}

	uint64_t start = clock_monotonic_us(), sequence = 0;

	for (int i = 0; i < PULLS; i++) {
		snprintf(name, sizeof(name), "expiry-%d", i);
		counters[i] = (struct counter){ .bus = bus };
		assert_int_equal(bus_pull_start(bus, "EXPIRY", name, 1000, on_message, on_problem, &counters[i], &pulls[i]), 0);
	}
	while (clock_monotonic_us() - start < FROM_MS * 1000)
		usleep(1000);
	while (clock_monotonic_us() - start < UNTIL_MS * 1000)
		sequence = store("expiry.x", "x");
	for (int i = 0; i < PULLS; i++)
		WAIT_FOR(atomic_load(&counters[i].sequence) >= sequence);
	while (clock_monotonic_us() - start < SILENCE_MS * 1000)
		usleep(1000);
	for (int i = 0; i < PULLS; i++)
		bus_pull_stop(pulls[i]);
	for (int i = 0; i < PULLS; i++)
		assert_int_equal(atomic_load(&counters[i].problems), 0);
}

/* What is asked for ahead is neither forgotten nor counted twice: several batches, and small ones, all come once. */
static void test_pull_ahead(void **state)
{
	static const unsigned batches[] = { 1, 2, 3, 64 };
	enum { MESSAGES = 300 };
	char name[16], subject[32];

	(void)state;
	make_stream("AHEAD", "ahead.>");
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(subject, sizeof(subject), "ahead.%d", i);
		store(subject, "x");
	}
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		struct counter counter = { .bus = bus };
		struct bus_pull *pull;

		snprintf(name, sizeof(name), "ahead-%zu", i);
		make_consumer("AHEAD", name);
		assert_int_equal(bus_pull_start(bus, "AHEAD", name, batches[i], on_message, on_problem, &counter, &pull), 0);
		WAIT_FOR(atomic_load(&counter.messages) >= MESSAGES);
		bus_pull_stop(pull);
		assert_int_equal(atomic_load(&counter.messages), MESSAGES);
		assert_int_equal(atomic_load(&counter.problems), 0);
	}
}

static void test_follow(void **state)
{
	struct counter counter = { 0 };
	struct bus_follow_handlers handlers = { on_reset, on_message, on_caught_up, &counter };
	struct bus_follow *follow;

	(void)state;
	make_stream("F", "f.>");
	for (int i = 0; i < 10; i++) {
		store("f.a", "old");
		store("f.b", "old");
	}
	assert_int_equal(bus_follow_start(bus, "F", "f.>", &handlers, &follow), 0);
	WAIT_FOR(atomic_load(&counter.caught_up) == 1);
	assert_int_equal(atomic_load(&counter.resets), 1);
	assert_int_equal(atomic_load(&counter.messages), 2);

	uint64_t sequence = store("f.c", "new");

	WAIT_FOR(atomic_load(&counter.sequence) == sequence);
	assert_int_equal(atomic_load(&counter.messages), 3);
	bus_follow_stop(follow);
}

static int count_key(const char *key, void *userdata)
{
	assert_int_equal(strncmp(key, "member.", 7), 0);
	++*(int *)userdata;
	return 0;
}

static void test_kv(void **state)
{
	char *value;
	uint64_t revision, later;
	bool created;
	int count = 0;

	(void)state;
	assert_int_equal(bus_kv_ensure(bus, "STATE", 1, &created), 0);
	assert_true(created);
	assert_int_equal(bus_kv_get(bus, "STATE", "member.a", &value, &revision), -ENOENT);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.a", "1", 0, &revision), 0);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.a", "2", 0, NULL), ERROR_CONFLICT);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.a", "2", revision, &later), 0);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.a", "3", revision, NULL), ERROR_CONFLICT);
	assert_int_equal(bus_kv_get(bus, "STATE", "member.a", &value, &revision), 0);
	assert_string_equal(value, "2");
	assert_int_equal(revision, later);
	free(value);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.b", "", BUS_ANY, NULL), 0);
	assert_int_equal(bus_kv_each(bus, "STATE", count_key, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(bus_kv_delete(bus, "STATE", "member.a"), 0);
	assert_int_equal(bus_kv_get(bus, "STATE", "member.a", &value, &revision), -ENOENT);
	assert_int_equal(bus_kv_put(bus, "STATE", "member.a", "4", 0, &revision), 0);
}

/* A server that is killed and comes back, and one that comes back without its data. */
static void test_restart(void **state)
{
	struct counter pulled = { .bus = bus }, followed = { 0 }, heard = { 0 };
	struct bus_follow_handlers handlers = { on_reset, on_message, on_caught_up, &followed };
	struct bus_pull *pull;
	struct bus_follow *follow;
	struct bus_subscription *subscription;
	struct bus_stream_facts facts;

	(void)state;
	make_stream("R", "r.>");
	make_consumer("R", "durable");
	assert_int_equal(bus_pull_start(bus, "R", "durable", 10, on_message, on_problem, &pulled, &pull), 0);
	assert_int_equal(bus_follow_start(bus, "R", "r.>", &handlers, &follow), 0);
	assert_int_equal(bus_subscribe(bus, "heard", NULL, on_message, &heard, &subscription), 0);

	uint64_t sequence = store("r.a", "x");

	WAIT_FOR(atomic_load(&pulled.sequence) == sequence && atomic_load(&followed.caught_up) == 1);
	for (int round = 0; round < 2; round++) {
		nats_server_kill(&server);
		WAIT_FOR(!bus_connected(bus));
		assert_int_equal(bus_publish(bus, "heard", "x", 1), ERROR_DISCONNECTED);
		if (round == 1)
			nats_server_wipe(&server);
		nats_server_start(&server);
		assert_int_equal(bus_wait_connected(bus, 20000000), 0);
		WAIT_FOR(bus_stream_facts(bus, "R", &facts) == (round == 0 ? 0 : ERROR_NO_STREAM));
		if (round == 1) {
			WAIT_FOR(atomic_load(&pulled.last_problem) == ERROR_NO_STREAM);
			make_stream("R", "r.>");
			make_consumer("R", "durable");
		}
		sequence = store("r.a", "y");
		WAIT_FOR(atomic_load(&pulled.sequence) == sequence && atomic_load(&followed.sequence) == sequence);
		WAIT_FOR(atomic_load(&followed.resets) >= round + 2);
		WAIT_FOR(bus_publish(bus, "heard", "x", 1) == 0 && atomic_load(&heard.messages) > round);
	}
	bus_unsubscribe(subscription);
	bus_follow_stop(follow);
	bus_pull_stop(pull);
}

/* Another server takes the place of one that is gone. */
static void test_second_server(void **state)
{
	struct nats_server second;
	struct bus_options options = { .user = "admin", .password = "admin" };
	struct bus *other;
	char urls[200];

	(void)state;
	nats_server_init(&second, config);
	snprintf(urls, sizeof(urls), "nats://127.0.0.1:1,%s", second.url);
	options.urls = urls;
	assert_int_equal(bus_open(&options, "test", NULL, NULL, &other, NULL), 0);
	assert_int_equal(bus_wait_connected(other, 20000000), 0);
	assert_true(bus_max_payload(other) >= 1024 * 1024);
	bus_close(other);
	nats_server_end(&second);
}

/* Each way to say who we are, right and wrong. */
static void test_credentials(void **state)
{
	static const char seed[] = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n";
	static const struct { const char *config; struct bus_options options; bool want; } table[] = {
		{ "authorization { token: secret }\n", { .token = "secret" }, true },
		{ "authorization { token: secret }\n", { .token = "other" }, false },
		{ "authorization { users: [ { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }\n",
		  { .nkey_seed = seed }, true },
		{ "authorization { users: [ { user: a, password: b } ] }\n", { .nkey_seed = seed }, false },
		{ "authorization { users: [ { user: a, password: b } ] }\n", { .user = "a", .password = "b" }, true },
		{ "authorization { users: [ { user: a, password: b } ] }\n", { .user = "a", .password = "c" }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bus_options options = table[i].options;
		struct nats_server own;
		struct bus *other;
		char text[256];

		nats_server_init(&own, table[i].config);
		options.urls = own.url;
		assert_int_equal(bus_open(&options, "test", NULL, NULL, &other, NULL), 0);
		if (table[i].want) {
			assert_int_equal(bus_wait_connected(other, 20000000), 0);
		} else {
			/* Refused, and it goes on trying: the other side may be set right later. */
			WAIT_FOR((bus_last_error(other, text, sizeof(text)), strcasestr(text, "auth") || strstr(text, "NKEY")));
			assert_false(bus_connected(other));
			assert_null(strstr(text, "other"));
		}
		bus_close(other);
		nats_server_end(&own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_not_connected),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_forged_headers),
		cmocka_unit_test(test_store_many),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_consumers),
		cmocka_unit_test(test_pull),
		cmocka_unit_test(test_pull_denied),
		cmocka_unit_test(test_pull_full),
		cmocka_unit_test(test_pull_latency),
		cmocka_unit_test(test_pull_expiring),
		cmocka_unit_test(test_pull_ahead),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_kv),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_second_server),
		cmocka_unit_test(test_credentials),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
