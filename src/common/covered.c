/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/covered.h"
#include <errno.h>
#include "common/error.h"
#include "common/json_wire.h"

#define COVERED_VERSION 1
#define COVERED_SIZE_MAX 4096
#define NUMBER_MAX (UINT64_C(1) << 62)

int covered_encode(const struct covered *covered, char **ret_json)
{
	CLEANUP(json) json_t *object = json_pack("{s:i,s:s,s:I,s:I,s:b}", "v", COVERED_VERSION, "zone", covered->zone, "event",
	                                         (json_int_t)covered->event, "generation", (json_int_t)covered->generation,
	                                         "changed", (int)covered->changed);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	*ret_json = text;
	return 0;
}

int covered_decode(const void *payload, size_t size, struct covered *ret)
{
	CLEANUP(json) json_t *object = NULL;
	char zone[ZONE_NAME_SIZE];
	struct covered covered = { 0 };
	int result = json_wire_load(payload, size, COVERED_SIZE_MAX, COVERED_VERSION, &object);
	if (result < 0)
		return result;
	const json_t *changed = json_object_get(object, "changed");
	if (!json_is_boolean(changed) || json_wire_text(object, "zone", zone, sizeof(zone)) < 0 ||
	    zone_name_from_text(zone, covered.zone) < 0 || strcmp(zone, covered.zone) != 0 ||
	    json_wire_number(object, "event", NUMBER_MAX, &covered.event) < 0 ||
	    json_wire_number(object, "generation", NUMBER_MAX, &covered.generation) < 0)
		return ERROR_MALFORMED;
	covered.changed = json_is_true(changed);
	*ret = covered;
	return 0;
}
