/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/listen.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/json_wire.h"

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

#define QUEUE 4096

enum letter_kind { LETTER_HEAD, LETTER_BAD_HEAD, LETTER_MISPLACED, LETTER_RESET, LETTER_CAUGHT_UP, LETTER_HEARTBEAT, LETTER_APPLIED, LETTER_CALL };

struct letter {
	enum letter_kind kind;
	union {
		struct index_head head;
		int error;
		struct { struct heartbeat *beat; bool leads; } heartbeat;
		struct applied *applied;
		struct { void (*run)(void *item); void (*drop)(void *item); void *item; } call;
	};
	char name[]; /* zone, subject or secondary */
};

struct listen {
	struct checker *checker;
	struct listen_handlers handlers;
	struct mailbox *mailbox;
	struct bus_follow *follow;
	struct bus_subscription *heartbeats, *applied;
};

static struct letter *letter_new(enum letter_kind kind, const char *name)
{
	struct letter *letter = calloc(1, sizeof(*letter) + strlen(name) + 1);

	if (!letter)
		return NULL;
	letter->kind = kind;
	memcpy(letter->name, name, strlen(name) + 1);
	return letter;
}

static void letter_free(struct letter *letter)
{
	if (letter->kind == LETTER_HEARTBEAT)
		free(letter->heartbeat.beat);
	if (letter->kind == LETTER_APPLIED)
		free(letter->applied);
	free(letter);
}

static void drop(void *item)
{
	struct letter *letter = item;

	if (letter->kind == LETTER_CALL && letter->call.drop)
		letter->call.drop(letter->call.item);
	letter_free(letter);
}

/* A letter that cannot be made is lost; the checks that come round make up for it. */
static void post(struct listen *listen, struct letter *letter)
{
	if (letter && mailbox_post(listen->mailbox, letter) < 0)
		letter_free(letter);
}

static void on_letter(void *item, void *userdata)
{
	struct listen *listen = userdata;
	const struct listen_handlers *handlers = &listen->handlers;
	struct letter *letter = item;

	switch (letter->kind) {
	case LETTER_HEAD:
		letter->head.zone = letter->name;
		handlers->on_head(&letter->head, handlers->userdata);
		break;
	case LETTER_BAD_HEAD: handlers->on_bad_head(letter->name, letter->error, handlers->userdata); break;
	case LETTER_MISPLACED: handlers->on_misplaced(letter->name, handlers->userdata); break;
	case LETTER_RESET: handlers->on_reset(handlers->userdata); break;
	case LETTER_CAUGHT_UP: handlers->on_caught_up(handlers->userdata); break;
	case LETTER_HEARTBEAT: handlers->on_heartbeat(letter->heartbeat.beat, letter->heartbeat.leads, handlers->userdata); break;
	case LETTER_APPLIED: handlers->on_applied(letter->name, letter->applied, handlers->userdata); break;
	case LETTER_CALL: letter->call.run(letter->call.item); break;
	}
	letter_free(letter);
}

/* Threads of the bus from here on. */

static void on_head(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	struct listen *listen = userdata;
	struct zone_head head;
	char zone[ZONE_NAME_SIZE];
	struct letter *letter;
	int result;

	if (subject_parse_zone(listen->checker->prefix, "zone", bus_message_subject(owned), zone) < 0) {
		post(listen, letter_new(LETTER_MISPLACED, bus_message_subject(owned)));
		return;
	}
	result = zone_head_decode(owned, listen->checker->prefix, listen->checker->trusted, &head);
	letter = letter_new(result == 0 ? LETTER_HEAD : LETTER_BAD_HEAD, zone);
	if (letter && result == 0)
		index_head_from(&head, bus_message_time_us(owned), &letter->head);
	else if (letter)
		letter->error = result;
	post(listen, letter);
}

static void on_reset(void *userdata)
{
	post(userdata, letter_new(LETTER_RESET, ""));
}

static void on_caught_up(void *userdata)
{
	post(userdata, letter_new(LETTER_CAUGHT_UP, ""));
}

/* Subject: PREFIX.heartbeat.<service>.<id>, which NATS's rights bind to the sender; the payload has to agree. */
static bool is_from(const struct bus_message *message, const struct heartbeat *beat)
{
	char service[64], id[SUBJECT_ID_SIZE];

	return subject_token(bus_message_subject(message), 2, service, sizeof(service)) == 0 &&
	       subject_token(bus_message_subject(message), 3, id, sizeof(id)) == 0 &&
	       strcmp(service, beat->service) == 0 && strcmp(id, beat->id) == 0 && subject_check_id(id) == 0;
}

static bool says_that_it_leads(const void *payload, size_t size)
{
	CLEANUP(json) json_t *object = json_loadb(payload, size, 0, NULL);

	return json_is_true(json_object_get(object, "leader"));
}

static void on_heartbeat(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	struct heartbeat *beat = calloc(1, sizeof(*beat));
	struct letter *letter;
	size_t size;
	const void *payload = bus_message_payload(owned, &size);

	if (!beat || heartbeat_decode(payload, size, beat) < 0 || !is_from(owned, beat)) {
		free(beat);
		return;
	}
	letter = letter_new(LETTER_HEARTBEAT, "");
	if (!letter) {
		free(beat);
		return;
	}
	letter->heartbeat.beat = beat;
	letter->heartbeat.leads = strcmp(beat->service, SERVICE_CHECKER) == 0 && says_that_it_leads(payload, size);
	post(userdata, letter);
}

static void on_applied(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *owned = message;
	char id[SUBJECT_ID_SIZE];
	struct applied *applied = calloc(1, sizeof(*applied));
	struct letter *letter;
	size_t size;
	const void *payload = bus_message_payload(owned, &size);

	if (!applied || subject_token(bus_message_subject(owned), 2, id, sizeof(id)) < 0 || subject_check_id(id) < 0 ||
	    applied_decode(payload, size, applied) < 0) {
		free(applied);
		return;
	}
	letter = letter_new(LETTER_APPLIED, id);
	if (!letter) {
		free(applied);
		return;
	}
	letter->applied = applied;
	post(userdata, letter);
}

int listen_post(struct listen *listen, void (*run)(void *item), void (*drop_item)(void *item), void *item)
{
	struct letter *letter = letter_new(LETTER_CALL, "");
	int result;

	if (!letter)
		return -ENOMEM;
	letter->call.run = run;
	letter->call.drop = drop_item;
	letter->call.item = item;
	result = mailbox_post(listen->mailbox, letter);
	if (result < 0)
		free(letter);
	return result;
}

static int start(struct listen *listen)
{
	struct checker *checker = listen->checker;
	char subject[SUBJECT_SIZE], stream[SUBJECT_SIZE];
	int result = mailbox_new(checker->loop, QUEUE, on_letter, listen, &listen->mailbox);

	(void)snprintf(subject, sizeof(subject), "%s.heartbeat.*.*", checker->prefix);
	if (result == 0)
		result = bus_subscribe(checker->bus, subject, NULL, on_heartbeat, listen, &listen->heartbeats);
	(void)snprintf(subject, sizeof(subject), "%s.applied.*", checker->prefix);
	if (result == 0)
		result = bus_subscribe(checker->bus, subject, NULL, on_applied, listen, &listen->applied);
	(void)snprintf(subject, sizeof(subject), "%s.zone.>", checker->prefix);
	subject_stream(checker->prefix, STREAM_ZONES, stream);
	if (result == 0)
		result = bus_follow_start(checker->bus, stream, subject, &(struct bus_follow_handlers){
			.on_reset = on_reset, .on_message = on_head, .on_caught_up = on_caught_up, .userdata = listen }, &listen->follow);
	return result;
}

int listen_new(struct checker *checker, const struct listen_handlers *handlers, struct listen **ret)
{
	struct listen *listen = calloc(1, sizeof(*listen));
	int result;

	if (!listen)
		return -ENOMEM;
	listen->checker = checker;
	listen->handlers = *handlers;
	result = start(listen);
	if (result < 0) {
		listen_free(listen);
		return result;
	}
	*ret = listen;
	return 0;
}

void listen_close(struct listen *listen)
{
	if (listen && listen->mailbox)
		mailbox_close(listen->mailbox);
}

void listen_free(struct listen *listen)
{
	if (!listen)
		return;
	listen_close(listen);
	if (listen->follow)
		bus_follow_stop(listen->follow);
	if (listen->applied)
		bus_unsubscribe(listen->applied);
	if (listen->heartbeats)
		bus_unsubscribe(listen->heartbeats);
	mailbox_free(listen->mailbox, drop);
	free(listen);
}
