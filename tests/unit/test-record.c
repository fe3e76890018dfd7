/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libknot/descriptor.h>
#include <libknot/wire.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/record.h"

/* A record copied out of a reader, and how many came. */
struct got {
	unsigned count;
	int answer;
	struct record record;
	uint8_t owner[256], rdata[65536];
};

static int keep(const struct record *record, void *userdata)
{
	struct got *got = userdata;

	got->count++;
	got->record = *record;
	size_t size = 1;
	for (const uint8_t *label = record->owner; *label; label += *label + 1)
		size += 1U + *label;
	assert_in_range(size, 1, 255);
	memcpy(got->owner, record->owner, size);
	memcpy(got->rdata, record->rdata, record->rdata_size);
	return got->answer;
}

/* Feeds text in pieces of the given size. */
static int read_text(const char *text, size_t size, size_t piece, struct got *got)
{
	struct record_reader *reader;

	assert_int_equal(record_reader_new(keep, got, &reader), 0);
	int result = 0;
	for (size_t at = 0; at < size && result == 0; at += piece)
		result = record_reader_feed(reader, text + at, size - at < piece ? size - at : piece);
	int finish = record_reader_finish(reader);
	if (result < 0)
		assert_int_equal(finish, result);
	record_reader_free(reader);
	return finish;
}

static struct got *new_got(void)
{
	struct got *got = calloc(1, sizeof(*got));

	assert_non_null(got);
	return got;
}

static const uint8_t owner_mixed[] = "\3WWW\7Example\3org";

/* To text and back; what came must be what went. Returns the text, or NULL if there is none. */
static const char *there_and_back(const struct record *record)
{
	static char text[RECORD_TEXT_SIZE];
	CLEANUP(free) struct got *got = new_got();

	ssize_t size = record_to_text(record, text, sizeof(text));
	if (size < 0) {
		assert_int_equal(size, ERROR_MALFORMED);
		return NULL;
	}
	assert_int_equal(size, strlen(text));
	assert_int_equal(text[size - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	assert_int_equal(read_text(text, (size_t)size, 65536, got), 0);
	assert_int_equal(got->count, 1);
	assert_int_equal(got->record.type, record->type);
	assert_int_equal(got->record.rclass, record->rclass);
	assert_int_equal(got->record.ttl, record->ttl);
	assert_int_equal(got->record.rdata_size, record->rdata_size);
	assert_memory_equal(got->rdata, record->rdata, record->rdata_size);
	for (size_t i = 0;; i += 1U + record->owner[i]) {
		assert_memory_equal(got->owner + i, record->owner + i, 1U + record->owner[i]);
		if (record->owner[i] == 0)
			return text;
	}
}

#define RDATA(literal) .rdata = (const uint8_t *)(literal), .rdata_size = sizeof(literal) - 1

static void test_text(void **state)
{
	(void)state;
	static const struct { struct record record; const char *want; } rows[] = {
		{ { .type = 1, RDATA("\300\0\2\1") }, "A 192.0.2.1" },
		{ { .type = 28, RDATA("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1") }, "AAAA 2001:db8::1" },
		{ { .type = 2, RDATA("\2Ns\7Example\0") }, "NS Ns.Example." },
		{ { .type = 5, RDATA("\0") }, "CNAME ." },
		{ { .type = 6, RDATA("\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5") }, "SOA a. b. 1 2 3 4 5" },
		{ { .type = 15, RDATA("\0\12\2mx\0") }, "MX 10 mx." },
		{ { .type = 16, RDATA("\1a\0\3\"\\;") }, "TXT \"a\" \"\" \"\\\"\\\\;\"" },
		{ { .type = 16, RDATA("\5\0\12\15\177\377") }, "TXT \"\\000\\010\\013\\127\\255\"" },
		{ { .type = 16, RDATA("\5abc") }, "TYPE16 \\# 4 05616263" },
		{ { .type = 33, RDATA("\0\1\0\2\0\65\1a\0") }, "SRV 1 2 53 a." },
		{ { .type = 35, RDATA("\0\1\0\2\1u\1s\3x\\y\1A\0") }, "NAPTR 1 2 \"u\" \"s\" \"x\\\\y\" A." },
		{ { .type = 47, RDATA("\1a\0\0\6\100\0\0\0\0\3") }, "NSEC a. A RRSIG NSEC" },
		{ { .type = 47, RDATA("\1a\0\0\7\100\0\0\0\0\3\0") }, "TYPE47 \\# 12 016100000740000000000300" },
		{ { .type = 50, RDATA("\1\0\0\1\1\252\2\1\2\0\1\100") }, NULL },
		{ { .type = 51, RDATA("\1\0\0\0\0") }, "NSEC3PARAM 1 0 0 -" },
		{ { .type = 64, RDATA("\0\1\0\0\1\0\3\2h2") }, "TYPE64 \\# 10 00010000010003026832" },
		{ { .type = 257, RDATA("\0\5issueca.test") }, "CAA 0 issue \"ca.test\"" },
		{ { .type = 65401, RDATA("\1a\0") }, "TYPE65401 \\# 3 016100" },
		{ { .type = 65402, RDATA("\0\1\2ok") }, "TYPE65402 \\# 5 0001026f6b" },
		{ { .type = 65535, RDATA("") }, "TYPE65535 \\# 0" },
		{ { .type = 7, RDATA("\1a\0") }, "TYPE7 \\# 3 016100" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record record = rows[i].record;
		record.owner = owner_mixed;
		record.rclass = 1;
		record.ttl = 3600;
		const char *text = there_and_back(&record);
		assert_non_null(text);
		char want[256];
		snprintf(want, sizeof(want), "WWW.Example.org. 3600 IN %s\n", rows[i].want ? rows[i].want : "");
		size_t length = strlen(text);
		char line[256];
		snprintf(line, sizeof(line), "%s", text);
		while (length > 1 && line[length - 2] == ' ') { /* libknot leaves one behind some types */
			line[length - 2] = '\n';
			line[--length] = '\0';
		}
		if (rows[i].want)
			assert_string_equal(line, want);
	}
}

/* Every octet in every place where a name can be. */
static void test_names(void **state)
{
	(void)state;
	static const uint16_t types[] = { 2, 5, 12, 15, 39, 6 };

	for (int octet = 0; octet < 256; octet++) {
		const uint8_t name[] = { 3, (uint8_t)octet, 'X', (uint8_t)octet, 1, (uint8_t)octet, 0 };
		for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
			uint8_t rdata[64] = { 0 };
			size_t size = 0;
			if (types[i] == 15)
				size = 2;
			memcpy(rdata + size, name, sizeof(name));
			size += sizeof(name);
			if (types[i] == 6) {
				memcpy(rdata + size, name, sizeof(name));
				size += sizeof(name) + 20;
			}
			struct record record = { name, types[i], 1, 60, (uint16_t)size, rdata };
			const char *text = there_and_back(&record);
			assert_non_null(text);
			assert_null(strstr(text, "TYPE")); /* the presentation form was good enough */
		}
		const uint8_t txt[] = { 3, (uint8_t)octet, 'x', (uint8_t)octet, 1, (uint8_t)octet };
		const char *text = there_and_back(&(struct record) { name, 16, 1, 60, sizeof(txt), txt });
		assert_non_null(strstr(text, " TXT "));
	}
}

/* Every type, with rdata that its form may allow or not: a line that reads back, or a refusal, and never both. */
static void test_every_type(void **state)
{
	(void)state;
	uint8_t rdata[64];

	for (unsigned type = 0; type < 65536; type += type < 520 || type > 65270 ? 1 : 61) {
		const knot_rdata_descriptor_t *form = knot_get_rdata_descriptor((uint16_t)type);
		if (!form->type_name)
			form = knot_get_obsolete_rdata_descriptor((uint16_t)type);
		for (uint16_t size = 0; size < 12; size++) {
			for (int pattern = 0; pattern < 4; pattern++) {
				for (uint16_t i = 0; i < size; i++)
					rdata[i] = (uint8_t)(pattern == 0 ? 0 : pattern == 1 ? 255 : pattern == 2 ? i : size - i - 1);
				struct record record = { owner_mixed, (uint16_t)type, 1, 60, size, rdata };
				int good = record_check(&record);
				const char *text = there_and_back(&record);
				if (good < 0)
					assert_null(text);
				else if (!text && (size > 0 || !form->type_name))
					fail_msg("type %u, %u octets, pattern %d: no text", type, size, pattern);
			}
		}
	}
}

static void test_largest(void **state)
{
	(void)state;
	CLEANUP(free) uint8_t *rdata = malloc(65535);
	assert_non_null(rdata);
	uint8_t owner[255];
	memset(owner, 0, sizeof(owner)); /* labels of zero octets: four characters each */
	owner[0] = owner[64] = owner[128] = 63;
	owner[192] = 61;

	memset(rdata, 0, 65535);
	for (int at = 0; at < 65535; at += 256)
		rdata[at] = at + 256 <= 65535 ? 255 : (uint8_t)(65535 - at - 1);
	struct record record = { owner, 16, 1, UINT32_MAX, 65535, rdata };
	const char *text = there_and_back(&record);
	assert_non_null(text);
	assert_non_null(strstr(text, " TXT "));
	assert_true(strlen(text) > 262000);

	memset(rdata, 0, 65535); /* empty strings */
	assert_non_null(there_and_back(&record));
	for (int at = 0; at < 65535; at++)
		rdata[at] = at % 2 == 0; /* strings of one octet */
	rdata[65534] = 0;
	assert_non_null(there_and_back(&record));
	for (unsigned type = 1; type < 65536; type = type < 300 ? type + 1 : 65536) {
		record.type = (uint16_t)type;
		if (record_check(&record) == 0 && type != 255)
			(void)there_and_back(&record);
	}
	record.type = RECORD_TYPE_LUA;
	memset(rdata, 255, 65535);
	assert_non_null(there_and_back(&record));
}

static void test_sizes(void **state)
{
	(void)state;
	static const struct record rows[] = {
		{ owner_mixed, 1, 1, 60, 4, (const uint8_t *)"\1\2\3\4" },
		{ owner_mixed, 65402, 1, 60, 4, (const uint8_t *)"\1\2\3\4" },
		{ owner_mixed, 16, 1, 60, 4, (const uint8_t *)"\3\0\0\0" },
		{ owner_mixed, 16, 1, 60, 4, (const uint8_t *)"\5\0\0\0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static char whole[RECORD_TEXT_SIZE];
		ssize_t length = record_to_text(&rows[i], whole, sizeof(whole));
		assert_true(length > 0);
		for (size_t size = 1; size < 200; size++) {
			CLEANUP(free) char *text = malloc(size);
			ssize_t result = record_to_text(&rows[i], text, size);
			if (result == length)
				assert_string_equal(text, whole);
			else
				assert_int_equal(result, -ENOSPC);
		}
	}
	struct record record = rows[0];
	char text[256];
	record.rclass = 3;
	assert_int_equal(record_to_text(&record, text, sizeof(text)), ERROR_MALFORMED);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"www 60 IN A 192.0.2.1", "@ 60 IN A 192.0.2.1", "a. 60 IN NS b", "a. 60 IN NS @", "a. 60 IN MX 1 @",
		" 60 IN A 192.0.2.1", "\t60 IN A 192.0.2.1", "$TTL 60", "$ORIGIN a.", "$INCLUDE /etc/hostname", "", " ", ";", "; comment",
		"a. 60 IN TXT (", "a. 60 IN TXT \"a", "a. 60 CH A 192.0.2.1", "a. 60 HS A 192.0.2.1", "a. 60 IN A 192.0.2.256",
		"a. 60 IN A \\# 3 010203", "a. 60 IN A \\# 4 010203", "a. 60 IN A \\# 4 0102030405", "a. 60 IN NS \\# 3 010203",
		"a. 60 IN NS \\# 2 c000", "a. 60 IN SOA a. b. 1 2 3 4", "a. 60 IN TYPE65402 \\# 3 0102", "a. 60 IN TYPE65402 \\# 65536 00",
		"a. 60 IN TYPE65536 \\# 0", "a. 60 IN", "a.", "a. 4294967296 IN A 192.0.2.1", "a..b. 60 IN A 192.0.2.1",
		"a. 60 IN A 192.0.2.1 192.0.2.2", "a. 60 IN NOTYPE x",
	};
	CLEANUP(free) struct got *got = new_got();

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[256];
		int size = snprintf(text, sizeof(text), "z. 60 IN A 192.0.2.1\n%s\nz. 60 IN A 192.0.2.1\n", lines[i]);
		static const size_t pieces[] = { 1, 7, 1000 };
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++) {
			got->count = 0;
			if (read_text(text, (size_t)size, pieces[j], got) != ERROR_MALFORMED || got->count != 1)
				fail_msg("taken: %s", lines[i]);
		}
	}
	/* Text that does not end, a NUL, a line that never ends. */
	assert_int_equal(read_text("z. 60 IN A 192.0.2.1", 20, 100, got), ERROR_MALFORMED);
	assert_int_equal(read_text("z. 60 IN A 192.0.2.1\0\n", 22, 100, got), ERROR_MALFORMED);
	assert_int_equal(read_text("", 0, 100, got), 0);
	CLEANUP(free) char *spaces = malloc(1000000);
	memset(spaces, ' ', 1000000);
	memcpy(spaces, "z.", 2);
	memcpy(spaces + 999980, "60 IN A 192.0.2.1\n", 18);
	got->count = 0;
	assert_int_equal(read_text(spaces, 999998, 1000000, got), ERROR_MALFORMED);
	assert_int_equal(read_text(spaces, 999998, 1000, got), ERROR_MALFORMED);
	assert_int_equal(got->count, 0);
}

static void test_pieces(void **state)
{
	(void)state;
	static const char text[] = "a. 60 IN A 192.0.2.1\nB.c. 60 IN TXT \"x\" \"y z\"\nd. 60 IN TYPE65402 \\# 1 00\ne. 7 IN NS F.\n";

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		CLEANUP(free) struct got *got = new_got();
		assert_int_equal(read_text(text, sizeof(text) - 1, piece, got), 0);
		assert_int_equal(got->count, 4);
		assert_memory_equal(got->rdata, "\1F", 3);
	}
	CLEANUP(free) struct got *got = new_got();
	got->answer = -ECANCELED;
	assert_int_equal(read_text(text, sizeof(text) - 1, 1000, got), -ECANCELED);
	assert_int_equal(got->count, 1);
	record_reader_free(NULL);
}

static void test_fields(void **state)
{
	(void)state;
	uint8_t rrsig[18 + 1 + 1] = { 0, 47, 13 };
	struct record record = { owner_mixed, RECORD_TYPE_RRSIG, 1, 60, sizeof(rrsig), rrsig };
	static const struct { uint32_t expiration; uint64_t now, want; } rows[] = {
		{ 1000, 900, 1000 },
		{ 900, 1000, 900 },
		{ 0, 0, 0 },
		{ 0xffffffff, 0, 0 },
		{ 10, 0xffffffff, 0x10000000aULL },
		{ 0xfffffff0, 0x100000005ULL, 0xfffffff0 },
		{ 5, 0x300000005ULL, 0x300000005ULL },
	};
	uint64_t expiration;
	uint32_t serial = 77;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		knot_wire_write_u32(rrsig + 8, rows[i].expiration);
		assert_int_equal(record_rrsig_expiration(&record, rows[i].now, &expiration), 0);
		assert_int_equal(expiration, rows[i].want);
	}
	assert_int_equal(record_rrsig_covers(&record), 47);
	assert_int_equal(record_soa_serial(&record, &serial), ERROR_MALFORMED);
	record.rdata_size = 17;
	assert_int_equal(record_rrsig_expiration(&record, 0, &expiration), ERROR_MALFORMED);

	record = (struct record) { owner_mixed, RECORD_TYPE_SOA, 1, 60, RDATA("\1a\0\0\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") };
	assert_int_equal(record_rrsig_covers(&record), 0);
	assert_int_equal(record_rrsig_expiration(&record, 0, &expiration), ERROR_MALFORMED);
	assert_int_equal(record_soa_serial(&record, &serial), 0);
	assert_int_equal(serial, 0x01020304);
	for (uint16_t size = 0; size < 24; size++) {
		record.rdata_size = size;
		assert_int_equal(record_soa_serial(&record, &serial), ERROR_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),    cmocka_unit_test(test_names),   cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_largest), cmocka_unit_test(test_sizes),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pieces),  cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
