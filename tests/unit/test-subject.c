/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/subject.h"

#define ID_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_prefix(void **state)
{
	static const struct { const char *in; int want; } table[] = {
		{ "pdns", 0 }, { "a", 0 }, { "my_pdns-2", 0 }, { "abcdefghijklmnopqrstuvwxyz012345", 0 },
		{ "abcdefghijklmnopqrstuvwxyz0123456", ERROR_MALFORMED }, { "", ERROR_MALFORMED }, { "Pdns", ERROR_MALFORMED },
		{ "a.b", ERROR_MALFORMED }, { "a*", ERROR_MALFORMED }, { ">", ERROR_MALFORMED }, { "a b", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(subject_check_prefix(table[i].in), table[i].want);
}

static void test_id(void **state)
{
	static const struct { const char *in; int want; } table[] = {
		{ "ns1", 0 }, { "1", 0 }, { "ns1-example-org", 0 }, { ID_63, 0 },
		{ ID_63 "4", ERROR_MALFORMED }, { "", ERROR_MALFORMED }, { "-a", ERROR_MALFORMED }, { "a.b", ERROR_MALFORMED },
		{ "a_b", ERROR_MALFORMED }, { "NS1", ERROR_MALFORMED }, { "a*", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_int_equal(subject_check_id(table[i].in), table[i].want);
}

static void test_names(void **state)
{
	char text[SUBJECT_SIZE];

	(void)state;
	subject_stream("pdns", STREAM_EVENTS, text);
	assert_string_equal(text, "PDNS_EVENTS");
	subject_stream("my-pdns_2", STREAM_ZONES, text);
	assert_string_equal(text, "MY_PDNS_2_ZONES");
	subject_stream("pdns", STREAM_BODIES, text);
	assert_string_equal(text, "PDNS_BODIES");
	subject_stream("pdns", BUCKET_STATE, text);
	assert_string_equal(text, "PDNS_STATE");
	subject_body("pdns", "1a-2b", 3, text);
	assert_string_equal(text, "pdns.body.1a-2b.3");
	subject_bodies("pdns", "1a-2b", text);
	assert_string_equal(text, "pdns.body.1a-2b.*");
	subject_heartbeat("pdns", "zone-provider", "p1", text);
	assert_string_equal(text, "pdns.heartbeat.zone-provider.p1");
	subject_applied("pdns", "ns1", text);
	assert_string_equal(text, "pdns.applied.ns1");
	subject_covered("pdns", "p1", text);
	assert_string_equal(text, "pdns.covered.p1");
	subject_coming("pdns", "p1", text);
	assert_string_equal(text, "pdns.coming.p1");
	subject_ask("pdns", "secondary-syncer", "ns1", "zone", text);
	assert_string_equal(text, "pdns.ask.secondary-syncer.ns1.zone");
	subject_consumer("ns1", text);
	assert_string_equal(text, "secondary-ns1");
}

static void test_zones(void **state)
{
	static const struct { const char *zone, *event, *head; } table[] = {
		{ "example.org.", "pdns.event.org.example", "pdns.zone.org.example" },
		{ ".", "pdns.event.%", "pdns.zone.%" },
		{ "a\\.b.org.", "pdns.event.org.a%2Eb", "pdns.zone.org.a%2Eb" },
		{ "2/26.2.0.192.in-addr.arpa.", "pdns.event.arpa.in-addr.192.0.2.2%2F26", "pdns.zone.arpa.in-addr.192.0.2.2%2F26" },
	};
	char subject[SUBJECT_SIZE], zone[ZONE_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(subject_event("pdns", table[i].zone, subject), 0);
		assert_string_equal(subject, table[i].event);
		assert_int_equal(subject_parse_zone("pdns", "event", subject, zone), 0);
		assert_string_equal(zone, table[i].zone);
		assert_int_equal(subject_zone("pdns", table[i].zone, subject), 0);
		assert_string_equal(subject, table[i].head);
		assert_int_equal(subject_parse_zone("pdns", "event", subject, zone), ERROR_MALFORMED);
		assert_int_equal(subject_parse_zone("pdns", "zone", subject, zone), 0);
		assert_string_equal(zone, table[i].zone);
	}
	assert_int_equal(subject_parse_zone("pdns", "zone", "other.zone.org", zone), ERROR_MALFORMED);
	assert_int_equal(subject_parse_zone("pdns", "zone", "pdns.zone.", zone), ERROR_MALFORMED);
	assert_int_equal(subject_parse_zone("pdns", "zone", "pdns.zone", zone), ERROR_MALFORMED);
	assert_int_equal(subject_parse_zone("pdns", "zone", "pdns.zone.org..example", zone), ERROR_MALFORMED);
}

/* The longest name there is, all of it escaped, still fits. */
static void test_longest(void **state)
{
	uint8_t wire[ZONE_WIRE_SIZE];
	char zone[ZONE_NAME_SIZE], back[ZONE_NAME_SIZE], subject[SUBJECT_SIZE];
	size_t size = 0;

	(void)state;
	for (unsigned left = 254; left > 1;) {
		unsigned label = left - 1 > 63 ? 63 : left - 1;

		wire[size++] = (uint8_t)label;
		memset(wire + size, 0xff, label);
		size += label;
		left -= label + 1;
	}
	wire[size++] = 0;
	assert_int_equal(zone_name_from_wire(wire, size, zone), 0);
	assert_int_equal(subject_zone("abcdefghijklmnopqrstuvwxyz012345", zone, subject), 0);
	assert_int_equal(subject_parse_zone("abcdefghijklmnopqrstuvwxyz012345", "zone", subject, back), 0);
	assert_string_equal(zone, back);
}

static void test_token(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(subject_token("a.bc.d", 0, text, sizeof(text)), 0);
	assert_string_equal(text, "a");
	assert_int_equal(subject_token("a.bc.d", 1, text, sizeof(text)), 0);
	assert_string_equal(text, "bc");
	assert_int_equal(subject_token("a.bc.d", 2, text, sizeof(text)), 0);
	assert_string_equal(text, "d");
	assert_int_equal(subject_token("a.bc.d", 3, text, sizeof(text)), ERROR_MALFORMED);
	assert_int_equal(subject_token("a..d", 1, text, sizeof(text)), ERROR_MALFORMED);
	assert_int_equal(subject_token("12345678", 0, text, sizeof(text)), ERROR_MALFORMED);
	assert_int_equal(subject_token("1234567", 0, text, sizeof(text)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix), cmocka_unit_test(test_id), cmocka_unit_test(test_names),
		cmocka_unit_test(test_zones), cmocka_unit_test(test_longest), cmocka_unit_test(test_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
