/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/intent.h"
#include <errno.h>
#include <inttypes.h>
#include "api-proxy/intent_entry.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"

/* A file of this size takes ten million zones; it is as large as what is in it. */
#define MAP_SIZE ((size_t)4 << 30)

struct intent {
	struct intents *intents;
	struct intent_entry *entry;
	enum zone_change change;
	uint64_t note; /* see intent_note_sync */
	char request[CLOCK_UUID_SIZE];
};

/* Not a name in wire form, so it is no zone's key. */
static const struct intent_key unnamed = { .wire = "?", .size = 1 };

static bool is_unnamed(const struct intent_key *key)
{
	return key->size == unnamed.size && key->wire[0] == unnamed.wire[0];
}

/*
 * What several changes of one zone amount to. A deletion stays one whatever else happened: the provider asks the
 * primary anyway, but only this word lets it sign the deletion.
 */
static enum zone_change merge(enum zone_change a, enum zone_change b)
{
	static const unsigned char weight[] = {
		[ZONE_CHECK] = 0, [ZONE_CHANGED] = 1, [ZONE_CREATED] = 2, [ZONE_REWRITE] = 3, [ZONE_DELETED] = 4,
	};
	return weight[a] >= weight[b] ? a : b;
}

static enum zone_change unsure(enum zone_change change)
{
	return change == ZONE_DELETED ? ZONE_DELETED : ZONE_CHECK;
}

void intent_entry_release(struct intents *intents, struct intent_entry *entry)
{
	if (entry->open_total > 0 || entry->writes > 0 || entry->taken || entry->journaled || (entry->due && entry->unwritten))
		return;
	HASH_DEL(intents->entries, entry);
	free(entry);
}

/* Long after a request PowerDNS has either acted on it or will not. */
static bool is_recent(uint64_t at_us)
{
	uint64_t now_us = clock_realtime_us();
	return at_us > now_us || now_us - at_us < 2 * INTENT_LINGER_US;
}

/* Nobody works on the zone of this record, so it is due: of this run as it says, of an earlier one we do not know how it ended. */
static void take_record(struct intents *intents, struct intent_entry *entry, const void *value, size_t size)
{
	intent_record_read(value, size, &entry->record);
	bool ours = entry->record.run == intents->run;
	enum zone_change change = (enum zone_change)entry->record.change;
	if (!ours)
		change = unsure(change);
	entry->due_change = entry->due ? merge(entry->due_change, change) : change;
	entry->due = true;
	entry->stamp = ++intents->stamp;
	memcpy(entry->due_request, entry->record.request, sizeof(entry->due_request));
	if (!ours && is_recent(entry->record.at_us))
		intent_linger(intents, entry, entry->due_change, entry->due_request);
}

/* The zone's entry, made from its record in the map if it has one. */
static int find_entry(struct intents *intents, const struct intent_key *key, struct intent_entry **ret)
{
	struct intent_entry *entry;
	HASH_FIND(hh, intents->entries, key->wire, key->size, entry);
	if (entry) {
		*ret = entry;
		return 0;
	}
	CLEANUP(free) void *value = NULL;
	size_t size = 0;
	int result = durable_get(intents->map, key->wire, key->size, &value, &size);
	if (result < 0 && result != -ENOENT)
		return result;

	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->in_map = result == 0;
	if (entry->in_map && !is_unnamed(key))
		take_record(intents, entry, value, size);
	HASH_ADD_KEYPTR(hh, intents->entries, entry->key.wire, entry->key.size, entry);
	*ret = entry;
	return 0;
}

/* The record of an entry with these requests open and this due. */
static void make_record(struct intents *intents, struct intent_entry *entry, const char *request, uint64_t at_us)
{
	struct intent_record *record = &entry->record;
	enum zone_change change = entry->due ? entry->due_change : ZONE_CHECK;
	for (unsigned i = 0; i < ARRAY_SIZE(entry->open); i++) {
		if (entry->open[i])
			change = merge(change, (enum zone_change)i);
	}
	uint64_t since_us = record->version ? record->since_us : at_us;
	*record = (struct intent_record){ .version = INTENT_RECORD_VERSION, .change = change, .run = intents->run,
	                                  .since_us = since_us, .at_us = at_us };
	snprintf(record->request, sizeof(record->request), "%s", request);
}

/* True if the record says what is to be published once nobody knows about the entry any more. */
static bool record_fits(const struct intent_entry *entry)
{
	if (!entry->due)
		return entry->record.version == 0;
	return entry->record.version != 0 && entry->record.change == entry->due_change;
}

/*
 * Takes back one request. After the last one the record must be right, but there is no hurry: what is on disk meanwhile says
 * at least as much, and after a crash only makes the provider look once more.
 */
void intent_close_request(struct intents *intents, struct intent_entry *entry, enum zone_change change)
{
	entry->open[change]--;
	if (--entry->open_total == 0 && !record_fits(entry)) {
		if (entry->due) {
			make_record(intents, entry, entry->due_request, entry->record.at_us);
			intent_note_again(intents, entry);
		} else {
			intent_note_remove(intents, entry);
		}
	}
	intent_entry_release(intents, entry);
}

/* With the mutex held, which is given up while the disk has to be waited for. */
static int note_request(struct intents *intents, struct intent_entry *entry, const char *request)
{
	struct intent_record before = entry->record;
	make_record(intents, entry, request, clock_realtime_us());
	struct intent_record mine = entry->record;
	int result = intent_note(intents, entry);
	if (result < 0 && memcmp(&entry->record, &mine, sizeof(mine)) == 0)
		entry->record = before; /* else somebody who came meanwhile has made a newer one */
	/* A disk that failed when it was too late to refuse: from then on it has to show that it works first. */
	if (result == 0 && intents->sync_failed)
		result = intent_note_sync(intents, intents->notes);
	return result;
}

int intent_begin(struct intents *intents, const char *zone, enum zone_change change, const char *request, struct intent **ret)
{
	struct intent_key key = unnamed;
	if (zone) {
		int size = zone_name_to_wire(zone, key.wire);
		if (size < 0)
			return size;
		key.size = (size_t)size;
	}
	CLEANUP(free) struct intent *intent = calloc(1, sizeof(*intent));
	if (!intent)
		return -ENOMEM;
	*intent = (struct intent){ .intents = intents, .change = change };
	snprintf(intent->request, sizeof(intent->request), "%s", request);

	pthread_mutex_lock(&intents->mutex);
	int result = find_entry(intents, &key, &intent->entry);
	if (result == 0) {
		struct intent_entry *entry = intent->entry;
		entry->open[change]++;
		entry->open_total++;
		result = note_request(intents, entry, request);
		intent->note = intents->notes;
		if (result < 0 && intents->keep_unwritten) {
			entry->unwritten = true;
			result = 1;
		} else if (result < 0) {
			intent_close_request(intents, entry, change);
		}
	}
	pthread_mutex_unlock(&intents->mutex);
	if (result >= 0)
		*ret = TAKE(intent);
	return result;
}

int intent_secure(struct intent *intent)
{
	struct intents *intents = intent->intents;
	pthread_mutex_lock(&intents->mutex);
	const struct intent_entry *entry = intent->entry;
	int result = entry->journaled && !entry->unwritten ? intent_note_sync(intents, intent->note) : 0;
	pthread_mutex_unlock(&intents->mutex);
	return result;
}

uint64_t intent_make_due(struct intents *intents, struct intent_entry *entry, enum zone_change change, const char *request)
{
	entry->due_change = entry->due ? merge(entry->due_change, change) : change;
	entry->due = true;
	entry->stamp = ++intents->stamp;
	snprintf(entry->due_request, sizeof(entry->due_request), "%s", request);
	intent_hot_add(intents, &entry->key);
	return entry->stamp;
}

uint64_t intent_end(struct intent *intent, enum intent_outcome outcome)
{
	if (!intent)
		return 0;
	struct intents *intents = intent->intents;
	struct intent_entry *entry = intent->entry;
	uint64_t stamp = 0;
	bool due = outcome != INTENT_UNCHANGED && !is_unnamed(&entry->key);

	pthread_mutex_lock(&intents->mutex);
	if (due) {
		enum zone_change change = outcome == INTENT_UNSURE ? unsure(intent->change) : intent->change;
		stamp = intent_make_due(intents, entry, change, intent->request);
		if (outcome != INTENT_DONE)
			intent_linger(intents, entry, change, intent->request);
	}
	intent_close_request(intents, entry, intent->change);
	bool work = due || intents->queue;
	pthread_mutex_unlock(&intents->mutex);
	if (work && intents->on_due)
		intents->on_due(intents->userdata);
	free(intent);
	return stamp;
}

/* With the mutex held. */
static bool take(struct intents *intents, const struct intent_key *key, struct intent_due *ret)
{
	struct intent_entry *entry;
	if (is_unnamed(key) || find_entry(intents, key, &entry) < 0)
		return false;
	if (!entry->due || entry->taken || zone_name_from_wire(key->wire, key->size, ret->zone) < 0) {
		intent_entry_release(intents, entry);
		return false;
	}
	entry->taken = true;
	ret->entry = entry;
	ret->stamp = entry->stamp;
	ret->change = entry->due_change;
	ret->at_us = entry->record.at_us;
	memcpy(ret->request, entry->due_request, sizeof(ret->request));
	snprintf(ret->message_id, sizeof(ret->message_id), "%s-%" PRIx64 "-%" PRIx64, ret->request, intents->run, ret->stamp);
	return true;
}

size_t intents_take(struct intents *intents, struct intent_due *ret, size_t max)
{
	size_t count = 0;
	pthread_mutex_lock(&intents->mutex);
	if (!intents->hot && intents->scan) {
		/* First what goes must be gone, or the scan finds it again. */
		int result = intent_write_flush(intents);
		if (result == 0)
			result = intent_scan(intents);
		if (result < 0)
			LOG(LOG_ERR, "cannot read the intents: %s", error_text(result));
		intent_hot_add_rest(intents);
	}
	while (count < max && intents->hot) {
		struct intent_hot *hot = intents->hot; /* uthash keeps the order of adding */
		HASH_DEL(intents->hot, hot);
		if (take(intents, &hot->key, &ret[count]))
			count++;
		free(hot);
	}
	pthread_mutex_unlock(&intents->mutex);
	return count;
}

void intents_give_back(struct intents *intents, const struct intent_due *due, bool published)
{
	struct intent_entry *entry = due->entry;
	pthread_mutex_lock(&intents->mutex);
	entry->taken = false;
	if (!published || entry->stamp != due->stamp) {
		intent_hot_add(intents, &entry->key);
	} else {
		entry->due = false;
		entry->unwritten = false;
		if (entry->open_total == 0)
			intent_note_remove(intents, entry);
	}
	intent_entry_release(intents, entry);
	pthread_mutex_unlock(&intents->mutex);
}

int intents_flush(struct intents *intents)
{
	pthread_mutex_lock(&intents->mutex);
	int result = intent_write_flush(intents);
	pthread_mutex_unlock(&intents->mutex);
	return result;
}

int64_t intents_count(struct intents *intents)
{
	pthread_mutex_lock(&intents->mutex);
	int64_t count = durable_count(intents->map) + intent_note_count(intents) - intent_linger_quiet(intents);
	pthread_mutex_unlock(&intents->mutex);
	return count > 0 ? count : 0;
}

bool intents_found_unnamed(const struct intents *intents)
{
	return intents->found_unnamed;
}

/* A note that an earlier run left. Its slot is the zone's from now on. */
static void on_note(struct journal *journal, unsigned slot, const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	struct intents *intents = userdata;
	struct intent_key zone = { .size = key_size };
	struct intent_entry *entry = NULL;
	char name[ZONE_NAME_SIZE];
	if (key_size <= INTENT_KEY_SIZE)
		memcpy(zone.wire, key, key_size);
	bool is_zone = key_size <= INTENT_KEY_SIZE && !is_unnamed(&zone) && zone_name_from_wire(zone.wire, key_size, name) >= 0;
	intents->found_unnamed |= is_unnamed(&zone);
	int result = is_zone ? find_entry(intents, &zone, &entry) : 0;
	if (result < 0)
		return; /* out of memory: the next start looks again */
	if (!is_zone || entry->journaled) {
		journal_remove(journal, slot);
		return;
	}
	take_record(intents, entry, value, value_size);
	entry->journaled = true;
	entry->slot = slot;
}

int intents_open(const char *folder, bool keep_unwritten, void (*on_due)(void *userdata), void *userdata, struct intents **ret)
{
	struct intents *intents = calloc(1, sizeof(*intents));
	if (!intents)
		return -ENOMEM;
	pthread_mutex_init(&intents->mutex, NULL);
	pthread_cond_init(&intents->written, NULL);
	pthread_cond_init(&intents->synced, NULL);
	intents->on_due = on_due;
	intents->userdata = userdata;
	intents->keep_unwritten = keep_unwritten;
	intents->run = clock_realtime_us();

	int result = durable_open(folder, MAP_SIZE, DURABLE_SYNC, &intents->map);
	if (result == 0) {
		CLEANUP(free) void *value = NULL;
		intents->found_unnamed = durable_get(intents->map, unnamed.wire, unnamed.size, &value, NULL) == 0;
		if (intents->found_unnamed)
			result = durable_delete(intents->map, unnamed.wire, unnamed.size);
	}
	if (result == 0)
		result = journal_open(folder, on_note, intents, &intents->journal);
	if (result < 0) {
		intents_close(intents);
		return result;
	}
	intents->scan = intents->entries || durable_count(intents->map) > 0;
	*ret = intents;
	return 0;
}

void intents_close(struct intents *intents)
{
	if (!intents)
		return;
	if (intents->map)
		(void)intents_flush(intents);
	intent_linger_end(intents);
	struct intent_hot *hot, *next_hot;
	HASH_ITER(hh, intents->hot, hot, next_hot) {
		HASH_DEL(intents->hot, hot);
		free(hot);
	}
	struct intent_entry *entry, *next_entry;
	HASH_ITER(hh, intents->entries, entry, next_entry) {
		HASH_DEL(intents->entries, entry);
		free(entry);
	}
	journal_close(intents->journal);
	durable_close(intents->map);
	pthread_cond_destroy(&intents->synced);
	pthread_cond_destroy(&intents->written);
	pthread_mutex_destroy(&intents->mutex);
	free(intents);
}
