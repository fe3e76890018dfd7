/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/listing.h"
#include <errno.h>
#include "common/cleanup.h"

/* One after the other: serial in 4 octets, then the name with its NUL. */
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

int listing_add(struct listing *listing, const char *zone, uint32_t serial)
{
	size_t size = sizeof(serial) + strlen(zone) + 1;

	if (listing->size + size > listing->room) {
		size_t room = listing->room * 2 + size + 4096;
		char *bytes = realloc(listing->bytes, room);
		if (!bytes)
			return -ENOMEM;
		listing->bytes = bytes;
		listing->room = room;
	}
	memcpy(listing->bytes + listing->size, &serial, sizeof(serial));
	memcpy(listing->bytes + listing->size + sizeof(serial), zone, size - sizeof(serial));
	listing->size += size;
	listing->count++;
	return 0;
}

size_t listing_count(const struct listing *listing)
{
	return listing->count;
}

int listing_each(const struct listing *listing, int (*visit)(const char *zone, uint32_t serial, void *userdata), void *userdata)
{
	uint32_t serial;
	int result = 0;

	for (size_t at = 0; at < listing->size && result >= 0;) {
		const char *zone = listing->bytes + at + sizeof(serial);
		memcpy(&serial, listing->bytes + at, sizeof(serial));
		result = visit(zone, serial, userdata);
		at += sizeof(serial) + strlen(zone) + 1;
	}
	return result < 0 ? result : 0;
}
