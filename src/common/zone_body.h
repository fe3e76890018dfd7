/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/record.h"
#include "common/spool.h"
#include "common/zone_digest.h"
/*
 * The zone string ("body"): RFC 1035 text, one record a line, absolute names, SOA first and once, the rest in the order
 * of the transfer. Encoded as it is (identity) when it is at most ZONE_BODY_IDENTITY_LIMIT octets, else as one zstd frame.
 */
#define ZONE_BODY_IDENTITY_LIMIT 16384
#define ZONE_BODY_HASH_SIZE 32

enum zone_body_encoding { ZONE_BODY_IDENTITY, ZONE_BODY_ZSTD };

struct zone_body_facts {
	uint32_t serial;
	uint64_t records;
	uint64_t size;                       /* of the text, in octets */
	uint8_t hash[ZONE_BODY_HASH_SIZE];   /* BLAKE2b-256 of the text */
	struct zone_digest digest;
	uint64_t signatures_expire;          /* earliest RRSIG expiration, seconds since the epoch; 0: unsigned */
	enum zone_body_encoding encoding;
};

/* Writer: records in, encoded spool and facts out. */
struct zone_body_writer;
/* folder: for spools larger than memory_limit. */
/*
 * Memory: about 4 MiB while it compresses and memory_limit of the spool, whatever the size of the zone.
 * A failure is final. One thread at a time.
 */
int zone_body_writer_new(const char *folder, size_t memory_limit, struct zone_body_writer **ret);
void zone_body_writer_free(struct zone_body_writer *writer);
/* A record_visit: userdata is the writer. ERROR_MALFORMED: the first record is no SOA, or a later one is. */
int zone_body_writer_add(const struct record *record, void *writer);
/* Hands over the spool, finished; afterwards the writer is good for nothing but to be freed. ERROR_MALFORMED: no records. */
int zone_body_writer_finish(struct zone_body_writer *writer, struct zone_body_facts *ret_facts, struct spool **ret_encoded);

/*
 * Reader: gives the records of an encoded spool, and checks against `want` while it reads: size, hash, records, digest,
 * serial, expiration of the signatures; the first disagreement, text beyond want->size, a second frame or anything after
 * the frame is ERROR_BODY. No more than want->size octets are unpacked, in bounded memory (zstd window of 2 MiB).
 *
 * Records reach visit before the end was checked: what visit does must be undone when the result is negative. A caller
 * that cannot do so reads twice: first with visit NULL, which only checks, and then again.
 * A negative result of visit stops the reading and is the result.
 */
int zone_body_read(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata);

/*
 * The same for a body that was read before and found good: what is still checked is its text (size, hash, number of records),
 * but not once more what the records add up to, which takes longer than all the rest but finding them.
 */
int zone_body_read_again(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata);

/*
 * The reader for a body that comes in pieces, while the rest is still on its way. All that is said of zone_body_read holds;
 * only finish says that a body is good. A failure is final. One thread at a time. want is copied.
 */
struct zone_body_reader;
int zone_body_reader_new(const struct zone_body_facts *want, record_visit visit, void *userdata, struct zone_body_reader **ret);
void zone_body_reader_free(struct zone_body_reader *reader);
int zone_body_reader_feed(struct zone_body_reader *reader, const void *encoded, size_t size);
int zone_body_reader_finish(struct zone_body_reader *reader);
