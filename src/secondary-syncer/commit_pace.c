/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/commit_pace.h"

uint64_t commit_pace_guess(const struct commit_pace *pace) { return pace->guess_us; }

void commit_pace_learn(struct commit_pace *pace, bool missed, uint64_t seen_us)
{
	uint64_t guess = pace->guess_us;
	if (!missed)
		guess -= guess / 64; /* perhaps it had been there for a while */
	else
		guess = (guess * 3 + seen_us) / 4;
	if (guess < COMMIT_PACE_LEAST_US)
		guess = COMMIT_PACE_LEAST_US;
	if (guess > COMMIT_PACE_MOST_US)
		guess = COMMIT_PACE_MOST_US;
	pace->guess_us = guess; /* two at once: one of them is not learned from */
}
