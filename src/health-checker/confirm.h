/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/applied.h"
#include "common/subject.h"
/*
 * The event check: which secondary has not confirmed which zone yet, when it is asked for it again, and what it said.
 * A zone is in here as long as it is not known to be in sync on that secondary. Times are monotonic microseconds. Loop thread.
 */
struct confirm;

struct confirm_zone {
	uint64_t generation;         /* that is wanted */
	uint64_t since_us, next_us;
	unsigned asked;              /* how often it was asked for again */
	bool forced;                 /* to be asked for although it is believed to be in sync */
	bool answered;               /* `result` and `reason` hold what the secondary said last */
	enum applied_result result;
	char *reason;
	const char *zone;
};

int confirm_new(struct confirm **ret);
void confirm_free(struct confirm *confirm);

/* The secondary should have this generation (or a newer one) confirmed; it is asked from due_us on. -ENOMEM. */
uint64_t confirm_time_us(int64_t confirm_timeout_us, uint64_t records); /* how long one may take: longer for many records */
int confirm_want(struct confirm *confirm, const char *secondary, const char *zone, uint64_t generation, uint64_t now_us, uint64_t due_us);
/* An operator wants it applied again: asked for at once, and not forgotten before that when the sets are equal. -ENOMEM. */
int confirm_force(struct confirm *confirm, const char *secondary, const char *zone, uint64_t generation, uint64_t now_us);
/* What the secondary says. A failure is kept even if nothing was wanted. -ENOMEM. */
int confirm_applied(struct confirm *confirm, const char *secondary, const struct applied *applied, uint64_t now_us, uint64_t due_us);
/* The secondary's set is that of the store: nothing is open but what is forced. */
void confirm_all(struct confirm *confirm, const char *secondary);
/* The secondary is no member any more. */
void confirm_forget(struct confirm *confirm, const char *secondary);

#define CONFIRM_BATCH 500
/*
 * Takes the zones of a secondary that are due, at most CONFIRM_BATCH; each is due again after a growing delay (base doubled up to
 * ceiling). visit is given each; the return value is how many.
 */
size_t confirm_due(struct confirm *confirm, const char *secondary, uint64_t now_us, uint64_t base_us, uint64_t ceiling_us,
                   void (*visit)(const struct confirm_zone *zone, void *userdata), void *userdata);

struct confirm_counts { size_t open, failing; uint64_t oldest_us; /* of the open ones; 0: none */ };
void confirm_counts(const struct confirm *confirm, const char *secondary, struct confirm_counts *ret);
const struct confirm_zone *confirm_find(const struct confirm *confirm, const char *secondary, const char *zone);
/* Those for which the secondary said that they failed; negative stops. */
int confirm_each_failing(const struct confirm *confirm, const char *secondary, int (*visit)(const struct confirm_zone *zone, void *userdata), void *userdata);
