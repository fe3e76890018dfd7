/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/applied_book.h"

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

struct applied_book {
	struct durable *map;
	pthread_mutex_t writing; /* held over a put, so that set and counts follow the map */
	pthread_mutex_t lock;    /* of the set and the counts; never held while the disk is waited for: the loop thread takes it */
	struct set_digest set;
	uint64_t failing;
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
	ret->result = stored.result;
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
	stored.result = entry->result;
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
	count_in(userdata, zone, entry);
	return 0;
}

int applied_book_open(const char *folder, struct applied_book **ret)
{
	struct applied_book *book = calloc(1, sizeof(*book));
	if (!book)
		return -ENOMEM;
	pthread_mutex_init(&book->writing, NULL);
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
	durable_close(book->map);
	pthread_mutex_destroy(&book->writing);
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

int applied_book_put(struct applied_book *book, const char *zone, const struct book_entry *entry)
{
	uint8_t key[ZONE_WIRE_SIZE], value[sizeof(struct stored_entry) + BOOK_SOA_SIZE];
	int size = zone_name_to_wire(zone, key);
	if (size < 0)
		return size;
	size_t value_size = entry_pack(entry, value);
	struct book_entry before;
	pthread_mutex_lock(&book->writing);
	int had = applied_book_get(book, zone, &before);
	int r = durable_put(book->map, key, (size_t)size, value, value_size);
	if (r == 0) {
		pthread_mutex_lock(&book->lock);
		if (had == 0)
			count_out(book, zone, &before);
		count_in(book, zone, entry);
		pthread_mutex_unlock(&book->lock);
	}
	pthread_mutex_unlock(&book->writing);
	return r;
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
	int (*visit)(const char *zone, const struct book_entry *entry, void *userdata);
	void *userdata;
};

static int walk_entry(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	const struct walk *walk = userdata;
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
	return durable_each(book->map, walk.after, walk.after_size, walk_entry, &walk);
}
