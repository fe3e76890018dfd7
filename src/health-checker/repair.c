/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/repair.h"
#include <errno.h>
#include <stdbool.h>
#include <uthash.h>
#include "common/cleanup.h"
#include "common/clock.h"

#define BASE_US 1000000
#define CEILING_US 60000000
#define CALM_US (5 * 60 * 1000000ull) /* so long after the last good head everything is forgotten */

struct entry {
	uint64_t next_us, done_us;
	unsigned attempts;
	bool open;
	UT_hash_handle hh;
	char zone[];
};

struct repair {
	struct entry *entries;
	size_t open;
};

int repair_new(struct repair **ret)
{
	struct repair *repair = calloc(1, sizeof(*repair));

	if (!repair)
		return -ENOMEM;
	*ret = repair;
	return 0;
}

void repair_free(struct repair *repair)
{
	struct entry *entry, *next;

	if (!repair)
		return;
	HASH_ITER(hh, repair->entries, entry, next) {
		HASH_DEL(repair->entries, entry);
		free(entry);
	}
	free(repair);
}

int repair_add(struct repair *repair, const char *zone, uint64_t now_us)
{
	struct entry *entry;

	HASH_FIND_STR(repair->entries, zone, entry);
	if (!entry) {
		entry = calloc(1, sizeof(*entry) + strlen(zone) + 1);
		if (!entry)
			return -ENOMEM;
		memcpy(entry->zone, zone, strlen(zone) + 1);
		entry->next_us = now_us;
		HASH_ADD_STR(repair->entries, zone, entry);
	}
	repair->open += !entry->open;
	entry->open = true;
	return 0;
}

void repair_done(struct repair *repair, const char *zone, uint64_t now_us)
{
	struct entry *entry;

	HASH_FIND_STR(repair->entries, zone, entry);
	if (!entry || !entry->open)
		return;
	entry->open = false;
	entry->done_us = now_us;
	repair->open--;
}

void repair_due(struct repair *repair, uint64_t now_us, void (*visit)(const char *zone, void *userdata), void *userdata)
{
	struct entry *entry, *next;

	HASH_ITER(hh, repair->entries, entry, next) {
		if (!entry->open && now_us - entry->done_us > CALM_US) {
			HASH_DEL(repair->entries, entry);
			free(entry);
		} else if (entry->open && entry->next_us <= now_us) {
			visit(entry->zone, userdata);
			entry->next_us = now_us + clock_backoff_us(entry->attempts++, BASE_US, CEILING_US);
		}
	}
}

size_t repair_count(const struct repair *repair)
{
	return repair->open;
}
