/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <pthread.h>
#include <uthash.h>
#include "api-proxy/waiters.h"
/*
 * Inside of the waiters: what is known of zones, secondaries and changes. All under the one mutex.
 */
struct confirmation {
	char id[SUBJECT_ID_SIZE]; /* of the secondary */
	uint64_t generation;      /* the newest that it serves */
	uint64_t failed;          /* a newer one that it could not take, and why */
	char *reason;
	UT_hash_handle hh;
};

/* A zone with changes that are followed. */
struct place {
	char zone[ZONE_NAME_SIZE];
	uint64_t published_stamp, published_event;
	uint64_t covered_event, covered_generation;
	bool covered_changed;
	struct confirmation *confirmations;
	pthread_cond_t moved;
	unsigned changes;
	struct change *first; /* utlist */
	UT_hash_handle hh;
};

struct secondary {
	char id[SUBJECT_ID_SIZE];
	struct heartbeat last;
	uint64_t seen_us;
	UT_hash_handle hh;
};

struct change {
	struct waiters *waiters;
	char id[CHANGE_ID_SIZE];
	struct place *place;
	uint64_t started_us, in_sync_us; /* monotonic; 0: not yet */
	uint64_t stamp, followed_us;
	uint64_t event;                  /* 0: not published yet */
	bool stored, changed;
	uint64_t generation;
	unsigned holders;
	struct change *prev, *next;      /* of the same zone */
	UT_hash_handle hh;
};

struct waiters {
	pthread_mutex_t mutex;
	void (*on_ask)(const char *secondary, const char *zone, void *userdata);
	void *userdata;
	uint64_t known_us; /* from when on all active secondaries have been heard */
	bool cancelled;
	struct place *places;
	struct change *changes; /* the oldest first */
	struct secondary *secondaries;
};

/* Inactive from then on, if nothing is heard. */
uint64_t waiters_silent_at(const struct secondary *secondary);

struct change_view {
	unsigned total, done, away;
	uint64_t next_us; /* when this can change by itself */
};
/* What each secondary has of it; visit may be NULL. */
enum change_part { CHANGE_THERE, CHANGE_WAITING, CHANGE_AWAY };
void change_look(const struct change *change, uint64_t now_us, struct change_view *ret,
                 void (*visit)(const struct secondary *secondary, enum change_part part, const struct confirmation *confirmation,
                               void *userdata), void *userdata);
