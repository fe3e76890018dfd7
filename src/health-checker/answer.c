/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/answer.h"
#include <errno.h>
#include <pthread.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/json_wire.h"
#include "health-checker/emit.h"
#include "health-checker/enrol.h"
#include "health-checker/leader.h"
#include "health-checker/listen.h"
#include "health-checker/scan.h"
#include "health-checker/status.h"

#define WAIT_S 5
#define ASK_SECONDARY_US 1500000

struct answer {
	struct checker *checker;
	struct ask_server *server;
};

/* A question on its way to the loop thread and back; the last of the two who lets go frees it. */
struct question {
	struct checker *checker;
	char verb[32];
	json_t *asked;
	json_t *answer;
	bool answered;
	unsigned users;
	pthread_mutex_t lock;
	pthread_cond_t done;
};

static void let_go(struct question *question)
{
	bool last;

	pthread_mutex_lock(&question->lock);
	last = --question->users == 0;
	pthread_mutex_unlock(&question->lock);
	if (!last)
		return;
	json_decref(question->asked);
	json_decref(question->answer);
	pthread_cond_destroy(&question->done);
	pthread_mutex_destroy(&question->lock);
	free(question);
}

static int want_again(struct index_zone *zone, void *userdata)
{
	struct checker *checker = userdata;

	if (zone->state == INDEX_PRESENT)
		emit_add(checker->emit, zone->zone, ZONE_CHECK);
	return 0;
}

struct again { struct checker *checker; const char *secondary; size_t count; };

static int apply_again(struct index_zone *zone, void *userdata)
{
	struct again *again = userdata;
	uint64_t now = clock_monotonic_us();

	if (zone->state == INDEX_ABSENT)
		return 0;
	again->count++;
	return confirm_force(again->checker->confirm, again->secondary, zone->zone, zone->generation, now);
}

static json_t *resync_secondary(struct checker *checker, const char *id, const char *name)
{
	const struct member *member = presence_find(checker->presence, SERVICE_SYNCER, id);
	struct again again = { checker, id, 0 };
	struct index_zone *zone = name ? index_find(checker->index, name) : NULL;

	if (!member || !member->enrolled)
		return ask_error("there is no secondary %s; see pdns-distribute secondary list", id);
	if (!member->active)
		return ask_error("secondary %s sends no heartbeats; it looks after its zones by itself when it comes back", id);
	if (name && (!zone || zone->state == INDEX_ABSENT))
		return ask_error("the zone store has no zone %s", name);
	if (zone)
		(void)apply_again(zone, &again);
	else
		(void)index_each(checker->index, apply_again, &again);
	return json_pack("{s:I}", "zones", (json_int_t)again.count);
}

struct everywhere { struct checker *checker; const struct index_zone *zone; };

static int force_on_member(struct member *member, void *userdata)
{
	const struct everywhere *everywhere = userdata;

	if (member->enrolled && member->active)
		(void)confirm_force(everywhere->checker->confirm, member->id, everywhere->zone->zone, everywhere->zone->generation,
		                    clock_monotonic_us());
	return 0;
}

/* Written again from the primary, and put into each PowerDNS again even where nothing seems to be wrong. */
static json_t *resync_zone(struct checker *checker, const char *name)
{
	const struct index_zone *zone = index_find(checker->index, name);

	emit_add(checker->emit, name, ZONE_REWRITE);
	if (zone && zone->state != INDEX_ABSENT)
		(void)presence_each(checker->presence, force_on_member, &(struct everywhere){ checker, zone });
	return json_pack("{s:i}", "zones", 1);
}

static json_t *resync(struct checker *checker, const json_t *asked)
{
	const char *given = json_string_value(json_object_get(asked, "zone"));
	const char *id = json_string_value(json_object_get(asked, "secondary"));
	struct index_counts counts;
	char zone[ZONE_NAME_SIZE];

	if (given && zone_name_from_text(given, zone) < 0)
		return ask_error("that is not a zone's name");
	if (id && subject_check_id(id) < 0)
		return ask_error("that is not a member's id");
	if (id)
		return resync_secondary(checker, id, given ? zone : NULL);
	if (given)
		return resync_zone(checker, zone);
	index_counts(checker->index, &counts);
	(void)index_each(checker->index, want_again, checker);
	scan_soon(checker->scan);
	return json_pack("{s:I}", "zones", (json_int_t)counts.present);
}

static bool is(const struct question *question, const char *verb)
{
	return strcmp(question->verb, verb) == 0;
}

/* Loop thread. */
static json_t *find_answer(struct question *question)
{
	struct checker *checker = question->checker;
	const char *leader = leader_id(checker->leader), *given;
	char zone[ZONE_NAME_SIZE];

	if (is(question, "zones"))
		return status_zones(checker, question->asked);
	if (is(question, "zone")) {
		given = json_string_value(json_object_get(question->asked, "zone"));
		return given && zone_name_from_text(given, zone) == 0 ? status_zone(checker, zone) : ask_error("zone: a zone's name is wanted");
	}
	/* The rest only the leader knows or may do. */
	if (!leader_leads(checker->leader) && leader[0] && strcmp(leader, checker->id) != 0)
		return json_pack("{s:s}", "ask_instead", leader);
	if (is(question, "status"))
		return status_all(checker);
	if (!leader_leads(checker->leader))
		return ask_error("no health-checker leads at this moment; try again in a few seconds");
	if (is(question, "members-changed")) {
		enrol_soon(checker->enrol);
		return json_object();
	}
	if (is(question, "resync"))
		return resync(checker, question->asked);
	if (is(question, "approve-deletions"))
		return json_pack("{s:I}", "zones", (json_int_t)scan_approve(checker->scan));
	return NULL;
}

static void finish(struct question *question, json_t *answer)
{
	pthread_mutex_lock(&question->lock);
	question->answer = answer;
	question->answered = true;
	pthread_cond_signal(&question->done);
	pthread_mutex_unlock(&question->lock);
	let_go(question);
}

static void answer_in_loop(void *item)
{
	struct question *question = item;

	finish(question, find_answer(question));
}

static void give_up(void *item)
{
	finish(item, ask_error("the health-checker is ending"));
}

/* Threads of the bus. */

/* Compares what a secondary says with the store. */
static void judge(json_t *secondary, const json_t *store, const json_t *said)
{
	const char *wanted = json_string_value(json_object_get(store, "state"));
	bool known = json_is_true(json_object_get(said, "known"));
	const char *has = known ? json_string_value(json_object_get(said, "state")) : "absent";
	const char *result = json_string_value(json_object_get(said, "result"));
	const char *reason = json_string_value(json_object_get(said, "reason"));
	bool in_sync;

	if (!wanted || !has)
		in_sync = false;
	else if (strcmp(wanted, "present") == 0)
		in_sync = strcmp(has, "present") == 0 && json_equal(json_object_get(store, "digest"), json_object_get(said, "digest")) &&
			json_equal(json_object_get(store, "generation"), json_object_get(said, "generation"));
	else
		in_sync = strcmp(has, "present") != 0;
	if (result && strcmp(result, "applied") != 0)
		in_sync = false;
	(void)json_object_update_missing(secondary, (json_t *)said);
	(void)json_object_set_new(secondary, "state", json_string(has ? has : "unknown"));
	(void)json_object_set_new(secondary, "in_sync", json_boolean(in_sync));
	if (!in_sync)
		(void)json_object_set_new(secondary, "problem", result && strcmp(result, "applied") != 0 ?
			json_sprintf("%s: %s", result, reason ? reason : "") : json_string("differs from the store"));
}

static void ask_secondaries(struct checker *checker, json_t *answer)
{
	const json_t *store = json_object_get(answer, "store");
	json_t *secondary;
	bool in_sync = !json_object_get(store, "problem");
	size_t i;

	json_array_foreach(json_object_get(answer, "secondaries"), i, secondary) {
		CLEANUP(json) json_t *question = json_pack("{s:O}", "zone", json_object_get(answer, "zone"));
		CLEANUP(json) json_t *said = NULL;
		CLEANUP(free) char *reason = NULL;
		int result = -ETIMEDOUT;

		if (json_is_true(json_object_get(secondary, "active")))
			result = ask(checker->bus, checker->prefix, SERVICE_SYNCER, json_string_value(json_object_get(secondary, "id")), "zone",
			             question, ASK_SECONDARY_US, &said, &reason);
		if (result == 0) {
			judge(secondary, store, said);
		} else {
			(void)json_object_set_new(secondary, "in_sync", json_false());
			(void)json_object_set_new(secondary, "problem", json_sprintf("does not answer%s%s", reason ? ": " : "", reason ? reason : ""));
		}
		in_sync = in_sync && json_is_true(json_object_get(secondary, "in_sync"));
	}
	(void)json_object_set_new(answer, "in_sync", json_boolean(in_sync));
}

static struct question *question_new(struct checker *checker, const char *verb, const json_t *asked)
{
	struct question *question = calloc(1, sizeof(*question));
	pthread_condattr_t attributes;

	if (!question)
		return NULL;
	question->checker = checker;
	(void)snprintf(question->verb, sizeof(question->verb), "%s", verb);
	question->asked = json_deep_copy(asked);
	question->users = 2;
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&question->done, &attributes);
	pthread_condattr_destroy(&attributes);
	return question;
}

static json_t *await(struct question *question)
{
	struct timespec until;
	json_t *answer;
	int result = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&question->lock);
	while (!question->answered && result == 0)
		result = pthread_cond_timedwait(&question->done, &question->lock, &until);
	answer = question->answered ? TAKE(question->answer) : ask_error("the health-checker is busy");
	pthread_mutex_unlock(&question->lock);
	return answer;
}

static json_t *on_question(const char *verb, const json_t *asked, void *userdata)
{
	struct answer *self = userdata;
	struct question *question = question_new(self->checker, verb, asked);
	json_t *answer;

	if (!question)
		return ask_error("out of memory");
	if (listen_post(self->checker->listen, answer_in_loop, give_up, question) < 0)
		give_up(question);
	answer = await(question);
	let_go(question);
	if (strcmp(verb, "zone") == 0 && answer && !json_object_get(answer, "error"))
		ask_secondaries(self->checker, answer);
	return answer;
}

int answer_new(struct checker *checker, struct answer **ret)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	int result;

	if (!answer)
		return -ENOMEM;
	answer->checker = checker;
	result = ask_serve(checker->bus, checker->prefix, SERVICE_CHECKER, checker->id, true, on_question, answer, &answer->server);
	if (result < 0) {
		free(answer);
		return result;
	}
	*ret = answer;
	return 0;
}

void answer_free(struct answer *answer)
{
	if (!answer)
		return;
	ask_server_stop(answer->server);
	free(answer);
}
