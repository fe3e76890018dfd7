/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/zone_digest.h"

#define RDATA(literal) .rdata = (const uint8_t *)(literal), .rdata_size = sizeof(literal) - 1
#define OWNER(literal) .owner = (const uint8_t *)(literal), .rclass = 1, .ttl = 60

static void digest_of(const struct record *record, char hex[ZONE_DIGEST_HEX_SIZE])
{
	struct zone_digest digest;

	zone_digest_init(&digest);
	assert_int_equal(zone_digest_add(&digest, record), 0);
	zone_digest_to_hex(&digest, hex);
}

static void test_canonical(void **state)
{
	(void)state;
	static const struct { struct record record; const char *wire; size_t size; } rows[] = {
#define WIRE(literal) (literal), sizeof(literal) - 1
		{ { OWNER("\1A\1B"), .type = 1, RDATA("ABCD") }, WIRE("\1a\1b\0\0\1\0\1\0\0\0\74\0\4ABCD") },
		{ { OWNER(""), .type = 16, RDATA("\1A") }, WIRE("\0\0\20\0\1\0\0\0\74\0\2\1A") },
		{ { OWNER("\1a"), .type = 2, RDATA("\1B\0") }, WIRE("\1a\0\0\2\0\1\0\0\0\74\0\3\1b\0") },
		{ { OWNER("\1a"), .type = 15, RDATA("AA\1B\0") }, WIRE("\1a\0\0\17\0\1\0\0\0\74\0\5AA\1b\0") },
		{ { OWNER("\1a"), .type = 6, RDATA("\1A\0\1B\0AAAABBBBCCCCDDDDEEEE") },
		  WIRE("\1a\0\0\6\0\1\0\0\0\74\0\32\1a\0\1b\0AAAABBBBCCCCDDDDEEEE") },
		{ { OWNER("\1a"), .type = 35, RDATA("AABB\1U\1S\1R\1N\0") },
		  WIRE("\1a\0\0\43\0\1\0\0\0\74\0\15AABB\1U\1S\1R\1n\0") },
		{ { OWNER("\1a"), .type = 46, RDATA("AABCDDDDEEEEFFFFGG\1Z\0SIG") },
		  WIRE("\1a\0\0\56\0\1\0\0\0\74\0\30AABCDDDDEEEEFFFFGG\1z\0SIG") },
		/* The next name of an NSEC stays as it is (RFC 6840 5.1), as do names in types that came after RFC 3597. */
		{ { OWNER("\1a"), .type = 47, RDATA("\1B\0\0\1\100") }, WIRE("\1a\0\0\57\0\1\0\0\0\74\0\6\1B\0\0\1\100") },
		{ { OWNER("\1a"), .type = 64, RDATA("\0\1\1B\0") }, WIRE("\1a\0\0\100\0\1\0\0\0\74\0\5\0\1\1B\0") },
		{ { OWNER("\1a"), .type = 65402, RDATA("\1B\0") }, WIRE("\1a\0\377\172\0\1\0\0\0\74\0\3\1B\0") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t hash[64];
		char want[ZONE_DIGEST_HEX_SIZE], hex[ZONE_DIGEST_HEX_SIZE];
		crypto_generichash(hash, sizeof(hash), (const uint8_t *)rows[i].wire, rows[i].size, NULL, 0);
		sodium_bin2hex(want, sizeof(want), hash, sizeof(hash));
		digest_of(&rows[i].record, hex);
		if (strcmp(hex, want) != 0)
			fail_msg("row %zu: another canonical form", i);
	}
	struct zone_digest digest;
	zone_digest_init(&digest);
	assert_int_equal(zone_digest_add(&digest, &(struct record) { OWNER("\1a"), .type = 2, RDATA("\300\14") }),
	                 ERROR_MALFORMED);
	assert_int_equal(zone_digest_add(&digest, &(struct record) { OWNER("\1a"), .type = 15, RDATA("\0") }), ERROR_MALFORMED);
	char hex[ZONE_DIGEST_HEX_SIZE];
	zone_digest_to_hex(&digest, hex);
	assert_int_equal(strspn(hex, "0"), ZONE_DIGEST_HEX_SIZE - 1); /* what failed added nothing */
}

static void test_order_and_sum(void **state)
{
	(void)state;
	enum { COUNT = 300 };
	struct zone_digest forward, backward, twice;
	char one[ZONE_DIGEST_HEX_SIZE], other[ZONE_DIGEST_HEX_SIZE];
	uint8_t rdata[4] = { 0 };
	struct record record = { OWNER("\1a"), .type = 1, .rdata = rdata, .rdata_size = sizeof(rdata) };

	zone_digest_init(&forward);
	zone_digest_init(&backward);
	for (int i = 0; i < COUNT; i++) {
		memcpy(rdata, &i, sizeof(rdata));
		assert_int_equal(zone_digest_add(&forward, &record), 0);
		int j = COUNT - 1 - i;
		memcpy(rdata, &j, sizeof(rdata));
		assert_int_equal(zone_digest_add(&backward, &record), 0);
	}
	assert_memory_equal(&forward, &backward, sizeof(forward));
	twice = forward;
	assert_int_equal(zone_digest_add(&twice, &record), 0);
	assert_memory_not_equal(&twice, &forward, sizeof(twice));

	/* The sum is that of libsodium, whose carry is not ours. */
	struct zone_digest sum, part;
	zone_digest_init(&sum);
	for (int i = 0; i < COUNT; i++) {
		memcpy(rdata, &i, sizeof(rdata));
		zone_digest_init(&part);
		assert_int_equal(zone_digest_add(&part, &record), 0);
		sodium_add(sum.sum, part.sum, sizeof(sum.sum));
	}
	assert_memory_equal(&sum, &forward, sizeof(sum));

	zone_digest_to_hex(&forward, one);
	assert_int_equal(zone_digest_from_hex(one, &part), 0);
	assert_memory_equal(&part, &forward, sizeof(part));
	record.ttl++;
	digest_of(&record, other);
	record.ttl--;
	digest_of(&record, one);
	assert_string_not_equal(one, other);
}

static void test_hex(void **state)
{
	(void)state;
	char hex[ZONE_DIGEST_HEX_SIZE + 1];
	struct zone_digest digest;

	memset(hex, 'a', sizeof(hex));
	hex[ZONE_DIGEST_HEX_SIZE - 1] = '\0';
	assert_int_equal(zone_digest_from_hex(hex, &digest), 0);
	assert_int_equal(digest.sum[0], 0xaa);
	static const char bad[] = "gAxX :-\n";
	for (const char *c = bad; *c; c++) {
		hex[77] = *c;
		assert_int_equal(zone_digest_from_hex(hex, &digest), ERROR_MALFORMED);
	}
	hex[77] = 'b';
	hex[ZONE_DIGEST_HEX_SIZE - 2] = '\0';
	assert_int_equal(zone_digest_from_hex(hex, &digest), ERROR_MALFORMED);
	hex[ZONE_DIGEST_HEX_SIZE - 2] = hex[ZONE_DIGEST_HEX_SIZE - 1] = 'a';
	hex[ZONE_DIGEST_HEX_SIZE] = '\0';
	assert_int_equal(zone_digest_from_hex(hex, &digest), ERROR_MALFORMED);
	assert_int_equal(zone_digest_from_hex("", &digest), ERROR_MALFORMED);
}

static void test_set(void **state)
{
	(void)state;
	struct set_digest set = { 0 }, other = { 0 };
	struct zone_digest digest = { { 1, 2, 3 } };
	char one[SET_DIGEST_HEX_SIZE], two[SET_DIGEST_HEX_SIZE], zone[64];
	bool used[SET_BUCKETS] = { false };

	set_digest_root_hex(&set, one);
	assert_int_equal(strspn(one, "0"), 64);
	for (int i = 0; i < 1000; i++) {
		snprintf(zone, sizeof(zone), "zone%d.test.", i);
		assert_int_equal(set_digest_add(&set, zone, (uint64_t)i + 1, &digest), 0);
		snprintf(zone, sizeof(zone), "zone%d.test.", 999 - i);
		assert_int_equal(set_digest_add(&other, zone, (uint64_t)(999 - i) + 1, &digest), 0);
		int bucket = set_digest_bucket(zone);
		assert_in_range(bucket, 0, 255);
		used[bucket] = true;
	}
	int count = 0;
	for (int i = 0; i < SET_BUCKETS; i++)
		count += used[i];
	assert_true(count > 200);
	assert_memory_equal(&set, &other, sizeof(set));
	assert_int_equal(set.zones, 1000);

	/* Another generation of one zone changes the root and its bucket alone. */
	assert_int_equal(set_digest_subtract(&other, "zone7.test.", 8, &digest), 0);
	assert_int_equal(set_digest_add(&other, "zone7.test.", 9, &digest), 0);
	set_digest_root_hex(&set, one);
	set_digest_root_hex(&other, two);
	assert_string_not_equal(one, two);
	for (int i = 0; i < SET_BUCKETS; i++) {
		set_digest_bucket_hex(&set, i, one);
		set_digest_bucket_hex(&other, i, two);
		assert_int_equal(strcmp(one, two) != 0, i == set_digest_bucket("zone7.test."));
	}
	assert_int_equal(set_digest_subtract(&other, "zone7.test.", 9, &digest), 0);
	assert_int_equal(set_digest_add(&other, "zone7.test.", 8, &digest), 0);
	assert_memory_equal(&set, &other, sizeof(set));

	for (int i = 0; i < 1000; i++) {
		snprintf(zone, sizeof(zone), "zone%d.test.", i);
		assert_int_equal(set_digest_subtract(&set, zone, (uint64_t)i + 1, &digest), 0);
	}
	assert_memory_equal(&set, &(struct set_digest) { 0 }, sizeof(set));
	assert_int_equal(set_digest_add(&set, "a..b", 1, &digest), ERROR_MALFORMED);
	assert_int_equal(set_digest_bucket(""), ERROR_MALFORMED);
	assert_int_equal(set.zones, 0);
}

static void test_set_layout(void **state)
{
	(void)state;
	/* What the header promises, byte by byte. */
	struct set_digest set = { 0 };
	struct zone_digest digest;
	uint8_t bytes[3 + 8 + 64], hash[32], bucket[32];
	char want[SET_DIGEST_HEX_SIZE], hex[SET_DIGEST_HEX_SIZE];

	memset(digest.sum, 0x5a, sizeof(digest.sum));
	memcpy(bytes, "\1a\0\1\2\3\4\5\6\7\10", 11);
	memset(bytes + 11, 0x5a, 64);
	crypto_generichash(hash, 32, bytes, sizeof(bytes), NULL, 0);
	sodium_bin2hex(want, sizeof(want), hash, 32);
	crypto_generichash(bucket, 32, bytes, 3, NULL, 0);
	assert_int_equal(set_digest_add(&set, "a.", 0x0102030405060708, &digest), 0);
	assert_int_equal(set_digest_bucket("a."), bucket[0]);
	set_digest_bucket_hex(&set, bucket[0], hex);
	assert_string_equal(hex, want);
	set_digest_root_hex(&set, hex);
	assert_string_equal(hex, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_order_and_sum), cmocka_unit_test(test_hex),
		cmocka_unit_test(test_set),       cmocka_unit_test(test_set_layout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
