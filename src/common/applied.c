/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/applied.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/json_wire.h"

#define APPLIED_VERSION 1
#define APPLIED_SIZE_MAX 16384

static const char *const result_names[] = {
	[APPLIED_OK] = "applied", [APPLIED_FAILED] = "failed", [APPLIED_REFUSED] = "refused", [APPLIED_CONFLICT] = "conflict",
};
static const char *const state_names[] = { [ZONE_STATE_PRESENT] = "present", [ZONE_STATE_DELETED] = "deleted" };

const char *applied_result_name(enum applied_result result)
{
	return result_names[result];
}

static int look_up(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return ERROR_MALFORMED;
}

/* Reasons quote what other programs said; a control character or half a UTF-8 sequence in them must not lose the message. */
static json_t *reason_string(const char *reason)
{
	char text[sizeof(((struct applied *)NULL)->reason)];
	size_t length = strnlen(reason, sizeof(text) - 1);

	for (size_t i = 0; i < length; i++)
		text[i] = (unsigned char)reason[i] < ' ' || reason[i] == 0x7f ? ' ' : reason[i];
	text[length] = '\0';

	json_t *string = json_string(text);

	if (string)
		return string;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			text[i] = '?';
	return json_string(text);
}

int applied_encode(const struct applied *applied, char **ret_json)
{
	char at[CLOCK_TEXT_SIZE];

	clock_to_text(applied->at_us, at);

	CLEANUP(json) json_t *object = json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:I, s:s}", "v", APPLIED_VERSION,
	                                         "zone", applied->zone, "result", applied_result_name(applied->result),
	                                         "generation", (json_int_t)applied->generation,
	                                         "serial", (json_int_t)applied->serial,
	                                         "sequence", (json_int_t)applied->sequence,
	                                         "state", state_names[applied->state],
	                                         "reason", reason_string(applied->reason),
	                                         "us", (json_int_t)applied->took_us, "at", at);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (!text)
		return -ENOMEM;
	*ret_json = text;
	return 0;
}

int applied_decode(const void *payload, size_t size, struct applied *ret)
{
	struct applied applied = { 0 };
	CLEANUP(json) json_t *object = NULL;
	char result[16], state[16], normal[ZONE_NAME_SIZE];
	uint64_t serial;
	int r = json_wire_load(payload, size, APPLIED_SIZE_MAX, APPLIED_VERSION, &object);

	if (r < 0)
		return r;
	if (json_wire_text(object, "zone", applied.zone, sizeof(applied.zone)) < 0 ||
	    json_wire_text(object, "result", result, sizeof(result)) < 0 ||
	    json_wire_number(object, "generation", ZONE_HEAD_NUMBER_MAX, &applied.generation) < 0 ||
	    json_wire_number(object, "serial", UINT32_MAX, &serial) < 0 ||
	    json_wire_number(object, "sequence", INT64_MAX, &applied.sequence) < 0 ||
	    json_wire_text(object, "state", state, sizeof(state)) < 0 ||
	    json_wire_text(object, "reason", applied.reason, sizeof(applied.reason)) < 0 ||
	    json_wire_number(object, "us", INT64_MAX, &applied.took_us) < 0 ||
	    json_wire_time(object, "at", &applied.at_us) < 0)
		return ERROR_MALFORMED;

	int result_index = look_up(result_names, ARRAY_SIZE(result_names), result);
	int state_index = look_up(state_names, ARRAY_SIZE(state_names), state);

	if (result_index < 0 || state_index < 0 || zone_name_from_text(applied.zone, normal) < 0 ||
	    strcmp(normal, applied.zone) != 0)
		return ERROR_MALFORMED;
	applied.result = (enum applied_result)result_index;
	applied.state = (enum zone_state)state_index;
	applied.serial = (uint32_t)serial;
	*ret = applied;
	return 0;
}
