/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command_resync.h"
#include "common/cleanup.h"
#include "common/error.h"

DEFINE_CLEANUP(json, json_t *, json_decref)

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

int command_resync(struct command *command, int count, char **words)
{
	CLEANUP(json) json_t *question = json_object();
	CLEANUP(json) json_t *answer = NULL;
	char zone[ZONE_NAME_SIZE] = "";
	int status = COMMAND_OK;

	if (count > 1)
		return command_misuse("resync: at most one zone");
	if (count == 1)
		status = command_zone_name(words[0], zone);
	if (status == COMMAND_OK && command->secondary)
		status = command_check_id(command->secondary);
	if (status == COMMAND_OK)
		status = command_connect(command);
	if (status != COMMAND_OK)
		return status;
	if (count == 1)
		(void)json_object_set_new(question, "zone", json_string(zone));
	if (command->secondary)
		(void)json_object_set_new(question, "secondary", json_string(command->secondary));
	status = command_ask_checker_or_say(command, "resync", question, &answer);
	if (status != COMMAND_OK)
		return status;
	if (command->json)
		return command_print_json(TAKE(answer));
	printf("%lld zone%s %s\n", number(answer, "zones"), number(answer, "zones") == 1 ? "" : "s",
	       command->secondary ? "asked to be applied again" : "asked to be looked at again on the primary");
	return COMMAND_OK;
}

int command_approve_deletions(struct command *command, int count, char **words)
{
	CLEANUP(json) json_t *question = json_object();
	CLEANUP(json) json_t *answer = NULL;
	int status;

	(void)words;
	if (count > 0)
		return command_misuse("approve-deletions takes no argument");
	status = command_connect(command);
	if (status == COMMAND_OK)
		status = command_ask_checker_or_say(command, "approve-deletions", question, &answer);
	if (status != COMMAND_OK)
		return status;
	if (command->json)
		return command_print_json(TAKE(answer));
	printf("%lld deletion%s approved\n", number(answer, "zones"), number(answer, "zones") == 1 ? "" : "s");
	return COMMAND_OK;
}
