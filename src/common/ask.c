/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/json_wire.h"
#include "common/subject.h"

#define QUESTION_SIZE_MAX (1024 * 1024)

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

struct ask_server {
	struct bus *bus;
	json_t *(*on_question)(const char *verb, const json_t *question, void *userdata);
	void *userdata;
	struct bus_subscription *own, *any;
};

json_t *ask_error(const char *format, ...)
{
	CLEANUP(free) char *text = NULL;
	va_list arguments;

	va_start(arguments, format);

	int length = vasprintf(&text, format, arguments);

	va_end(arguments);
	if (length < 0)
		text = NULL;

	json_t *string = text ? json_string(text) : NULL;

	/* What came from elsewhere may be no UTF-8; the error must get through all the same. */
	return json_pack("{s:o}", "error", string ? string : json_string("failed"));
}

int ask(struct bus *bus, const char *prefix, const char *service, const char *id, const char *verb, const json_t *question,
        int64_t timeout_us, json_t **ret_answer, char **ret_reason)
{
	char subject[SUBJECT_SIZE];
	CLEANUP(free) char *text = question ? json_dumps(question, JSON_COMPACT) : strdup("{}");
	CLEANUP(message) struct bus_message *message = NULL;
	size_t size;

	if (!text)
		return -ENOMEM;
	subject_ask(prefix, service, id, verb, subject);

	int r = bus_request(bus, subject, text, strlen(text), timeout_us, &message);

	if (r < 0)
		return r;

	const void *payload = bus_message_payload(message, &size);
	CLEANUP(json) json_t *answer = json_loadb(payload ? payload : "", size, 0, NULL);

	if (!json_is_object(answer))
		return ERROR_MALFORMED;

	const json_t *error = json_object_get(answer, "error");

	if (error) {
		if (ret_reason)
			*ret_reason = strdup(json_is_string(error) ? json_string_value(error) : "failed");
		return ERROR_CONFLICT;
	}
	if (ret_answer)
		*ret_answer = TAKE(answer);
	return 0;
}

/* PREFIX.ask.<service>.<id>.<verb> */
#define VERB_TOKEN 4

static json_t *answer_to(struct ask_server *server, const struct bus_message *message)
{
	char verb[64];
	size_t size;
	const void *payload = bus_message_payload(message, &size);

	if (subject_token(bus_message_subject(message), VERB_TOKEN, verb, sizeof(verb)) < 0)
		return ask_error("malformed subject");

	CLEANUP(json) json_t *question = size == 0 ? json_object() :
		size <= QUESTION_SIZE_MAX ? json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (!json_is_object(question))
		return ask_error("malformed question");

	json_t *answer = server->on_question(verb, question, server->userdata);

	return answer ? answer : ask_error("unknown verb %s", verb);
}

static void on_message(struct bus_message *message, void *userdata)
{
	CLEANUP(message) struct bus_message *question = message;
	struct ask_server *server = userdata;

	if (!bus_message_reply(question))
		return;

	CLEANUP(json) json_t *answer = answer_to(server, question);
	CLEANUP(free) char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (!text)
		return;
	if ((int64_t)strlen(text) > bus_max_payload(server->bus)) {
		static const char too_long[] = "{\"error\":\"the answer is too long\"}";

		(void)bus_respond(server->bus, question, too_long, strlen(too_long));
		return;
	}
	/* Lost answers show as a timeout where the question was asked. */
	(void)bus_respond(server->bus, question, text, strlen(text));
}

int ask_serve(struct bus *bus, const char *prefix, const char *service, const char *id, bool any,
              json_t *(*on_question)(const char *, const json_t *, void *), void *userdata, struct ask_server **ret)
{
	struct ask_server *server = calloc(1, sizeof(*server));
	char subject[SUBJECT_SIZE];

	if (!server)
		return -ENOMEM;
	*server = (struct ask_server){ .bus = bus, .on_question = on_question, .userdata = userdata };
	subject_ask(prefix, service, id, "*", subject);

	int r = bus_subscribe(bus, subject, NULL, on_message, server, &server->own);

	if (r == 0 && any) {
		subject_ask(prefix, service, "any", "*", subject);
		r = bus_subscribe(bus, subject, service, on_message, server, &server->any);
	}
	if (r < 0) {
		ask_server_stop(server);
		return r;
	}
	*ret = server;
	return 0;
}

void ask_server_stop(struct ask_server *server)
{
	if (!server)
		return;
	bus_unsubscribe(server->own);
	bus_unsubscribe(server->any);
	free(server);
}
