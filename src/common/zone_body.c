/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <zstd.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/zone_body.h"

#define ZSTD_LEVEL 3
#define ZSTD_WINDOW_LOG 21 /* 2 MiB: what a reader must be ready to hold, and what it refuses to exceed */
#define PIECE_SIZE 131072

struct zone_body_writer {
	struct spool *spool;
	ZSTD_CCtx *zstd; /* NULL while the text may still go as it is */
	crypto_generichash_state hash;
	struct zone_body_facts facts;
	uint64_t now;
	int result; /* first failure; nothing is written after it */
	size_t early_size;
	char early[ZONE_BODY_IDENTITY_LIMIT];
	char line[RECORD_TEXT_SIZE];
	uint8_t piece[PIECE_SIZE];
};

DEFINE_CLEANUP(zone_body_writer, struct zone_body_writer *, zone_body_writer_free)
DEFINE_CLEANUP(dctx, ZSTD_DCtx *, (void)ZSTD_freeDCtx)

int zone_body_writer_new(const char *folder, size_t memory_limit, struct zone_body_writer **ret)
{
	if (sodium_init() < 0)
		return -ENOSYS;
	CLEANUP(zone_body_writer) struct zone_body_writer *writer = malloc(sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->spool = NULL;
	writer->zstd = NULL;
	writer->facts = (struct zone_body_facts) { .encoding = ZONE_BODY_IDENTITY };
	writer->now = clock_realtime_us() / 1000000;
	writer->result = 0;
	writer->early_size = 0;
	zone_digest_init(&writer->facts.digest);
	(void)crypto_generichash_init(&writer->hash, NULL, 0, ZONE_BODY_HASH_SIZE);
	int result = spool_new(folder, memory_limit, &writer->spool);
	if (result < 0)
		return result;
	*ret = TAKE(writer);
	return 0;
}

void zone_body_writer_free(struct zone_body_writer *writer)
{
	if (!writer)
		return;
	spool_free(writer->spool);
	(void)ZSTD_freeCCtx(writer->zstd);
	free(writer);
}

static int compress(struct zone_body_writer *writer, const char *text, size_t size, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = { .src = text, .size = size };
	size_t left;

	do {
		ZSTD_outBuffer out = { .dst = writer->piece, .size = sizeof(writer->piece) };
		left = ZSTD_compressStream2(writer->zstd, &out, &in, directive);
		if (ZSTD_isError(left))
			return -ENOMEM;
		int result = spool_write(writer->spool, writer->piece, out.pos);
		if (result < 0)
			return result;
	} while (in.pos < in.size || (directive == ZSTD_e_end && left > 0));
	return 0;
}

static int start_compressing(struct zone_body_writer *writer)
{
	writer->zstd = ZSTD_createCCtx();
	if (!writer->zstd)
		return -ENOMEM;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL))
	    || ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)))
		return -EINVAL;
	writer->facts.encoding = ZONE_BODY_ZSTD;
	return compress(writer, writer->early, writer->early_size, ZSTD_e_continue);
}

static int write_text(struct zone_body_writer *writer, const char *text, size_t size)
{
	(void)crypto_generichash_update(&writer->hash, (const uint8_t *)text, size);
	writer->facts.size += size;
	if (!writer->zstd && size <= sizeof(writer->early) - writer->early_size) {
		memcpy(writer->early + writer->early_size, text, size);
		writer->early_size += size;
		return 0;
	}
	int result = writer->zstd ? 0 : start_compressing(writer);
	return result < 0 ? result : compress(writer, text, size, ZSTD_e_continue);
}

static int note_expiration(struct zone_body_writer *writer, const struct record *record)
{
	uint64_t expiration, *earliest = &writer->facts.signatures_expire;

	int result = record_rrsig_expiration(record, writer->now, &expiration);
	if (result < 0)
		return result;
	if (expiration == 0)
		expiration = 1; /* 0 says that there is no signature */
	if (*earliest == 0 || expiration < *earliest)
		*earliest = expiration;
	return 0;
}

static int add(struct zone_body_writer *writer, const struct record *record)
{
	struct zone_body_facts *facts = &writer->facts;

	if ((record->type == RECORD_TYPE_SOA) != (facts->records == 0))
		return ERROR_MALFORMED;
	int result = facts->records == 0 ? record_soa_serial(record, &facts->serial) : 0;
	if (result == 0 && record->type == RECORD_TYPE_RRSIG)
		result = note_expiration(writer, record);
	if (result == 0)
		result = zone_digest_add(&facts->digest, record);
	if (result < 0)
		return result;
	ssize_t size = record_to_text(record, writer->line, sizeof(writer->line));
	if (size < 0)
		return (int)size;
	facts->records++;
	return write_text(writer, writer->line, (size_t)size);
}

int zone_body_writer_add(const struct record *record, void *userdata)
{
	struct zone_body_writer *writer = userdata;

	if (writer->result == 0)
		writer->result = add(writer, record);
	return writer->result;
}

int zone_body_writer_finish(struct zone_body_writer *writer, struct zone_body_facts *ret_facts, struct spool **ret_encoded)
{
	int result = writer->result;

	if (result == 0 && writer->facts.records == 0)
		result = ERROR_MALFORMED;
	if (result == 0)
		result = writer->zstd ? compress(writer, NULL, 0, ZSTD_e_end)
		                      : spool_write(writer->spool, writer->early, writer->early_size);
	if (result == 0)
		result = spool_finish(writer->spool);
	if (result < 0)
		return writer->result = result;
	(void)crypto_generichash_final(&writer->hash, writer->facts.hash, sizeof(writer->facts.hash));
	*ret_facts = writer->facts;
	*ret_encoded = TAKE(writer->spool);
	writer->result = -EINVAL; /* there is no spool left to write to */
	return 0;
}

/* What was read so far, to be held against what is wanted. */
struct reading {
	const struct zone_body_facts *want;
	record_visit visit;
	void *userdata;
	int visit_result;
	bool expiration_seen, signature_seen;
	uint64_t records, size;
	struct zone_digest digest;
	crypto_generichash_state hash;
	struct record_reader *reader;
};

DEFINE_CLEANUP(record_reader, struct record_reader *, record_reader_free)

/*
 * The earliest expiration depends on the day on which it was worked out, since a signature holds 32 bits of it only.
 * So that a body never goes bad by age, it is enough that a signature with those 32 bits is there.
 */
static int read_expiration(struct reading *reading, const struct record *record)
{
	uint64_t expiration, want = reading->want->signatures_expire;

	int result = record_rrsig_expiration(record, want, &expiration);
	if (result < 0)
		return result;
	reading->signature_seen = true;
	if (expiration == want || (expiration == 0 && want == 1))
		reading->expiration_seen = true;
	return 0;
}

static int read_record(const struct record *record, void *userdata)
{
	struct reading *reading = userdata;
	uint32_t serial;

	if ((record->type == RECORD_TYPE_SOA) != (reading->records == 0) || reading->records == reading->want->records)
		return ERROR_BODY;
	if (reading->records++ == 0 && (record_soa_serial(record, &serial) < 0 || serial != reading->want->serial))
		return ERROR_BODY;
	if (record->type == RECORD_TYPE_RRSIG && read_expiration(reading, record) < 0)
		return ERROR_BODY;
	if (zone_digest_add(&reading->digest, record) < 0)
		return ERROR_BODY;
	if (reading->visit)
		reading->visit_result = reading->visit(record, reading->userdata);
	return reading->visit_result;
}

static int read_text(struct reading *reading, const char *text, size_t size)
{
	if (size > reading->want->size - reading->size)
		return ERROR_BODY;
	reading->size += size;
	(void)crypto_generichash_update(&reading->hash, (const uint8_t *)text, size);
	int result = record_reader_feed(reading->reader, text, size);
	/* What the visitor said goes to the caller as it is; text that is no record is a bad body. */
	return result == ERROR_MALFORMED && reading->visit_result >= 0 ? ERROR_BODY : result;
}

static int finish_reading(struct reading *reading)
{
	const struct zone_body_facts *want = reading->want;
	uint8_t hash[ZONE_BODY_HASH_SIZE];

	(void)crypto_generichash_final(&reading->hash, hash, sizeof(hash));
	bool same = record_reader_finish(reading->reader) == 0 && reading->size == want->size
	            && reading->records == want->records && memcmp(hash, want->hash, sizeof(hash)) == 0
	            && memcmp(&reading->digest, &want->digest, sizeof(want->digest)) == 0
	            && reading->signature_seen == (want->signatures_expire != 0)
	            && reading->expiration_seen == reading->signature_seen;
	return same ? 0 : ERROR_BODY;
}

static int read_identity(struct reading *reading, struct spool *encoded, uint8_t piece[PIECE_SIZE])
{
	uint64_t at = 0;

	if (spool_size(encoded) != reading->want->size)
		return ERROR_BODY;
	for (;;) {
		int64_t size = spool_read(encoded, at, piece, PIECE_SIZE);
		if (size <= 0)
			return (int)size;
		at += (uint64_t)size;
		int result = read_text(reading, (const char *)piece, (size_t)size);
		if (result < 0)
			return result;
	}
}

/* Unpacks one piece; `text` has PIECE_SIZE octets. 1: the frame ended with it. */
static int unpack_piece(struct reading *reading, ZSTD_DCtx *zstd, ZSTD_inBuffer *in, char *text)
{
	for (;;) {
		/* One octet more than is wanted may come out, which is how too many are noticed. */
		uint64_t room = reading->want->size - reading->size;
		ZSTD_outBuffer out = { .dst = text, .size = room < PIECE_SIZE ? (size_t)room + 1 : PIECE_SIZE };
		size_t left = ZSTD_decompressStream(zstd, &out, in);
		if (ZSTD_isError(left))
			return ERROR_BODY;
		int result = read_text(reading, text, out.pos);
		if (result < 0)
			return result;
		if (left == 0)
			return in->pos == in->size ? 1 : ERROR_BODY;
		if (in->pos == in->size && out.pos < out.size)
			return 0;
	}
}

static int read_zstd(struct reading *reading, struct spool *encoded, uint8_t piece[PIECE_SIZE])
{
	CLEANUP(free) char *text = malloc(PIECE_SIZE);
	CLEANUP(dctx) ZSTD_DCtx *zstd = ZSTD_createDCtx();
	uint64_t at = 0;

	if (!text || !zstd)
		return -ENOMEM;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
		return -EINVAL;
	for (;;) {
		int64_t size = spool_read(encoded, at, piece, PIECE_SIZE);
		if (size <= 0)
			return size < 0 ? (int)size : ERROR_BODY; /* ended within the frame */
		at += (uint64_t)size;
		ZSTD_inBuffer in = { .src = piece, .size = (size_t)size };
		int result = unpack_piece(reading, zstd, &in, text);
		if (result == 1)
			return at == spool_size(encoded) ? 0 : ERROR_BODY;
		if (result < 0)
			return result;
	}
}

int zone_body_read(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata)
{
	struct reading reading = { .want = want, .visit = visit, .userdata = userdata };

	if (sodium_init() < 0)
		return -ENOSYS;
	zone_digest_init(&reading.digest);
	(void)crypto_generichash_init(&reading.hash, NULL, 0, ZONE_BODY_HASH_SIZE);
	CLEANUP(free) uint8_t *piece = malloc(PIECE_SIZE);
	if (!piece)
		return -ENOMEM;
	CLEANUP(record_reader) struct record_reader *reader = NULL;
	int result = record_reader_new(read_record, &reading, &reader);
	if (result < 0)
		return result;
	reading.reader = reader;

	switch (want->encoding) {
	case ZONE_BODY_IDENTITY:
		result = read_identity(&reading, encoded, piece);
		break;
	case ZONE_BODY_ZSTD:
		result = read_zstd(&reading, encoded, piece);
		break;
	default:
		return ERROR_BODY;
	}
	return result < 0 ? result : finish_reading(&reading);
}
