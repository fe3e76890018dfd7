/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/zone_event.h"
#include "health-checker/guard.h"
#include "health-checker/index.h"
#include "health-checker/listing.h"
/*
 * What the primary's list of zones means for the zone store: zones to look at, zones to delete, deletions to hold. Loop thread.
 */
struct findings {
	uint64_t missing;           /* on the primary, without a present head */
	uint64_t deletions;         /* let through */
	char **held;                /* zones whose deletion is held, malloc'ed each; the list too */
	size_t held_count;
};
/*
 * number: of this scan, growing. started_us: monotonic. want is called for every event to publish.
 * Heads that came after (or just before) the scan began are left for the next one.
 */
int findings_make(struct index *index, struct guard *guard, const struct listing *listing, uint32_t number, uint64_t started_us,
                 uint64_t now_us, void (*want)(const char *zone, enum zone_change change, void *userdata), void *userdata,
                 struct findings *ret);
void findings_free(struct findings *findings);
