/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libknot/wire.h>
#include <sodium.h>
#include <sys/resource.h>
#include <zstd.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/zone_body.h"

#define LIMIT (1 << 20)

static const uint8_t apex[] = "\4Zone\4test";
static const uint8_t soa_rdata[] = "\1a\0\1b\0\0\0\0\7\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
static const struct record soa = { apex, RECORD_TYPE_SOA, 1, 60, sizeof(soa_rdata) - 1, soa_rdata };

/* Gives a zone of so many addresses, and so many signatures. */
static int give(uint32_t addresses, uint32_t signatures, record_visit visit, void *userdata)
{
	uint8_t owner[] = "\x8xxxxxxxx\4Zone\4test", rdata[4], rrsig[18 + 1 + 64] = { 0, 1, 13, 3 };

	int result = visit(&soa, userdata);
	for (uint32_t i = 0; i < addresses && result == 0; i++) {
		char label[9];
		snprintf(label, sizeof(label), "%08x", i);
		memcpy(owner + 1, label, 8);
		knot_wire_write_u32(rdata, i);
		result = visit(&(struct record) { owner, 1, 1, 3600, sizeof(rdata), rdata }, userdata);
	}
	for (uint32_t i = 0; i < signatures && result == 0; i++) {
		knot_wire_write_u32(rrsig + 8, (uint32_t)(clock_realtime_us() / 1000000) + 1000 + i % 7);
		randombytes_buf_deterministic(rrsig + 19, 64, (const uint8_t[32]) { (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16) });
		result = visit(&(struct record) { apex, RECORD_TYPE_RRSIG, 1, 3600, sizeof(rrsig), rrsig }, userdata);
	}
	return result;
}

static struct spool *encode(uint32_t addresses, uint32_t signatures, struct zone_body_facts *facts)
{
	struct zone_body_writer *writer;
	struct spool *spool;

	assert_int_equal(zone_body_writer_new("/tmp", LIMIT, &writer), 0);
	assert_int_equal(give(addresses, signatures, zone_body_writer_add, writer), 0);
	assert_int_equal(zone_body_writer_finish(writer, facts, &spool), 0);
	zone_body_writer_free(writer);
	return spool;
}

static struct spool *spool_of(const void *data, size_t size)
{
	struct spool *spool;

	assert_int_equal(spool_new("/tmp", LIMIT, &spool), 0);
	assert_int_equal(spool_write(spool, data, size), 0);
	assert_int_equal(spool_finish(spool), 0);
	return spool;
}

static uint8_t *bytes_of(struct spool *spool, size_t *ret_size)
{
	*ret_size = (size_t)spool_size(spool);
	uint8_t *bytes = malloc(*ret_size + 1000);

	assert_non_null(bytes);
	assert_int_equal(spool_read(spool, 0, bytes, *ret_size), *ret_size);
	return bytes;
}

struct seen {
	unsigned records, stop_at;
	struct zone_digest digest;
};

static int see(const struct record *record, void *userdata)
{
	struct seen *seen = userdata;

	assert_int_equal(zone_digest_add(&seen->digest, record), 0);
	return ++seen->records == seen->stop_at ? -ECANCELED : 0;
}

static void test_there_and_back(void **state)
{
	(void)state;
	static const struct { uint32_t addresses, signatures; enum zone_body_encoding encoding; } rows[] = {
		{ 0, 0, ZONE_BODY_IDENTITY },  { 3, 0, ZONE_BODY_IDENTITY },   { 3, 3, ZONE_BODY_IDENTITY },
		{ 500, 0, ZONE_BODY_ZSTD },    { 4000, 100, ZONE_BODY_ZSTD },  { 0, 20000, ZONE_BODY_ZSTD },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct zone_body_facts facts;
		struct spool *spool = encode(rows[i].addresses, rows[i].signatures, &facts);
		assert_int_equal(facts.encoding, rows[i].encoding);
		assert_int_equal(facts.serial, 7);
		assert_int_equal(facts.records, 1 + rows[i].addresses + rows[i].signatures);
		assert_int_equal(facts.encoding == ZONE_BODY_IDENTITY, facts.size <= ZONE_BODY_IDENTITY_LIMIT);
		assert_int_equal(facts.signatures_expire > clock_realtime_us() / 1000000, rows[i].signatures > 0);
		if (facts.encoding == ZONE_BODY_IDENTITY)
			assert_int_equal(facts.size, spool_size(spool));
		struct seen seen = { 0 };
		assert_int_equal(zone_body_read(spool, &facts, see, &seen), 0);
		assert_int_equal(seen.records, facts.records);
		assert_memory_equal(&seen.digest, &facts.digest, sizeof(seen.digest));
		assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), 0);
		seen = (struct seen) { .stop_at = (unsigned)facts.records };
		assert_int_equal(zone_body_read(spool, &facts, see, &seen), -ECANCELED);
		seen = (struct seen) { .stop_at = 1 };
		assert_int_equal(zone_body_read(spool, &facts, see, &seen), -ECANCELED);
		spool_free(spool);
	}
}

/* As read out of a store, in pieces of any size. */
static void test_pieces(void **state)
{
	(void)state;
	static const size_t pieces[] = { 1, 7, 1000, 100000, SIZE_MAX };

	for (int big = 0; big <= 1; big++) {
		struct zone_body_facts facts;
		struct spool *spool = encode(big ? 3000 : 3, 3, &facts);
		size_t size;
		CLEANUP(free) uint8_t *bytes = bytes_of(spool, &size);
		spool_free(spool);
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
			struct zone_body_reader *reader;
			struct seen seen = { 0 };
			assert_int_equal(zone_body_reader_new(&facts, see, &seen, &reader), 0);
			for (size_t at = 0, piece; at < size; at += piece) {
				piece = size - at < pieces[i] ? size - at : pieces[i];
				assert_int_equal(zone_body_reader_feed(reader, bytes + at, piece), 0);
			}
			assert_int_equal(zone_body_reader_finish(reader), 0);
			assert_int_equal(seen.records, facts.records);
			/* Nothing may come after the end. */
			assert_int_equal(zone_body_reader_feed(reader, "x", 1), ERROR_BODY);
			assert_int_equal(zone_body_reader_finish(reader), ERROR_BODY);
			zone_body_reader_free(reader);

			/* Not all of it. */
			assert_int_equal(zone_body_reader_new(&facts, NULL, NULL, &reader), 0);
			assert_int_equal(zone_body_reader_feed(reader, bytes, size - 1), 0);
			assert_int_equal(zone_body_reader_finish(reader), ERROR_BODY);
			zone_body_reader_free(reader);
		}
	}
}

/* Once found good, a body is read again without its records being added up, but not without its text being looked at. */
static void test_again(void **state)
{
	(void)state;
	for (int big = 0; big <= 1; big++) {
		struct zone_body_facts facts, want;
		struct spool *spool = encode(big ? 3000 : 3, 3, &facts);
		struct seen seen = { 0 };
		assert_int_equal(zone_body_read_again(spool, &facts, see, &seen), 0);
		assert_int_equal(seen.records, facts.records);
		assert_memory_equal(&seen.digest, &facts.digest, sizeof(seen.digest));
		seen = (struct seen) { .stop_at = 2 };
		assert_int_equal(zone_body_read_again(spool, &facts, see, &seen), -ECANCELED);

		want = facts;
		want.hash[0] ^= 1;
		assert_int_equal(zone_body_read_again(spool, &want, NULL, NULL), ERROR_BODY);
		want = facts;
		want.records++;
		assert_int_equal(zone_body_read_again(spool, &want, NULL, NULL), ERROR_BODY);
		want = facts;
		want.digest.sum[0] ^= 1;
		assert_int_equal(zone_body_read_again(spool, &want, NULL, NULL), 0);

		size_t size;
		CLEANUP(free) uint8_t *bytes = bytes_of(spool, &size);
		spool_free(spool);
		spool = spool_of(bytes, size - 1);
		assert_int_equal(zone_body_read_again(spool, &facts, NULL, NULL), ERROR_BODY);
		spool_free(spool);
	}
}

static void test_limit(void **state)
{
	(void)state;
	/* Just at the limit and one record beyond, by a TXT record that fills up. */
	for (int over = 0; over <= 1; over++) {
		struct zone_body_writer *writer;
		struct zone_body_facts facts;
		struct spool *spool;
		uint8_t rdata[256];
		uint64_t size = strlen("Zone.test. 60 IN SOA a. b. 7 2 3 4 5\n");
		memset(rdata, 'x', sizeof(rdata));

		assert_int_equal(zone_body_writer_new("/tmp", LIMIT, &writer), 0);
		assert_int_equal(zone_body_writer_add(&soa, writer), 0);
		while (size < ZONE_BODY_IDENTITY_LIMIT) {
			uint64_t room = ZONE_BODY_IDENTITY_LIMIT - size - strlen("Zone.test. 60 IN TXT \"\"\n");
			rdata[0] = (uint8_t)(room > 400 ? 200 : room > 200 ? 150 : room + (unsigned)over);
			struct record txt = { apex, 16, 1, 60, 1 + rdata[0], rdata };
			assert_int_equal(zone_body_writer_add(&txt, writer), 0);
			size += strlen("Zone.test. 60 IN TXT \"\"\n") + rdata[0];
		}
		assert_int_equal(zone_body_writer_finish(writer, &facts, &spool), 0);
		assert_int_equal(facts.size, ZONE_BODY_IDENTITY_LIMIT + over);
		assert_int_equal(facts.encoding, over ? ZONE_BODY_ZSTD : ZONE_BODY_IDENTITY);
		assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), 0);
		spool_free(spool);
		zone_body_writer_free(writer);
	}
}

static void test_writer_refuses(void **state)
{
	(void)state;
	struct zone_body_facts facts = { .size = 77 };
	struct spool *spool = NULL;
	struct zone_body_writer *writer;
	struct record address = { apex, 1, 1, 60, 4, (const uint8_t *)"\1\2\3\4" }, wrong = address;

	wrong.rdata_size = 3;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(zone_body_writer_new("/tmp", LIMIT, &writer), 0);
		if (i > 0)
			assert_int_equal(zone_body_writer_add(i == 1 ? &address : &soa, writer), i == 1 ? ERROR_MALFORMED : 0);
		if (i == 2)
			assert_int_equal(zone_body_writer_add(&soa, writer), ERROR_MALFORMED);
		if (i == 3)
			assert_int_equal(zone_body_writer_add(&wrong, writer), ERROR_MALFORMED);
		if (i > 1) /* a failure is final */
			assert_int_equal(zone_body_writer_add(&address, writer), ERROR_MALFORMED);
		assert_int_equal(zone_body_writer_finish(writer, &facts, &spool), ERROR_MALFORMED);
		zone_body_writer_free(writer);
	}
	assert_null(spool);
	assert_int_equal(facts.size, 77);
	assert_int_equal(zone_body_writer_new("/tmp", LIMIT, &writer), 0);
	assert_int_equal(zone_body_writer_add(&soa, writer), 0);
	assert_int_equal(zone_body_writer_finish(writer, &facts, &spool), 0);
	assert_int_equal(zone_body_writer_add(&address, writer), -EINVAL);
	assert_int_equal(zone_body_writer_finish(writer, &facts, &(struct spool *) { NULL }), -EINVAL);
	zone_body_writer_free(writer);
	zone_body_writer_free(NULL);
	spool_free(spool);

	/* No room for the spool. */
	assert_int_equal(zone_body_writer_new("/no/such/folder", 100, &writer), 0);
	int result = give(0, 20000, zone_body_writer_add, writer);
	assert_int_equal(result, -ENOENT);
	assert_int_equal(zone_body_writer_finish(writer, &facts, &spool), -ENOENT);
	zone_body_writer_free(writer);
}

/* Each fact, when it is other than what was written, makes the body a bad one. */
static void test_other_facts(void **state)
{
	(void)state;
	for (int big = 0; big <= 1; big++) {
		struct zone_body_facts facts;
		struct spool *spool = encode(big ? 2000 : 3, 3, &facts);
		struct zone_body_facts wants[14];

		for (size_t i = 0; i < ARRAY_SIZE(wants); i++)
			wants[i] = facts;
		wants[0].serial++;
		wants[1].records++;
		wants[2].records--;
		wants[3].size++;
		wants[4].size--;
		wants[5].size = 0;
		wants[6].size = UINT64_MAX;
		wants[7].hash[31] ^= 1;
		wants[8].digest.sum[63] ^= 1;
		wants[9].signatures_expire = 0;
		wants[10].signatures_expire += 100;
		wants[11].encoding = big ? ZONE_BODY_IDENTITY : ZONE_BODY_ZSTD;
		wants[12].encoding = (enum zone_body_encoding)7;
		wants[13].records = 0;
		for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
			if (zone_body_read(spool, &wants[i], NULL, NULL) != ERROR_BODY)
				fail_msg("facts %zu of body %d were taken", i, big);
		}
		spool_free(spool);
	}
}

static void test_broken_bodies(void **state)
{
	(void)state;
	for (int big = 0; big <= 1; big++) {
		struct zone_body_facts facts;
		struct spool *good = encode(big ? 2000 : 3, 3, &facts);
		size_t size;
		CLEANUP(free) uint8_t *bytes = bytes_of(good, &size);
		spool_free(good);

		for (size_t cut = 0; cut < size; cut += 1 + size / 100) {
			struct spool *spool = spool_of(bytes, cut);
			assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), ERROR_BODY);
			spool_free(spool);
		}
		for (size_t at = 0; at < size; at += 1 + size / 300) {
			bytes[at] ^= 0x20;
			struct spool *spool = spool_of(bytes, size);
			int result = zone_body_read(spool, &facts, NULL, NULL);
			/* A bit of the frame may mean nothing, or the same in another way; the text is what it must be all the same. */
			assert_true(result == ERROR_BODY || (big && result == 0));
			spool_free(spool);
			bytes[at] ^= 0x20;
		}
		static const char *const tails[] = { "\n", "x", "x. 60 IN A 192.0.2.1\n", "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00",
		                                     "\x50\x2a\x4d\x18\x01\x01\x01\x01" };
		for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
			size_t tail = i == 3 ? 9 : strlen(tails[i]);
			memcpy(bytes + size, tails[i], tail);
			struct spool *spool = spool_of(bytes, size + tail);
			assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), ERROR_BODY);
			spool_free(spool);
		}
	}
}

static void test_frames(void **state)
{
	(void)state;
	static const char text[] = "z. 60 IN SOA a. b. 7 2 3 4 5\nz. 60 IN A 192.0.2.1\n";
	struct zone_body_facts facts = { .encoding = ZONE_BODY_ZSTD, .serial = 7, .records = 2, .size = sizeof(text) - 1 };
	uint8_t frame[1024];
	const struct record root_soa = { (const uint8_t *)"\1z", 6, 1, 60, sizeof(soa_rdata) - 1, soa_rdata };
	const struct record address = { (const uint8_t *)"\1z", 1, 1, 60, 4, (const uint8_t *)"\300\0\2\1" };

	crypto_generichash(facts.hash, sizeof(facts.hash), (const uint8_t *)text, sizeof(text) - 1, NULL, 0);
	assert_int_equal(zone_digest_add(&facts.digest, &root_soa), 0);
	assert_int_equal(zone_digest_add(&facts.digest, &address), 0);
	size_t size = ZSTD_compress(frame, sizeof(frame), text, sizeof(text) - 1, 3);
	struct spool *spool = spool_of(frame, size);
	assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), 0);
	spool_free(spool);

	/* The same text in two frames. */
	size = ZSTD_compress(frame, 512, text, 30, 3);
	size += ZSTD_compress(frame + size, 512, text + 30, sizeof(text) - 1 - 30, 3);
	spool = spool_of(frame, size);
	assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), ERROR_BODY);
	spool_free(spool);

	/* A bomb: little that becomes much. It ends at want->size, long before it is unpacked. */
	CLEANUP(free) char *zeros = calloc(1, 50000000);
	CLEANUP(free) uint8_t *bomb = malloc(100000);
	memcpy(zeros, text, sizeof(text) - 1);
	size = ZSTD_compress(bomb, 100000, zeros, 50000000, 3);
	assert_false(ZSTD_isError(size));
	spool = spool_of(bomb, size);
	struct seen seen = { 0 };
	assert_int_equal(zone_body_read(spool, &facts, see, &seen), ERROR_BODY);
	assert_int_equal(seen.records, 0);
	spool_free(spool);

	/* A window larger than the writer's asks for more memory than a reader gives. */
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 27);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
	ZSTD_inBuffer in = { text, sizeof(text) - 1, 0 };
	ZSTD_outBuffer out = { frame, sizeof(frame), 0 };
	ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue);
	assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(zstd);
	spool = spool_of(frame, out.pos);
	assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), ERROR_BODY);
	spool_free(spool);
}

static long peak_kilobytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void test_memory(void **state)
{
	(void)state;
	/* A zone of 40 MB of text, through a spool of 1 MiB of memory. Sanitizers keep what is freed, so this counts little there. */
	struct zone_body_facts facts;
	spool_free(encode(1000, 1000, &facts));
	long before = peak_kilobytes();
	uint64_t start = clock_monotonic_us();
	struct spool *spool = encode(100000, 200000, &facts);
	uint64_t written = clock_monotonic_us();
	assert_int_equal(zone_body_read(spool, &facts, NULL, NULL), 0);
	uint64_t read = clock_monotonic_us();
	long grown = peak_kilobytes() - before;
	print_message("%llu octets of text in %llu: written in %llu ms, read in %llu ms, %ld kB more memory\n",
	              (unsigned long long)facts.size, (unsigned long long)spool_size(spool),
	              (unsigned long long)(written - start) / 1000, (unsigned long long)(read - written) / 1000, grown);
	spool_free(spool);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(grown < 12000);
#endif
}

static int set_up(void **state)
{
	(void)state;
	return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),         cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_writer_refuses), cmocka_unit_test(test_other_facts),    cmocka_unit_test(test_broken_bodies),
		cmocka_unit_test(test_frames),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
