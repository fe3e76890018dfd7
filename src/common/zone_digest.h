/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/record.h"
/*
 * The digest of a zone's content: the sum, modulo 2^512 and little-endian, of BLAKE2b-512 over each record's canonical
 * wire form (RFC 4034 6.2: owner | type | class | TTL | rdlength | rdata, names in lower case; RRSIGs as they are but
 * for the signer's name). Equal content gives an equal digest in whatever order it is read. The second SOA of a transfer is not added.
 */
#define ZONE_DIGEST_SIZE 64
#define ZONE_DIGEST_HEX_SIZE 129
struct zone_digest { uint8_t sum[ZONE_DIGEST_SIZE]; };

void zone_digest_init(struct zone_digest *digest);
int zone_digest_add(struct zone_digest *digest, const struct record *record); /* 0, ERROR_MALFORMED, -ENOMEM */
void zone_digest_to_hex(const struct zone_digest *digest, char hex[ZONE_DIGEST_HEX_SIZE]);
int zone_digest_from_hex(const char *hex, struct zone_digest *ret);

/*
 * The digest of a set of zones: sum modulo 2^256 (little-endian) of BLAKE2b-256 over
 * zone name in wire form | generation (8 octets, big-endian) | zone digest (64), of every zone that is present.
 * Kept for 256 buckets; a zone's bucket is the first octet of BLAKE2b-256 over its name in wire form. The root is the sum of the buckets.
 */
#define SET_DIGEST_SIZE 32
#define SET_DIGEST_HEX_SIZE 65
#define SET_BUCKETS 256
struct set_digest {
	uint8_t bucket[SET_BUCKETS][SET_DIGEST_SIZE];
	uint64_t zones;
};
int set_digest_bucket(const char *zone); /* 0 to 255, or ERROR_MALFORMED */
int set_digest_add(struct set_digest *set, const char *zone, uint64_t generation, const struct zone_digest *digest);
int set_digest_subtract(struct set_digest *set, const char *zone, uint64_t generation, const struct zone_digest *digest);
void set_digest_root_hex(const struct set_digest *set, char hex[SET_DIGEST_HEX_SIZE]);
void set_digest_bucket_hex(const struct set_digest *set, int bucket, char hex[SET_DIGEST_HEX_SIZE]);
