/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * How long the local PowerDNS takes to commit a small zone after it has fetched it. Whoever looks too early costs it time:
 * a transfer of the old zone, and with sqlite a reader that holds up the commit. Learns from each look. Any thread.
 */
struct commit_pace { _Atomic uint64_t guess_us; };

#define COMMIT_PACE_LEAST_US 500
#define COMMIT_PACE_MOST_US 250000
#define COMMIT_PACE_INITIAL { COMMIT_PACE_LEAST_US }

/* When to look first. */
uint64_t commit_pace_guess(const struct commit_pace *pace);
/* It was seen to be committed after seen_us; missed: an earlier look came too early. */
void commit_pace_learn(struct commit_pace *pace, bool missed, uint64_t seen_us);
