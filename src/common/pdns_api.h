/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/zone_name.h"
/*
 * Client of the PowerDNS HTTP API (https://doc.powerdns.com/authoritative/http-api/). One handle per thread; blocking.
 * Errors: -ECONNREFUSED, -ETIMEDOUT (PowerDNS down or slow), ERROR_DENIED (401), ERROR_HTTP (another status: pdns_api_last_error
 * has PowerDNS's own words), ERROR_MALFORMED (its answer makes no sense).
 */
struct pdns_api;
int pdns_api_new(const char *url, const char *key, int64_t timeout_us, struct pdns_api **ret);
void pdns_api_free(struct pdns_api *api);
/* Words for the last failure: "422: Could not find domain". Valid until the next call. */
const char *pdns_api_last_error(const struct pdns_api *api);

/* After ERROR_HTTP: whether PowerDNS itself failed (500), as it does with sqlite when something else is writing. */
bool pdns_api_failed_inside(const struct pdns_api *api);

/* 0 when PowerDNS answers on /servers/localhost as a PowerDNS does; ret_version (32 octets, may be NULL). */
int pdns_api_ping(struct pdns_api *api, char *ret_version);

/* The value of "launch": the names of the backends, with commas between them; cut at size. */
int pdns_api_backends(struct pdns_api *api, char *ret, size_t size);

struct pdns_zone {
	char zone[ZONE_NAME_SIZE];
	char kind[16];          /* "Native", "Master", "Slave" (also as Primary/Secondary), "Producer", "Consumer" */
	uint32_t serial;        /* of the database */
	uint32_t edited_serial; /* what DNS answers */
	bool dnssec;
	char masters[512];      /* comma-separated */
};
bool pdns_zone_is_secondary(const struct pdns_zone *zone);
/* A secondary of this master alone; PowerDNS may write the address in another way, and leaves out port 53. */
bool pdns_zone_is_secondary_of(const struct pdns_zone *zone, const char *master);
/* One zone without its records; -ENOENT only when PowerDNS itself said that it has no such zone (404). */
int pdns_api_zone(struct pdns_api *api, const char *zone, struct pdns_zone *ret);
/* All zones, streamed through visit (0 to go on, negative stops). A zone whose name is not valid is passed over. */
int pdns_api_zones(struct pdns_api *api, int (*visit)(const struct pdns_zone *zone, void *userdata), void *userdata);
/* A secondary zone with this master. -EEXIST: a zone of that name is there. */
int pdns_api_create_secondary(struct pdns_api *api, const char *zone, const char *master);
/* A consumer of a catalog zone; PowerDNS before 4.7 knows none (ERROR_HTTP). */
int pdns_api_create_consumer(struct pdns_api *api, const char *catalog, const char *master);
int pdns_api_set_master(struct pdns_api *api, const char *zone, const char *master); /* turns an existing zone into our secondary zone */
int pdns_api_delete(struct pdns_api *api, const char *zone);   /* -ENOENT */
int pdns_api_retrieve(struct pdns_api *api, const char *zone); /* queues a transfer; -ENOENT */
int pdns_api_flush(struct pdns_api *api, const char *zone);    /* its name in the caches */
