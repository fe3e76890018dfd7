/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command_status.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "pdns-distribute/table.h"

DEFINE_CLEANUP(json, json_t *, json_decref)
DEFINE_CLEANUP(table, struct table *, table_free)

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "-";
}

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static bool is(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static int add_consumer(const struct bus_consumer_facts *facts, void *userdata)
{
	return json_array_append_new(userdata, json_pack("{s:s, s:I, s:I}", "consumer", facts->name,
		"pending", (json_int_t)facts->pending, "in_work", (json_int_t)facts->ack_pending)) < 0 ? -ENOMEM : 0;
}

/* What JetStream itself knows, independent of any checker. */
static json_t *ask_nats(struct command *command)
{
	const char *prefix = command->configuration.common.prefix;
	json_t *nats = json_object(), *consumers = json_array();
	struct bus_consumer_facts consumer;
	struct bus_stream_facts facts;
	char stream[SUBJECT_SIZE];
	int result;

	for (enum subject_stream which = STREAM_EVENTS; which <= STREAM_ZONES; which++) {
		const char *name = which == STREAM_EVENTS ? "events" : "heads";
		subject_stream(prefix, which, stream);
		result = bus_stream_facts(command->bus, stream, &facts);
		if (result == 0)
			(void)json_object_set_new(nats, name, json_integer((json_int_t)facts.messages));
		else
			(void)json_object_set_new(nats, "problem", json_sprintf("stream %s: %s", stream, error_text(result)));
		/* The providers' consumer is asked for by name: that needs less rights than a list. */
		if (result == 0 && which == STREAM_ZONES)
			(void)bus_consumer_each(command->bus, stream, add_consumer, consumers);
		else if (result == 0 && bus_consumer_facts(command->bus, stream, SUBJECT_PROVIDER_CONSUMER, &consumer) == 0)
			(void)add_consumer(&consumer, consumers);
	}
	(void)json_object_set_new(nats, "consumers", consumers);
	return nats;
}

static void print_services(const json_t *status)
{
	static const char *const titles[] = { "SERVICE", "ID", "STATE", ">HEARTBEAT", ">LOAD", "VERSION", "HOST", NULL };
	CLEANUP(table) struct table *table = table_new(titles);
	json_t *service;
	size_t i;

	json_array_foreach(json_object_get(status, "services"), i, service) {
		table_cell(table, "%s", text(service, "service"));
		table_cell(table, "%s%s", text(service, "id"), is(service, "leader") ? " (leads)" : "");
		table_cell(table, "%s", is(service, "active") ? "active" : "INACTIVE");
		table_cell(table, "%.1f s ago", (double)number(service, "heartbeat_age_ms") / 1000);
		table_cell(table, "%.2f", json_number_value(json_object_get(service, "load")));
		table_cell(table, "%s", text(service, "version"));
		table_cell(table, "%s", text(service, "host"));
	}
	table_print(table, stdout);
}

static void print_secondaries(const json_t *status)
{
	static const char *const titles[] = { "SECONDARY", "STATE", ">ZONES", ">PENDING", ">FAILING", "RESULT", NULL };
	static const char *const zone_titles[] = { "FAILING ZONE", "SECONDARY", "RESULT", "REASON", NULL };
	CLEANUP(table) struct table *table = table_new(titles);
	CLEANUP(table) struct table *zones = table_new(zone_titles);
	size_t failing = 0;
	json_t *secondary, *zone;
	size_t i, k;

	json_array_foreach(json_object_get(status, "secondaries"), i, secondary) {
		table_cell(table, "%s", text(secondary, "id"));
		table_cell(table, "%s", !is(secondary, "enrolled") ? "NOT ENROLLED" : is(secondary, "active") ? "active" : "INACTIVE");
		table_cell(table, "%lld", number(secondary, "zones"));
		if (json_is_integer(json_object_get(secondary, "pending")))
			table_cell(table, "%lld", number(secondary, "pending"));
		else
			table_cell(table, "-");
		table_cell(table, "%lld", number(secondary, "failing"));
		table_cell(table, "%s", is(secondary, "in_sync") ? "in sync" : text(secondary, "problem"));
		json_array_foreach(json_object_get(secondary, "failing_zones"), k, zone) {
			table_cell(zones, "%s", text(zone, "zone"));
			table_cell(zones, "%s", text(secondary, "id"));
			table_cell(zones, "%s", text(zone, "result"));
			table_cell(zones, "%s", text(zone, "reason"));
			failing++;
		}
	}
	putchar('\n');
	table_print(table, stdout);
	if (i == 0)
		puts("no secondary is enrolled; add one with \"pdns-distribute secondary add ID\"");
	if (failing > 0) {
		putchar('\n');
		table_print(zones, stdout);
	}
}

static void print_store(const json_t *status, const json_t *nats)
{
	const json_t *store = json_object_get(status, "store"), *scan = json_object_get(status, "scan");
	const json_t *held = json_object_get(status, "held_deletions");
	json_t *zone;
	size_t i;

	printf("store: %lld zones, %lld deleted, %lld bad heads; events waiting: %lld\n", number(store, "zones"),
	       number(store, "deleted"), number(store, "bad_heads"), number(store, "events_pending"));
	if (json_is_string(json_object_get(store, "problem")))
		printf("  problem: %s\n", text(store, "problem"));
	if (json_is_string(json_object_get(nats, "problem")))
		printf("  problem: %s\n", text(nats, "problem"));
	printf("last scan of the primary: %s, %lld zones, %lld not in the store\n", text(scan, "at"), number(scan, "zones"),
	       number(scan, "missing"));
	if (json_is_string(json_object_get(scan, "problem")))
		printf("  problem: %s\n", text(scan, "problem"));
	if (number(held, "count") == 0)
		return;
	printf("HELD: %lld zones are gone from the primary without the API having been asked; release their deletion with\n"
	       "\"pdns-distribute approve-deletions\":\n", number(held, "count"));
	json_array_foreach(json_object_get(held, "zones"), i, zone)
		printf("  %s\n", json_string_value(zone));
	if ((long long)i < number(held, "count"))
		puts("  …");
}

/* The checker's own number may be seconds old. */
static void merge_pending(json_t *status, const json_t *nats)
{
	json_t *secondary, *consumer, *store = json_object_get(status, "store");
	size_t i, k;

	json_array_foreach(json_object_get(nats, "consumers"), i, consumer) {
		const char *name = text(consumer, "consumer");
		json_int_t pending = number(consumer, "pending") + number(consumer, "in_work");

		if (store && strcmp(name, SUBJECT_PROVIDER_CONSUMER) == 0)
			(void)json_object_set_new(store, "events_pending", json_integer(pending));
		json_array_foreach(json_object_get(status, "secondaries"), k, secondary) {
			char own[SUBJECT_SIZE];
			subject_consumer(text(secondary, "id"), own);
			if (strcmp(own, name) == 0)
				(void)json_object_set_new(secondary, "pending", json_integer(pending));
		}
	}
}

static int without_checker(struct command *command, json_t *nats, const char *why)
{
	static const char *const titles[] = { "CONSUMER", ">WAITING", ">IN WORK", NULL };
	CLEANUP(table) struct table *table = table_new(titles);
	json_t *consumer;
	size_t i;

	(void)command_fail("no health-checker answers (%s): start pdns-health-checker on the primary; "
	                   "NATS itself says:", why);
	if (command->json) {
		(void)command_print_json(json_pack("{s:b, s:s, s:O}", "in_sync", false, "problem", "no health-checker answers",
		                                   "nats", nats));
		return COMMAND_FAILED;
	}
	printf("events kept: %lld, heads kept: %lld\n", number(nats, "events"), number(nats, "heads"));
	json_array_foreach(json_object_get(nats, "consumers"), i, consumer) {
		table_cell(table, "%s", text(consumer, "consumer"));
		table_cell(table, "%lld", number(consumer, "pending"));
		table_cell(table, "%lld", number(consumer, "in_work"));
	}
	table_print(table, stdout);
	if (json_is_string(json_object_get(nats, "problem")))
		printf("problem: %s\n", text(nats, "problem"));
	return COMMAND_FAILED;
}

int command_status(struct command *command, int count, char **words)
{
	CLEANUP(json) json_t *question = json_object();
	CLEANUP(json) json_t *answer = NULL;
	CLEANUP(json) json_t *nats = NULL;
	CLEANUP(free) char *reason = NULL;
	bool in_sync;
	int result;

	(void)words;
	if (count > 0)
		return command_misuse("status takes no argument; \"zone NAME\" shows one zone");
	result = command_connect(command);
	if (result != COMMAND_OK)
		return result;
	nats = ask_nats(command);
	result = command_ask_checker(command, "status", question, &answer, &reason);
	if (result < 0)
		return without_checker(command, nats, reason ? reason : error_text(result));
	merge_pending(answer, nats);
	in_sync = is(answer, "in_sync");
	if (command->json) {
		(void)json_object_set(answer, "nats", nats);
		result = command_print_json(TAKE(answer));
	} else {
		print_services(answer);
		print_secondaries(answer);
		putchar('\n');
		print_store(answer, nats);
		result = COMMAND_OK;
	}
	return result != COMMAND_OK ? result : in_sync ? COMMAND_OK : COMMAND_OUT_OF_SYNC;
}
