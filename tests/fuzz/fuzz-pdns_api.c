/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of zones, taken apart while it arrives: the module itself, to reach what it keeps to itself. */
#include "common/pdns_api.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of zones, one after the other, each with its NUL. */
struct names { size_t count; char last[ZONE_NAME_SIZE]; };

static void must(int condition)
{
	if (!condition)
		abort();
}

static int note(const struct pdns_zone *zone, void *userdata)
{
	struct names *names = userdata;
	char text[ZONE_NAME_SIZE];

	must(zone_name_from_text(zone->zone, text) == 0 && strcmp(text, zone->zone) == 0);
	must(strlen(zone->masters) < sizeof(zone->masters) && strlen(zone->kind) < sizeof(zone->kind));
	names->count++;
	memcpy(names->last, zone->zone, sizeof(names->last));
	return 0;
}

/* The same list read in one piece; false when it is no array of objects, each small enough. */
static bool read_whole(const uint8_t *data, size_t size, struct names *ret)
{
	CLEANUP(json) json_t *list = json_loadb((const char *)data, size, 0, NULL);
	struct pdns_zone zone;
	size_t i;
	json_t *object;

	if (!json_is_array(list) || size > sizeof(((struct object_splitter *)NULL)->object))
		return false;
	json_array_foreach(list, i, object) {
		if (!json_is_object(object))
			return false;
		if (zone_of(object, &zone) == 0)
			(void)note(&zone, ret);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pdns_api api;
	struct names whole = { 0 }, split = { 0 };
	int result = 0;

	memset(&api, 0, sizeof(api));
	api.visit = note;
	api.userdata = &split;
	for (size_t i = 0; result == 0 && i < size; i++)
		result = splitter_octet(&api, (char)data[i]);
	if (read_whole(data, size, &whole)) {
		must(result == 0 && api.splitter.ended && api.splitter.depth == 0);
		must(split.count == whole.count && strcmp(split.last, whole.last) == 0);
	}
	return 0;
}
