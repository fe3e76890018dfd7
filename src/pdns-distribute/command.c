/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command.h"
#include <errno.h>
#include <stdarg.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/error.h"

#define CONNECT_US (5 * 1000000ll)
#define ASK_US (15 * 1000000ll)

int command_fail(const char *format, ...)
{
	va_list arguments;

	(void)fputs("pdns-distribute: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr);
	return COMMAND_FAILED;
}

int command_misuse(const char *format, ...)
{
	va_list arguments;

	(void)fputs("pdns-distribute: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputs("; see pdns-distribute --help\n", stderr);
	return COMMAND_USAGE;
}

int command_connect(struct command *command)
{
	CLEANUP(free) char *reason = NULL;
	const char *urls = command->configuration.common.nats.urls;
	char error[512] = "";
	int result;

	if (command->bus)
		return COMMAND_OK;
	result = bus_open(&command->configuration.common.nats, "pdns-distribute", NULL, NULL, &command->bus, &reason);
	if (result < 0) {
		command->bus = NULL;
		return command_fail("cannot use the NATS settings in %s/common.conf: %s", command->config_dir,
		                    reason ? reason : error_text(result));
	}
	if (bus_wait_connected(command->bus, CONNECT_US) < 0) {
		bus_last_error(command->bus, error, sizeof(error));
		return command_fail("cannot reach NATS at %s: %s; check nats-url and the other nats-… options in %s/common.conf",
		                    urls ? urls : "(no nats-url)", error[0] ? error : "no answer", command->config_dir);
	}
	return COMMAND_OK;
}

int command_print_json(json_t *object)
{
	int result;

	if (!object)
		return command_fail("%s", error_text(-ENOMEM));
	result = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(object);
	if (result < 0 || putchar('\n') == EOF || fflush(stdout) != 0)
		return command_fail("cannot write the answer: %s", error_text(-errno));
	return COMMAND_OK;
}

/* A checker that follows names the one that leads, which alone may do or know some things. */
int command_ask_checker(struct command *command, const char *verb, const json_t *question, json_t **ret_answer, char **ret_reason)
{
	const char *prefix = command->configuration.common.prefix;
	json_t *answer = NULL;
	const char *leader;
	char id[SUBJECT_ID_SIZE];
	int result;

	result = ask(command->bus, prefix, "health-checker", "any", verb, question, ASK_US, &answer, ret_reason);
	if (result < 0)
		return result;
	leader = json_string_value(json_object_get(answer, "ask_instead"));
	if (leader && subject_check_id(leader) == 0) {
		(void)snprintf(id, sizeof(id), "%s", leader);
		json_decref(answer);
		answer = NULL;
		result = ask(command->bus, prefix, "health-checker", id, verb, question, ASK_US, &answer, ret_reason);
		if (result < 0)
			return result;
	}
	*ret_answer = answer;
	return 0;
}

int command_ask_checker_or_say(struct command *command, const char *verb, const json_t *question, json_t **ret_answer)
{
	CLEANUP(free) char *reason = NULL;
	int result = command_ask_checker(command, verb, question, ret_answer, &reason);

	if (result == 0)
		return COMMAND_OK;
	if (result == ERROR_NO_RESPONDER || result == -ETIMEDOUT)
		return command_fail("no health-checker answers (%s): start pdns-health-checker on the primary, "
		                    "and see that it uses the same prefix (%s)", error_text(result),
		                    command->configuration.common.prefix);
	return command_fail("the health-checker says: %s", reason ? reason : error_text(result));
}

int command_zone_name(const char *text, char ret_zone[ZONE_NAME_SIZE])
{
	if (zone_name_from_text(text, ret_zone) < 0)
		return command_misuse("\"%s\" is not a zone's name", text);
	return COMMAND_OK;
}

int command_check_id(const char *text)
{
	if (subject_check_id(text) < 0)
		return command_misuse("\"%s\" is not a member's id: small letters, digits and '-', at most 63", text);
	return COMMAND_OK;
}

void command_close(struct command *command)
{
	bus_close(command->bus);
	command->bus = NULL;
}
