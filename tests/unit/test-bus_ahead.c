/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages that are asked for ahead come in the order of asking, whatever happens to questions and answers on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "nats-server.h"

#define COUNT 40
#define LARGE 200000

static struct nats_server server;
static struct bus *bus;

static void store(unsigned number, size_t size)
{
	char subject[32], *payload = malloc(size);
	struct bus_message *message;

	assert_non_null(payload);
	memset(payload, (int)number, size);
	snprintf(subject, sizeof(subject), "a.%u", number);
	assert_int_equal(bus_message_new(subject, payload, size, &message), 0);
	assert_int_equal(bus_store(bus, message, NULL, BUS_ANY, NULL), 0);
	bus_message_free(message);
	free(payload);
}

static int setup(void **state)
{
	struct bus_stream_options options = { .name = "A", .subjects = { "a.>" }, .max_messages_per_subject = 1 };

	(void)state;
	nats_server_init(&server, NULL);
	bus = nats_server_bus(&server, NULL, NULL);
	for (int i = 0; i < 200 && bus_stream_ensure(bus, &options, NULL) < 0; i++)
		usleep(50000);
	for (unsigned i = 0; i < COUNT; i++)
		store(i, i % 3 ? LARGE : 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bus_close(bus);
	nats_server_end(&server);
	return 0;
}

static struct bus_ahead *begin(const char *stream)
{
	struct bus_ahead *ahead;

	assert_int_equal(bus_ahead_new(bus, stream, &ahead), 0);
	return ahead;
}

static void ask(struct bus_ahead *ahead, unsigned number)
{
	char subject[32];

	snprintf(subject, sizeof(subject), "a.%u", number);
	assert_int_equal(bus_ahead_ask(ahead, subject), 0);
}

static void take(struct bus_ahead *ahead, unsigned number)
{
	struct bus_message *message;
	char subject[32];
	size_t size;

	assert_int_equal(bus_ahead_take(ahead, &message), 0);
	snprintf(subject, sizeof(subject), "a.%u", number);
	assert_string_equal(bus_message_subject(message), subject);
	const char *payload = bus_message_payload(message, &size);
	assert_int_equal(size, number % 3 ? LARGE : 1);
	assert_int_equal(payload[size - 1], (char)number);
	bus_message_free(message);
}

static void in_the_order_of_asking(void **state)
{
	struct bus_ahead *ahead = begin("A");
	unsigned asked = 0;

	(void)state;
	for (unsigned taken = 0; taken < COUNT; taken++) {
		for (; asked < COUNT && asked < taken + BUS_AHEAD_MAX; asked++)
			ask(ahead, asked);
		take(ahead, taken);
	}
	assert_int_equal(bus_ahead_take(ahead, &(struct bus_message *){ NULL }), -EINVAL);
	bus_ahead_free(ahead);
}

static void no_more_than_so_many(void **state)
{
	struct bus_ahead *ahead = begin("A");

	(void)state;
	for (unsigned i = 0; i < BUS_AHEAD_MAX; i++)
		ask(ahead, i);
	assert_int_equal(bus_ahead_ask(ahead, "a.1"), -ENOBUFS);
	take(ahead, 0);
	ask(ahead, 9);
	take(ahead, 1);
	bus_ahead_free(ahead); /* with answers that nobody took */
	bus_ahead_free(NULL);
}

static void one_that_is_missing(void **state)
{
	struct bus_ahead *ahead = begin("A");
	struct bus_message *message;

	(void)state;
	ask(ahead, 1);
	ask(ahead, COUNT + 1);
	ask(ahead, 2);
	take(ahead, 1);
	assert_int_equal(bus_ahead_take(ahead, &message), -ENOENT);
	take(ahead, 2);
	bus_ahead_free(ahead);

	ahead = begin("NONE");
	ask(ahead, 1);
	assert_int_equal(bus_ahead_take(ahead, &message), ERROR_NO_STREAM);
	bus_ahead_free(ahead);
}

/* What was asked of a server that is gone is asked once more of the one that is there. */
static void lost_on_the_way(void **state)
{
	struct bus_ahead *ahead = begin("A");
	struct bus_message *message = NULL;
	int r = 0;

	(void)state;
	kill(server.pid, SIGSTOP);
	ask(ahead, 4);
	ask(ahead, 5);
	nats_server_kill(&server);
	nats_server_start(&server);
	for (int i = 0; i < 400 && bus_connected(bus); i++)
		usleep(10000);
	assert_int_equal(bus_wait_connected(bus, 20000000), 0);
	/* JetStream may need a moment after the start. */
	struct bus_stream_facts facts;
	for (int i = 0; i < 200 && bus_stream_facts(bus, "A", &facts) < 0; i++)
		usleep(50000);
	take(ahead, 4);
	take(ahead, 5);

	/* Nobody there: said, not waited for. */
	ask(ahead, 6);
	nats_server_kill(&server);
	for (int i = 0; i < 400 && bus_connected(bus); i++)
		usleep(10000);
	r = bus_ahead_take(ahead, &message);
	if (r == 0)
		bus_message_free(message); /* the answer had come before */
	else
		assert_int_equal(r, ERROR_DISCONNECTED);
	ask(ahead, 7);
	assert_int_equal(bus_ahead_take(ahead, &message), ERROR_DISCONNECTED);
	bus_ahead_free(ahead);
	ahead = begin("A");
	ask(ahead, 1);
	assert_int_equal(bus_ahead_take(ahead, &message), ERROR_DISCONNECTED);
	bus_ahead_free(ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_order_of_asking), cmocka_unit_test(no_more_than_so_many), cmocka_unit_test(one_that_is_missing),
		cmocka_unit_test(lost_on_the_way),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
