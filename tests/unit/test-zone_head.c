/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/zone_head.h"

static struct signing_key *key, *other_key;
static struct trusted_keys *trusted;

static struct signing_key *make_key(void)
{
	char folder[] = "/tmp/test-zone_head-XXXXXX", private_file[64], public_file[64], text[256] = "", id[KEY_ID_SIZE];
	struct signing_key *made;

	assert_non_null(mkdtemp(folder));
	snprintf(private_file, sizeof(private_file), "%s/private", folder);
	snprintf(public_file, sizeof(public_file), "%s/public", folder);
	assert_int_equal(signing_key_generate(private_file, public_file, id), 0);

	FILE *file = fopen(private_file, "r");

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	unlink(private_file);
	unlink(public_file);
	rmdir(folder);
	assert_int_equal(signing_key_parse(text, &made), 0);
	return made;
}

static int setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	key = make_key();
	other_key = make_key();
	return signing_key_trusted(key, &trusted);
}

static int teardown(void **state)
{
	(void)state;
	signing_key_free(key);
	signing_key_free(other_key);
	trusted_keys_free(trusted);
	return 0;
}

static const char body[] = "example.org. 3600 IN SOA a. b. 1 2 3 4 5\n";

static struct zone_head inline_head(void)
{
	struct zone_head head = {
		.zone = "example.org.", .state = ZONE_STATE_PRESENT, .generation = 1769903999123000, .covers_event = 17,
		.facts = { .serial = UINT32_MAX, .records = 1, .size = strlen(body), .signatures_expire = 1770000000 },
		.place = ZONE_BODY_INLINE, .encoded_size = strlen(body),
	};

	memset(head.facts.digest.sum, 0xab, sizeof(head.facts.digest.sum));
	memset(head.facts.hash, 0xcd, sizeof(head.facts.hash));
	return head;
}

static struct zone_head chunked_head(void)
{
	struct zone_head head = inline_head();

	head.place = ZONE_BODY_CHUNKS;
	strcpy(head.body_id, "649b1c2d3e4f5-0123456789abcdef");
	head.chunks = 3;
	head.facts.encoding = ZONE_BODY_ZSTD;
	head.facts.size = 5000000;
	head.encoded_size = 1200000;
	return head;
}

static struct zone_head deleted_head(void)
{
	return (struct zone_head){ .zone = "example.org.", .state = ZONE_STATE_DELETED, .generation = 5, .covers_event = 17 };
}

static struct bus_message *encode(const struct zone_head *head)
{
	struct bus_message *message = NULL;
	bool is_inline = head->place == ZONE_BODY_INLINE;

	assert_int_equal(zone_head_encode(head, "pdns", key, is_inline ? body : NULL, is_inline ? strlen(body) : 0, &message), 0);
	return message;
}

static void test_round_trip(void **state)
{
	struct zone_head heads[] = { inline_head(), chunked_head(), deleted_head() };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct bus_message *message = encode(&heads[i]);
		struct zone_head back;

		assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), 0);
		assert_string_equal(back.key, signing_key_id(key));
		strcpy(heads[i].key, back.key);
		assert_string_equal(back.zone, heads[i].zone);
		assert_int_equal(back.state, heads[i].state);
		assert_int_equal(back.generation, heads[i].generation);
		assert_int_equal(back.covers_event, heads[i].covers_event);
		assert_int_equal(back.facts.serial, heads[i].facts.serial);
		assert_int_equal(back.facts.records, heads[i].facts.records);
		assert_int_equal(back.facts.size, heads[i].facts.size);
		assert_int_equal(back.facts.signatures_expire, heads[i].facts.signatures_expire);
		assert_int_equal(back.facts.encoding, heads[i].facts.encoding);
		assert_memory_equal(back.facts.hash, heads[i].facts.hash, sizeof(back.facts.hash));
		assert_memory_equal(back.facts.digest.sum, heads[i].facts.digest.sum, sizeof(back.facts.digest.sum));
		assert_int_equal(back.place, heads[i].place);
		assert_string_equal(back.body_id, heads[i].body_id);
		assert_int_equal(back.chunks, heads[i].chunks);
		assert_int_equal(back.encoded_size, heads[i].encoded_size);

		/* Not for another installation, not by another key. */
		assert_true(zone_head_decode(message, "other", trusted, &back) < 0);
		bus_message_free(message);
	}
}

/* The layout that docs/wire.md specifies, made here a second time. */
static void test_layout(void **state)
{
	struct zone_head head = chunked_head();
	struct bus_message *message = encode(&head);
	uint8_t data[600], *at = data, signature[64];

	(void)state;
#define PUT_NUMBER(value, octets) do { \
	for (int shift = (octets) * 8 - 8; shift >= 0; shift -= 8) \
		*at++ = (uint8_t)((uint64_t)(value) >> shift); \
} while (0)
#define PUT_OCTETS(octets, size) do { memcpy(at, octets, size); at += (size); } while (0)
	PUT_OCTETS("pdns-distribute-head-v1", 24);
	PUT_NUMBER(head.generation, 8);
	PUT_NUMBER(head.covers_event, 8);
	PUT_NUMBER(head.facts.records, 8);
	PUT_NUMBER(head.facts.size, 8);
	PUT_NUMBER(head.encoded_size, 8);
	PUT_NUMBER(head.facts.signatures_expire, 8);
	PUT_NUMBER(head.facts.serial, 4);
	PUT_NUMBER(3, 4);
	PUT_OCTETS("\0\2\1", 3); /* present, chunks, zstd */
	PUT_NUMBER(4, 1);
	PUT_NUMBER(13, 1);
	PUT_NUMBER(strlen(head.body_id), 1);
	PUT_OCTETS(head.facts.digest.sum, 64);
	PUT_OCTETS(head.facts.hash, 32);
	PUT_OCTETS("pdns", 4);
	PUT_OCTETS("\7example\3org", 13);
	PUT_OCTETS(head.body_id, strlen(head.body_id));

	assert_int_equal(sodium_base642bin(signature, sizeof(signature), bus_message_header(message, "Signature"), 88, NULL, NULL,
	                                   NULL, sodium_base64_VARIANT_ORIGINAL), 0);
	assert_int_equal(trusted_keys_verify(trusted, signing_key_id(key), data, (size_t)(at - data), signature), 0);
	bus_message_free(message);
}

/* Every header is signed: whichever is changed, and however well-formed, the head is refused. */
static void test_tampered(void **state)
{
	static const struct { const char *name, *value; int want; } table[] = {
		{ "Version", "2", ERROR_VERSION },
		{ "Version", "01", ERROR_MALFORMED },
		{ "Version", "", ERROR_MALFORMED },
		{ "Zone", "example.net.", ERROR_MALFORMED }, /* and not the subject's */
		{ "Zone", "Example.org.", ERROR_MALFORMED },
		{ "Zone", "example.org", ERROR_MALFORMED },
		{ "State", "deleted", ERROR_MALFORMED }, /* but with a body */
		{ "State", "gone", ERROR_MALFORMED },
		{ "Generation", "1769903999123001", ERROR_UNTRUSTED },
		{ "Generation", "0", ERROR_MALFORMED },
		{ "Generation", "4611686018427387904", ERROR_UNTRUSTED }, /* 2^62 */
		{ "Generation", "4611686018427387905", ERROR_MALFORMED },
		{ "Generation", "18446744073709551617", ERROR_MALFORMED },
		{ "Generation", " 5", ERROR_MALFORMED },
		{ "Generation", "5 ", ERROR_MALFORMED },
		{ "Generation", "+5", ERROR_MALFORMED },
		{ "Generation", "05", ERROR_MALFORMED },
		{ "Generation", "0x5", ERROR_MALFORMED },
		{ "Serial", "1", ERROR_UNTRUSTED },
		{ "Serial", "4294967296", ERROR_MALFORMED },
		{ "Records", "2", ERROR_UNTRUSTED },
		{ "Records", "0", ERROR_MALFORMED },
		{ "Size", "5000001", ERROR_UNTRUSTED },
		{ "Size", "0", ERROR_MALFORMED },
		{ "Digest", "ab", ERROR_MALFORMED },
		{ "Covers-Event", "18", ERROR_UNTRUSTED },
		{ "Signatures-Expire", "0", ERROR_UNTRUSTED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdee/3", ERROR_UNTRUSTED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdef/4", ERROR_UNTRUSTED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdef/0", ERROR_MALFORMED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdef/100001", ERROR_MALFORMED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdef/3/3", ERROR_MALFORMED },
		{ "Body", "649b1c2d3e4f5-0123456789abcdef/", ERROR_MALFORMED },
		{ "Body", "a.b/3", ERROR_MALFORMED },
		{ "Body", "*/3", ERROR_MALFORMED },
		{ "Body", "/3", ERROR_MALFORMED },
		{ "Body", "inline", ERROR_UNTRUSTED },
		{ "Body", "none", ERROR_MALFORMED },
		{ "Body-Hash", "cd", ERROR_MALFORMED },
		{ "Encoding", "identity", ERROR_MALFORMED }, /* and then the sizes differ */
		{ "Encoding", "gzip", ERROR_MALFORMED },
		{ "Encoded-Size", "1200001", ERROR_UNTRUSTED },
		{ "Key", "0123456789abcdef", ERROR_UNTRUSTED },
		{ "Key", "0123456789abcdef0", ERROR_MALFORMED },
		{ "Signature", "AAAA", ERROR_MALFORMED },
		{ "Signature", "", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct zone_head head = chunked_head(), back = { .generation = 42 };
		struct bus_message *message = encode(&head);

		print_message("%s: %s\n", table[i].name, table[i].value);
		assert_int_equal(bus_message_set_header(message, table[i].name, table[i].value), 0);
		assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), table[i].want);
		assert_int_equal(back.generation, 42);
		bus_message_free(message);
	}
}

static void test_flipped(void **state)
{
	static const char *const hex[] = { "Digest", "Body-Hash" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hex); i++) {
		struct zone_head head = chunked_head(), back;
		struct bus_message *message = encode(&head);
		char text[200];

		snprintf(text, sizeof(text), "%s", bus_message_header(message, hex[i]));
		text[7] = text[7] == '0' ? '1' : '0';
		assert_int_equal(bus_message_set_header(message, hex[i], text), 0);
		assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), ERROR_UNTRUSTED);
		text[7] = 'A'; /* hex is lower case */
		assert_int_equal(bus_message_set_header(message, hex[i], text), 0);
		assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), ERROR_MALFORMED);
		bus_message_free(message);
	}
}

static void test_other_messages(void **state)
{
	struct zone_head head = inline_head(), back;
	struct bus_message *message, *copy;
	static const char *const names[] = {
		"Version", "Zone", "State", "Generation", "Serial", "Records", "Size", "Digest", "Covers-Event", "Signatures-Expire",
		"Body", "Body-Hash", "Encoding", "Encoded-Size", "Key", "Signature",
	};

	(void)state;
	assert_int_equal(bus_message_new("pdns.zone.org.example", NULL, 0, &message), 0);
	assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), ERROR_UNTRUSTED);
	bus_message_free(message);

	/* By a key that nobody trusts. */
	assert_int_equal(zone_head_encode(&head, "pdns", other_key, body, strlen(body), &message), 0);
	assert_int_equal(zone_head_decode(message, "pdns", trusted, &back), ERROR_UNTRUSTED);
	bus_message_free(message);

	/* One header missing; a body that was cut; another zone's subject. */
	message = encode(&head);
	for (size_t skip = 0; skip <= ARRAY_SIZE(names) + 1; skip++) {
		bool cut = skip == ARRAY_SIZE(names), moved = skip == ARRAY_SIZE(names) + 1;

		assert_int_equal(bus_message_new(moved ? "pdns.zone.net.example" : "pdns.zone.org.example", body,
		                                 strlen(body) - cut, &copy), 0);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (i != skip)
				assert_int_equal(bus_message_set_header(copy, names[i], bus_message_header(message, names[i])), 0);
		assert_int_equal(zone_head_decode(copy, "pdns", trusted, &back),
		                 skip == ARRAY_SIZE(names) - 1 ? ERROR_UNTRUSTED : ERROR_MALFORMED);
		bus_message_free(copy);
	}
	bus_message_free(message);
}

static void test_encode_refuses(void **state)
{
	struct bus_message *message;
	struct zone_head head;

	(void)state;
#define REFUSED(change, payload, size) do { \
	head = inline_head(); \
	change; \
	assert_int_equal(zone_head_encode(&head, "pdns", key, payload, size, &message), ERROR_MALFORMED); \
} while (0)
	REFUSED(head.generation = 0, body, strlen(body));
	REFUSED(head.generation = ZONE_HEAD_NUMBER_MAX + 1, body, strlen(body));
	REFUSED(strcpy(head.zone, "Example.org."), body, strlen(body));
	REFUSED(head.state = ZONE_STATE_DELETED, body, strlen(body));
	REFUSED(head.facts.records = 0, body, strlen(body));
	REFUSED(head.chunks = 1, body, strlen(body));
	REFUSED((void)0, body, strlen(body) - 1);
	REFUSED(head.place = ZONE_BODY_CHUNKS, NULL, 0);
	REFUSED(head = deleted_head(); head.facts.serial = 1, NULL, 0);
	REFUSED(head = deleted_head(), body, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_layout), cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_flipped), cmocka_unit_test(test_other_messages), cmocka_unit_test(test_encode_refuses),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
