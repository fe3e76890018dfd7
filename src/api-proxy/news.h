/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "api-proxy/waiters.h"
#include "common/bus.h"
/*
 * Brings to the waiters what crosses NATS: heartbeats of secondaries, what providers covered, what secondaries applied; and asks
 * secondaries.
 */
struct news;
/* quiet_us: as of waiters_new. *ret_waiters is the news' own. */
int news_start(struct bus *bus, const char *prefix, int64_t quiet_us, struct news **ret, struct waiters **ret_waiters);
/* Nobody holds a change any more. NULL is fine. */
void news_stop(struct news *news);
