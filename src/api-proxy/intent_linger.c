/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include "api-proxy/intent_entry.h"
#include "common/clock.h"
/*
 * Where a request got no answer, because PowerDNS took too long or the proxy was killed, PowerDNS may still be about to act on it: the
 * look that follows at once may come too early. So the intent stays open for a while, and with it the record on disk, and the
 * zone is looked at again, less and less often.
 */
void intent_linger(struct intents *intents, struct intent_entry *entry, enum zone_change change, const char *request)
{
	struct intent_linger *linger = entry->linger;
	if (!linger) {
		/* Without one the zone is looked at once; the health-checker finds what comes after that. */
		linger = intents->lingering_count < INTENT_LINGER_MAX ? calloc(1, sizeof(*linger)) : NULL;
		if (!linger)
			return;
		linger->entry = entry;
		linger->change = change;
		entry->linger = linger;
		entry->open[change]++;
		entry->open_total++;
		DL_APPEND(intents->lingering, linger);
		intents->lingering_count++;
	} else if (change == ZONE_DELETED && linger->change != ZONE_DELETED) {
		entry->open[linger->change]--;
		entry->open[change]++;
		linger->change = change;
	}
	snprintf(linger->request, sizeof(linger->request), "%s", request);
	linger->since_us = clock_monotonic_us();
	linger->next_us = linger->since_us + INTENT_LINGER_FIRST_US;
}

static void forget(struct intents *intents, struct intent_linger *linger)
{
	linger->entry->linger = NULL;
	DL_DELETE(intents->lingering, linger);
	intents->lingering_count--;
	free(linger);
}

uint64_t intents_look_again(struct intents *intents)
{
	uint64_t now_us = clock_monotonic_us(), soonest_us = 0;
	struct intent_linger *linger, *next;
	pthread_mutex_lock(&intents->mutex);
	DL_FOREACH_SAFE(intents->lingering, linger, next) {
		if (linger->next_us <= now_us) {
			uint64_t age_us = now_us - linger->since_us;
			struct intent_entry *entry = linger->entry;
			enum zone_change change = linger->change;
			(void)intent_make_due(intents, entry, change, linger->request);
			if (age_us >= INTENT_LINGER_US) {
				forget(intents, linger);
				intent_close_request(intents, entry, change);
				continue;
			}
			linger->next_us = now_us + age_us;
		}
		if (soonest_us == 0 || linger->next_us < soonest_us)
			soonest_us = linger->next_us;
	}
	pthread_mutex_unlock(&intents->mutex);
	return soonest_us > 0 ? soonest_us - now_us : 0;
}

unsigned intent_linger_quiet(const struct intents *intents)
{
	const struct intent_linger *linger;
	unsigned count = 0;
	DL_FOREACH(intents->lingering, linger)
		count += linger->entry->open_total == 1 && !linger->entry->due;
	return count;
}

void intent_linger_end(struct intents *intents)
{
	struct intent_linger *linger, *next;
	DL_FOREACH_SAFE(intents->lingering, linger, next) {
		struct intent_entry *entry = linger->entry;
		forget(intents, linger);
		entry->open_total--;
		entry->due = false; /* in memory */
		intent_entry_release(intents, entry);
	}
}
