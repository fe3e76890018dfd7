/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <endian.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <libknot/descriptor.h>
#include <libknot/dname.h>
#include <libknot/wire.h>
#include "common/error.h"
#include "common/zone_digest.h"
#include "common/zone_name.h"

/* Sums and differences of little-endian numbers of `size` octets; what does not fit is dropped. */
static void add_octets(uint8_t *sum, const uint8_t *number, size_t size)
{
	unsigned carry = 0;

	for (size_t i = 0; i < size; i++) {
		carry += (unsigned)sum[i] + number[i];
		sum[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

static void subtract_octets(uint8_t *sum, const uint8_t *number, size_t size)
{
	int borrow = 0;

	for (size_t i = 0; i < size; i++) {
		int difference = (int)sum[i] - number[i] - borrow;
		sum[i] = (uint8_t)difference;
		borrow = difference < 0;
	}
}

void zone_digest_init(struct zone_digest *digest)
{
	if (sodium_init() < 0) { /* it only chooses the fastest BLAKE2b: the plain one does too */ }
	memset(digest, 0, sizeof(*digest));
}

/* The rdata goes into the hash in parts, so that only its names need a copy. */
struct hashing {
	crypto_generichash_state state;
	const uint8_t *rdata;
	size_t at; /* octets of rdata that are hashed */
};

static void hash_name(const uint8_t *name, struct hashing *hashing)
{
	uint8_t lower[KNOT_DNAME_MAXLEN];

	knot_dname_copy_lower(lower, name);
	(void)crypto_generichash_update(&hashing->state, lower, knot_dname_size(lower));
}

static void hash_rdata_name(size_t offset, size_t size, void *userdata)
{
	struct hashing *hashing = userdata;

	(void)crypto_generichash_update(&hashing->state, hashing->rdata + hashing->at, offset - hashing->at);
	hash_name(hashing->rdata + offset, hashing);
	hashing->at = offset + size;
}

int zone_digest_add(struct zone_digest *digest, const struct record *record)
{
	bool lower = knot_rrtype_should_be_lowercased(record->type);
	struct hashing hashing = { .rdata = record->rdata };
	uint8_t head[10], hash[ZONE_DIGEST_SIZE];

	(void)crypto_generichash_init(&hashing.state, NULL, 0, sizeof(hash));
	hash_name(record->owner, &hashing);
	knot_wire_write_u16(head, record->type);
	knot_wire_write_u16(head + 2, record->rclass);
	knot_wire_write_u32(head + 4, record->ttl);
	knot_wire_write_u16(head + 8, record->rdata_size);
	(void)crypto_generichash_update(&hashing.state, head, sizeof(head));

	int result = record_walk(record, lower ? hash_rdata_name : NULL, &hashing);
	if (result < 0)
		return result;
	(void)crypto_generichash_update(&hashing.state, record->rdata + hashing.at, record->rdata_size - hashing.at);
	(void)crypto_generichash_final(&hashing.state, hash, sizeof(hash));
	add_octets(digest->sum, hash, sizeof(hash));
	return 0;
}

void zone_digest_to_hex(const struct zone_digest *digest, char hex[ZONE_DIGEST_HEX_SIZE])
{
	(void)sodium_bin2hex(hex, ZONE_DIGEST_HEX_SIZE, digest->sum, sizeof(digest->sum));
}

int zone_digest_from_hex(const char *hex, struct zone_digest *ret)
{
	struct zone_digest digest;
	size_t size;

	/* One spelling only, so that the text can be compared as well as the number. */
	if (strspn(hex, "0123456789abcdef") != ZONE_DIGEST_HEX_SIZE - 1 || hex[ZONE_DIGEST_HEX_SIZE - 1] != '\0')
		return ERROR_MALFORMED;
	if (sodium_hex2bin(digest.sum, sizeof(digest.sum), hex, ZONE_DIGEST_HEX_SIZE - 1, NULL, &size, NULL) != 0
	    || size != sizeof(digest.sum))
		return ERROR_MALFORMED;
	*ret = digest;
	return 0;
}

static int wire_bucket(const uint8_t *wire, size_t size)
{
	uint8_t hash[crypto_generichash_BYTES];

	(void)crypto_generichash(hash, sizeof(hash), wire, size, NULL, 0);
	return hash[0];
}

int set_digest_bucket(const char *zone)
{
	uint8_t wire[ZONE_WIRE_SIZE];

	int size = zone_name_to_wire(zone, wire);
	return size < 0 ? size : wire_bucket(wire, (size_t)size);
}

/* What one zone adds to its bucket; returns the bucket. */
static int hash_zone(const char *zone, uint64_t generation, const struct zone_digest *digest,
                     uint8_t ret_hash[SET_DIGEST_SIZE])
{
	uint8_t wire[ZONE_WIRE_SIZE];
	uint64_t big_endian = htobe64(generation);
	crypto_generichash_state state;

	int size = zone_name_to_wire(zone, wire);
	if (size < 0)
		return size;
	(void)crypto_generichash_init(&state, NULL, 0, SET_DIGEST_SIZE);
	(void)crypto_generichash_update(&state, wire, (size_t)size);
	(void)crypto_generichash_update(&state, (const uint8_t *)&big_endian, sizeof(big_endian));
	(void)crypto_generichash_update(&state, digest->sum, sizeof(digest->sum));
	(void)crypto_generichash_final(&state, ret_hash, SET_DIGEST_SIZE);
	return wire_bucket(wire, (size_t)size);
}

int set_digest_add(struct set_digest *set, const char *zone, uint64_t generation, const struct zone_digest *digest)
{
	uint8_t hash[SET_DIGEST_SIZE];

	int bucket = hash_zone(zone, generation, digest, hash);
	if (bucket < 0)
		return bucket;
	add_octets(set->bucket[bucket], hash, sizeof(hash));
	set->zones++;
	return 0;
}

int set_digest_subtract(struct set_digest *set, const char *zone, uint64_t generation, const struct zone_digest *digest)
{
	uint8_t hash[SET_DIGEST_SIZE];

	int bucket = hash_zone(zone, generation, digest, hash);
	if (bucket < 0)
		return bucket;
	subtract_octets(set->bucket[bucket], hash, sizeof(hash));
	set->zones--;
	return 0;
}

void set_digest_root_hex(const struct set_digest *set, char hex[SET_DIGEST_HEX_SIZE])
{
	uint8_t root[SET_DIGEST_SIZE] = { 0 };

	for (int i = 0; i < SET_BUCKETS; i++)
		add_octets(root, set->bucket[i], sizeof(root));
	(void)sodium_bin2hex(hex, SET_DIGEST_HEX_SIZE, root, sizeof(root));
}

void set_digest_bucket_hex(const struct set_digest *set, int bucket, char hex[SET_DIGEST_HEX_SIZE])
{
	(void)sodium_bin2hex(hex, SET_DIGEST_HEX_SIZE, set->bucket[bucket], SET_DIGEST_SIZE);
}
