/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/bus.h"
#include "common/clock.h"
#include "common/zone_name.h"
/*
 * A zone event: "look at this zone". JSON: {"v":1,"zone":"example.org.","change":"changed","by":"api-proxy/host1",
 * "request":"<uuid>","at":"<RFC 3339, ms>"}. Specified in docs/wire.md.
 * check: look whether the stored head still is what the primary serves. rewrite: store a new head even if the content is equal.
 * deleted: asked for through the API or approved; the provider still asks the primary before it signs a deletion. For the
 * other kinds a zone that is gone is left to the health-checker, which has the deletion guard.
 */
enum zone_change { ZONE_CREATED, ZONE_CHANGED, ZONE_DELETED, ZONE_CHECK, ZONE_REWRITE };

struct zone_event {
	char zone[ZONE_NAME_SIZE];
	enum zone_change change;
	char by[128];
	char request[CLOCK_UUID_SIZE];
	uint64_t at_us; /* since the epoch */
};

const char *zone_change_name(enum zone_change change);
int zone_change_parse(const char *name, enum zone_change *ret); /* ERROR_MALFORMED */
/* Fills in a new event: a fresh request id, the time now. zone must be normalised. */
void zone_event_init(struct zone_event *event, const char *zone, enum zone_change change, const char *by);
/* The message to store. */
int zone_event_encode(const struct zone_event *event, const char *prefix, struct bus_message **ret);
/* ERROR_MALFORMED (also when the subject names another zone), ERROR_VERSION. */
int zone_event_decode(const struct bus_message *message, const char *prefix, struct zone_event *ret);
