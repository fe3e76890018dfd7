/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers that come after nobody waits for them any more must find nothing that was freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "nats-server.h"

#define COUNT 8
#define ROUNDS 500

/* Without a stream the first "nobody listens" ends the waiting, and the other answers are still on their way. */
static void late_answers_do_no_harm(void **state)
{
	(void)state;
	struct nats_server server;
	nats_server_init(&server, NULL);
	struct bus *bus = nats_server_bus(&server, NULL, NULL);
	struct bus_message *messages[COUNT];
	int results[COUNT];
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(bus_message_new("pdns.event.test", "hello", 5, &messages[i]), 0);
	for (int round = 0; round < ROUNDS; round++)
		assert_int_equal(bus_store_many(bus, messages, NULL, COUNT, results), ERROR_NO_STREAM);
	for (int i = 0; i < COUNT; i++)
		bus_message_free(messages[i]);
	bus_close(bus);
	nats_server_end(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(late_answers_do_no_harm) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
