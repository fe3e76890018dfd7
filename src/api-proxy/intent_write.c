/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <utlist.h>
#include "api-proxy/intent_entry.h"
#include "common/cleanup.h"
/*
 * The map's part of the intents. A commit takes milliseconds, so all share one: the first who needs it writes what is queued
 * by then, and who comes meanwhile waits for the next turn. The queue keeps the order in which entries changed.
 */
#define BATCH 256

static void to_change(const struct intent_write *write, struct durable_change *ret)
{
	const struct intent_key *key = &write->entry->key;
	bool put = write->record.version != 0;
	*ret = (struct durable_change){ key->wire, key->size, put ? &write->record : NULL, put ? sizeof(write->record) : 0 };
}

/* Without the mutex. Where the batch as a whole fails, each for itself, so that a delete gets through on a full disk. */
static void write_batch(struct durable *map, struct intent_write **batch, size_t count)
{
	struct durable_change changes[BATCH];
	for (size_t i = 0; i < count; i++)
		to_change(batch[i], &changes[i]);
	int result = durable_write(map, changes, count);
	for (size_t i = 0; i < count; i++)
		batch[i]->result = result < 0 && count > 1 ? durable_write(map, &changes[i], 1) : result;
}

/* Frees the write. What was to go and did not is the result, as nobody else knows about it. */
static int end_write(struct intents *intents, struct intent_write *write)
{
	struct intent_entry *entry = write->entry;
	bool put = write->record.version != 0;
	int result = write->result;
	entry->writes--;
	if (put && result == 0)
		intent_note_moved(intents, entry, &write->record);
	else if (result == 0)
		entry->in_map = false;
	if (put)
		intents->move_result = result;
	intent_entry_release(intents, entry);
	free(write);
	return put ? 0 : result;
}

static int write_queued(struct intents *intents)
{
	struct intent_write *batch[BATCH];
	size_t count = 0;
	int result = 0;

	while (intents->queue && count < BATCH) {
		batch[count] = intents->queue;
		DL_DELETE(intents->queue, batch[count]);
		count++;
	}
	intents->writing = true;
	pthread_mutex_unlock(&intents->mutex);
	write_batch(intents->map, batch, count);
	pthread_mutex_lock(&intents->mutex);
	intents->writing = false;

	bool all = true;
	for (size_t i = 0; i < count; i++) {
		all &= batch[i]->result == 0;
		int ended = end_write(intents, batch[i]);
		if (ended < 0)
			result = ended;
	}
	/* A zone whose record could not be removed is published once more, and then the record goes. */
	intents->scan |= intents->stale && all;
	intents->stale = result < 0 || (intents->stale && !all);
	pthread_cond_broadcast(&intents->written);
	return result;
}

int intent_write_later(struct intents *intents, struct intent_entry *entry)
{
	struct intent_write *write = malloc(sizeof(*write));
	if (!write)
		return -ENOMEM;
	*write = (struct intent_write){ .entry = entry, .record = entry->record };
	DL_APPEND(intents->queue, write);
	entry->writes++;
	return 0;
}

int intent_write_flush(struct intents *intents)
{
	int result = 0;
	while (intents->queue || intents->writing) {
		if (intents->writing) {
			pthread_cond_wait(&intents->written, &intents->mutex);
			continue;
		}
		int written = write_queued(intents);
		if (written < 0)
			result = written;
	}
	return result;
}

void intent_record_read(const void *value, size_t size, struct intent_record *ret)
{
	if (size == sizeof(*ret)) {
		memcpy(ret, value, sizeof(*ret));
		if (ret->version == INTENT_RECORD_VERSION && ret->change <= ZONE_REWRITE && memchr(ret->request, '\0', CLOCK_UUID_SIZE))
			return;
	}
	*ret = (struct intent_record){ .version = INTENT_RECORD_VERSION, .change = ZONE_CHECK };
	clock_uuid(ret->request);
}

void intent_hot_add(struct intents *intents, const struct intent_key *key)
{
	struct intent_hot *hot;
	HASH_FIND(hh, intents->hot, key->wire, key->size, hot);
	if (hot)
		return;
	/* While there are older ones on disk the scan finds this one too, in its turn. */
	hot = !intents->scan && HASH_COUNT(intents->hot) < INTENT_HOT_MAX ? malloc(sizeof(*hot)) : NULL;
	if (!hot) {
		intents->scan = true;
		return;
	}
	hot->key = *key;
	HASH_ADD_KEYPTR(hh, intents->hot, hot->key.wire, hot->key.size, hot);
}

void intent_hot_add_rest(struct intents *intents)
{
	bool scan = intents->scan;
	intents->scan = false;
	for (struct intent_entry *entry = intents->entries; entry; entry = entry->hh.next) {
		if (entry->due && !entry->in_map && !entry->taken)
			intent_hot_add(intents, &entry->key);
	}
	intents->scan |= scan;
}

struct candidate {
	uint64_t since_us;
	struct intent_key key;
};

/* The oldest so far, as a heap with the youngest of them on top. */
struct scan {
	struct candidate *heap;
	size_t count;
	bool more;
};

static void sift_down(struct candidate *heap, size_t count, size_t at)
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && heap[child + 1].since_us > heap[child].since_us)
			child++;
		if (heap[at].since_us >= heap[child].since_us)
			return;
		struct candidate swap = heap[at];
		heap[at] = heap[child];
		heap[child] = swap;
	}
}

static void make_heap(struct candidate *heap, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(heap, count, i);
}

static int visit(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	struct scan *scan = userdata;
	struct intent_record record;
	if (key_size > INTENT_KEY_SIZE)
		return 0;
	intent_record_read(value, value_size, &record);

	bool full = scan->count == INTENT_HOT_MAX;
	scan->more |= full;
	if (full && record.since_us >= scan->heap[0].since_us)
		return 0;
	struct candidate *slot = full ? &scan->heap[0] : &scan->heap[scan->count++];
	slot->since_us = record.since_us;
	slot->key.size = key_size;
	memcpy(slot->key.wire, key, key_size);
	if (full)
		sift_down(scan->heap, scan->count, 0);
	else if (scan->count == INTENT_HOT_MAX)
		make_heap(scan->heap, scan->count);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return x->since_us < y->since_us ? -1 : x->since_us > y->since_us;
}

int intent_scan(struct intents *intents)
{
	struct scan scan = { .heap = malloc(INTENT_HOT_MAX * sizeof(*scan.heap)) };
	if (!scan.heap)
		return -ENOMEM;
	intents->scan = false; /* before looking: what becomes due from here on makes itself known */
	pthread_mutex_unlock(&intents->mutex);
	int result = durable_each(intents->map, NULL, 0, visit, &scan);
	qsort(scan.heap, scan.count, sizeof(*scan.heap), by_age);
	pthread_mutex_lock(&intents->mutex);

	for (size_t i = 0; i < scan.count; i++)
		intent_hot_add(intents, &scan.heap[i].key);
	if (scan.more || result < 0)
		intents->scan = true;
	free(scan.heap);
	return result;
}
