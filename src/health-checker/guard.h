/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * The deletion guard: zones that vanished from the primary without the API having been asked are deleted on the
 * secondaries only while they are few. What was let through within the last hour counts too, so that a slow loss of many
 * zones is held as a fast one is. Loop thread.
 */
struct guard {
	int64_t max_count;      /* held when more than this many … */
	int64_t max_share;      /* … and more than this percentage of all zones */
	uint64_t window_us;     /* monotonic start of the hour */
	uint64_t passed;        /* within it */
};
/* Whether `count` more deletions may pass, of `total` zones in the store now; if so, they are counted. */
bool guard_pass(struct guard *guard, uint64_t count, uint64_t total, uint64_t now_us);
