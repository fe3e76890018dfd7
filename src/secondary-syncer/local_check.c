/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/local_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/error.h"
#include "secondary-syncer/catalog.h"

/* A zone that PowerDNS has as the book says. */
struct seen_zone {
	UT_hash_handle hh;
	char zone[];
};

struct check {
	struct applied_book *book;
	const char *master;
	struct seen_zone *seen;
	void (*differs)(const char *zone, void *userdata);
	void (*catalog)(const char *zone, void *userdata);
	void *userdata;
};

static int remember(struct check *check, const char *zone)
{
	size_t size = strlen(zone) + 1;
	struct seen_zone *seen = malloc(sizeof(*seen) + size);
	if (!seen)
		return -ENOMEM;
	memcpy(seen->zone, zone, size);
	HASH_ADD_KEYPTR(hh, check->seen, seen->zone, size - 1, seen);
	return 0;
}

static int look_at(const struct pdns_zone *zone, void *userdata)
{
	struct check *check = userdata;
	struct book_entry entry;
	if (catalog_is_name(zone->zone)) {
		check->catalog(zone->zone, check->userdata);
		return 0;
	}
	if (!pdns_zone_is_secondary_of(zone, check->master))
		return 0; /* not ours; if the book says it is, it is missing */
	int r = applied_book_get(check->book, zone->zone, &entry);
	if (r < 0 || entry.state != ZONE_STATE_PRESENT || entry.generation == 0) {
		check->differs(zone->zone, check->userdata);
		return 0;
	}
	return entry.serial == zone->serial ? remember(check, zone->zone) : 0;
}

static int look_for(const char *zone, const struct book_entry *entry, void *userdata)
{
	struct check *check = userdata;
	struct seen_zone *seen;
	if (entry->state != ZONE_STATE_PRESENT || entry->generation == 0)
		return 0;
	HASH_FIND_STR(check->seen, zone, seen);
	if (!seen)
		check->differs(zone, check->userdata);
	return 0;
}

int local_check(struct pdns_api *api, struct applied_book *book, const char *master,
                void (*differs)(const char *zone, void *userdata), void (*catalog)(const char *zone, void *userdata), void *userdata)
{
	struct check check = { .book = book, .master = master, .differs = differs, .catalog = catalog, .userdata = userdata };
	int r = pdns_api_zones(api, look_at, &check);
	if (r == 0) /* half a list says nothing about what is missing */
		r = applied_book_each(book, NULL, look_for, &check);
	struct seen_zone *seen, *next;
	HASH_ITER(hh, check.seen, seen, next) {
		HASH_DEL(check.seen, seen);
		free(seen);
	}
	return r;
}
