/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/zone_event.h"
#include "common/zone_name.h"
/*
 * Which zone a request can change: the one table of PowerDNS's routes that matter to us. Any thread.
 */
enum route_source {
	ROUTE_NONE, /* changes no zone */
	ROUTE_PATH, /* the zone that the path names */
	ROUTE_BODY, /* the zone that the body names, and PowerDNS's answer if that has one */
};

struct route_effect {
	enum route_source source;
	enum zone_change change;
	char zone[ZONE_NAME_SIZE]; /* for ROUTE_PATH; "" when the path names no valid zone */
};

/* target: the request-target as it came, with query; method: in any case, as PowerDNS takes it. */
void route_find(const char *method, const char *target, struct route_effect *ret);
/* The zone that the JSON of a creation or of its answer names, which may be the beginning of one: 0 or ERROR_MALFORMED. */
int route_zone_of_json(const void *json, size_t size, char ret_zone[ZONE_NAME_SIZE]);
