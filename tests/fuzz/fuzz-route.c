/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "api-proxy/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void check_zone(const char *zone)
{
	char again[ZONE_NAME_SIZE];
	must(zone_name_from_text(zone, again) == 0 && strcmp(zone, again) == 0);
}

/* A method, a request-target and a body, each ended by NUL: whatever zone is found is in the one form, and is the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2), zone[ZONE_NAME_SIZE], part[ZONE_NAME_SIZE];
	struct route_effect effect;

	must(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	const char *target = text + strlen(text) + 1;
	if (target > text + size)
		target = "";
	route_find(text, target, &effect);
	must(effect.source == ROUTE_PATH || !*effect.zone);
	if (*effect.zone)
		check_zone(effect.zone);

	if (route_zone_of_json(data, size, zone) == 0) {
		check_zone(zone);
		/* And so is what its beginning names. */
		size_t cut = size - 1;
		if (cut > 0 && route_zone_of_json(data, cut, part) == 0)
			check_zone(part);
	}
	free(text);
	return 0;
}
