/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/zone_event.h"

#define UUID "123e4567-e89b-42d3-a456-426614174000"
#define SUBJECT "pdns.event.org.example"
#define REST "\"by\":\"api-proxy/h\",\"request\":\"" UUID "\",\"at\":\"2026-01-31T23:59:59.123Z\"}"

static void test_round_trip(void **state)
{
	static const char *const zones[] = { "example.org.", ".", "a\\.b.org.", "2/26.2.0.192.in-addr.arpa.", "\\255.org." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		for (enum zone_change change = ZONE_CREATED; change <= ZONE_REWRITE; change++) {
			struct zone_event event, back;
			struct bus_message *message;

			zone_event_init(&event, zones[i], change, "api-proxy/host1");
			assert_int_equal(zone_event_encode(&event, "pdns", &message), 0);
			assert_int_equal(zone_event_decode(message, "pdns", &back), 0);
			assert_string_equal(back.zone, event.zone);
			assert_int_equal(back.change, change);
			assert_string_equal(back.by, event.by);
			assert_string_equal(back.request, event.request);
			assert_int_equal(back.at_us, event.at_us / 1000 * 1000);
			assert_int_equal(zone_event_decode(message, "other", &back), ERROR_MALFORMED);
			bus_message_free(message);
		}
	}
}

static void test_decode(void **state)
{
	static const struct { const char *name, *subject, *payload; int want; } table[] = {
		{ "good", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"check\"," REST, 0 },
		{ "more members", SUBJECT, "{\"v\":1,\"x\":[],\"zone\":\"example.org.\",\"change\":\"check\"," REST, 0 },
		{ "empty", SUBJECT, "", ERROR_MALFORMED },
		{ "no JSON", SUBJECT, "{", ERROR_MALFORMED },
		{ "array", SUBJECT, "[]", ERROR_MALFORMED },
		{ "no version", SUBJECT, "{\"zone\":\"example.org.\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "other version", SUBJECT, "{\"v\":2}", ERROR_VERSION },
		{ "version as text", SUBJECT, "{\"v\":\"1\"}", ERROR_MALFORMED },
		{ "two zones", SUBJECT, "{\"v\":1,\"zone\":\"a.\",\"zone\":\"example.org.\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "upper case", SUBJECT, "{\"v\":1,\"zone\":\"Example.org.\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "no final dot", SUBJECT, "{\"v\":1,\"zone\":\"example.org\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "another zone", SUBJECT, "{\"v\":1,\"zone\":\"example.net.\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "another subject", "pdns.zone.org.example", "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"check\"," REST, ERROR_MALFORMED },
		{ "unknown change", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"eaten\"," REST, ERROR_MALFORMED },
		{ "no change", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\"," REST, ERROR_MALFORMED },
		{ "line break", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"check\",\"by\":\"a\\nb\",\"request\":\"" UUID
		  "\",\"at\":\"2026-01-31T23:59:59.123Z\"}", ERROR_MALFORMED },
		{ "bad time", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"check\",\"by\":\"a\",\"request\":\"" UUID
		  "\",\"at\":\"2026-02-31T23:59:59.123Z\"}", ERROR_MALFORMED },
		{ "long id", SUBJECT, "{\"v\":1,\"zone\":\"example.org.\",\"change\":\"check\",\"by\":\"a\",\"request\":\"" UUID
		  "0\",\"at\":\"2026-01-31T23:59:59.123Z\"}", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct bus_message *message;
		struct zone_event event = { .at_us = 42 };

		print_message("%s\n", table[i].name);
		assert_int_equal(bus_message_new(table[i].subject, table[i].payload, strlen(table[i].payload), &message), 0);
		assert_int_equal(zone_event_decode(message, "pdns", &event), table[i].want);
		assert_int_equal(event.at_us, table[i].want == 0 ? UINT64_C(1769903999123000) : 42);
		bus_message_free(message);
	}
}

static void test_names(void **state)
{
	enum zone_change change;

	(void)state;
	for (enum zone_change i = ZONE_CREATED; i <= ZONE_REWRITE; i++) {
		assert_int_equal(zone_change_parse(zone_change_name(i), &change), 0);
		assert_int_equal(change, i);
	}
	assert_int_equal(zone_change_parse("Created", &change), ERROR_MALFORMED);
	assert_int_equal(zone_change_parse("", &change), ERROR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
