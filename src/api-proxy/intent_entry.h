/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include "api-proxy/intent.h"
#include "api-proxy/journal.h"
#include "common/durable.h"
/*
 * Inside of the intents: entries in memory, their records in the journal and in the map, and the writers that several threads share.
 */

/* On disk, by the zone in wire form. The file stays on this host, so its integers are the host's. */
struct intent_record {
	uint32_t version;
	uint32_t change;
	uint64_t run;      /* of which run of the proxy */
	uint64_t since_us; /* of the oldest request not published */
	uint64_t at_us;    /* of the newest */
	char request[40];  /* of the newest */
};
#define INTENT_RECORD_VERSION 1

#define INTENT_KEY_SIZE ZONE_WIRE_SIZE
#define INTENT_HOT_MAX 4096

/* How long a zone whose request nobody knows the outcome of is looked at again, and when first; later ones are twice as late each. */
#define INTENT_LINGER_US (UINT64_C(64) * 1000000)
#define INTENT_LINGER_FIRST_US UINT64_C(1000000)
/* Of those at a time; fewer than INTENT_HOT_MAX, as a scan for what is due meets them too. */
#define INTENT_LINGER_MAX 1024u

struct intent_key {
	uint8_t wire[INTENT_KEY_SIZE];
	size_t size;
};

/* A zone somebody works on. It lives while it has open requests, is being published, waits for the disk, or is in the journal. */
struct intent_entry {
	struct intent_key key;
	unsigned open[ZONE_REWRITE + 1]; /* unanswered requests, by what they do */
	unsigned open_total, writes;
	bool taken;                      /* by the publisher */
	bool due;                        /* something happened, or may have */
	bool unwritten;                  /* the disk does not know: it lives until it is published */
	bool in_map;
	bool journaled;                  /* in this slot, which says at least as much as the map */
	unsigned slot;
	uint64_t stamp;                  /* of when it last became due */
	enum zone_change due_change;
	char due_request[CLOCK_UUID_SIZE];
	struct intent_linger *linger;    /* counts as an open request */
	struct intent_record record;     /* as it is on disk, or about to be; version 0: not there */
	UT_hash_handle hh;
};

/* A zone that is due, in the order of getting so. */
struct intent_hot {
	struct intent_key key;
	UT_hash_handle hh;
};

/* A zone that PowerDNS may still change. Times are monotonic. */
struct intent_linger {
	struct intent_entry *entry;
	enum zone_change change;
	char request[CLOCK_UUID_SIZE];
	uint64_t since_us, next_us;
	struct intent_linger *prev, *next;
};

/* One change on its way to the map. */
struct intent_write {
	struct intent_entry *entry;
	struct intent_record record; /* version 0: delete */
	int result;
	struct intent_write *prev, *next;
};

struct intents {
	pthread_mutex_t mutex;
	pthread_cond_t written, synced;
	struct durable *map;
	struct journal *journal;
	void (*on_due)(void *userdata);
	void *userdata;
	uint64_t run, stamp;
	struct intent_entry *entries; /* uthash by key */
	struct intent_hot *hot;       /* uthash by key; at most INTENT_HOT_MAX */
	bool scan;                    /* there are due zones on disk that are not in `hot` */
	bool stale;                   /* records on disk that should have gone: to be looked for when the disk takes writes again */
	bool found_unnamed, keep_unwritten;
	struct intent_write *queue;   /* utlist */
	bool writing;
	uint64_t left;                /* how many notes have left the journal */
	int move_result;              /* of the last one that was to come into the map */
	uint64_t notes, notes_synced; /* how many were put into the journal, and how many of these survive a power cut */
	bool syncing, sync_failed;
	struct intent_linger *lingering; /* utlist */
	unsigned lingering_count;
};

/* The rest: with the mutex held. */

/* Puts the entry's record into the journal; makes room in it when it is full, and gives up the mutex for that. */
int intent_note(struct intents *intents, struct intent_entry *entry);
/* The record has changed: brings it to where it is. Does not wait for the disk. */
void intent_note_again(struct intents *intents, struct intent_entry *entry);
/* The record is not needed any more. Does not wait for the disk. */
void intent_note_remove(struct intents *intents, struct intent_entry *entry);
/* Waits until this many notes survive a power cut. The mutex is given up in between. */
int intent_note_sync(struct intents *intents, uint64_t notes);
/* How many zones are in the journal alone. */
unsigned intent_note_count(const struct intents *intents);
/* Called by the writer when the entry's record, as it was then, has come into the map. */
void intent_note_moved(struct intents *intents, struct intent_entry *entry, const struct intent_record *record);

/* Writes the entry's record, or its absence, to the map, with the next flush. 0 or -ENOMEM. */
int intent_write_later(struct intents *intents, struct intent_entry *entry);
/* Writes all that is queued. The mutex is given up in between. Tells how it went with what was to go: what was to come is elsewhere, too. */
int intent_write_flush(struct intents *intents);
/* Called by the writer when a write of the entry has ended: frees it if nobody needs it. */
void intent_entry_release(struct intents *intents, struct intent_entry *entry);

/* The zone is to be published, as of now: the stamp of that. */
uint64_t intent_make_due(struct intents *intents, struct intent_entry *entry, enum zone_change change, const char *request);
/* Takes back one request of the entry. */
void intent_close_request(struct intents *intents, struct intent_entry *entry, enum zone_change change);

/* The zone is to be looked at again for a while, beginning now. change: ZONE_CHECK or ZONE_DELETED */
void intent_linger(struct intents *intents, struct intent_entry *entry, enum zone_change change, const char *request);
/* How many zones are on disk for that alone. */
unsigned intent_linger_quiet(const struct intents *intents);
/* Forgets all; their records stay, so that the next run looks. */
void intent_linger_end(struct intents *intents);

/* Puts the longest waiting zones of the map into `hot`; the mutex is given up in between. */
int intent_scan(struct intents *intents);
/* Adds to `hot`, or notes that a scan is needed. */
void intent_hot_add(struct intents *intents, const struct intent_key *key);
/* Adds the due zones that no scan can find, as far as there is room. */
void intent_hot_add_rest(struct intents *intents);
/* What cannot be read (another version, damage) becomes a check: better once too often. */
void intent_record_read(const void *value, size_t size, struct intent_record *ret);
