/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <uthash.h>
#include "common/heartbeat.h"
/*
 * Who is there: members by their heartbeats, and which secondaries are enrolled. Times are monotonic microseconds,
 * given by the caller. Loop thread.
 */
#define PRESENCE_KEY_SIZE (32 + SUBJECT_ID_SIZE + 1)

struct member {
	char key[PRESENCE_KEY_SIZE]; /* service/id */
	char service[32];
	char id[SUBJECT_ID_SIZE];
	bool enrolled;               /* a secondary that may take zones */
	bool heard;                  /* `last` is filled in */
	bool active;
	bool leads;                  /* of a checker */
	bool overloaded;
	struct heartbeat last;
	uint64_t seen_us;
	uint64_t unknown_us;         /* since when it has been heard without being enrolled; 0: it is */
	uint64_t warned_us;          /* last time that the log was told of a member that is not enrolled; 0: never */
	/* Of a secondary: since when, and in how many heartbeats on end, it has stood still with a set that is not the store's. */
	unsigned disagreeing;
	unsigned compares;           /* in a row that did not help */
	uint64_t compare_next_us;
	bool comparing;
	uint64_t delivered, acked;   /* how far its consumer was when something was last to be asked for again … */
	uint64_t moved_us;           /* … and when it was first seen there; 0: never */
	UT_hash_handle hh;
};

struct presence;
int presence_new(struct presence **ret);
void presence_free(struct presence *presence);

enum presence_news { PRESENCE_SAME, PRESENCE_ARRIVED };
/* Returns enum presence_news or -ENOMEM. */
int presence_heartbeat(struct presence *presence, const struct heartbeat *heartbeat, uint64_t now_us, struct member **ret);
/* Makes the set of enrolled secondaries equal to ids. -ENOMEM. */
int presence_set_enrolled(struct presence *presence, char (*ids)[SUBJECT_ID_SIZE], size_t count);
struct member *presence_find(struct presence *presence, const char *service, const char *id);
/* Marks who has missed 3 intervals as inactive, forgets who has missed 10 and is not enrolled; on_gone (may be NULL) is told of the first. */
void presence_tick(struct presence *presence, uint64_t now_us, void (*on_gone)(const struct member *member, void *userdata), void *userdata);
/* Negative stops and is the result. */
int presence_each(struct presence *presence, int (*visit)(struct member *member, void *userdata), void *userdata);
/* Active members of a service. */
unsigned presence_active(const struct presence *presence, const char *service);
