/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For the benchmark `scale`: fills a zone store with many zones, and plays many secondaries at once. Both speak the real
 * protocol with the real modules; a simulated secondary has no PowerDNS, and says of every head that verifies that it is
 * applied. A head takes the way that it takes in secondary-syncer: the pull's thread, the loop, a worker that verifies it,
 * and the loop again, which confirms and acknowledges. Loop and workers are there once for all simulated secondaries.
 *
 *   simulate fill NATS_URL PRIVATE_KEY_FILE ZONES SIZE THREADS       zones scale-N.example., of about SIZE octets of text each
 *   simulate verify PRIVATE_KEY_FILE ZONES SIZE THREADS              verifies heads in memory: "seconds seconds-of-CPU"
 *   simulate members NATS_URL TRUSTED_KEYS_FILE FIRST COUNT THREADS  secondaries sim-FIRST …, so many workers; a line on stdin is
 *                                                                    answered with "heads in all, heads of the member that has least"
 */
#include "simulate_heads.h"

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
#include "common/mailbox.h"
#include "common/subject.h"
#include "common/work.h"
#include "common/zone_store.h"

#define PULL_BATCH 64 /* as secondary-syncer */
#define HEADS_IN_HAND 64
#define HEARTBEAT_US 5000000

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

_Noreturn void simulate_die(const char *what, int error)
{
	fprintf(stderr, "simulate: %s: %s\n", what, error_text(error));
	exit(1);
}

struct bus *simulate_connect(const char *url, const char *name)
{
	struct bus_options options = { .urls = url, .timeout = 10000000 };
	struct bus *bus = NULL;
	CLEANUP(free) char *reason = NULL;
	int r = bus_open(&options, name, NULL, NULL, &bus, &reason);
	if (r == 0)
		r = bus_wait_connected(bus, 10000000);
	if (r < 0)
		simulate_die(reason ? reason : url, r);
	return bus;
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
		simulate_die("model", -ENOMEM);
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

/* A head on its way through a worker. */
struct head_job {
	struct work_job job; /* first */
	struct member *member;
	struct bus_message *message;
	struct zone_head head;
};

static struct {
	sd_event *loop;
	struct mailbox *inputs;
	struct work_pool *pool;
} machine;

/* On a member's pulling thread. */
static void on_head(struct bus_message *message, void *userdata)
{
	struct head_job *job = calloc(1, sizeof(*job));
	if (!job)
		simulate_die("a head", -ENOMEM);
	job->member = userdata;
	job->message = message;
	(void)mailbox_post(machine.inputs, job);
}

/* On a worker. */
static void verify_head(struct work_job *job, void *context)
{
	struct head_job *mine = (struct head_job *)job;
	(void)context;
	int r = zone_head_decode(mine->message, PREFIX, model.trusted, &mine->head);
	if (r < 0)
		simulate_die("a head does not verify", r);
}

/* In the loop. */
static void head_done(struct work_job *job, void *userdata)
{
	struct head_job *mine = (struct head_job *)job;
	(void)userdata;
	confirm(mine->member, mine->message, &mine->head);
	(void)bus_ack(mine->member->bus, mine->message);
	mine->member->heads++;
	bus_message_free(mine->message);
	free(mine);
}

static void head_in_loop(void *message, void *userdata)
{
	struct head_job *job = message;
	(void)userdata;
	job->job.run = verify_head;
	job->job.done = head_done;
	work_submit(machine.pool, &job->job);
}

static void *machine_main(void *userdata)
{
	(void)userdata;
	int r = sd_event_loop(machine.loop);
	simulate_die("the loop has ended", r);
}

static void start_machine(size_t workers)
{
	pthread_t thread;
	int r = sd_event_new(&machine.loop);
	if (r >= 0)
		r = mailbox_new(machine.loop, HEADS_IN_HAND, head_in_loop, NULL, &machine.inputs);
	if (r >= 0)
		r = work_pool_new(machine.loop, (unsigned)workers, NULL, NULL, NULL, &machine.pool);
	if (r >= 0)
		r = -pthread_create(&thread, NULL, machine_main, NULL);
	if (r < 0)
		simulate_die("cannot start loop and workers", r);
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
	member->bus = simulate_connect(url, member->id);
	int r = bus_pull_start(member->bus, stream, consumer, PULL_BATCH, on_head, NULL, member, &member->pull);
	if (r < 0)
		simulate_die("cannot pull", r);
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

static int play(const char *url, const char *trusted, size_t first, size_t count, size_t workers)
{
	static const struct bus_follow_handlers handlers = { on_model_reset, on_model_message, on_model_complete, NULL };
	int r = trusted_keys_load(trusted, &model.trusted);
	if (r < 0)
		simulate_die(trusted, r);
	char stream[SUBJECT_SIZE], line[64];
	struct bus *bus = simulate_connect(url, "simulate model");
	struct bus_follow *follow;
	subject_stream(PREFIX, STREAM_ZONES, stream);
	r = bus_follow_start(bus, stream, PREFIX ".zone.>", &handlers, &follow);
	if (r < 0)
		simulate_die("cannot follow the store", r);
	while (!model.complete)
		usleep(1000);
	start_machine(workers);
	puts("ready"); /* from here on the members read */
	(void)fflush(stdout);
	members = calloc(count, sizeof(*members));
	if (!members)
		simulate_die("members", -ENOMEM);
	member_count = count;
	for (size_t i = 0; i < count; i++)
		start_member(&members[i], url, first + i);
	pthread_t thread;
	(void)pthread_create(&thread, NULL, heartbeats, NULL);
	while (fgets(line, sizeof(line), stdin))
		answer();
	_exit(0); /* like a machine that is lost: nothing is said to anybody */
}

static size_t number(const char *word) { return strtoul(word, NULL, 10); }

int main(int count, char **words)
{
	if (count == 7 && strcmp(words[1], "fill") == 0 && number(words[6]) > 0)
		return simulate_fill(words[2], words[3], number(words[4]), number(words[5]), number(words[6]));
	if (count == 6 && strcmp(words[1], "verify") == 0 && number(words[5]) > 0)
		return simulate_verify(words[2], number(words[3]), number(words[4]), number(words[5]));
	if (count == 7 && strcmp(words[1], "members") == 0 && number(words[6]) > 0)
		return play(words[2], words[3], number(words[4]), number(words[5]), number(words[6]));
	fputs("usage: simulate fill URL PRIVATE_KEY ZONES SIZE THREADS | simulate verify PRIVATE_KEY ZONES SIZE THREADS |\n"
	      "       simulate members URL TRUSTED_KEYS FIRST COUNT THREADS\n", stderr);
	return 2;
}
