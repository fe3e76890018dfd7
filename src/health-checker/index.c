/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/index.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/error.h"

struct index {
	struct index_zone *zones;
	struct index_counts counts;
	struct set_digest set;
	uint32_t round;
};

int index_new(struct index **ret)
{
	struct index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->round = 1;
	*ret = index;
	return 0;
}

void index_free(struct index *index)
{
	struct index_zone *zone, *next;

	if (!index)
		return;
	HASH_ITER(hh, index->zones, zone, next) {
		HASH_DEL(index->zones, zone);
		free(zone);
	}
	free(index);
}

void index_head_from(const struct zone_head *head, uint64_t stored_us, struct index_head *ret)
{
	*ret = (struct index_head){
		.generation = head->generation, .sequence = head->sequence, .stored_us = stored_us,
		.records = head->facts.records, .covers_event = head->covers_event,
		.signatures_expire = head->facts.signatures_expire, .serial = head->facts.serial, .state = head->state,
		.digest = head->facts.digest, .zone = head->zone,
	};
}

struct index_zone *index_find(struct index *index, const char *name)
{
	struct index_zone *zone;

	HASH_FIND_STR(index->zones, name, zone);
	return zone;
}

int index_want(struct index *index, const char *name, struct index_zone **ret_zone)
{
	struct index_zone *zone = index_find(index, name);
	int bucket;

	if (!zone) {
		bucket = set_digest_bucket(name);
		if (bucket < 0)
			return bucket;
		zone = calloc(1, sizeof(*zone) + strlen(name) + 1);
		if (!zone)
			return -ENOMEM;
		memcpy(zone->zone, name, strlen(name) + 1);
		zone->bucket = (uint8_t)bucket;
		zone->state = INDEX_ABSENT;
		HASH_ADD_STR(index->zones, zone, zone);
	}
	*ret_zone = zone;
	return 0;
}

/* Takes the zone's share out of the counts and of the set digest. */
static void withdraw(struct index *index, struct index_zone *zone)
{
	if (zone->state == INDEX_PRESENT) {
		(void)set_digest_subtract(&index->set, zone->zone, zone->generation, &zone->digest);
		index->counts.present--;
	} else if (zone->state == INDEX_DELETED) {
		index->counts.deleted--;
	}
	zone->state = INDEX_ABSENT;
}

static void set_bad(struct index *index, struct index_zone *zone, bool bad)
{
	if (zone->bad != bad)
		index->counts.bad += bad ? 1 : (uint64_t)-1;
	zone->bad = bad;
}

static void enter(struct index *index, struct index_zone *zone, const struct index_head *head)
{
	withdraw(index, zone);
	zone->generation = head->generation;
	zone->sequence = head->sequence;
	zone->stored_us = head->stored_us;
	zone->received_us = head->received_us;
	zone->records = head->records;
	zone->covers_event = head->covers_event;
	zone->signatures_expire = head->signatures_expire;
	zone->serial = head->serial;
	zone->digest = head->digest;
	zone->on_secondary = zone->approved = zone->newer_elsewhere = false;
	zone->asked_count = 0;
	if (head->state == ZONE_STATE_PRESENT) {
		zone->state = INDEX_PRESENT;
		index->counts.present++;
		(void)set_digest_add(&index->set, zone->zone, zone->generation, &zone->digest);
	} else {
		zone->state = INDEX_DELETED;
		index->counts.deleted++;
	}
}

int index_put(struct index *index, const struct index_head *head, struct index_zone **ret_zone)
{
	struct index_zone *zone;
	bool known;
	int result = index_want(index, head->zone, &zone);

	if (result < 0)
		return result;
	zone->round = index->round;
	if (head->generation < zone->generation) {
		set_bad(index, zone, true);
		if (ret_zone)
			*ret_zone = zone;
		return ERROR_REPLAYED;
	}
	known = zone->state != INDEX_ABSENT && zone->generation == head->generation && zone->sequence == head->sequence;
	if (!known)
		enter(index, zone, head);
	set_bad(index, zone, false);
	if (ret_zone)
		*ret_zone = zone;
	return known ? INDEX_KNOWN : INDEX_NEW;
}

int index_mark_bad(struct index *index, const char *name, struct index_zone **ret_zone)
{
	struct index_zone *zone;
	int result = index_want(index, name, &zone);

	if (result < 0)
		return result;
	zone->round = index->round;
	set_bad(index, zone, true);
	if (ret_zone)
		*ret_zone = zone;
	return 0;
}

void index_drop(struct index *index, struct index_zone *zone)
{
	withdraw(index, zone);
	set_bad(index, zone, false);
	HASH_DEL(index->zones, zone);
	free(zone);
}

void index_restart(struct index *index)
{
	index->round++;
}

size_t index_caught_up(struct index *index)
{
	struct index_zone *zone, *next;
	size_t lost = 0;

	HASH_ITER(hh, index->zones, zone, next) {
		if (zone->round == index->round || (zone->state == INDEX_ABSENT && !zone->bad))
			continue;
		/* The generation stays: an old head that comes in its place is a replay. */
		withdraw(index, zone);
		set_bad(index, zone, false);
		zone->asked_count = 0;
		lost++;
	}
	return lost;
}

int index_each(struct index *index, int (*visit)(struct index_zone *zone, void *userdata), void *userdata)
{
	struct index_zone *zone, *next;
	int result;

	HASH_ITER(hh, index->zones, zone, next) {
		result = visit(zone, userdata);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Puts the greatest on top again after ret[at] was changed: a heap of the smallest names seen so far. */
static void sift_down(struct index_zone **heap, size_t count, size_t at)
{
	for (;;) {
		size_t greatest = at;
		for (size_t child = at * 2 + 1; child <= at * 2 + 2 && child < count; child++)
			if (strcmp(heap[child]->zone, heap[greatest]->zone) > 0)
				greatest = child;
		if (greatest == at)
			return;
		struct index_zone *moved = heap[at];
		heap[at] = heap[greatest];
		heap[greatest] = moved;
		at = greatest;
	}
}

static void sift_up(struct index_zone **heap, size_t at)
{
	while (at > 0 && strcmp(heap[at]->zone, heap[(at - 1) / 2]->zone) > 0) {
		struct index_zone *moved = heap[at];
		heap[at] = heap[(at - 1) / 2];
		heap[(at - 1) / 2] = moved;
		at = (at - 1) / 2;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct index_zone *const *left = a, *const *right = b;

	return strcmp((*left)->zone, (*right)->zone);
}

size_t index_page(struct index *index, const char *after, struct index_zone **ret, size_t limit, bool *ret_more)
{
	struct index_zone *zone, *next;
	size_t count = 0;
	bool more = false;

	HASH_ITER(hh, index->zones, zone, next) {
		if (after && strcmp(zone->zone, after) <= 0)
			continue;
		if (count < limit) {
			ret[count] = zone;
			sift_up(ret, count++);
		} else {
			more = true;
			if (limit > 0 && strcmp(zone->zone, ret[0]->zone) < 0) {
				ret[0] = zone;
				sift_down(ret, count, 0);
			}
		}
	}
	if (count > 0)
		qsort(ret, count, sizeof(struct index_zone *), by_name);
	*ret_more = more;
	return count;
}

void index_counts(const struct index *index, struct index_counts *ret)
{
	*ret = index->counts;
}

const struct set_digest *index_set_digest(const struct index *index)
{
	return &index->set;
}
