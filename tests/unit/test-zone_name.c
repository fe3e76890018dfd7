/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/zone_name.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define L61 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"
#define NUL10 "\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000"
#define NUL60 NUL10 NUL10 NUL10 NUL10 NUL10 NUL10

/* zone: the one form; id and subject: what it becomes; text: another way to write it, or NULL. */
static const struct { const char *text, *zone, *subject, *id; } names[] = {
	{ ".", ".", "%", "=2E" },
	{ "www.Example.org", "www.example.org.", "org.example.www", "www.example.org." },
	{ "ORG", "org.", "org", "org." },
	{ "_dmarc.example.", "_dmarc.example.", "example._dmarc", "=5Fdmarc.example." },
	{ "2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "arpa.in-addr.192.0.2", "2.0.192.in-addr.arpa." },
	{ "0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa.", "arpa.in-addr.192.0.2.0%2F25",
	  "0=2F25.2.0.192.in-addr.arpa." },
	{ "a\\.b.org.", "a\\.b.org.", "org.a%2Eb", "a=5C.b.org." },
	{ "a\\046b.org.", "a\\.b.org.", "org.a%2Eb", "a=5C.b.org." },
	{ "\\065.org.", "a.org.", "org.a", "a.org." },
	{ "a\\\\b.org.", "a\\\\b.org.", "org.a%5Cb", "a=5C=5Cb.org." },
	{ "a b.org.", "a\\032b.org.", "org.a%20b", "a=5C032b.org." },
	{ "a\\000b.org.", "a\\000b.org.", "org.a%00b", "a=5C000b.org." },
	{ "\\200\\255\\127.", "\\200\\255\\127.", "%C8%FF%7F", "=5C200=5C255=5C127." },
	{ "*.org.", "*.org.", "org.%2A", "=2A.org." },
	{ ">.*.%.", "\\>.*.\\%.", "%25.%2A.%3E", "=3E.=2A.=25." },
	{ "%2e.org.", "\\%2e.org.", "org.%252e", "=252e.org." },
	{ "=2F.org.", "\\=2f.org.", "org.%3D2f", "=3D2f.org." },
	{ "a@b$c.org.", "a\\@b\\$c.org.", "org.a%40b%24c", "a=40b=24c.org." },
	{ "a#;\"().org", "a\\035\\;\\\"\\(\\).org.", "org.a%23%3B%22%28%29", "a=23=3B=22=28=29.org." },
	{ "XN--BCHER-KVA.example", "xn--bcher-kva.example.", "example.xn--bcher-kva", "xn--bcher-kva.example." },
	{ L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61 ".", L61 "." L63 "." L63 "." L63,
	  L63 "." L63 "." L63 "." L61 "." },
};

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char zone[ZONE_NAME_SIZE], part[ZONE_SUBJECT_SIZE], id[ZONE_ID_SIZE], back[ZONE_NAME_SIZE];
		uint8_t wire[ZONE_WIRE_SIZE];

		assert_int_equal(zone_name_from_text(names[i].text, zone), 0);
		assert_string_equal(zone, names[i].zone);
		assert_int_equal(zone_name_from_text(zone, back), 0);
		assert_string_equal(back, zone);

		int size = zone_name_to_wire(zone, wire);
		assert_in_range(size, 1, 255);
		assert_int_equal(zone_name_from_wire(wire, (size_t)size, back), 0);
		assert_string_equal(back, zone);
		assert_int_equal(zone_name_from_wire(wire, (size_t)size - 1, back), ERROR_MALFORMED);

		assert_int_equal(zone_name_to_subject(zone, part), 0);
		assert_string_equal(part, names[i].subject);
		assert_int_equal(zone_name_from_subject(part, back), 0);
		assert_string_equal(back, zone);

		assert_int_equal(zone_name_to_api_id(zone, id), 0);
		assert_string_equal(id, names[i].id);
		assert_int_equal(zone_name_from_api_id(id, back), 0);
		assert_string_equal(back, zone);
	}
}

static void test_longest(void **state)
{
	(void)state;
	/* As many octets as a name can have, and each of them four characters of text, or six of an id. */
	static const char zone[] = NUL60 ".\\000" NUL60 ".\\000" NUL60 ".\\000" NUL60 ".";
	char text[ZONE_NAME_SIZE], part[ZONE_SUBJECT_SIZE], id[ZONE_ID_SIZE], back[ZONE_NAME_SIZE], all[3 * ZONE_ID_SIZE] = "";

	snprintf(text, sizeof(text), "%s\\001\\001\\001\\001\\001\\001.", zone);
	assert_int_equal(zone_name_from_text(text, back), 0);
	assert_string_equal(back, text);
	assert_int_equal(zone_name_to_subject(text, part), 0);
	assert_int_equal(zone_name_from_subject(part, back), 0);
	assert_string_equal(back, text);
	assert_int_equal(zone_name_to_api_id(text, id), 0);
	for (const char *at = id; *at; at++)
		sprintf(all + strlen(all), "%%%02x", (unsigned char)*at);
	assert_int_equal(zone_name_from_api_id(all, back), 0);
	assert_string_equal(back, text);

	snprintf(text, sizeof(text), "%s\\001\\001\\001\\001\\001\\001\\001.", zone);
	assert_int_equal(zone_name_from_text(text, back), ERROR_MALFORMED);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "..", ".a", "a..b", "a..", "a\\", "a\\2", "a\\25.", "a\\256.", L63 "0.org.",
	                                     L63 "." L63 "." L63 "." L61 "0." };
	static const char *const parts[] = { "", ".", "a.", ".a", "a..b", "A", "a b", "%6", "%6g", "%61", "%57", "org.%DA%57", "%2a", "a%", "a%2",
	                                     "*", ">", "a\\", "%%", "%.a", L63 "0", L63 "." L63 "." L63 "." L61 "0", "\xc3" };
	static const char *const ids[] = { "", "=", "=2", "=2f.org", "=2G.org", "=00.org", "%", "%2", "%zz", "%00", "a..b", "%3d2f" };
	char zone[ZONE_NAME_SIZE] = "untouched";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(zone_name_from_text(texts[i], zone), ERROR_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (zone_name_from_subject(parts[i], zone) != ERROR_MALFORMED)
			fail_msg("subject part %s was taken", parts[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (zone_name_from_api_id(ids[i], zone) != ERROR_MALFORMED)
			fail_msg("id %s was taken", ids[i]);
	}
	assert_string_equal(zone, "untouched");
}

static void test_api_ids(void **state)
{
	(void)state;
	static const struct { const char *id, *zone; } rows[] = {
		{ "example.org", "example.org." },       { "example.org.", "example.org." },
		{ "EXAMPLE.Org", "example.org." },       { "example%2eorg%2E", "example.org." },
		{ "a=2Fb.org", "a/b.org." },             { "a%2Fb.org", "a/b.org." },
		{ "a%3D2Fb.org", "a/b.org." },           { "a/b.org", "a/b.org." },
		{ "=2E", "." },                          { ".", "." },
		{ "%3D2E", "." },                        { "=5Fdmarc.example.org.", "_dmarc.example.org." },
		{ "_dmarc.example.org", "_dmarc.example.org." }, { "a=25.org", "a\\%.org." },
	};
	char zone[ZONE_NAME_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(zone_name_from_api_id(rows[i].id, zone), 0);
		assert_string_equal(zone, rows[i].zone);
	}
}

static void test_every_octet(void **state)
{
	(void)state;
	for (int octet = 0; octet < 256; octet++) {
		const uint8_t wire[] = { 2, 'x', (uint8_t)octet, 0 };
		uint8_t again[ZONE_WIRE_SIZE];
		char zone[ZONE_NAME_SIZE], back[ZONE_NAME_SIZE], part[ZONE_SUBJECT_SIZE], id[ZONE_ID_SIZE];

		assert_int_equal(zone_name_from_wire(wire, sizeof(wire), zone), 0);
		assert_int_equal(zone_name_to_wire(zone, again), 4);
		assert_int_equal(again[2], octet >= 'A' && octet <= 'Z' ? octet + 32 : octet);
		assert_int_equal(zone_name_to_subject(zone, part), 0);
		assert_null(strpbrk(part, " *>."));
		assert_int_equal(zone_name_from_subject(part, back), 0);
		assert_string_equal(back, zone);
		assert_int_equal(zone_name_to_api_id(zone, id), 0);
		assert_int_equal(zone_name_from_api_id(id, back), 0);
		assert_string_equal(back, zone);
	}
	/* A compression pointer has nowhere to point to. */
	char zone[ZONE_NAME_SIZE];
	assert_int_equal(zone_name_from_wire((const uint8_t *)"\1a\300\0", 4, zone), ERROR_MALFORMED);
	assert_int_equal(zone_name_from_wire((const uint8_t *)"", 0, zone), ERROR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),   cmocka_unit_test(test_longest),     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_api_ids), cmocka_unit_test(test_every_octet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
