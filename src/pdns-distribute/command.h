/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <jansson.h>
#include "common/daemon.h"
#include "common/subject.h"
/*
 * The operator's command: what its parts share. One thread; everything may block.
 */
enum command_status {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
	COMMAND_OUT_OF_SYNC = 3, /* of "status" and "zone" alone */
};

/* The first member as in every daemon, so that the tables of common.conf fit. */
struct command_configuration {
	struct daemon_options common;
	const char *trusted_keys;
	int64_t stream_replicas;
};

struct command {
	struct command_configuration configuration;
	const char *config_dir;
	const char *private_file, *public_file, *secondary; /* options of single commands; NULL when not given */
	bool json;
	struct bus *bus;
};

/* Reads common.conf and distribute.conf; a file that is missing leaves the defaults. COMMAND_OK or COMMAND_FAILED, having said why. */
int command_configure(struct command *command);

/* Connects once; waits some seconds. COMMAND_OK or COMMAND_FAILED, having said why. */
int command_connect(struct command *command);

/* Frees what the command holds. */
void command_close(struct command *command);

/* "pdns-distribute: …" on stderr; returns COMMAND_FAILED. */
int command_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a pointer to --help; returns COMMAND_USAGE. */
int command_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes the object over and writes it as JSON to stdout. COMMAND_OK, or COMMAND_FAILED when it is NULL or cannot be written. */
int command_print_json(json_t *object);

/*
 * Asks a health-checker, the leading one where that matters. ret_answer is a new reference.
 * ERROR_NO_RESPONDER, -ETIMEDOUT …; ERROR_CONFLICT with the checker's own words in ret_reason (malloc'ed).
 */
int command_ask_checker(struct command *command, const char *verb, const json_t *question, json_t **ret_answer, char **ret_reason);
/* As above, but says on stderr what went wrong. COMMAND_OK or COMMAND_FAILED. */
int command_ask_checker_or_say(struct command *command, const char *verb, const json_t *question, json_t **ret_answer);

/* A zone name given by a person, into the suite's form. COMMAND_OK or COMMAND_USAGE, having said why. */
int command_zone_name(const char *text, char ret_zone[ZONE_NAME_SIZE]);
/* The same for a member's id. */
int command_check_id(const char *text);
