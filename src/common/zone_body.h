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
int zone_body_writer_new(const char *folder, size_t memory_limit, struct zone_body_writer **ret);
void zone_body_writer_free(struct zone_body_writer *writer);
/* A record_visit: userdata is the writer. The first record must be the SOA. */
int zone_body_writer_add(const struct record *record, void *writer);
int zone_body_writer_finish(struct zone_body_writer *writer, struct zone_body_facts *ret_facts, struct spool **ret_encoded);

/*
 * Reader: gives the records of an encoded spool. Checks against `want` while it reads: size, hash, records, digest,
 * serial; the first disagreement or text beyond want->size is ERROR_BODY. With want->size known, memory and decompression are bounded.
 */
int zone_body_read(struct spool *encoded, const struct zone_body_facts *want, record_visit visit, void *userdata);
