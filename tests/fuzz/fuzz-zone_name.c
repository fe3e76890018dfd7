/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "common/zone_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

/* Whatever is accepted is in the one form, and comes back from each of the others. */
static void check_zone(const char *zone)
{
	char text[ZONE_NAME_SIZE], part[ZONE_SUBJECT_SIZE], id[ZONE_ID_SIZE];
	uint8_t wire[ZONE_WIRE_SIZE];

	must(zone_name_from_text(zone, text) == 0 && strcmp(text, zone) == 0);
	int wire_size = zone_name_to_wire(zone, wire);
	must(wire_size > 0 && wire_size <= 255);
	must(zone_name_from_wire(wire, (size_t)wire_size, text) == 0 && strcmp(text, zone) == 0);
	must(zone_name_to_subject(zone, part) == 0 && zone_name_from_subject(part, text) == 0 && strcmp(text, zone) == 0);
	must(zone_name_to_api_id(zone, id) == 0 && zone_name_from_api_id(id, text) == 0 && strcmp(text, zone) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char zone[ZONE_NAME_SIZE], part[ZONE_SUBJECT_SIZE];
	char *text = malloc(size + 1);

	must(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (zone_name_from_text(text, zone) == 0)
		check_zone(zone);
	if (zone_name_from_api_id(text, zone) == 0)
		check_zone(zone);
	if (zone_name_from_wire(data, size, zone) == 0)
		check_zone(zone);
	if (zone_name_from_subject(text, zone) == 0) {
		check_zone(zone);
		must(zone_name_to_subject(zone, part) == 0 && strcmp(part, text) == 0);
	}
	free(text);
	return 0;
}
