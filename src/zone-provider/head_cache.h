/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/zone_head.h"
/*
 * The heads that this provider stored last, so that a zone that changes often need not be read from the store before each
 * transfer. Another writer, or the loss of the store, is not noticed here: whoever relies on an entry writes with its sequence
 * as the expected one, and looks into the store before it concludes that nothing is to be written. Any thread.
 */
struct head_cache;

int head_cache_new(struct head_cache **ret);
void head_cache_free(struct head_cache *cache);

bool head_cache_get(struct head_cache *cache, const char *zone, struct zone_head *ret);
/* head->sequence: where it is in the stream. Out of memory: not kept. */
void head_cache_put(struct head_cache *cache, const struct zone_head *head);
void head_cache_drop(struct head_cache *cache, const char *zone);
