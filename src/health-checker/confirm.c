/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/confirm.h"
#include <errno.h>
#include <uthash.h>
#include "common/cleanup.h"
#include "common/clock.h"

struct entry {
	struct confirm_zone facts;
	UT_hash_handle hh;
	char zone[];
};

struct secondary {
	char id[SUBJECT_ID_SIZE];
	struct entry *entries;
	UT_hash_handle hh;
};

struct confirm {
	struct secondary *secondaries;
};

int confirm_new(struct confirm **ret)
{
	struct confirm *confirm = calloc(1, sizeof(*confirm));

	if (!confirm)
		return -ENOMEM;
	*ret = confirm;
	return 0;
}

static void drop_entry(struct secondary *secondary, struct entry *entry)
{
	HASH_DEL(secondary->entries, entry);
	free(entry->facts.reason);
	free(entry);
}

static void drop_secondary(struct confirm *confirm, struct secondary *secondary)
{
	struct entry *entry, *next;

	HASH_ITER(hh, secondary->entries, entry, next)
		drop_entry(secondary, entry);
	HASH_DEL(confirm->secondaries, secondary);
	free(secondary);
}

void confirm_free(struct confirm *confirm)
{
	struct secondary *secondary, *next;

	if (!confirm)
		return;
	HASH_ITER(hh, confirm->secondaries, secondary, next)
		drop_secondary(confirm, secondary);
	free(confirm);
}

static struct secondary *find(const struct confirm *confirm, const char *id)
{
	struct secondary *secondary;

	HASH_FIND_STR(confirm->secondaries, id, secondary);
	return secondary;
}

static struct entry *find_or_add(struct confirm *confirm, const char *id, const char *zone)
{
	struct secondary *secondary = find(confirm, id);
	struct entry *entry = NULL;

	if (!secondary) {
		secondary = calloc(1, sizeof(*secondary));
		if (!secondary)
			return NULL;
		(void)snprintf(secondary->id, sizeof(secondary->id), "%s", id);
		HASH_ADD_STR(confirm->secondaries, id, secondary);
	}
	HASH_FIND_STR(secondary->entries, zone, entry);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + strlen(zone) + 1);
	if (!entry)
		return NULL;
	memcpy(entry->zone, zone, strlen(zone) + 1);
	entry->facts.zone = entry->zone;
	HASH_ADD_STR(secondary->entries, zone, entry);
	return entry;
}

/* PowerDNS takes some 10 µs a record in an idle installation; asked for again, a large zone would be applied all over. */
#define RECORD_US 250

uint64_t confirm_time_us(int64_t confirm_timeout_us, uint64_t records)
{
	return (uint64_t)confirm_timeout_us + records * RECORD_US;
}

int confirm_want(struct confirm *confirm, const char *secondary, const char *zone, uint64_t generation, uint64_t now_us, uint64_t due_us)
{
	struct entry *entry = find_or_add(confirm, secondary, zone);

	if (!entry)
		return -ENOMEM;
	if (entry->facts.since_us == 0)
		entry->facts.since_us = now_us;
	if (generation > entry->facts.generation || entry->facts.next_us == 0) {
		/* What it said of an older head says nothing of this one, but stays on show until it says something new. */
		entry->facts.next_us = due_us;
		entry->facts.asked = 0;
	}
	if (generation > entry->facts.generation)
		entry->facts.generation = generation;
	return 0;
}

int confirm_force(struct confirm *confirm, const char *secondary, const char *zone, uint64_t generation, uint64_t now_us)
{
	struct entry *entry;
	int result = confirm_want(confirm, secondary, zone, generation, now_us, now_us);

	if (result < 0)
		return result;
	entry = find_or_add(confirm, secondary, zone);
	if (!entry)
		return -ENOMEM;
	entry->facts.forced = true;
	entry->facts.next_us = now_us;
	return 0;
}

int confirm_applied(struct confirm *confirm, const char *id, const struct applied *applied, uint64_t now_us, uint64_t due_us)
{
	struct secondary *secondary = find(confirm, id);
	struct entry *entry = NULL;

	if (secondary)
		HASH_FIND_STR(secondary->entries, applied->zone, entry);
	if (applied->result == APPLIED_OK) {
		if (entry && !entry->facts.forced && applied->generation >= entry->facts.generation)
			drop_entry(secondary, entry);
		return 0;
	}
	if (entry && applied->generation != 0 && applied->generation < entry->facts.generation)
		return 0; /* of a head that is history by now */
	entry = find_or_add(confirm, id, applied->zone);
	if (!entry)
		return -ENOMEM;
	if (entry->facts.since_us == 0) {
		entry->facts.since_us = now_us;
		entry->facts.next_us = due_us;
		entry->facts.generation = applied->generation;
	}
	free(entry->facts.reason);
	entry->facts.reason = strdup(applied->reason);
	entry->facts.answered = true;
	entry->facts.result = applied->result;
	return 0;
}

void confirm_all(struct confirm *confirm, const char *id)
{
	struct secondary *secondary = find(confirm, id);
	struct entry *entry, *next;

	if (!secondary)
		return;
	HASH_ITER(hh, secondary->entries, entry, next)
		if (!entry->facts.forced)
			drop_entry(secondary, entry);
}

void confirm_forget(struct confirm *confirm, const char *id)
{
	struct secondary *secondary = find(confirm, id);

	if (secondary)
		drop_secondary(confirm, secondary);
}

size_t confirm_due(struct confirm *confirm, const char *id, uint64_t now_us, uint64_t base_us, uint64_t ceiling_us,
                   void (*visit)(const struct confirm_zone *zone, void *userdata), void *userdata)
{
	struct secondary *secondary = find(confirm, id);
	struct entry *entry, *next;
	size_t count = 0;

	if (!secondary)
		return 0;
	HASH_ITER(hh, secondary->entries, entry, next) {
		if (entry->facts.next_us > now_us)
			continue;
		if (count == CONFIRM_BATCH)
			break;
		visit(&entry->facts, userdata);
		entry->facts.next_us = now_us + clock_backoff_us(entry->facts.asked, base_us, ceiling_us);
		entry->facts.asked++;
		entry->facts.forced = false;
		count++;
	}
	return count;
}

void confirm_counts(const struct confirm *confirm, const char *id, struct confirm_counts *ret)
{
	const struct secondary *secondary = find(confirm, id);
	const struct entry *entry;

	*ret = (struct confirm_counts){ 0 };
	for (entry = secondary ? secondary->entries : NULL; entry; entry = entry->hh.next) {
		ret->open++;
		ret->failing += entry->facts.answered;
		if (ret->oldest_us == 0 || entry->facts.since_us < ret->oldest_us)
			ret->oldest_us = entry->facts.since_us;
	}
}

const struct confirm_zone *confirm_find(const struct confirm *confirm, const char *id, const char *zone)
{
	const struct secondary *secondary = find(confirm, id);
	const struct entry *entry = NULL;

	if (secondary)
		HASH_FIND_STR(secondary->entries, zone, entry);
	return entry ? &entry->facts : NULL;
}

int confirm_each_failing(const struct confirm *confirm, const char *id, int (*visit)(const struct confirm_zone *zone, void *userdata), void *userdata)
{
	const struct secondary *secondary = find(confirm, id);
	const struct entry *entry;
	int result;

	for (entry = secondary ? secondary->entries : NULL; entry; entry = entry->hh.next) {
		result = entry->facts.answered ? visit(&entry->facts, userdata) : 0;
		if (result < 0)
			return result;
	}
	return 0;
}
