/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/transfers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <uthash.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "secondary-syncer/syncer_metrics.h"

#define EXPECTED_MAX 2 /* PowerDNS's retrieval-threads */

/* Between two signs of progress while PowerDNS fetches; the DNS server itself ends a transfer that stands still before that. */
#define FETCHING_US 25000000

struct transfer {
	char zone[ZONE_NAME_SIZE];
	struct zone_body_facts facts;
	struct spool *body;
	uint8_t soa[BOOK_SOA_SIZE];
	uint32_t soa_size;
	_Atomic int references;
	_Atomic int finished;             /* times fetched */
	int fetching;                     /* connections over which it is being sent; under the table's lock */
	pthread_cond_t fetched;           /* once more, begun or ended to be, or nobody is to wait any longer */
	_Atomic uint64_t last_progress_us; /* monotonic */
	struct transfers *offered_in;     /* NULL: not on offer */
	bool awaited;
	UT_hash_handle hh;
};

struct expected {
	char zone[ZONE_NAME_SIZE];
	uint64_t until_us; /* monotonic */
	UT_hash_handle hh;
};

struct transfers {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a transfer that is expected came or does not come */
	struct transfer *offers;
	struct expected *expected; /* few */
	bool stopped;
};

static void init_monotonic(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

int transfers_new(struct transfers **ret)
{
	struct transfers *transfers = calloc(1, sizeof(*transfers));
	if (!transfers)
		return -ENOMEM;
	pthread_mutex_init(&transfers->lock, NULL);
	init_monotonic(&transfers->changed);
	*ret = transfers;
	return 0;
}

void transfers_free(struct transfers *transfers)
{
	if (!transfers)
		return;
	struct expected *expected, *next;
	HASH_ITER(hh, transfers->expected, expected, next) {
		HASH_DEL(transfers->expected, expected);
		free(expected);
	}
	pthread_cond_destroy(&transfers->changed);
	pthread_mutex_destroy(&transfers->lock);
	free(transfers);
}

void transfers_stop(struct transfers *transfers)
{
	pthread_mutex_lock(&transfers->lock);
	transfers->stopped = true;
	pthread_cond_broadcast(&transfers->changed);
	for (struct transfer *transfer = transfers->offers; transfer; transfer = transfer->hh.next)
		pthread_cond_broadcast(&transfer->fetched);
	pthread_mutex_unlock(&transfers->lock);
}

int transfer_new(const struct transfer_offer *offer, struct transfer **ret)
{
	if (offer->soa_size > BOOK_SOA_SIZE)
		return -ENOSPC;
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	if (!transfer)
		return -ENOMEM;
	snprintf(transfer->zone, sizeof(transfer->zone), "%s", offer->zone);
	transfer->facts = *offer->facts;
	transfer->body = spool_ref(offer->body);
	memcpy(transfer->soa, offer->soa, offer->soa_size);
	transfer->soa_size = offer->soa_size;
	transfer->references = 1;
	init_monotonic(&transfer->fetched);
	transfer->last_progress_us = clock_monotonic_us();
	*ret = transfer;
	return 0;
}

void transfer_unref(struct transfer *transfer)
{
	if (!transfer || --transfer->references > 0)
		return;
	spool_free(transfer->body);
	pthread_cond_destroy(&transfer->fetched);
	free(transfer);
}

/* Whoever waits looks again. True: it was expected, and is not too late. The lock is held, as for all with `expected` in the name. */
static bool end_expected(struct transfers *transfers, const char *zone)
{
	struct expected *expected;
	HASH_FIND_STR(transfers->expected, zone, expected);
	if (!expected)
		return false;
	bool in_time = clock_monotonic_us() < expected->until_us;
	HASH_DEL(transfers->expected, expected);
	free(expected);
	pthread_cond_broadcast(&transfers->changed);
	return in_time;
}

static void drop_old_expected(struct transfers *transfers)
{
	struct expected *expected, *next;
	uint64_t now = clock_monotonic_us();
	HASH_ITER(hh, transfers->expected, expected, next) {
		if (now >= expected->until_us)
			(void)end_expected(transfers, expected->zone);
	}
}

int transfers_expect(struct transfers *transfers, const char *zone, int64_t hold_us)
{
	struct transfer *offered;
	struct expected *known, *expected = calloc(1, sizeof(*expected));
	if (!expected)
		return -ENOMEM;
	snprintf(expected->zone, sizeof(expected->zone), "%s", zone);
	expected->until_us = clock_monotonic_us() + (uint64_t)hold_us;
	pthread_mutex_lock(&transfers->lock);
	drop_old_expected(transfers);
	HASH_FIND_STR(transfers->offers, zone, offered);
	HASH_FIND_STR(transfers->expected, zone, known);
	int r = offered || known ? -EEXIST : HASH_COUNT(transfers->expected) >= EXPECTED_MAX ? -EBUSY : 0;
	if (r == 0)
		HASH_ADD_STR(transfers->expected, zone, expected);
	pthread_mutex_unlock(&transfers->lock);
	if (r < 0)
		free(expected);
	return r;
}

void transfers_forget(struct transfers *transfers, const char *zone)
{
	pthread_mutex_lock(&transfers->lock);
	(void)end_expected(transfers, zone);
	pthread_mutex_unlock(&transfers->lock);
}

bool transfer_is_awaited(const struct transfer *transfer) { return transfer->awaited; }

int transfers_open(struct transfers *transfers, const struct transfer_offer *offer, struct transfer **ret)
{
	struct transfer *transfer, *other;
	int r = transfer_new(offer, &transfer);
	if (r < 0)
		return r;
	transfer->offered_in = transfers;
	transfer->references = 2; /* the table's and the caller's */
	pthread_mutex_lock(&transfers->lock);
	HASH_FIND_STR(transfers->offers, transfer->zone, other);
	if (!other) {
		HASH_ADD_STR(transfers->offers, zone, transfer);
		transfer->awaited = end_expected(transfers, transfer->zone);
	}
	pthread_mutex_unlock(&transfers->lock);
	if (other) {
		transfer->references = 1;
		transfer_unref(transfer);
		return -EEXIST;
	}
	*ret = transfer;
	return 0;
}

void transfers_close(struct transfers *transfers, struct transfer *transfer)
{
	if (!transfer)
		return;
	pthread_mutex_lock(&transfers->lock);
	HASH_DEL(transfers->offers, transfer);
	pthread_mutex_unlock(&transfers->lock);
	transfer_unref(transfer); /* the table's */
	transfer_unref(transfer);
}

/* With the lock held. */
static struct transfer *find_offer(struct transfers *transfers, const char *zone)
{
	struct transfer *transfer;
	HASH_FIND_STR(transfers->offers, zone, transfer);
	if (transfer)
		transfer->references++;
	return transfer;
}

struct transfer *transfers_find(struct transfers *transfers, const char *zone)
{
	pthread_mutex_lock(&transfers->lock);
	struct transfer *transfer = find_offer(transfers, zone);
	pthread_mutex_unlock(&transfers->lock);
	return transfer;
}

/* Waits for a change, or until the time (monotonic, µs); the lock is held. */
static void wait_change(struct transfers *transfers, pthread_cond_t *condition, uint64_t until)
{
	struct timespec when = { .tv_sec = (time_t)(until / 1000000), .tv_nsec = (long)(until % 1000000) * 1000 };
	(void)pthread_cond_timedwait(condition, &transfers->lock, &when);
}

struct transfer *transfers_await(struct transfers *transfers, const char *zone)
{
	struct transfer *transfer;
	struct expected *expected = NULL;
	pthread_mutex_lock(&transfers->lock);
	for (;;) {
		transfer = find_offer(transfers, zone);
		HASH_FIND_STR(transfers->expected, zone, expected);
		if (transfer || transfers->stopped || !expected)
			break;
		if (clock_monotonic_us() >= expected->until_us) {
			COUNT(METRIC_TRANSFERS_EARLY_VAIN);
			(void)end_expected(transfers, zone);
			break;
		}
		wait_change(transfers, &transfers->changed, expected->until_us);
	}
	pthread_mutex_unlock(&transfers->lock);
	return transfer;
}

const struct zone_body_facts *transfer_facts(const struct transfer *transfer) { return &transfer->facts; }
struct spool *transfer_body(const struct transfer *transfer) { return transfer->body; }

const uint8_t *transfer_soa(const struct transfer *transfer, uint32_t *ret_size)
{
	*ret_size = transfer->soa_size;
	return transfer->soa;
}

void transfer_progress(struct transfer *transfer) { transfer->last_progress_us = clock_monotonic_us(); }

static void count_fetching(struct transfer *transfer, int change)
{
	struct transfers *transfers = transfer->offered_in;
	transfer_progress(transfer);
	if (!transfers)
		return;
	pthread_mutex_lock(&transfers->lock);
	transfer->fetching += change;
	pthread_cond_broadcast(&transfer->fetched); /* whoever waits works out anew how long */
	pthread_mutex_unlock(&transfers->lock);
}

void transfer_begun(struct transfer *transfer) { count_fetching(transfer, 1); }
void transfer_ended(struct transfer *transfer) { count_fetching(transfer, -1); }

void transfer_finished(struct transfer *transfer)
{
	transfer_progress(transfer);
	struct transfers *transfers = transfer->offered_in;
	if (!transfers)
		return;
	pthread_mutex_lock(&transfers->lock);
	transfer->finished++;
	pthread_cond_broadcast(&transfer->fetched);
	pthread_mutex_unlock(&transfers->lock);
}

int transfer_wait(struct transfers *transfers, struct transfer *transfer, int before, int64_t timeout_us)
{
	int result = 0;
	transfer_progress(transfer);
	pthread_mutex_lock(&transfers->lock);
	while (!transfers->stopped && transfer->finished <= before && result == 0) {
		uint64_t patience = (uint64_t)timeout_us;
		if (transfer->fetching > 0 && patience < FETCHING_US)
			patience = FETCHING_US;
		uint64_t until = transfer->last_progress_us + patience;
		if (clock_monotonic_us() >= until) {
			result = -ETIMEDOUT;
			break;
		}
		wait_change(transfers, &transfer->fetched, until);
	}
	if (transfer->finished > before)
		result = transfer->finished;
	else if (transfers->stopped)
		result = -ECANCELED;
	pthread_mutex_unlock(&transfers->lock);
	return result;
}
