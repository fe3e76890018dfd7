/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/maker.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "secondary-syncer/catalog.h"

#define MANY 8                  /* new zones from which on a catalog costs less than one after the other */
#define BATCH_MAX 64            /* as many as there can be workers */
#define IN_FLIGHT 8             /* so many zones keep PowerDNS busy while the next are made: it has two threads that fetch */
#define FETCH_US 3000000        /* PowerDNS fetches a catalog within that */
#define DELETE_TRIES 8          /* within a tenth of a second */
#define WITHOUT_US 600000000    /* after a catalog did not work, so long without */

DEFINE_CLEANUP(spool, struct spool *, spool_free)

enum waiting_state { WAITS, TAKEN, MADE };

/* Somebody who waits for its turn; on its own stack. */
struct waiting {
	const char *zone; /* NULL: not to be made with others */
	enum waiting_state state;
	pthread_cond_t woken;
	struct waiting *next, *prev;
};

struct maker {
	struct transfers *transfers;
	const char *master, *folder;
	pthread_mutex_t lock;
	bool busy;                      /* somebody has the turn */
	struct waiting *queue;
	size_t new_zones;               /* in the queue, to be made with others */
	size_t outstanding;             /* made with others and not fetched yet */
	uint64_t not_before_us;         /* monotonic: no catalog earlier */
	uint64_t checked_until_us;      /* monotonic: PowerDNS's backend is one for catalogs */
	char (*catalogs)[ZONE_NAME_SIZE]; /* that are not removed yet */
	size_t catalog_count;
	bool left_behind;               /* one could not be removed */
};

int maker_new(struct transfers *transfers, const char *master, const char *folder, struct maker **ret)
{
	struct maker *maker = calloc(1, sizeof(*maker));
	if (!maker)
		return -ENOMEM;
	maker->transfers = transfers;
	maker->master = master;
	maker->folder = folder;
	pthread_mutex_init(&maker->lock, NULL);
	*ret = maker;
	return 0;
}

void maker_free(struct maker *maker)
{
	if (!maker)
		return;
	free(maker->catalogs);
	pthread_mutex_destroy(&maker->lock);
	free(maker);
}

bool maker_uses(struct maker *maker, const char *catalog)
{
	pthread_mutex_lock(&maker->lock);
	bool uses = false;
	for (size_t i = 0; i < maker->catalog_count; i++)
		uses |= strcmp(maker->catalogs[i], catalog) == 0;
	pthread_mutex_unlock(&maker->lock);
	return uses;
}

/* 0: PowerDNS's backend bears catalogs; who has the turn. */
static int check_backend(struct maker *maker, struct pdns_api *api)
{
	char backends[256] = "";
	if (clock_monotonic_us() < maker->checked_until_us)
		return 0;
	int r = pdns_api_backends(api, backends, sizeof(backends));
	if (r == 0 && strstr(backends, "lmdb"))
		r = ERROR_CONFLICT;
	if (r == 0)
		maker->checked_until_us = clock_monotonic_us() + WITHOUT_US;
	return r;
}

/* The catalog zone's own part: made, read, left to work. The turn is the caller's, the lock is free. */
static int make_by_catalog(struct maker *maker, struct pdns_api *api, const char *catalog, const char *const *zones, size_t count)
{
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_body_facts facts;
	struct book_entry entry = { 0 };
	struct transfer *transfer = NULL;
	int r = check_backend(maker, api);
	if (r == 0)
		r = catalog_write(catalog, zones, count, maker->folder, &facts, &body, &entry);
	struct transfer_offer offer = { .zone = catalog, .facts = &facts, .body = body, .soa = entry.soa, .soa_size = entry.soa_size };
	if (r == 0)
		r = transfers_open(maker->transfers, &offer, &transfer);
	if (r == 0)
		r = pdns_api_create_consumer(api, catalog, maker->master);
	if (r == 0)
		r = pdns_api_retrieve(api, catalog);
	if (r == 0)
		r = transfer_wait(maker->transfers, transfer, 0, FETCH_US);
	transfers_close(maker->transfers, transfer);
	return r < 0 ? r : 0;
}

/* With sqlite, PowerDNS answers 500 when a transfer is being written. */
static int delete_zone(struct pdns_api *api, const char *zone)
{
	int r = 0;
	for (unsigned try = 0, ms = 2; try < DELETE_TRIES; try++, ms += ms / 2) {
		r = pdns_api_delete(api, zone);
		if (r != ERROR_HTTP || !pdns_api_failed_inside(api))
			break;
		const struct timespec pause = { .tv_nsec = ms * 1000000L };
		(void)nanosleep(&pause, NULL);
	}
	return r;
}

/* Takes the turn when it is free and nothing speaks for waiting longer. Locked. */
static bool is_my_turn(const struct maker *maker, const struct waiting *me)
{
	if (maker->busy || me->state != WAITS)
		return false;
	/* While PowerDNS is busy with the batch before, more may come; it loses nothing by our waiting, and less by a large batch. */
	return !me->zone || maker->outstanding == 0 || (maker->outstanding <= IN_FLIGHT && maker->new_zones >= MANY);
}

/* Wakes the one whose turn it is now, if there is one; nobody else has anything to do. Locked. */
static void wake_next(const struct maker *maker)
{
	struct waiting *one;
	DL_FOREACH(maker->queue, one) {
		if (is_my_turn(maker, one)) {
			pthread_cond_signal(&one->woken);
			return;
		}
	}
}

static void queue_up(struct maker *maker, struct waiting *me)
{
	pthread_cond_init(&me->woken, NULL);
	DL_APPEND(maker->queue, me);
	maker->new_zones += me->zone != NULL;
	while (!is_my_turn(maker, me) && me->state != MADE)
		pthread_cond_wait(&me->woken, &maker->lock);
	pthread_cond_destroy(&me->woken);
	if (me->state == MADE)
		return;
	maker->busy = true;
	DL_DELETE(maker->queue, me);
	maker->new_zones -= me->zone != NULL;
}

/*
 * Wakes who waits; and once all zones of all batches have been fetched and nobody waits, removes the catalogs: not before, since
 * that would fight with the transfers for PowerDNS's database. Locked.
 */
static void tidy(struct maker *maker, struct pdns_api *api)
{
	wake_next(maker);
	while (maker->catalog_count > 0 && maker->outstanding == 0 && !maker->busy && !maker->queue) {
		char catalog[ZONE_NAME_SIZE];
		memcpy(catalog, maker->catalogs[maker->catalog_count - 1], sizeof(catalog));
		maker->busy = true;
		pthread_mutex_unlock(&maker->lock);
		int r = delete_zone(api, catalog);
		pthread_mutex_lock(&maker->lock);
		maker->left_behind |= r < 0 && r != -ENOENT;
		maker->catalog_count--;
		maker->busy = false;
		wake_next(maker);
	}
}

bool maker_left_behind(struct maker *maker)
{
	pthread_mutex_lock(&maker->lock);
	bool left_behind = maker->left_behind;
	maker->left_behind = false;
	pthread_mutex_unlock(&maker->lock);
	return left_behind;
}

void maker_leave(struct maker *maker, struct pdns_api *api)
{
	pthread_mutex_lock(&maker->lock);
	maker->busy = false;
	tidy(maker, api);
	pthread_mutex_unlock(&maker->lock);
}

/* A new catalog's name, noted to be removed. Locked. */
static int note_catalog(struct maker *maker, char ret[ZONE_NAME_SIZE])
{
	void *grown = reallocarray(maker->catalogs, maker->catalog_count + 1, sizeof(*maker->catalogs));
	if (!grown)
		return -ENOMEM;
	maker->catalogs = grown;
	catalog_name(ret);
	memcpy(maker->catalogs[maker->catalog_count++], ret, ZONE_NAME_SIZE);
	return 0;
}

/* Makes what waits, and `me`. Locked; the turn is ours and ends if that works. */
static bool make_batch(struct maker *maker, struct pdns_api *api, const struct waiting *me)
{
	struct waiting *batch[BATCH_MAX], *one, *next;
	const char *zones[BATCH_MAX] = { me->zone };
	size_t count = 1;
	char catalog[ZONE_NAME_SIZE];
	if (note_catalog(maker, catalog) < 0)
		return false;
	DL_FOREACH_SAFE(maker->queue, one, next) {
		if (!one->zone || count == BATCH_MAX)
			continue;
		DL_DELETE(maker->queue, one);
		maker->new_zones--;
		one->state = TAKEN;
		zones[count] = one->zone;
		batch[count++] = one;
	}
	pthread_mutex_unlock(&maker->lock);
	int r = make_by_catalog(maker, api, catalog, zones, count);
	pthread_mutex_lock(&maker->lock);
	if (r < 0)
		maker->not_before_us = clock_monotonic_us() + WITHOUT_US;
	else
		maker->outstanding += count;
	for (size_t i = 1; i < count; i++) {
		batch[i]->state = r < 0 ? WAITS : MADE;
		if (r < 0) {
			DL_APPEND(maker->queue, batch[i]);
			maker->new_zones++;
		}
		pthread_cond_signal(&batch[i]->woken);
	}
	if (r == 0) {
		maker->busy = false;
		wake_next(maker);
	}
	return r == 0;
}

int maker_delete(struct maker *maker, struct pdns_api *api, const char *zone)
{
	struct waiting me = { .state = WAITS };
	pthread_mutex_lock(&maker->lock);
	queue_up(maker, &me);
	pthread_mutex_unlock(&maker->lock);
	int r = delete_zone(api, zone);
	maker_leave(maker, api);
	return r;
}

bool maker_join(struct maker *maker, struct pdns_api *api, const char *zone)
{
	struct waiting me = { .zone = zone, .state = WAITS };
	pthread_mutex_lock(&maker->lock);
	queue_up(maker, &me);
	bool made = me.state == MADE;
	if (!made && maker->new_zones + 1 >= MANY && clock_monotonic_us() >= maker->not_before_us)
		made = make_batch(maker, api, &me);
	pthread_mutex_unlock(&maker->lock);
	return made;
}

void maker_fetched(struct maker *maker, struct pdns_api *api, bool fetched)
{
	pthread_mutex_lock(&maker->lock);
	if (!fetched)
		maker->not_before_us = clock_monotonic_us() + WITHOUT_US;
	maker->outstanding--;
	tidy(maker, api);
	pthread_mutex_unlock(&maker->lock);
}
