/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/zone_event.h"
/*
 * What may have changed and was not published yet: one entry per zone, on disk. An entry is made before a request is
 * forwarded and goes when JetStream has acknowledged an event that was sent after every request on that zone had its answer.
 * Most live just in a journal; what has no room there goes to a map, so that memory is bounded however long the backlog is. Any thread.
 */
struct intents;
struct intent; /* one request on one zone */

enum intent_outcome {
	INTENT_DONE,      /* PowerDNS said so */
	INTENT_UNCHANGED, /* surely nothing happened */
	INTENT_QUEUED,    /* PowerDNS said that it will do it */
	INTENT_UNSURE,    /* no answer, or one that leaves it open */
};

/*
 * on_due (may be NULL) is called, by whatever thread, when there is something to publish or to flush. Entries that an earlier run left are
 * due at once, with the outcome unsure. keep_unwritten: what cannot be written to disk is kept in memory, where a crash ends it.
 */
int intents_open(const char *folder, bool keep_unwritten, void (*on_due)(void *userdata), void *userdata, struct intents **ret);
void intents_close(struct intents *intents);

/*
 * Notes that the request may change the zone, so that kill -9 cannot make us forget it; for a power cut see intent_secure. zone NULL: a
 * zone whose name is not known yet; it is never due, but intents_found_unnamed tells after a crash. Waits for the disk when the journal
 * is full, and while the disk was last seen to fail. 0; 1: noted, but just in memory; -ENOSPC, -EIO …: nothing was noted.
 */
int intent_begin(struct intents *intents, const char *zone, enum zone_change change, const char *request, struct intent **ret);
/* Blocks until the note outlives a power cut, too (a sync to disk, shared by all who wait). 0, also for one just in memory; -EIO … */
int intent_secure(struct intent *intent);
/*
 * Ends the intent and frees it; NULL is fine. Does not wait for the disk. Returns 0, or the stamp of what is due now: the zone's
 * next publication whose stamp is not less covers it.
 */
uint64_t intent_end(struct intent *intent, enum intent_outcome outcome);

struct intent_due {
	struct intent_entry *entry; /* private */
	uint64_t stamp;             /* of the newest request in it */
	char zone[ZONE_NAME_SIZE];
	enum zone_change change;
	char request[CLOCK_UUID_SIZE];
	uint64_t at_us; /* of the newest request */
	/* For the de-duplication of tries: other than the request, it also differs where one event does not cover another's cause. */
	char message_id[CLOCK_UUID_SIZE + 36];
};
/* Takes up to max due zones, those that wait longest first; each is to be given to intents_published. One thread. */
size_t intents_take(struct intents *intents, struct intent_due *ret, size_t max);
/* Gives one back: stored, or to be tried again. The note on disk goes with the next write, at the latest with intents_flush. */
void intents_give_back(struct intents *intents, const struct intent_due *due, bool published);
/*
 * Writes to disk what intents_give_back left open: notes that went, which after a crash would only be published once more.
 * So they are when this fails, as soon as the disk takes writes again.
 */
int intents_flush(struct intents *intents);

/*
 * To be called now and then: makes zones due again whose requests had an outcome that is not known, as PowerDNS may act late. The
 * time until there is something to do again; 0: nothing.
 */
uint64_t intents_look_again(struct intents *intents);

/* Without those that are noted for a later look alone. */
int64_t intents_count(struct intents *intents);
/* True if the run before was stopped while a zone of unknown name was being created. */
bool intents_found_unnamed(const struct intents *intents);
