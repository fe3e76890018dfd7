/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * The periodic check: finds the zones in which a secondary's set differs from the store's, bucket by bucket, and has
 * just those applied again. Loop thread.
 */
/* Starts a comparison unless one with this secondary runs. */
void compare_start(struct checker *checker, struct member *member);

/* What a secondary says that it has, of the buckets in question. */
struct compare_remote {
	uint64_t generation;
	struct zone_digest digest;
	bool matched;
	UT_hash_handle hh;
	char zone[];
};
enum compare_finding { COMPARE_APPLY, /* lacks it, or has it older or otherwise */ COMPARE_UNKNOWN, /* the store knows nothing of it */
	COMPARE_NEWER /* has it newer than the store: that was put back in time */ };
/* Compares; visit for each difference. Marks in remote what it has seen. */
void compare_sets(struct index *index, const bool buckets[SET_BUCKETS], struct compare_remote **remote,
                  void (*visit)(enum compare_finding finding, const char *zone, const struct index_zone *known, void *userdata), void *userdata);
