/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/applied_book.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/durable.h"
#include "common/error.h"

#define MAP_SIZE ((size_t)8 << 30) /* a ceiling, not an allocation: about 2,000,000 zones */
#define FORMAT 1u
#define UNPROVEN_BIT 256u           /* beside a stored result */
/*
 * What is to be proven has a key of its own without a value: this octet, which is more than any label's size and so comes after
 * all zones, the zone, and the generation, so that forgetting one never forgets its successor.
 */
#define UNPROVEN_MARK 0xFFu
#define UNPROVEN_SIZE (1 + ZONE_WIRE_SIZE + sizeof(uint64_t))
#define PROVEN_MAX 32               /* keys that wait to be removed, together or with the next entry */
#define STRIPES 64

/* A value as it lies in the map: this, then soa_size octets. Native byte order: the file never leaves the host. */
struct stored_entry {
	uint32_t format;
	uint32_t state;
	uint64_t generation;
	uint64_t sequence;
	uint32_t serial;
	uint32_t result;
	uint8_t digest[ZONE_DIGEST_SIZE];
	char reason[256];
	uint32_t soa_size;
};

struct unproven_key {
	size_t size;
	uint8_t octets[UNPROVEN_SIZE];
};

struct applied_book {
	struct durable *map;
	/* Held over a put, so that set and counts follow the map: one for each zone, but for a chance meeting. */
	pthread_mutex_t writing[STRIPES];
	pthread_mutex_t lock;    /* of what follows; never held while the disk is waited for: the loop thread takes it */
	struct set_digest set;
	uint64_t entries, failing;
	struct unproven_key proven[PROVEN_MAX];
	size_t proven_count;
};

static int entry_unpack(const void *value, size_t size, struct book_entry *ret)
{
	struct stored_entry stored;
	if (size < sizeof(stored))
		return ERROR_MALFORMED;
	memcpy(&stored, value, sizeof(stored));
	if (stored.format != FORMAT)
		return ERROR_VERSION;
	if (stored.soa_size > BOOK_SOA_SIZE || stored.soa_size != size - sizeof(stored))
		return ERROR_MALFORMED;
	ret->state = stored.state;
	ret->generation = stored.generation;
	ret->sequence = stored.sequence;
	ret->serial = stored.serial;
	ret->result = stored.result & ~UNPROVEN_BIT;
	ret->unproven = (stored.result & UNPROVEN_BIT) != 0;
	memcpy(ret->digest.sum, stored.digest, ZONE_DIGEST_SIZE);
	memcpy(ret->reason, stored.reason, sizeof(ret->reason));
	ret->reason[sizeof(ret->reason) - 1] = '\0';
	ret->soa_size = stored.soa_size;
	memcpy(ret->soa, (const uint8_t *)value + sizeof(stored), stored.soa_size);
	return 0;
}

static size_t entry_pack(const struct book_entry *entry, uint8_t value[sizeof(struct stored_entry) + BOOK_SOA_SIZE])
{
	struct stored_entry stored;
	memset(&stored, 0, sizeof(stored)); /* padding too: it goes to disk */
	stored.format = FORMAT;
	stored.state = entry->state;
	stored.generation = entry->generation;
	stored.sequence = entry->sequence;
	stored.serial = entry->serial;
	stored.result = entry->result | (entry->unproven ? UNPROVEN_BIT : 0);
	stored.soa_size = entry->soa_size;
	memcpy(stored.digest, entry->digest.sum, ZONE_DIGEST_SIZE);
	memcpy(stored.reason, entry->reason, sizeof(stored.reason));
	memcpy(value, &stored, sizeof(stored));
	memcpy(value + sizeof(stored), entry->soa, entry->soa_size);
	return sizeof(stored) + entry->soa_size;
}

static bool is_served(const struct book_entry *entry)
{
	return entry->state == ZONE_STATE_PRESENT && entry->generation > 0;
}

static void count_in(struct applied_book *book, const char *zone, const struct book_entry *entry)
{
	if (is_served(entry))
		(void)set_digest_add(&book->set, zone, entry->generation, &entry->digest);
	book->failing += entry->result != APPLIED_OK;
}

static void count_out(struct applied_book *book, const char *zone, const struct book_entry *entry)
{
	if (is_served(entry))
		(void)set_digest_subtract(&book->set, zone, entry->generation, &entry->digest);
	book->failing -= entry->result != APPLIED_OK;
}

static int count_stored(const char *zone, const struct book_entry *entry, void *userdata)
{
	struct applied_book *book = userdata;
	count_in(book, zone, entry);
	book->entries++;
	return 0;
}

int applied_book_open(const char *folder, struct applied_book **ret)
{
	struct applied_book *book = calloc(1, sizeof(*book));
	if (!book)
		return -ENOMEM;
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&book->writing[i], NULL);
	pthread_mutex_init(&book->lock, NULL);
	int r = durable_open(folder, MAP_SIZE, DURABLE_SYNC, &book->map);
	if (r == 0)
		r = applied_book_each(book, NULL, count_stored, book);
	if (r < 0) {
		applied_book_close(book);
		return r;
	}
	*ret = book;
	return 0;
}

void applied_book_close(struct applied_book *book)
{
	if (!book)
		return;
	if (book->map)
		(void)applied_book_settle(book);
	durable_close(book->map);
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&book->writing[i]);
	pthread_mutex_destroy(&book->lock);
	free(book);
}

int applied_book_get(struct applied_book *book, const char *zone, struct book_entry *ret)
{
	uint8_t key[ZONE_WIRE_SIZE];
	int size = zone_name_to_wire(zone, key);
	if (size < 0)
		return size;
	CLEANUP(free) void *value = NULL;
	size_t value_size;
	int r = durable_get(book->map, key, (size_t)size, &value, &value_size);
	return r < 0 ? r : entry_unpack(value, value_size, ret);
}

static int unproven_key(const char *zone, uint64_t generation, struct unproven_key *ret)
{
	int size = zone_name_to_wire(zone, ret->octets + 1);
	if (size < 0)
		return size;
	uint64_t ordered = htobe64(generation);
	ret->octets[0] = UNPROVEN_MARK;
	memcpy(ret->octets + 1 + size, &ordered, sizeof(ordered));
	ret->size = 1 + (size_t)size + sizeof(ordered);
	return 0;
}

static struct durable_change removal(const struct unproven_key *key)
{
	return (struct durable_change){ .key = key->octets, .key_size = key->size };
}

/* What is to be removed; the caller's from here on. */
static size_t take_proven(struct applied_book *book, struct unproven_key ret[PROVEN_MAX])
{
	pthread_mutex_lock(&book->lock);
	size_t count = book->proven_count;
	memcpy(ret, book->proven, count * sizeof(*ret));
	book->proven_count = 0;
	pthread_mutex_unlock(&book->lock);
	return count;
}

static pthread_mutex_t *stripe(struct applied_book *book, const uint8_t *key, int size)
{
	unsigned hash = 0;
	for (int i = 0; i < size; i++)
		hash = hash * 31 + key[i];
	return &book->writing[hash % STRIPES];
}

/* One entry in one transaction with what it means for what is to be proven, and with what waits to be removed anyway. */
static int write_entry(struct applied_book *book, const struct durable_change *put, const char *zone, const struct book_entry *before,
                       const struct book_entry *entry)
{
	struct durable_change changes[PROVEN_MAX + 3] = { *put };
	struct unproven_key old, new, proven[PROVEN_MAX];
	size_t count = 1, removed = take_proven(book, proven);
	int r = unproven_key(zone, before ? before->generation : 0, &old);
	if (r == 0)
		r = unproven_key(zone, entry->generation, &new);
	if (r < 0)
		return r;
	for (size_t i = 0; i < removed; i++)
		changes[count++] = removal(&proven[i]);
	if (before && before->unproven)
		changes[count++] = removal(&old);
	if (entry->unproven)
		changes[count++] = (struct durable_change){ new.octets, new.size, "", 0 };
	return durable_write(book->map, changes, count);
}

int applied_book_put(struct applied_book *book, const char *zone, const struct book_entry *entry)
{
	uint8_t key[ZONE_WIRE_SIZE], value[sizeof(struct stored_entry) + BOOK_SOA_SIZE];
	int size = zone_name_to_wire(zone, key);
	if (size < 0)
		return size;
	struct durable_change put = { key, (size_t)size, value, entry_pack(entry, value) };
	struct book_entry before;
	pthread_mutex_t *writing = stripe(book, key, size);
	pthread_mutex_lock(writing);
	bool had = applied_book_get(book, zone, &before) == 0;
	int r = write_entry(book, &put, zone, had ? &before : NULL, entry);
	if (r == 0) {
		pthread_mutex_lock(&book->lock);
		if (had)
			count_out(book, zone, &before);
		count_in(book, zone, entry);
		book->entries += !had;
		pthread_mutex_unlock(&book->lock);
	}
	pthread_mutex_unlock(writing);
	return r;
}

int applied_book_settle(struct applied_book *book)
{
	struct durable_change changes[PROVEN_MAX];
	struct unproven_key proven[PROVEN_MAX];
	size_t count = take_proven(book, proven);
	for (size_t i = 0; i < count; i++)
		changes[i] = removal(&proven[i]);
	return count > 0 ? durable_write(book->map, changes, count) : 0;
}

int applied_book_proven(struct applied_book *book, const struct book_unproven *unproven)
{
	struct unproven_key key;
	int r = unproven_key(unproven->zone, unproven->generation, &key);
	if (r < 0)
		return r;
	pthread_mutex_lock(&book->lock);
	bool full = book->proven_count == PROVEN_MAX;
	if (!full)
		book->proven[book->proven_count++] = key;
	pthread_mutex_unlock(&book->lock);
	if (!full)
		return 0;
	struct durable_change change = removal(&key);
	r = applied_book_settle(book);
	return r < 0 ? r : durable_write(book->map, &change, 1);
}

struct search {
	const struct unproven_key *after;
	struct book_unproven *found;
};

static int look_at_key(const void *key, size_t size, const void *value, size_t value_size, void *userdata)
{
	const struct search *search = userdata;
	const uint8_t *octets = key;
	uint64_t ordered;
	(void)value, (void)value_size;
	if (search->after->size == size && memcmp(search->after->octets, key, size) == 0)
		return 0;
	if (size < 1 + 1 + sizeof(ordered))
		return ERROR_MALFORMED;
	memcpy(&ordered, octets + size - sizeof(ordered), sizeof(ordered));
	search->found->generation = be64toh(ordered);
	int r = zone_name_from_wire(octets + 1, size - 1 - sizeof(ordered), search->found->zone);
	return r < 0 ? r : 1;
}

int applied_book_next_unproven(struct applied_book *book, const struct book_unproven *after, struct book_unproven *ret)
{
	struct unproven_key from = { .size = 1, .octets = { UNPROVEN_MARK } };
	struct book_unproven found;
	struct search search = { .after = &from, .found = &found };
	int r = after ? unproven_key(after->zone, after->generation, &from) : 0;
	if (r == 0)
		r = durable_each(book->map, from.octets, from.size, look_at_key, &search);
	if (r == 1)
		*ret = found;
	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}

uint64_t applied_book_count_unproven(struct applied_book *book)
{
	int64_t keys = durable_count(book->map);
	pthread_mutex_lock(&book->lock);
	int64_t unproven = keys - (int64_t)book->entries - (int64_t)book->proven_count;
	pthread_mutex_unlock(&book->lock);
	return unproven > 0 ? (uint64_t)unproven : 0; /* entries are counted a moment after they are written */
}

void applied_book_counts(struct applied_book *book, uint64_t *ret_zones, uint64_t *ret_failing)
{
	pthread_mutex_lock(&book->lock);
	*ret_zones = book->set.zones;
	*ret_failing = book->failing;
	pthread_mutex_unlock(&book->lock);
}

void applied_book_root_hex(struct applied_book *book, char hex[SET_DIGEST_HEX_SIZE])
{
	pthread_mutex_lock(&book->lock);
	set_digest_root_hex(&book->set, hex);
	pthread_mutex_unlock(&book->lock);
}

void applied_book_bucket_hex(struct applied_book *book, int bucket, char hex[SET_DIGEST_HEX_SIZE])
{
	pthread_mutex_lock(&book->lock);
	set_digest_bucket_hex(&book->set, bucket, hex);
	pthread_mutex_unlock(&book->lock);
}

struct walk {
	const uint8_t *after;
	size_t after_size;
	bool ended; /* all zones were visited */
	int (*visit)(const char *zone, const struct book_entry *entry, void *userdata);
	void *userdata;
};

static int walk_entry(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	struct walk *walk = userdata;
	walk->ended = *(const uint8_t *)key == UNPROVEN_MARK;
	if (walk->ended)
		return 1;
	if (walk->after && key_size == walk->after_size && memcmp(key, walk->after, key_size) == 0)
		return 0;
	char zone[ZONE_NAME_SIZE];
	struct book_entry entry;
	int r = zone_name_from_wire(key, key_size, zone);
	if (r == 0)
		r = entry_unpack(value, value_size, &entry);
	return r < 0 ? r : walk->visit(zone, &entry, walk->userdata);
}

int applied_book_each(struct applied_book *book, const char *after,
                      int (*visit)(const char *zone, const struct book_entry *entry, void *userdata), void *userdata)
{
	uint8_t key[ZONE_WIRE_SIZE];
	struct walk walk = { .visit = visit, .userdata = userdata };
	if (after) {
		int size = zone_name_to_wire(after, key);
		if (size < 0)
			return size;
		walk.after = key;
		walk.after_size = (size_t)size;
	}
	int r = durable_each(book->map, walk.after, walk.after_size, walk_entry, &walk);
	return walk.ended ? 0 : r;
}
