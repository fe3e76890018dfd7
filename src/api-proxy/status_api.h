/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "api-proxy/header_list.h"
#include "api-proxy/intent.h"
#include "api-proxy/waiters.h"
#include "common/bus.h"
/*
 * What the proxy answers itself: changes, zones and secondaries below /distribute/v1, as docs/openapi.json says. Any thread.
 */
struct status_api { /* what all requests share; outlives them */
	struct waiters *waiters;
	struct intents *intents;
	struct bus *bus;
	const char *prefix;
	const char *key;      /* as X-API-Key; NULL: nobody is let in */
	int64_t wait_max_us;
};

/* Whether a request-target is ours: no PowerDNS has such a path. */
bool status_api_owns(const char *target);
/* Answers with JSON, blocking: the status; *ret_body malloc'ed, NULL when out of memory. */
int status_api_answer(const struct status_api *api, const char *method, const char *target, const struct header_list *headers,
                      char **ret_body);
