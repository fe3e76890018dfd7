/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/listing.h"
#include <errno.h>
#include "common/cleanup.h"

/* One after the other: the facts, then the name with its NUL. */
struct listing {
	char *bytes;
	size_t size, room, count;
};

int listing_new(struct listing **ret)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return -ENOMEM;
	*ret = listing;
	return 0;
}

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	free(listing->bytes);
	free(listing);
}

int listing_add(struct listing *listing, const char *zone, const struct listing_facts *facts)
{
	size_t size = sizeof(*facts) + strlen(zone) + 1;

	if (listing->size + size > listing->room) {
		size_t room = listing->room * 2 + size + 4096;
		char *bytes = realloc(listing->bytes, room);
		if (!bytes)
			return -ENOMEM;
		listing->bytes = bytes;
		listing->room = room;
	}
	memcpy(listing->bytes + listing->size, facts, sizeof(*facts));
	memcpy(listing->bytes + listing->size + sizeof(*facts), zone, size - sizeof(*facts));
	listing->size += size;
	listing->count++;
	return 0;
}

size_t listing_count(const struct listing *listing)
{
	return listing->count;
}

int listing_each(const struct listing *listing, int (*visit)(const char *zone, const struct listing_facts *facts, void *userdata),
                 void *userdata)
{
	struct listing_facts facts;
	int result = 0;

	for (size_t at = 0; at < listing->size && result >= 0;) {
		const char *zone = listing->bytes + at + sizeof(facts);
		memcpy(&facts, listing->bytes + at, sizeof(facts));
		result = visit(zone, &facts, userdata);
		at += sizeof(facts) + strlen(zone) + 1;
	}
	return result < 0 ? result : 0;
}
