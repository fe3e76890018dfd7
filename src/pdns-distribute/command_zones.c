/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command_zones.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "pdns-distribute/table.h"

DEFINE_CLEANUP(json, json_t *, json_decref)
DEFINE_CLEANUP(table, struct table *, table_free)

#define PAGE 1000
#define PAGES_MAX 100000

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "-";
}

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

/* All pages into one array. */
static int fetch_zones(struct command *command, json_t *zones)
{
	CLEANUP(free) char *after = NULL;

	for (int page = 0; page < PAGES_MAX; page++) {
		CLEANUP(json) json_t *question = json_pack("{s:i}", "limit", PAGE);
		CLEANUP(json) json_t *answer = NULL;
		json_t *part;
		const char *last;
		int status;

		if (after)
			(void)json_object_set_new(question, "after", json_string(after));
		status = command_ask_checker_or_say(command, "zones", question, &answer);
		if (status != COMMAND_OK)
			return status;
		part = json_object_get(answer, "zones");
		if (json_array_extend(zones, part) < 0)
			return command_fail("the health-checker's answer makes no sense");
		last = json_string_value(json_object_get(json_array_get(part, json_array_size(part) - 1), "zone"));
		if (!json_is_true(json_object_get(answer, "more")) || !last)
			break;
		free(after);
		after = strdup(last);
		if (!after)
			return command_fail("%s", error_text(-ENOMEM));
	}
	return COMMAND_OK;
}

int command_zones(struct command *command, int count, char **words)
{
	static const char *const titles[] = { "ZONE", "STATE", ">SERIAL", ">RECORDS", "SIGNED", "CHANGED", NULL };
	CLEANUP(json) json_t *zones = json_array();
	CLEANUP(table) struct table *table = table_new(titles);
	json_t *zone;
	size_t i;
	int status;

	(void)words;
	if (count > 0)
		return command_misuse("zones takes no argument; \"zone NAME\" shows one zone");
	status = command_connect(command);
	if (status == COMMAND_OK)
		status = fetch_zones(command, zones);
	if (status != COMMAND_OK)
		return status;
	if (command->json)
		return command_print_json(json_pack("{s:O}", "zones", zones));
	json_array_foreach(zones, i, zone) {
		table_cell(table, "%s", text(zone, "zone"));
		table_cell(table, "%s", text(zone, "state"));
		table_cell(table, "%lld", number(zone, "serial"));
		table_cell(table, "%lld", number(zone, "records"));
		table_cell(table, "%s", number(zone, "signatures_expire") ? "yes" : "no");
		table_cell(table, "%s", text(zone, "stored"));
	}
	table_print(table, stdout);
	if (json_array_size(zones) == 0)
		puts("the zone store is empty");
	return COMMAND_OK;
}

static void print_zone(const json_t *answer, struct table *table)
{
	const json_t *store = json_object_get(answer, "store");
	json_t *secondary;
	size_t i;

	table_cell(table, "(store)");
	table_cell(table, "%s", text(store, "state"));
	table_cell(table, "%lld", number(store, "serial"));
	table_cell(table, "%lld", number(store, "generation"));
	table_cell(table, "%.16s", text(store, "digest"));
	table_cell(table, "%s", text(store, "problem"));
	json_array_foreach(json_object_get(answer, "secondaries"), i, secondary) {
		table_cell(table, "%s", text(secondary, "id"));
		table_cell(table, "%s", text(secondary, "state"));
		table_cell(table, "%lld", number(secondary, "serial"));
		table_cell(table, "%lld", number(secondary, "generation"));
		table_cell(table, "%.16s", text(secondary, "digest"));
		table_cell(table, "%s", json_is_true(json_object_get(secondary, "in_sync")) ? "in sync" : text(secondary, "problem"));
	}
}

int command_zone(struct command *command, int count, char **words)
{
	static const char *const titles[] = { "WHERE", "STATE", ">SERIAL", ">GENERATION", "DIGEST", "RESULT", NULL };
	CLEANUP(json) json_t *question = NULL;
	CLEANUP(json) json_t *answer = NULL;
	CLEANUP(table) struct table *table = table_new(titles);
	char zone[ZONE_NAME_SIZE];
	bool in_sync;
	int status;

	if (count != 1)
		return command_misuse("zone: one zone's name is wanted");
	status = command_zone_name(words[0], zone);
	if (status == COMMAND_OK)
		status = command_connect(command);
	if (status != COMMAND_OK)
		return status;
	question = json_pack("{s:s}", "zone", zone);
	status = command_ask_checker_or_say(command, "zone", question, &answer);
	if (status != COMMAND_OK)
		return status;
	in_sync = json_is_true(json_object_get(answer, "in_sync"));
	/* Nobody having it is agreement, too, but hardly what was asked for. */
	if (in_sync && strcmp(text(json_object_get(answer, "store"), "state"), "absent") == 0)
		return command_fail("neither the zone store nor any secondary has a zone %s; see \"pdns-distribute zones\"", zone);
	if (command->json) {
		status = command_print_json(TAKE(answer));
	} else {
		printf("zone %s\n", zone);
		print_zone(answer, table);
		table_print(table, stdout);
	}
	return status != COMMAND_OK ? status : in_sync ? COMMAND_OK : COMMAND_OUT_OF_SYNC;
}
