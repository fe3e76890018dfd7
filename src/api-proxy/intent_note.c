/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include "api-proxy/intent_entry.h"
#include "common/cleanup.h"
/*
 * The journal's part of the intents. A note in it costs one small write before a request is forwarded, and a sync that runs while
 * PowerDNS is at work; mostly it goes again some milliseconds later, and the map never hears of it. When many wait, because
 * NATS is away, they move to the map.
 */
#define MOVE_MAX 256 /* notes at a time: one commit of the map for as many changes */

static int put(struct intents *intents, struct intent_entry *entry)
{
	const struct intent_key *key = &entry->key;
	return entry->journaled
		? journal_replace(intents->journal, entry->slot, key->wire, key->size, &entry->record, sizeof(entry->record))
		: journal_add(intents->journal, key->wire, key->size, &entry->record, sizeof(entry->record), &entry->slot);
}

/* Moves the oldest ones to the map. */
static int make_room(struct intents *intents)
{
	uint64_t before = intents->left;
	unsigned count = 0;
	for (struct intent_entry *entry = intents->entries; entry && count < MOVE_MAX; entry = entry->hh.next) {
		if (entry->journaled && entry->writes == 0 && intent_write_later(intents, entry) == 0)
			count++;
	}
	(void)intent_write_flush(intents);
	/* Notes may also have gone meanwhile, or have changed while they were written: then they are still here. */
	if (intents->left != before || (count > 0 && intents->move_result == 0))
		return 0;
	return intents->move_result < 0 ? intents->move_result : -ENOMEM;
}

int intent_note(struct intents *intents, struct intent_entry *entry)
{
	int result;
	while ((result = put(intents, entry)) == -ENOBUFS) {
		result = make_room(intents);
		if (result < 0)
			return result;
	}
	if (result == 0) {
		entry->journaled = true;
		entry->unwritten = false;
		intents->notes++;
	}
	return result;
}

void intent_note_again(struct intents *intents, struct intent_entry *entry)
{
	/* What is on disk when this fails says at least as much. */
	if (entry->journaled)
		(void)put(intents, entry);
	else
		(void)intent_write_later(intents, entry);
}

static void leave_journal(struct intents *intents, struct intent_entry *entry)
{
	if (!entry->journaled)
		return;
	journal_remove(intents->journal, entry->slot);
	entry->journaled = false;
	intents->left++;
}

void intent_note_remove(struct intents *intents, struct intent_entry *entry)
{
	entry->record.version = 0;
	leave_journal(intents, entry);
	/* Out of memory: it stays in the map, and the next start publishes it once more. */
	if (entry->in_map || entry->writes > 0)
		(void)intent_write_later(intents, entry);
}

void intent_note_moved(struct intents *intents, struct intent_entry *entry, const struct intent_record *record)
{
	entry->in_map = true;
	if (memcmp(&entry->record, record, sizeof(*record)) == 0)
		leave_journal(intents, entry);
	if (entry->due && !entry->taken)
		intent_hot_add(intents, &entry->key); /* a scan that is under way may not meet it */
}

/* After a failed sync: what the kernel could not write it may have given up, and would not try again. */
static int put_all_again(struct intents *intents)
{
	int result = 0;
	for (struct intent_entry *entry = intents->entries; entry && result == 0; entry = entry->hh.next)
		result = entry->journaled ? put(intents, entry) : 0;
	return result;
}

int intent_note_sync(struct intents *intents, uint64_t notes)
{
	while (intents->notes_synced < notes) {
		if (intents->syncing) {
			pthread_cond_wait(&intents->synced, &intents->mutex);
			continue;
		}
		int result = intents->sync_failed ? put_all_again(intents) : 0;
		if (result < 0)
			return result;
		uint64_t upto = intents->notes;
		intents->syncing = true;
		pthread_mutex_unlock(&intents->mutex);
		result = journal_sync(intents->journal);
		pthread_mutex_lock(&intents->mutex);
		intents->syncing = false;
		intents->sync_failed = result < 0;
		if (result == 0)
			intents->notes_synced = upto;
		pthread_cond_broadcast(&intents->synced);
		if (result < 0)
			return result;
	}
	return 0;
}

unsigned intent_note_count(const struct intents *intents)
{
	unsigned count = 0;
	for (const struct intent_entry *entry = intents->entries; entry; entry = entry->hh.next)
		count += entry->journaled && !entry->in_map;
	return count;
}
