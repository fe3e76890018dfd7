/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command_secondary.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/zone_store.h"
#include "pdns-distribute/table.h"

DEFINE_CLEANUP(table, struct table *, table_free)
DEFINE_CLEANUP(json, json_t *, json_decref)

#define MEMBER_KEY "member."

static void member_key(const char *id, char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)])
{
	(void)snprintf(key, SUBJECT_ID_SIZE + sizeof(MEMBER_KEY), MEMBER_KEY "%s", id);
}

/* Membership comes last: who is a member has a consumer. */
static int enrol(struct command *command, const char *id, bool *ret_created)
{
	const char *prefix = command->configuration.common.prefix;
	char bucket[SUBJECT_SIZE], at[CLOCK_TEXT_SIZE];
	char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];
	CLEANUP(free) char *value = NULL;
	int result;

	subject_stream(prefix, BUCKET_STATE, bucket);
	member_key(id, key);
	clock_to_text(clock_realtime_us(), at);
	if (asprintf(&value, "{\"v\":1,\"id\":\"%s\",\"added\":\"%s\",\"by\":\"pdns-distribute\"}", id, at) < 0) {
		value = NULL;
		return -ENOMEM;
	}
	result = zone_store_ensure(command->bus, prefix, (int)command->configuration.stream_replicas);
	if (result == 0)
		result = zone_store_ensure_secondary(command->bus, prefix, id, NULL);
	if (result == 0)
		result = bus_kv_put(command->bus, bucket, key, value, 0, NULL);
	*ret_created = result == 0;
	return result == ERROR_CONFLICT ? 0 : result;
}

static int say_denied(const char *what, int result)
{
	if (result == ERROR_DENIED)
		return command_fail("NATS does not grant the right to %s: use the account of the primary (nats-user and so on in "
		                    "common.conf)", what);
	return command_fail("cannot %s: %s", what, error_text(result));
}

/* A checker looks by itself, too, but only now and then. */
static void tell_checker(struct command *command)
{
	CLEANUP(json) json_t *question = json_object();
	CLEANUP(json) json_t *answer = NULL;
	CLEANUP(free) char *reason = NULL;

	(void)command_ask_checker(command, "members-changed", question, &answer, &reason);
}

static int add(struct command *command, const char *id)
{
	bool created = false;
	int result = command_check_id(id);

	if (result == COMMAND_OK)
		result = command_connect(command);
	if (result != COMMAND_OK)
		return result;
	result = enrol(command, id, &created);
	if (result < 0)
		return say_denied("enrol the secondary", result);
	tell_checker(command);
	if (command->json)
		return command_print_json(json_pack("{s:s, s:b}", "id", id, "added", created));
	printf(created ? "secondary %s added\n" : "secondary %s was a member already; its consumer is in place\n", id);
	return COMMAND_OK;
}

static int remove_member(struct command *command, const char *id)
{
	const char *prefix = command->configuration.common.prefix;
	char stream[SUBJECT_SIZE], consumer[SUBJECT_SIZE], bucket[SUBJECT_SIZE];
	char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];
	CLEANUP(free) char *value = NULL;
	int known, result = command_check_id(id);

	if (result == COMMAND_OK)
		result = command_connect(command);
	if (result != COMMAND_OK)
		return result;
	subject_stream(prefix, STREAM_ZONES, stream);
	subject_stream(prefix, BUCKET_STATE, bucket);
	subject_consumer(id, consumer);
	member_key(id, key);
	known = bus_kv_get(command->bus, bucket, key, &value, NULL);
	/* Membership goes first: a checker makes a member's consumer again. */
	result = known == 0 ? bus_kv_delete(command->bus, bucket, key) : known;
	if (result == 0 || result == -ENOENT)
		result = bus_consumer_delete(command->bus, stream, consumer);
	if (result < 0)
		return say_denied("remove the secondary", result);
	tell_checker(command);
	if (known == -ENOENT)
		return command_fail("there is no secondary %s; see \"pdns-distribute secondary list\"", id);
	if (command->json)
		return command_print_json(json_pack("{s:s, s:b}", "id", id, "removed", true));
	printf("secondary %s removed; its zones stay on it until somebody deletes them\n", id);
	return COMMAND_OK;
}

struct member_list { struct command *command; json_t *members; };

static int collect(const char *key, void *userdata)
{
	struct member_list *list = userdata;
	const char *id = key + strlen(MEMBER_KEY);

	if (strncmp(key, MEMBER_KEY, strlen(MEMBER_KEY)) == 0 && subject_check_id(id) == 0)
		return json_array_append_new(list->members, json_pack("{s:s}", "id", id)) < 0 ? -ENOMEM : 0;
	return 0;
}

/* What NATS tells of each member's consumer. */
static void add_facts(struct command *command, const char *bucket, json_t *members)
{
	char stream[SUBJECT_SIZE], consumer[SUBJECT_SIZE], key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];
	struct bus_consumer_facts facts;
	json_t *member;
	size_t i;

	subject_stream(command->configuration.common.prefix, STREAM_ZONES, stream);
	json_array_foreach(members, i, member) {
		CLEANUP(free) char *text = NULL;
		CLEANUP(json) json_t *value = NULL;
		const char *id = json_string_value(json_object_get(member, "id"));

		member_key(id, key);
		if (bus_kv_get(command->bus, bucket, key, &text, NULL) == 0)
			value = json_loads(text, 0, NULL);
		if (json_is_string(json_object_get(value, "added")))
			(void)json_object_set(member, "added", json_object_get(value, "added"));
		subject_consumer(id, consumer);
		if (bus_consumer_facts(command->bus, stream, consumer, &facts) == 0)
			(void)json_object_set_new(member, "pending", json_integer((json_int_t)facts.pending + (json_int_t)facts.ack_pending));
	}
}

static int list(struct command *command)
{
	static const char *const titles[] = { "SECONDARY", "ADDED", ">PENDING", NULL };
	CLEANUP(json) json_t *members = json_array();
	CLEANUP(table) struct table *table = table_new(titles);
	char bucket[SUBJECT_SIZE];
	json_t *member;
	size_t i;
	int result = command_connect(command);

	if (result != COMMAND_OK)
		return result;
	if (!members || !table)
		return command_fail("%s", error_text(-ENOMEM));
	subject_stream(command->configuration.common.prefix, BUCKET_STATE, bucket);
	result = bus_kv_each(command->bus, bucket, collect, &(struct member_list){ command, members });
	if (result < 0 && result != ERROR_NO_STREAM && result != -ENOENT)
		return say_denied("read the members", result);
	add_facts(command, bucket, members);
	if (command->json)
		return command_print_json(json_pack("{s:O}", "secondaries", members));
	json_array_foreach(members, i, member) {
		const char *added = json_string_value(json_object_get(member, "added"));
		const json_t *pending = json_object_get(member, "pending");

		table_cell(table, "%s", json_string_value(json_object_get(member, "id")));
		table_cell(table, "%s", added ? added : "-");
		if (pending)
			table_cell(table, "%lld", (long long)json_integer_value(pending));
		else
			table_cell(table, "no consumer");
	}
	table_print(table, stdout);
	if (json_array_size(members) == 0)
		puts("no secondary is enrolled; add one with \"pdns-distribute secondary add ID\"");
	return COMMAND_OK;
}

int command_secondary(struct command *command, int count, char **words)
{
	if (count == 2 && strcmp(words[0], "add") == 0)
		return add(command, words[1]);
	if (count == 2 && strcmp(words[0], "remove") == 0)
		return remove_member(command, words[1]);
	if (count == 1 && strcmp(words[0], "list") == 0)
		return list(command);
	return command_misuse("secondary: \"add ID\", \"list\" or \"remove ID\" is wanted");
}
