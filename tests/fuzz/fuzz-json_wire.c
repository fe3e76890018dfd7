/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "common/applied.h"
#include "common/clock.h"
#include "common/heartbeat.h"
#include "common/json_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

/* What is taken for a message can be written again, and read as the same; times are kept to the millisecond. */
static void check_applied(const struct applied *applied)
{
	struct applied back;
	char *text;

	must(applied_encode(applied, &text) == 0 && applied_decode(text, strlen(text), &back) == 0);
	must(strcmp(back.zone, applied->zone) == 0 && strcmp(back.reason, applied->reason) == 0);
	must(back.result == applied->result && back.state == applied->state && back.generation == applied->generation);
	must(back.serial == applied->serial && back.sequence == applied->sequence && back.took_us == applied->took_us);
	must(back.at_us / 1000 == applied->at_us / 1000);
	free(text);
}

static void check_heartbeat(const struct heartbeat *heartbeat)
{
	must(subject_check_id(heartbeat->id) == 0 && subject_check_id(heartbeat->service) == 0);
	must(heartbeat->interval_us > 0 && heartbeat->load >= 0);
	must(!heartbeat->has_set || strlen(heartbeat->set_digest) == SET_DIGEST_HEX_SIZE - 1);
}

static void check_members(const json_t *object)
{
	char text[64], time[CLOCK_TEXT_SIZE];
	const char *name;
	uint64_t number;
	json_t *value;
	double real;

	json_object_foreach((json_t *)(uintptr_t)object, name, value) {
		if (json_wire_text(object, name, text, sizeof(text)) == 0)
			must(strlen(text) < sizeof(text) && strcmp(text, json_string_value(value)) == 0);
		if (json_wire_number(object, name, 1000, &number) == 0)
			must(number <= 1000);
		if (json_wire_real(object, name, &real) == 0)
			must(real >= 0);
		if (json_wire_time(object, name, &number) == 0) {
			clock_to_text(number, time);
			must(strncmp(time, text, 19) == 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct applied applied;
	struct heartbeat heartbeat;
	json_t *object;

	if (applied_decode(data, size, &applied) == 0)
		check_applied(&applied);
	if (heartbeat_decode(data, size, &heartbeat) == 0)
		check_heartbeat(&heartbeat);
	if (json_wire_load(data, size, 16384, 1, &object) == 0) {
		check_members(object);
		json_decref(object);
	}
	return 0;
}
