/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For the benchmark `scale`: fills a zone store with many zones, and plays many secondaries at once. Both speak the real
 * protocol with the real modules; a simulated secondary has no PowerDNS, and says of every head that verifies that it is
 * applied.
 *
 *   simulate fill NATS_URL PRIVATE_KEY_FILE ZONES SIZE       zones scale-N.example., of about SIZE octets of text each
 *   simulate members NATS_URL TRUSTED_KEYS_FILE FIRST COUNT  secondaries sim-FIRST …; a line on stdin is answered with
 *                                                            "heads in all, heads of the member that has least"
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "common/applied.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/heartbeat.h"
#include "common/subject.h"
#include "common/zone_store.h"

#define PREFIX "pdns"
#define FILL_AT_ONCE 512
#define PULL_BATCH 64 /* as secondary-syncer */
#define HEARTBEAT_US 5000000

DEFINE_CLEANUP(spool, struct spool *, spool_free)
DEFINE_CLEANUP(writer, struct zone_body_writer *, zone_body_writer_free)
DEFINE_CLEANUP(reader, struct record_reader *, record_reader_free)
DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

static void die(const char *what, int error)
{
	fprintf(stderr, "simulate: %s: %s\n", what, error_text(error));
	exit(1);
}

static struct bus *connect_to(const char *url, const char *name)
{
	struct bus_options options = { .urls = url, .timeout = 10000000 };
	struct bus *bus = NULL;
	CLEANUP(free) char *reason = NULL;
	int r = bus_open(&options, name, NULL, NULL, &bus, &reason);
	if (r == 0)
		r = bus_wait_connected(bus, 10000000);
	if (r < 0)
		die(reason ? reason : url, r);
	return bus;
}

/* Filling. */

static struct signing_key *read_key(const char *file)
{
	char text[512] = "";
	struct signing_key *key = NULL;
	FILE *stream = fopen(file, "re");
	if (!stream)
		die(file, -errno);
	(void)!fread(text, 1, sizeof(text) - 1, stream);
	(void)fclose(stream);
	int r = signing_key_parse(text, &key);
	if (r < 0)
		die(file, r);
	return key;
}

/* A zone of about so many octets: addresses of hosts with names of equal length. */
static int make_body(const char *zone, size_t size, struct zone_body_facts *facts, struct spool **ret)
{
	CLEANUP(writer) struct zone_body_writer *writer = NULL;
	CLEANUP(reader) struct record_reader *reader = NULL;
	char line[2 * ZONE_NAME_SIZE];
	int r = zone_body_writer_new("/tmp", 1 << 20, &writer);
	if (r == 0)
		r = record_reader_new(zone_body_writer_add, writer, &reader);
	int length = snprintf(line, sizeof(line), "%s 3600 IN SOA ns1.hoster.example. hostmaster.hoster.example. 1 10800 3600 604800 3600\n", zone);
	for (size_t used = 0, host = 0; r == 0 && used < size; host++) {
		r = record_reader_feed(reader, line, (size_t)length);
		used += (size_t)length;
		length = snprintf(line, sizeof(line), "host-%04zu.%s 300 IN TXT \"what a record of a signed zone takes, on average: %080zu\"\n", host, zone, host);
	}
	if (r == 0)
		r = record_reader_finish(reader);
	return r < 0 ? r : zone_body_writer_finish(writer, facts, ret);
}

static int make_head(size_t number, size_t size, const struct signing_key *key, struct bus_message **ret)
{
	CLEANUP(spool) struct spool *body = NULL;
	struct zone_head head = { .state = ZONE_STATE_PRESENT, .generation = clock_realtime_us(), .place = ZONE_BODY_INLINE };
	snprintf(head.zone, sizeof(head.zone), "scale-%zu.example.", number);
	int r = make_body(head.zone, size, &head.facts, &body);
	if (r < 0)
		return r;
	head.encoded_size = spool_size(body);
	CLEANUP(free) char *payload = malloc(head.encoded_size);
	if (!payload)
		return -ENOMEM;
	int64_t n = spool_read(body, 0, payload, head.encoded_size);
	return n < 0 ? (int)n : zone_head_encode(&head, PREFIX, key, payload, head.encoded_size, ret);
}

static int fill(const char *url, const char *key_file, size_t zones, size_t size)
{
	struct bus *bus = connect_to(url, "simulate fill");
	struct signing_key *key = read_key(key_file);
	const char *no_ids[FILL_AT_ONCE] = { NULL };
	for (size_t done = 0; done < zones;) {
		struct bus_message *messages[FILL_AT_ONCE];
		int results[FILL_AT_ONCE];
		size_t count = zones - done < FILL_AT_ONCE ? zones - done : FILL_AT_ONCE;
		for (size_t i = 0; i < count; i++) {
			int r = make_head(done + i, size, key, &messages[i]);
			if (r < 0)
				die("cannot make a head", r);
		}
		(void)bus_store_many(bus, messages, no_ids, count, results);
		for (size_t i = 0; i < count; i++) {
			if (results[i] < 0)
				die("cannot store a head", results[i]);
			bus_message_free(messages[i]);
		}
		done += count;
		printf("%zu\n", done);
		(void)fflush(stdout);
	}
	signing_key_free(key);
	bus_close(bus);
	return 0;
}

/* What every member has once it has followed the store; one for all, so that 100 members fit into a small machine. */

struct model_zone {
	uint64_t generation;
	struct zone_digest digest;
	UT_hash_handle hh;
	char zone[];
};

static struct {
	pthread_mutex_t lock;
	struct model_zone *zones;
	struct set_digest set;
	struct trusted_keys *trusted;
	_Atomic bool complete;
} model = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void model_put(const struct zone_head *head)
{
	struct model_zone *zone;
	HASH_FIND_STR(model.zones, head->zone, zone);
	if (zone)
		(void)set_digest_subtract(&model.set, zone->zone, zone->generation, &zone->digest);
	else if ((zone = calloc(1, sizeof(*zone) + strlen(head->zone) + 1))) {
		memcpy(zone->zone, head->zone, strlen(head->zone) + 1);
		HASH_ADD_KEYPTR(hh, model.zones, zone->zone, strlen(zone->zone), zone);
	}
	if (!zone)
		die("model", -ENOMEM);
	zone->generation = head->generation;
	zone->digest = head->facts.digest;
	(void)set_digest_add(&model.set, zone->zone, zone->generation, &zone->digest);
}

static void on_model_message(struct bus_message *message, void *userdata)
{
	(void)userdata;
	CLEANUP(message) struct bus_message *mine = message;
	struct zone_head head;
	if (zone_head_decode(mine, PREFIX, model.trusted, &head) < 0 || head.state != ZONE_STATE_PRESENT)
		return; /* the benchmark deletes nothing */
	pthread_mutex_lock(&model.lock);
	model_put(&head);
	pthread_mutex_unlock(&model.lock);
}

static void on_model_reset(void *userdata) { (void)userdata; }
static void on_model_complete(void *userdata)
{
	(void)userdata;
	model.complete = true;
}

/* Members. */

struct member {
	char id[SUBJECT_ID_SIZE];
	char subject[SUBJECT_SIZE]; /* of its confirmations */
	struct bus *bus;
	struct bus_pull *pull;
	_Atomic uint64_t heads;
};

static void confirm(struct member *member, const struct bus_message *message, const struct zone_head *head)
{
	struct applied report = { .result = APPLIED_OK, .generation = head->generation, .serial = head->facts.serial,
	                          .sequence = bus_message_sequence(message), .state = head->state, .took_us = 1000,
	                          .at_us = clock_realtime_us() };
	CLEANUP(free) char *json = NULL;
	memcpy(report.zone, head->zone, sizeof(report.zone));
	if (applied_encode(&report, &json) == 0)
		(void)bus_publish(member->bus, member->subject, json, strlen(json));
}

static void on_head(struct bus_message *message, void *userdata)
{
	struct member *member = userdata;
	CLEANUP(message) struct bus_message *mine = message;
	struct zone_head head;
	int r = zone_head_decode(mine, PREFIX, model.trusted, &head);
	if (r < 0)
		die("a head does not verify", r);
	(void)bus_ack(member->bus, mine);
	confirm(member, mine, &head);
	member->heads++;
}

static void beat(const struct member *member)
{
	char subject[SUBJECT_SIZE], root[SET_DIGEST_HEX_SIZE];
	json_t *json = heartbeat_new("secondary-syncer", member->id, HEARTBEAT_US);
	pthread_mutex_lock(&model.lock);
	set_digest_root_hex(&model.set, root);
	json_object_set_new(json, "zones", json_integer((json_int_t)model.set.zones));
	pthread_mutex_unlock(&model.lock);
	json_object_set_new(json, "failing", json_integer(0));
	json_object_set_new(json, "working", json_integer(0));
	json_object_set_new(json, "set_digest", json_string(root));
	json_object_set_new(json, "pdns", json_string("up"));
	CLEANUP(free) char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	subject_heartbeat(PREFIX, "secondary-syncer", member->id, subject);
	if (text)
		(void)bus_publish(member->bus, subject, text, strlen(text));
}

static struct member *members;
static size_t member_count;

static void *heartbeats(void *userdata)
{
	(void)userdata;
	for (size_t i = 0;; i = (i + 1) % member_count) {
		usleep((useconds_t)(HEARTBEAT_US / member_count));
		if (model.complete)
			beat(&members[i]);
	}
	return NULL;
}

static void start_member(struct member *member, const char *url, size_t number)
{
	char stream[SUBJECT_SIZE], consumer[SUBJECT_SIZE];
	snprintf(member->id, sizeof(member->id), "sim-%zu", number);
	subject_applied(PREFIX, member->id, member->subject);
	subject_stream(PREFIX, STREAM_ZONES, stream);
	subject_consumer(member->id, consumer);
	member->bus = connect_to(url, member->id);
	int r = bus_pull_start(member->bus, stream, consumer, PULL_BATCH, on_head, NULL, member, &member->pull);
	if (r < 0)
		die("cannot pull", r);
}

static void answer(void)
{
	uint64_t all = 0, least = UINT64_MAX;
	for (size_t i = 0; i < member_count; i++) {
		uint64_t heads = members[i].heads;
		all += heads;
		least = heads < least ? heads : least;
	}
	printf("%llu %llu\n", (unsigned long long)all, (unsigned long long)least);
	(void)fflush(stdout);
}

static int play(const char *url, const char *trusted, size_t first, size_t count)
{
	static const struct bus_follow_handlers handlers = { on_model_reset, on_model_message, on_model_complete, NULL };
	int r = trusted_keys_load(trusted, &model.trusted);
	if (r < 0)
		die(trusted, r);
	char stream[SUBJECT_SIZE], line[64];
	struct bus *bus = connect_to(url, "simulate model");
	struct bus_follow *follow;
	subject_stream(PREFIX, STREAM_ZONES, stream);
	r = bus_follow_start(bus, stream, PREFIX ".zone.>", &handlers, &follow);
	if (r < 0)
		die("cannot follow the store", r);
	while (!model.complete)
		usleep(1000);
	puts("ready"); /* from here on the members read */
	(void)fflush(stdout);
	members = calloc(count, sizeof(*members));
	if (!members)
		die("members", -ENOMEM);
	member_count = count;
	for (size_t i = 0; i < count; i++)
		start_member(&members[i], url, first + i);
	pthread_t thread;
	(void)pthread_create(&thread, NULL, heartbeats, NULL);
	while (fgets(line, sizeof(line), stdin))
		answer();
	_exit(0); /* like a machine that is lost: nothing is said to anybody */
}

int main(int count, char **words)
{
	if (count == 6 && strcmp(words[1], "fill") == 0)
		return fill(words[2], words[3], strtoul(words[4], NULL, 10), strtoul(words[5], NULL, 10));
	if (count == 6 && strcmp(words[1], "members") == 0)
		return play(words[2], words[3], strtoul(words[4], NULL, 10), strtoul(words[5], NULL, 10));
	fputs("usage: simulate fill URL PRIVATE_KEY ZONES SIZE | simulate members URL TRUSTED_KEYS FIRST COUNT\n", stderr);
	return 2;
}
