/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/guard.h"

#define WINDOW_US (3600 * 1000000ull)

bool guard_pass(struct guard *guard, uint64_t count, uint64_t total, uint64_t now_us)
{
	uint64_t all;

	if (guard->window_us == 0 || now_us - guard->window_us > WINDOW_US) {
		guard->window_us = now_us;
		guard->passed = 0;
	}
	all = guard->passed + count;
	if (all > (uint64_t)guard->max_count && all * 100 > (uint64_t)guard->max_share * (total + guard->passed))
		return false;
	guard->passed = all;
	return true;
}
