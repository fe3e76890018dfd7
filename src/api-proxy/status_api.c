/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/status_api.h"
#include <errno.h>
#include <sodium.h>
#include <strings.h>
#include "common/ask.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/json_wire.h"

#define ROOT "/distribute/v1"
#define CHECKER "health-checker"
#define ASK_US INT64_C(8000000) /* it asks the secondaries in its turn */
#define NAME_SIZE CHANGE_ID_SIZE

static const unsigned char openapi[] = {
#include "openapi.inc"
};

struct call {
	const struct status_api *api;
	char name[NAME_SIZE]; /* what the path names, decoded */
	const char *query;    /* "" or what comes after the question mark */
	json_t *answer;
};

bool status_api_owns(const char *target)
{
	size_t size = strlen(ROOT);
	return strncmp(target, ROOT, size) == 0 && (target[size] == '\0' || strchr("/?", target[size]));
}

static int fail(struct call *call, int status, const char *text)
{
	json_decref(call->answer);
	call->answer = json_pack("{s:s}", "error", text);
	return status;
}

/* Of equal length and in the same time whatever the client sent. */
static bool is_key(const char *given, const char *key)
{
	unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
	if (!given || !key || !*key || sodium_init() < 0)
		return false;
	(void)crypto_generichash(a, sizeof(a), (const unsigned char *)given, strlen(given), NULL, 0);
	(void)crypto_generichash(b, sizeof(b), (const unsigned char *)key, strlen(key), NULL, 0);
	return sodium_memcmp(a, b, sizeof(a)) == 0;
}

/* Asks whichever health-checker answers, then the one that leads if only that knows. */
static int ask_checker(struct call *call, const char *verb, const json_t *question)
{
	char id[SUBJECT_ID_SIZE] = "any";
	for (unsigned hop = 0; hop < 3; hop++) {
		CLEANUP(json) json_t *answer = NULL;
		CLEANUP(free) char *reason = NULL;
		int result = bus_connected(call->api->bus)
			? ask(call->api->bus, call->api->prefix, CHECKER, id, verb, question, ASK_US, &answer, &reason) : ERROR_DISCONNECTED;
		if (result == ERROR_CONFLICT)
			return fail(call, 503, reason ? reason : "The health-checker cannot answer");
		if (result < 0)
			return fail(call, 503, result == ERROR_NO_RESPONDER ? "No health-checker answers" : error_text(result));
		const char *instead = json_string_value(json_object_get(answer, "ask_instead"));
		if (!instead) {
			call->answer = TAKE(answer);
			return 200;
		}
		if (subject_check_id(instead) < 0)
			break;
		snprintf(id, sizeof(id), "%s", instead);
	}
	return fail(call, 503, "No health-checker leads at this moment");
}

/* Nobody remembers what became of it, or nobody told: a new look at the zone covers it too. */
static int look_again(struct call *call, struct change *change)
{
	struct intent *intent = NULL;
	char request[CLOCK_UUID_SIZE];
	clock_uuid(request);
	if (intent_begin(call->api->intents, change_zone(change), ZONE_CHECK, request, &intent) < 0)
		return fail(call, 507, "The proxy cannot write to its state directory");
	change_follow(change, intent_end(intent, INTENT_DONE));
	return 200;
}

/* "wait=10" among the parameters; µs. */
static int64_t find_wait(const struct call *call)
{
	for (const char *at = call->query; *at; at += strcspn(at, "&"), at += *at == '&') {
		if (strncmp(at, "wait=", 5) != 0)
			continue;
		int64_t seconds = 0;
		for (at += 5; *at >= '0' && *at <= '9'; at++)
			seconds = seconds < 3600 ? seconds * 10 + (*at - '0') : seconds;
		int64_t wait_us = seconds * 1000000;
		return wait_us < call->api->wait_max_us ? wait_us : call->api->wait_max_us;
	}
	return 0;
}

static int get_change(struct call *call)
{
	struct change *change;
	bool is_new;
	int result = change_find(call->api->waiters, call->name, &change, &is_new);
	if (result < 0)
		return result == ERROR_MALFORMED ? fail(call, 404, "There is no such change") : fail(call, 503, error_text(result));
	int status = is_new || change_is_stale(change) ? look_again(call, change) : 200;
	if (status == 200) {
		int64_t wait_us = find_wait(call);
		if (wait_us > 0)
			change_wait(change, clock_monotonic_us() + (uint64_t)wait_us);
		else
			change_ask(change);
		struct change_state state = change_state(change);
		call->answer = json_pack("{s:s,s:s,s:s,s:b,s:b,s:I,s:I,s:i,s:i,s:I,s:o}", "id", change_id(change), "zone", change_zone(change),
		                         "state", state.in_sync ? "in-sync" : "pending", "published", (int)state.published, "stored",
		                         (int)state.stored, "event", (json_int_t)state.event, "generation", (json_int_t)state.generation,
		                         "done", (int)state.done, "total", (int)state.total, "ms", (json_int_t)(state.took_us / 1000),
		                         "secondaries", state.secondaries);
	}
	change_release(change);
	return status;
}

static json_t *question_about(const char *zone)
{
	return json_pack("{s:s}", "zone", zone);
}

static int get_zone(struct call *call)
{
	char zone[ZONE_NAME_SIZE];
	if (zone_name_from_api_id(call->name, zone) < 0)
		return fail(call, 404, "That is not a zone's name");
	CLEANUP(json) json_t *question = question_about(zone);
	int status = ask_checker(call, "zone", question);
	const char *state = json_string_value(json_object_get(json_object_get(call->answer, "store"), "state"));
	return status == 200 && state && strcmp(state, "absent") == 0 ? fail(call, 404, "The zone store has no such zone") : status;
}

static int resync_zone(struct call *call)
{
	char zone[ZONE_NAME_SIZE];
	if (zone_name_from_api_id(call->name, zone) < 0)
		return fail(call, 404, "That is not a zone's name");
	CLEANUP(json) json_t *question = question_about(zone);
	int status = ask_checker(call, "resync", question);
	return status == 200 ? 202 : status;
}

static int get_secondaries(struct call *call)
{
	json_t *secondaries = waiters_secondaries(call->api->waiters);
	call->answer = json_pack("{s:o}", "secondaries", secondaries);
	return 200;
}

static int get_openapi(struct call *call)
{
	call->answer = json_loadb((const char *)openapi, sizeof(openapi), 0, NULL);
	return 200;
}

static const struct route {
	const char *method, *before, *after; /* around a name; after NULL: there is none */
	bool open;                           /* without a key */
	int (*answer)(struct call *call);
} routes[] = {
	{ "GET", "/openapi.json", NULL, true, get_openapi },
	{ "GET", "/secondaries", NULL, false, get_secondaries },
	{ "GET", "/changes/", "", false, get_change },
	{ "POST", "/zones/", "/resync", false, resync_zone },
	{ "GET", "/zones/", "", false, get_zone },
};

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* A name in a path; false: it cannot be one. */
static bool decode(const char *text, size_t size, char ret[NAME_SIZE])
{
	size_t length = 0;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (c == '%') {
			if (i + 2 >= size || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
				return false;
			c = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
			i += 2;
		}
		if (c == '/' || c <= ' ' || length + 1 >= NAME_SIZE)
			return false;
		ret[length++] = c;
	}
	ret[length] = '\0';
	return length > 0;
}

static bool match(const struct route *route, const char *path, size_t size, char name[NAME_SIZE])
{
	size_t before = strlen(route->before), after = route->after ? strlen(route->after) : 0;
	if (!route->after)
		return size == before && memcmp(path, route->before, size) == 0;
	return size > before + after && memcmp(path, route->before, before) == 0 &&
	       memcmp(path + size - after, route->after, after) == 0 && decode(path + before, size - before - after, name);
}

/* The route of a path; its method counts only after that. */
static int dispatch(struct call *call, const char *method, const char *path, size_t size, bool let_in)
{
	bool found = false;
	if (strcasecmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!match(&routes[i], path, size, call->name))
			continue;
		if (!let_in && !routes[i].open)
			return fail(call, 401, "Unauthorized");
		found = true;
		if (strcasecmp(method, routes[i].method) == 0)
			return routes[i].answer(call);
	}
	if (!let_in)
		return fail(call, 401, "Unauthorized");
	return found ? fail(call, 405, "Method Not Allowed") : fail(call, 404, "Not Found");
}

int status_api_answer(const struct status_api *api, const char *method, const char *target, const struct header_list *headers,
                      char **ret_body)
{
	const char *path = target + strlen(ROOT);
	size_t size = strcspn(path, "?");
	struct call call = { .api = api, .query = path[size] ? path + size + 1 : "" };
	int status = dispatch(&call, method, path, size, is_key(header_list_find(headers, "X-API-Key"), api->key));
	*ret_body = call.answer ? json_dumps(call.answer, JSON_COMPACT) : NULL;
	json_decref(call.answer);
	return *ret_body ? status : 503;
}
