/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queries are read with suspicion, answers are what other DNS software reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libknot/libknot.h>

#include "common/cleanup.h"
#include "secondary-syncer/dns_answer.h"

static size_t query_make(uint8_t *wire, const char *zone, uint16_t type)
{
	knot_pkt_t *packet = knot_pkt_new(NULL, 512, NULL);
	knot_dname_t *name = knot_dname_from_str_alloc(zone);
	knot_wire_set_id(packet->wire, 0x1234);
	assert_int_equal(knot_pkt_put_question(packet, name, KNOT_CLASS_IN, type), 0);
	size_t size = packet->size;
	memcpy(wire, packet->wire, size);
	knot_dname_free(name, NULL);
	knot_pkt_free(packet);
	return size;
}

static void questions_are_told_apart(void **state)
{
	(void)state;
	static const struct { const char *zone; uint16_t type; int want; enum dns_question_kind kind; } cases[] = {
		{ "Example.ORG.", KNOT_RRTYPE_SOA, DNS_NOERROR, DNS_ASKS_SOA },
		{ "example.org.", KNOT_RRTYPE_AXFR, DNS_NOERROR, DNS_ASKS_TRANSFER },
		{ "example.org.", KNOT_RRTYPE_A, DNS_REFUSED, 0 },
		{ ".", KNOT_RRTYPE_SOA, DNS_NOERROR, DNS_ASKS_SOA },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t wire[512];
		struct dns_query query;
		size_t size = query_make(wire, cases[i].zone, cases[i].type);
		assert_int_equal(dns_query_parse(wire, size, &query), cases[i].want);
		if (cases[i].want == DNS_NOERROR)
			assert_int_equal(query.kind, cases[i].kind);
	}
}

static void broken_queries_get_formerr_or_nothing(void **state)
{
	(void)state;
	uint8_t wire[512];
	struct dns_query query;
	size_t size = query_make(wire, "example.org.", KNOT_RRTYPE_SOA);
	for (size_t cut = 12; cut < size; cut++)
		assert_int_equal(dns_query_parse(wire, cut, &query), DNS_FORMERR);
	assert_int_equal(dns_query_parse(wire, 11, &query), -1);
	wire[2] |= 0x80; /* a response */
	assert_int_equal(dns_query_parse(wire, size, &query), -1);
}

static void answer_is_read_back(void **state)
{
	(void)state;
	static uint8_t message[DNS_MESSAGE_SIZE];
	static const uint8_t owner[] = "\3www\7example\3org";
	static const uint8_t rdata[] = { 192, 0, 2, 1 };
	uint8_t wire[512];
	struct dns_query query;
	struct dns_answer answer;
	size_t size = query_make(wire, "example.org.", KNOT_RRTYPE_AXFR);
	assert_int_equal(dns_query_parse(wire, size, &query), DNS_NOERROR);
	dns_answer_begin(&answer, &query, message);
	struct record record = { .owner = owner, .type = 1, .rclass = 1, .ttl = 300, .rdata_size = 4, .rdata = rdata };
	size_t before = answer.size;
	assert_int_equal(dns_answer_add(&answer, &record), 0);
	assert_int_equal(answer.size - before, 4 + 2 + 10 + 4); /* "www" and a pointer */
	dns_answer_end(&answer, DNS_NOERROR);
	knot_pkt_t *packet = knot_pkt_new(message, (uint16_t)answer.size, NULL);
	assert_int_equal(knot_pkt_parse(packet, 0), 0);
	const knot_pktsection_t *section = knot_pkt_section(packet, KNOT_ANSWER);
	assert_int_equal(section->count, 1);
	assert_true(knot_dname_is_equal(knot_pkt_rr(section, 0)->owner, owner));
	assert_int_equal(knot_pkt_rr(section, 0)->ttl, 300);
	knot_pkt_free(packet);
}

static void full_message_says_so(void **state)
{
	(void)state;
	static uint8_t message[DNS_MESSAGE_SIZE], rdata[65000];
	uint8_t wire[512];
	struct dns_query query;
	struct dns_answer answer;
	size_t size = query_make(wire, ".", KNOT_RRTYPE_AXFR);
	assert_int_equal(dns_query_parse(wire, size, &query), DNS_NOERROR);
	dns_answer_begin(&answer, &query, message);
	struct record record = { .owner = (const uint8_t *)"", .type = 16, .rclass = 1, .rdata_size = 65000, .rdata = rdata };
	assert_int_equal(dns_answer_add(&answer, &record), 0);
	assert_int_equal(dns_answer_add(&answer, &record), -ENOSPC);
}

static void stored_wire_is_added(void **state)
{
	(void)state;
	static uint8_t message[DNS_MESSAGE_SIZE];
	uint8_t stored[256], wire[512];
	struct dns_query query;
	struct dns_answer answer;
	struct record record = { .owner = (const uint8_t *)"\1a", .type = 1, .rclass = 1, .rdata_size = 4, .rdata = (const uint8_t *)"1234" };
	int one = dns_record_to_wire(&record, stored, sizeof(stored));
	int two = dns_record_to_wire(&record, stored + one, sizeof(stored) - (size_t)one);
	assert_true(one > 0 && two == one);
	assert_int_equal(dns_record_to_wire(&record, stored, 5), -ENOSPC);
	size_t size = query_make(wire, "a.", KNOT_RRTYPE_SOA);
	assert_int_equal(dns_query_parse(wire, size, &query), DNS_NOERROR);
	dns_answer_begin(&answer, &query, message);
	assert_int_equal(dns_answer_add_wire(&answer, stored, (size_t)(one + two), true), 0);
	assert_int_equal(answer.answers, 2);
	dns_answer_begin(&answer, &query, message);
	assert_int_equal(dns_answer_add_wire(&answer, stored, (size_t)(one + two), false), 0);
	assert_int_equal(answer.answers, 1);
	assert_int_equal(dns_answer_add_wire(&answer, stored, (size_t)one - 1, true), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_told_apart),
		cmocka_unit_test(broken_queries_get_formerr_or_nothing),
		cmocka_unit_test(answer_is_read_back),
		cmocka_unit_test(full_message_says_so),
		cmocka_unit_test(stored_wire_is_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
