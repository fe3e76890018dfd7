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
struct zone_body_reader {
	struct zone_body_facts want;
	record_visit visit;
	void *userdata;
	int result;    /* first failure; every later call repeats it */
	int visit_result;
	bool again;    /* the records were checked before: the text is enough */
	bool ended;    /* the zstd frame is */
	bool expiration_seen, signature_seen;
	uint64_t records, size;
	struct zone_digest digest;
	crypto_generichash_state hash;
	struct record_reader *lines;
	ZSTD_DCtx *zstd; /* NULL: the text comes as it is */
	char *text;      /* unpacked, PIECE_SIZE octets; only with zstd */
};

DEFINE_CLEANUP(zone_body_reader, struct zone_body_reader *, zone_body_reader_free)

/*
 * The earliest expiration depends on the day on which it was worked out, since a signature holds 32 bits of it only.
 * So that a body never goes bad by age, it is enough that a signature with those 32 bits is there.
 */
static int read_expiration(struct zone_body_reader *reader, const struct record *record)
{
	uint64_t expiration, want = reader->want.signatures_expire;

	int result = record_rrsig_expiration(record, want, &expiration);
	if (result < 0)
		return result;
	reader->signature_seen = true;
	if (expiration == want || (expiration == 0 && want == 1))
		reader->expiration_seen = true;
	return 0;
}

static int read_record(const struct record *record, void *userdata)
{
	struct zone_body_reader *reader = userdata;
	uint32_t serial;

	if ((record->type == RECORD_TYPE_SOA) != (reader->records == 0) || reader->records == reader->want.records)
		return ERROR_BODY;
	if (reader->records++ == 0 && (record_soa_serial(record, &serial) < 0 || serial != reader->want.serial))
		return ERROR_BODY;
	if (!reader->again && record->type == RECORD_TYPE_RRSIG && read_expiration(reader, record) < 0)
		return ERROR_BODY;
	if (!reader->again && zone_digest_add(&reader->digest, record) < 0)
		return ERROR_BODY;
	if (reader->visit)
		reader->visit_result = reader->visit(record, reader->userdata);
	return reader->visit_result;
}

static int read_text(struct zone_body_reader *reader, const char *text, size_t size)
{
	if (size > reader->want.size - reader->size)
		return ERROR_BODY;
	reader->size += size;
	(void)crypto_generichash_update(&reader->hash, (const uint8_t *)text, size);
	int result = record_reader_feed(reader->lines, text, size);
	/* What the visitor said goes to the caller as it is; text that is no record is a bad body. */
	return result == ERROR_MALFORMED && reader->visit_result >= 0 ? ERROR_BODY : result;
}

static int finish_reading(struct zone_body_reader *reader)
{
	const struct zone_body_facts *want = &reader->want;
	uint8_t hash[ZONE_BODY_HASH_SIZE];

	(void)crypto_generichash_final(&reader->hash, hash, sizeof(hash));
	bool same = record_reader_finish(reader->lines) == 0 && reader->size == want->size
	            && reader->records == want->records && memcmp(hash, want->hash, sizeof(hash)) == 0;
	if (same && !reader->again)
		same = memcmp(&reader->digest, &want->digest, sizeof(want->digest)) == 0
		       && reader->signature_seen == (want->signatures_expire != 0)
		       && reader->expiration_seen == reader->signature_seen;
	return same ? 0 : ERROR_BODY;
}

/* Unpacks what was fed. */
static int read_zstd(struct zone_body_reader *reader, ZSTD_inBuffer *in)
{
	for (;;) {
		/* One octet more than is wanted may come out, which is how too many are noticed. */
		uint64_t room = reader->want.size - reader->size;
		ZSTD_outBuffer out = { .dst = reader->text, .size = room < PIECE_SIZE ? (size_t)room + 1 : PIECE_SIZE };
		size_t left = ZSTD_decompressStream(reader->zstd, &out, in);
		if (ZSTD_isError(left))
			return ERROR_BODY;
		int result = read_text(reader, reader->text, out.pos);
		if (result < 0)
			return result;
		if (left == 0) {
			reader->ended = true;
			return in->pos == in->size ? 0 : ERROR_BODY;
		}
		if (in->pos == in->size && out.pos < out.size)
			return 0;
	}
}

static int start_unpacking(struct zone_body_reader *reader)
{
	reader->text = malloc(PIECE_SIZE);
	reader->zstd = ZSTD_createDCtx();
	if (!reader->text || !reader->zstd)
		return -ENOMEM;
	return ZSTD_isError(ZSTD_DCtx_setParameter(reader->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)) ? -EINVAL : 0;
}

int zone_body_reader_new(const struct zone_body_facts *want, record_visit visit, void *userdata, struct zone_body_reader **ret)
{
	if (sodium_init() < 0)
		return -ENOSYS;
	CLEANUP(zone_body_reader) struct zone_body_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->want = *want;
	reader->visit = visit;
	reader->userdata = userdata;
	zone_digest_init(&reader->digest);
	(void)crypto_generichash_init(&reader->hash, NULL, 0, ZONE_BODY_HASH_SIZE);
	int result = record_reader_new(read_record, reader, &reader->lines);
	if (result == 0 && want->encoding == ZONE_BODY_ZSTD)
		result = start_unpacking(reader);
	else if (result == 0 && want->encoding != ZONE_BODY_IDENTITY)
		result = ERROR_BODY;
	if (result < 0)
		return result;
	*ret = TAKE(reader);
	return 0;
}

void zone_body_reader_free(struct zone_body_reader *reader)
{
	if (!reader)
		return;
	record_reader_free(reader->lines);
	(void)ZSTD_freeDCtx(reader->zstd);
	free(reader->text);
	free(reader);
}

int zone_body_reader_feed(struct zone_body_reader *reader, const void *encoded, size_t size)
{
	ZSTD_inBuffer in = { .src = encoded, .size = size };

	if (reader->result < 0 || size == 0)
		return reader->result;
	if (!reader->zstd)
		reader->result = read_text(reader, encoded, size);
	else
		reader->result = reader->ended ? ERROR_BODY : read_zstd(reader, &in);
	return reader->result;
}

int zone_body_reader_finish(struct zone_body_reader *reader)
{
	if (reader->result == 0)
		reader->result = reader->zstd && !reader->ended ? ERROR_BODY : finish_reading(reader);
	return reader->result;
}

static int read_spool(struct zone_body_reader *reader, struct spool *encoded)
{
	size_t room = spool_size(encoded) < PIECE_SIZE ? (size_t)spool_size(encoded) : PIECE_SIZE;
	CLEANUP(free) uint8_t *piece = malloc(room + 1); /* never none */
	int64_t size;

	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; (size = spool_read(encoded, at, piece, room)) > 0; at += (uint64_t)size) {
		int result = zone_body_reader_feed(reader, piece, (size_t)size);
		if (result < 0)
			return result;
	}
	return size < 0 ? (int)size : zone_body_reader_finish(reader);
}

int zone_body_read(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata)
{
	CLEANUP(zone_body_reader) struct zone_body_reader *reader = NULL;
	int result = zone_body_reader_new(want, visit, userdata, &reader);

	return result < 0 ? result : read_spool(reader, encoded);
}

int zone_body_read_again(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata)
{
	CLEANUP(zone_body_reader) struct zone_body_reader *reader = NULL;
	int result = zone_body_reader_new(want, visit, userdata, &reader);

	if (result < 0)
		return result;
	reader->again = true;
	return read_spool(reader, encoded);
}
