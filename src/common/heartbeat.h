/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <jansson.h>
#include "common/subject.h"
#include "common/zone_digest.h"
/*
 * Presence: published every few seconds on PREFIX.heartbeat.<service>.<id> as JSON:
 * {"v":1,"service":"secondary-syncer","id":"ns1","version":"0.1.0","host":"…","pid":N,"started":"<RFC 3339>","interval_ms":N,
 *  "load":N.NN (1 minute, per core), …}; a syncer adds "zones":N,"set_digest":"<64 hex>","failing":N,"pdns":"up|down","working":N.
 */
struct heartbeat {
	char service[32];
	char id[SUBJECT_ID_SIZE];
	char version[32];
	char host[256];
	uint64_t interval_us, started_us;
	double load;
	/* of a syncer; has_set false otherwise */
	bool has_set;
	uint64_t zones, failing, working;
	char set_digest[SET_DIGEST_HEX_SIZE];
	bool pdns_up;
};
/* The members that every service has, as a new object; NULL: out of memory. */
json_t *heartbeat_new(const char *service, const char *id, uint64_t interval_us);
int heartbeat_decode(const void *payload, size_t size, struct heartbeat *ret); /* ERROR_MALFORMED, ERROR_VERSION */
