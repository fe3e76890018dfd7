/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/head_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

#define HEADS_MAX 1024u /* 1.5 MB at most */

struct cached_head {
	struct zone_head head;
	UT_hash_handle hh;
};

struct head_cache {
	pthread_mutex_t lock;
	struct cached_head *heads; /* uthash by zone, in the order of putting */
};

int head_cache_new(struct head_cache **ret)
{
	struct head_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	*ret = cache;
	return 0;
}

static void forget(struct head_cache *cache, struct cached_head *cached)
{
	if (!cached)
		return;
	HASH_DEL(cache->heads, cached);
	free(cached);
}

void head_cache_free(struct head_cache *cache)
{
	if (!cache)
		return;
	while (cache->heads)
		forget(cache, cache->heads);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct cached_head *find(struct head_cache *cache, const char *zone)
{
	struct cached_head *cached;
	HASH_FIND_STR(cache->heads, zone, cached);
	return cached;
}

bool head_cache_get(struct head_cache *cache, const char *zone, struct zone_head *ret)
{
	pthread_mutex_lock(&cache->lock);
	struct cached_head *cached = find(cache, zone);
	if (cached)
		*ret = cached->head;
	pthread_mutex_unlock(&cache->lock);
	return cached;
}

void head_cache_put(struct head_cache *cache, const struct zone_head *head)
{
	struct cached_head *cached = malloc(sizeof(*cached));
	if (cached)
		cached->head = *head;
	pthread_mutex_lock(&cache->lock);
	forget(cache, find(cache, head->zone));
	if (cached)
		HASH_ADD_STR(cache->heads, head.zone, cached);
	if (HASH_COUNT(cache->heads) > HEADS_MAX)
		forget(cache, cache->heads);
	pthread_mutex_unlock(&cache->lock);
}

void head_cache_drop(struct head_cache *cache, const char *zone)
{
	pthread_mutex_lock(&cache->lock);
	forget(cache, find(cache, zone));
	pthread_mutex_unlock(&cache->lock);
}
