/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_event.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json_wire.h"
#include "common/subject.h"

#define EVENT_VERSION 1
#define EVENT_SIZE_MAX 16384

static const char *const change_names[] = {
	[ZONE_CREATED] = "created", [ZONE_CHANGED] = "changed", [ZONE_DELETED] = "deleted",
	[ZONE_CHECK] = "check", [ZONE_REWRITE] = "rewrite",
};

const char *zone_change_name(enum zone_change change)
{
	return change_names[change];
}

int zone_change_parse(const char *name, enum zone_change *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(change_names); i++) {
		if (strcmp(name, change_names[i]) == 0) {
			*ret = (enum zone_change)i;
			return 0;
		}
	}
	return ERROR_MALFORMED;
}

void zone_event_init(struct zone_event *event, const char *zone, enum zone_change change, const char *by)
{
	*event = (struct zone_event){ .change = change, .at_us = clock_realtime_us() };
	snprintf(event->zone, sizeof(event->zone), "%s", zone);
	snprintf(event->by, sizeof(event->by), "%s", by);
	clock_uuid(event->request);
}

int zone_event_encode(const struct zone_event *event, const char *prefix, struct bus_message **ret)
{
	char subject[SUBJECT_SIZE], at[CLOCK_TEXT_SIZE];
	int r = subject_event(prefix, event->zone, subject);

	if (r < 0)
		return r;
	clock_to_text(event->at_us, at);

	CLEANUP(json) json_t *object = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "v", EVENT_VERSION, "zone", event->zone,
	                                         "change", zone_change_name(event->change), "by", event->by,
	                                         "request", event->request, "at", at);
	CLEANUP(free) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	return text ? bus_message_new(subject, text, strlen(text), ret) : -ENOMEM;
}

int zone_event_decode(const struct bus_message *message, const char *prefix, struct zone_event *ret)
{
	struct zone_event event = { 0 };
	CLEANUP(json) json_t *object = NULL;
	char normal[ZONE_NAME_SIZE], change[16];
	size_t size;
	const void *payload = bus_message_payload(message, &size);
	int r = json_wire_load(payload, size, EVENT_SIZE_MAX, EVENT_VERSION, &object);

	if (r < 0)
		return r;
	if (json_wire_text(object, "zone", event.zone, sizeof(event.zone)) < 0 ||
	    json_wire_text(object, "change", change, sizeof(change)) < 0 ||
	    json_wire_text(object, "by", event.by, sizeof(event.by)) < 0 ||
	    json_wire_text(object, "request", event.request, sizeof(event.request)) < 0 ||
	    json_wire_time(object, "at", &event.at_us) < 0)
		return ERROR_MALFORMED;
	if (zone_change_parse(change, &event.change) < 0)
		return ERROR_MALFORMED;
	/* The subject decides which older events this one replaced: it must be that of the zone, in the one form of its name. */
	if (subject_parse_zone(prefix, "event", bus_message_subject(message), normal) < 0 || strcmp(normal, event.zone) != 0)
		return ERROR_MALFORMED;
	*ret = event;
	return 0;
}
