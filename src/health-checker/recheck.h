/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * The slow round: every zone gets a `check` event once each recheck-interval, spread evenly over it by the zone's name; a
 * signed zone whose signatures run out soon gets one each hour. Hourly, bodies that no head names are swept. Loop thread.
 */
int recheck_new(struct checker *checker, struct recheck **ret);
void recheck_free(struct recheck *recheck);
/* Whether the zone's moment lies in (from, to], times since the epoch, with one moment each interval. */
bool recheck_falls(const char *zone, uint64_t interval_us, uint64_t from_us, uint64_t to_us);
