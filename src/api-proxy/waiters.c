/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/waiters.h"
#include <errno.h>
#include <inttypes.h>
#include <utlist.h>
#include "api-proxy/waiters_internal.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#define CHANGES_MAX 1024      /* kept beyond those that are held */
#define SECONDARIES_MAX 10000 /* heartbeats are not signed: somebody could invent members */
#define MISSED_INACTIVE 3
#define FORGET_US UINT64_C(3600000000)
#define STALE_US UINT64_C(30000000)

int waiters_new(void (*on_ask)(const char *secondary, const char *zone, void *userdata), void *userdata, int64_t quiet_us,
                struct waiters **ret)
{
	struct waiters *waiters = calloc(1, sizeof(*waiters));
	if (!waiters)
		return -ENOMEM;
	pthread_mutex_init(&waiters->mutex, NULL);
	waiters->on_ask = on_ask;
	waiters->userdata = userdata;
	waiters->known_us = clock_monotonic_us() + (uint64_t)quiet_us;
	*ret = waiters;
	return 0;
}

/* Zones */

static struct place *find_place(struct waiters *waiters, const char *zone)
{
	struct place *place;
	HASH_FIND_STR(waiters->places, zone, place);
	return place;
}

static struct place *find_or_add_place(struct waiters *waiters, const char *zone)
{
	struct place *place = find_place(waiters, zone);
	if (place)
		return place;
	place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	snprintf(place->zone, sizeof(place->zone), "%s", zone);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&place->moved, &attributes);
	pthread_condattr_destroy(&attributes);
	HASH_ADD_STR(waiters->places, zone, place);
	return place;
}

static void release_place(struct waiters *waiters, struct place *place)
{
	struct confirmation *confirmation, *next;
	if (place->changes > 0)
		return;
	HASH_ITER(hh, place->confirmations, confirmation, next) {
		HASH_DEL(place->confirmations, confirmation);
		free(confirmation->reason);
		free(confirmation);
	}
	HASH_DEL(waiters->places, place);
	pthread_cond_destroy(&place->moved);
	free(place);
}

/* Changes */

static void forget(struct waiters *waiters, struct change *change)
{
	struct place *place = change->place;
	HASH_DEL(waiters->changes, change);
	DL_DELETE(place->first, change);
	place->changes--;
	release_place(waiters, place);
	free(change);
}

static void forget_old(struct waiters *waiters)
{
	struct change *change, *next;
	unsigned excess = HASH_COUNT(waiters->changes);
	HASH_ITER(hh, waiters->changes, change, next) {
		if (excess <= CHANGES_MAX)
			return;
		if (change->holders == 0) {
			forget(waiters, change);
			excess--;
		}
	}
}

static int add_change(struct waiters *waiters, const char *zone, const char *id, struct change **ret)
{
	struct change *change = calloc(1, sizeof(*change));
	struct place *place = change ? find_or_add_place(waiters, zone) : NULL;
	if (!place) {
		free(change);
		return -ENOMEM;
	}
	change->waiters = waiters;
	change->place = place;
	change->started_us = clock_monotonic_us();
	change->holders = 1;
	snprintf(change->id, sizeof(change->id), "%s", id);
	place->changes++;
	DL_APPEND(place->first, change);
	HASH_ADD_STR(waiters->changes, id, change);
	forget_old(waiters);
	*ret = change;
	return 0;
}

int change_open(struct waiters *waiters, const char *zone, struct change **ret)
{
	char name[ZONE_ID_SIZE], id[CHANGE_ID_SIZE];
	struct change *known;
	int result = zone_name_to_api_id(zone, name);
	if (result < 0)
		return result;
	pthread_mutex_lock(&waiters->mutex);
	uint64_t at = clock_realtime_us();
	do {
		snprintf(id, sizeof(id), "%" PRIx64 "-%s", at++, name);
		HASH_FIND_STR(waiters->changes, id, known);
	} while (known);
	result = add_change(waiters, zone, id, ret);
	pthread_mutex_unlock(&waiters->mutex);
	return result;
}

/* "<microseconds since the epoch in hex>-<zone as in API paths>" */
static int parse_id(const char *id, char ret_zone[ZONE_NAME_SIZE])
{
	size_t digits = strspn(id, "0123456789abcdef");
	char name[ZONE_ID_SIZE];
	if (digits == 0 || digits > 16 || id[digits] != '-' || strtoull(id, NULL, 16) > clock_realtime_us() + 60000000 ||
	    strlen(id) >= CHANGE_ID_SIZE || zone_name_from_api_id(id + digits + 1, ret_zone) < 0)
		return ERROR_MALFORMED;
	if (zone_name_to_api_id(ret_zone, name) < 0 || strcmp(name, id + digits + 1) != 0)
		return ERROR_MALFORMED;
	return 0;
}

int change_find(struct waiters *waiters, const char *id, struct change **ret, bool *ret_new)
{
	char zone[ZONE_NAME_SIZE];
	struct change *change;
	int result = parse_id(id, zone);
	if (result < 0)
		return result;
	pthread_mutex_lock(&waiters->mutex);
	HASH_FIND_STR(waiters->changes, id, change);
	bool is_new = !change;
	if (change)
		change->holders++;
	else
		result = add_change(waiters, zone, id, &change);
	pthread_mutex_unlock(&waiters->mutex);
	if (result == 0) {
		*ret = change;
		*ret_new = is_new;
	}
	return result;
}

/* Takes what is known of the zone for the change. The first event that is new enough is the one to wait for, not the newest. */
static void advance(struct change *change)
{
	const struct place *place = change->place;
	if (change->event == 0 && change->stamp > 0 && place->published_stamp >= change->stamp)
		change->event = place->published_event;
	if (change->event > 0 && !change->stored && place->covered_event >= change->event) {
		change->stored = true;
		change->generation = place->covered_generation;
		change->changed = place->covered_changed;
	}
}

static void advance_all(struct place *place)
{
	struct change *change;
	DL_FOREACH(place->first, change)
		advance(change);
	pthread_cond_broadcast(&place->moved);
}

void change_follow(struct change *change, uint64_t stamp)
{
	struct waiters *waiters = change->waiters;
	pthread_mutex_lock(&waiters->mutex);
	change->stamp = stamp;
	change->event = 0;
	change->stored = false;
	change->followed_us = clock_monotonic_us();
	advance(change);
	pthread_cond_broadcast(&change->place->moved);
	pthread_mutex_unlock(&waiters->mutex);
}

bool change_is_stale(struct change *change)
{
	struct waiters *waiters = change->waiters;
	pthread_mutex_lock(&waiters->mutex);
	bool stale = change->event > 0 && !change->stored && clock_monotonic_us() - change->followed_us > STALE_US;
	pthread_mutex_unlock(&waiters->mutex);
	return stale;
}

void change_release(struct change *change)
{
	if (!change)
		return;
	struct waiters *waiters = change->waiters;
	pthread_mutex_lock(&waiters->mutex);
	change->holders--;
	if (change->stamp == 0 && change->holders == 0) /* nothing came of it, and nobody was told its id */
		forget(waiters, change);
	else
		forget_old(waiters);
	pthread_mutex_unlock(&waiters->mutex);
}

const char *change_id(const struct change *change)
{
	return change->id;
}

const char *change_zone(const struct change *change)
{
	return change->place->zone;
}

/* What is heard */

bool waiters_interested(struct waiters *waiters)
{
	pthread_mutex_lock(&waiters->mutex);
	bool interested = waiters->places != NULL;
	pthread_mutex_unlock(&waiters->mutex);
	return interested;
}

void waiters_published(struct waiters *waiters, const char *zone, uint64_t stamp, uint64_t sequence)
{
	pthread_mutex_lock(&waiters->mutex);
	struct place *place = find_place(waiters, zone);
	if (place && stamp > place->published_stamp) {
		place->published_stamp = stamp;
		place->published_event = sequence;
		advance_all(place);
	}
	pthread_mutex_unlock(&waiters->mutex);
}

void waiters_covered(struct waiters *waiters, const struct covered *covered)
{
	pthread_mutex_lock(&waiters->mutex);
	struct place *place = find_place(waiters, covered->zone);
	if (place && covered->event >= place->covered_event) {
		place->covered_event = covered->event;
		place->covered_generation = covered->generation;
		place->covered_changed = covered->changed;
		advance_all(place);
	}
	pthread_mutex_unlock(&waiters->mutex);
}

static void confirm(struct place *place, const char *secondary, uint64_t generation, enum applied_result result, const char *reason)
{
	struct confirmation *confirmation;
	HASH_FIND_STR(place->confirmations, secondary, confirmation);
	if (!confirmation) {
		confirmation = calloc(1, sizeof(*confirmation));
		if (!confirmation)
			return;
		snprintf(confirmation->id, sizeof(confirmation->id), "%s", secondary);
		HASH_ADD_STR(place->confirmations, id, confirmation);
	}
	if (result != APPLIED_OK) {
		confirmation->failed = generation;
		free(confirmation->reason);
		confirmation->reason = strdup(reason);
	} else if (generation > confirmation->generation) {
		confirmation->generation = generation;
	}
}

void waiters_confirmed(struct waiters *waiters, const char *secondary, const char *zone, uint64_t generation,
                       enum applied_result result, const char *reason)
{
	struct secondary *known;
	pthread_mutex_lock(&waiters->mutex);
	struct place *place = find_place(waiters, zone);
	HASH_FIND_STR(waiters->secondaries, secondary, known);
	if (place && known) {
		confirm(place, secondary, generation, result, reason);
		pthread_cond_broadcast(&place->moved);
	}
	pthread_mutex_unlock(&waiters->mutex);
}

void waiters_heartbeat(struct waiters *waiters, const struct heartbeat *heartbeat)
{
	struct secondary *secondary, *next;
	uint64_t now = clock_monotonic_us();
	pthread_mutex_lock(&waiters->mutex);
	HASH_FIND_STR(waiters->secondaries, heartbeat->id, secondary);
	if (!secondary) {
		HASH_ITER(hh, waiters->secondaries, secondary, next) {
			if (now <= waiters_silent_at(secondary) + FORGET_US)
				continue;
			HASH_DEL(waiters->secondaries, secondary);
			free(secondary);
		}
		secondary = HASH_COUNT(waiters->secondaries) < SECONDARIES_MAX ? calloc(1, sizeof(*secondary)) : NULL;
		if (secondary) {
			snprintf(secondary->id, sizeof(secondary->id), "%s", heartbeat->id);
			HASH_ADD_STR(waiters->secondaries, id, secondary);
		}
	}
	if (secondary) {
		secondary->last = *heartbeat;
		secondary->seen_us = now;
	}
	pthread_mutex_unlock(&waiters->mutex);
}

uint64_t waiters_silent_at(const struct secondary *secondary)
{
	return secondary->seen_us + MISSED_INACTIVE * secondary->last.interval_us;
}

void waiters_cancel(struct waiters *waiters)
{
	struct place *place, *next;
	pthread_mutex_lock(&waiters->mutex);
	waiters->cancelled = true;
	HASH_ITER(hh, waiters->places, place, next)
		pthread_cond_broadcast(&place->moved);
	pthread_mutex_unlock(&waiters->mutex);
}

void waiters_free(struct waiters *waiters)
{
	struct change *change, *next_change;
	struct secondary *secondary, *next_secondary;
	if (!waiters)
		return;
	HASH_ITER(hh, waiters->changes, change, next_change)
		forget(waiters, change);
	HASH_ITER(hh, waiters->secondaries, secondary, next_secondary) {
		HASH_DEL(waiters->secondaries, secondary);
		free(secondary);
	}
	pthread_mutex_destroy(&waiters->mutex);
	free(waiters);
}
