/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/coming.h"
#include <errno.h>
#include "common/error.h"
#include "common/json_wire.h"

#define COMING_VERSION 1
#define COMING_MESSAGE_MAX 4096
#define NUMBER_MAX (UINT64_C(1) << 62)

int coming_encode(const struct coming *coming, char **ret_json)
{
	CLEANUP(json) json_t *object = json_pack("{s:i,s:s,s:I}", "v", COMING_VERSION, "zone", coming->zone, "follows",
	                                         (json_int_t)coming->follows);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	*ret_json = text;
	return 0;
}

int coming_decode(const void *payload, size_t size, struct coming *ret)
{
	CLEANUP(json) json_t *object = NULL;
	char zone[ZONE_NAME_SIZE];
	struct coming coming = { 0 };
	int result = json_wire_load(payload, size, COMING_MESSAGE_MAX, COMING_VERSION, &object);
	if (result < 0)
		return result;
	if (json_wire_text(object, "zone", zone, sizeof(zone)) < 0 || zone_name_from_text(zone, coming.zone) < 0 ||
	    strcmp(zone, coming.zone) != 0 || json_wire_number(object, "follows", NUMBER_MAX, &coming.follows) < 0)
		return ERROR_MALFORMED;
	*ret = coming;
	return 0;
}
