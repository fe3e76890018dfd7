/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/request.h"
#include <errno.h>
#include <strings.h>
#include "api-proxy/proxy_metrics.h"
#include "api-proxy/route.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"

/*
 * A creation is read as a whole before it is forwarded, for the zone's name, and so is PowerDNS's answer to it. PowerDNS
 * takes 2 MB by default; of what is larger than this only the name is missed, and the health-checker finds the zone.
 */
#define KEEP_MAX ((size_t)4 << 20)
/*
 * An answer up to this size is read before it is passed on: fewer packets, and a PowerDNS that dies meanwhile still
 * gives a 502.
 */
#define WHOLE_MAX ((size_t)64 << 10)

struct request {
	const struct request_context *context;
	char *target, *method;
	struct header_list headers;
	int64_t body_size, body_seen;
	struct route_effect effect;
	char id[CLOCK_UUID_SIZE];
	const struct sockaddr *client;
	struct hold hold;
	bool own;         /* the proxy answers it */

	struct intent *intent;
	struct exchange *exchange;
	int failure;      /* of the exchange */

	char *kept;       /* body of a creation; later what was read of the answer in advance */
	size_t kept_size, kept_at;
	bool keeping;     /* the body is collected, not yet forwarded */

	bool answered;
	int status;
	struct header_list error_headers, more_headers;
	bool kept_is_all; /* of the answer */
};

/* An answer of our own; body is taken over, NULL: none. */
static void answer_json(struct request *request, int status, char *body)
{
	free(request->kept);
	request->kept = body;
	request->kept_size = body ? strlen(body) : 0;
	request->kept_at = 0;
	request->kept_is_all = true;
	request->keeping = false;
	request->status = status;
	request->answered = true;
	(void)header_list_add(&request->error_headers, "Content-Type", "application/json", strlen("application/json"));
}

static void answer_error(struct request *request, int status, const char *text)
{
	char *body = NULL;
	answer_json(request, status, asprintf(&body, "{\"error\": \"%s\"}", text) < 0 ? NULL : body);
}

/* What a status says about the zone. */
static enum intent_outcome outcome_of(int status)
{
	if (status >= 200 && status < 300)
		return INTENT_DONE;
	switch (status) {
	case 400: case 401: case 403: case 404: case 405: case 406: case 409:
	case 411: case 413: case 414: case 415: case 429: case 431:
		return INTENT_UNCHANGED; /* refused before anything was done */
	default:
		return INTENT_UNSURE; /* a 422 too: PowerDNS may have done a part of it before it met what it did not like */
	}
}

static void settle(struct request *request, enum intent_outcome outcome)
{
	if (outcome == INTENT_DONE)
		hold_begin(&request->hold, request->effect.zone);
	bool queued = outcome == INTENT_DONE && request->effect.change == ZONE_CHECK;
	uint64_t stamp = intent_end(TAKE(request->intent), queued ? INTENT_QUEUED : outcome);
	if (outcome == INTENT_DONE)
		hold_follow(&request->hold, stamp);
}

static void fail(struct request *request, int error)
{
	bool known = metric_get(&proxy_metric_table[PROXY_METRIC_UPSTREAM_UP]) == 0;
	request->failure = error;
	metric_set(&proxy_metric_table[PROXY_METRIC_UPSTREAM_UP], 0);
	if (request->intent)
		settle(request, request->exchange && exchange_was_sent(request->exchange) ? INTENT_UNSURE : INTENT_UNCHANGED);
	/* A PowerDNS that is down is told once, not with every request. */
	LOG_FIELDS(known ? LOG_DEBUG : LOG_WARNING, (.zone = *request->effect.zone ? request->effect.zone : NULL, .request = request->id),
	           "no answer from PowerDNS to %s: %s", request->method, error_text(error));
	switch (error) {
	case -ETIMEDOUT:
		PROXY_COUNT(PROXY_METRIC_UPSTREAM_TIMEOUTS);
		answer_error(request, 504, "PowerDNS did not answer in time");
		break;
	case -ECONNREFUSED:
		PROXY_COUNT(PROXY_METRIC_UPSTREAM_REFUSED);
		answer_error(request, 502, "PowerDNS cannot be reached");
		break;
	case -ECANCELED:
		answer_error(request, 503, "The proxy is shutting down");
		break;
	case -ENOMEM:
		answer_error(request, 503, "The proxy is out of memory");
		break;
	default:
		PROXY_COUNT(PROXY_METRIC_UPSTREAM_BROKEN);
		answer_error(request, 502, "PowerDNS broke off the connection");
	}
}

int request_new(const struct request_context *context, const char *target, const struct sockaddr *client, struct request **ret)
{
	struct request *request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->context = context;
	request->client = client;
	request->target = strdup(target);
	if (!request->target) {
		free(request);
		return -ENOMEM;
	}
	clock_uuid(request->id);
	*ret = request;
	return 0;
}

static void count(const struct request *request)
{
	if (request->effect.source != ROUTE_NONE)
		PROXY_COUNT(PROXY_METRIC_REQUESTS_CHANGE);
	else if (strcasecmp(request->method, "GET") == 0 || strcasecmp(request->method, "HEAD") == 0)
		PROXY_COUNT(PROXY_METRIC_REQUESTS_READ);
	else
		PROXY_COUNT(PROXY_METRIC_REQUESTS_OTHER);
}

/* Notes the intent; false: not possible, and the answer says so. */
static bool begin_intent(struct request *request)
{
	const char *zone = *request->effect.zone ? request->effect.zone : NULL;
	int result = intent_begin(request->context->intents, zone, request->effect.change, request->id, &request->intent);
	if (result > 0) {
		PROXY_COUNT(PROXY_METRIC_CHANGES_UNWRITTEN);
		LOG_FIELDS(LOG_WARNING, (.zone = zone, .request = request->id),
		           "the change cannot be noted on disk: its event is lost if the proxy is killed before it is published");
	}
	if (result >= 0)
		return true;
	PROXY_COUNT(PROXY_METRIC_CHANGES_REFUSED);
	LOG_FIELDS(LOG_ERR, (.zone = zone, .request = request->id), "change refused, as it cannot be noted on disk: %s",
	           error_text(result));
	answer_error(request, 507, "The change was not made: the proxy cannot write to its state directory");
	return false;
}

/*
 * The note is synced while PowerDNS is at work. What PowerDNS does in the end, its answer says, whatever came of that; so that an answer that the
 * client gets is never one to a change that a power cut makes us forget, but for a disk that fails just now.
 */
static void secure_intent(const struct request *request)
{
	int result = intent_secure(request->intent);
	if (result == 0)
		return;
	PROXY_COUNT(PROXY_METRIC_CHANGES_UNWRITTEN);
	LOG_FIELDS(LOG_ERR, (.zone = *request->effect.zone ? request->effect.zone : NULL, .request = request->id),
	           "the note of the change cannot be synced to disk (%s): its event is lost if the power is cut before it is published",
	           error_text(result));
}

static bool start_exchange(struct request *request, int64_t body_size)
{
	struct exchange_request out = { request->method, request->target, &request->headers, body_size };
	int result = exchange_start(request->context->upstream, &out, &request->exchange);
	if (result < 0)
		fail(request, result);
	return result == 0;
}

static void refuse_size(struct request *request)
{
	PROXY_COUNT(PROXY_METRIC_LIMIT_BODY_SIZE);
	answer_error(request, 413, "The request is too large");
}

bool request_head(struct request *request, const char *method, struct header_list *headers, int64_t body_size)
{
	int64_t body_max = request->context->body_max;
	request->headers = *headers;
	*headers = (struct header_list){ 0 };
	header_list_drop_hop_by_hop(&request->headers);
	request->body_size = body_size;
	request->method = strdup(method);
	if (!request->method) {
		answer_error(request, 503, "The proxy is out of memory");
		return true;
	}
	request->own = status_api_owns(request->target);
	if (!request->own)
		route_find(method, request->target, &request->effect);
	count(request);
	if (request->effect.source != ROUTE_NONE)
		hold_decide(&request->hold, &request->context->hold, &request->headers, request->client);
	if (body_max > 0 && body_size > body_max)
		refuse_size(request);
	else if (request->own)
		return false; /* when the request is complete */
	else if (request->effect.source == ROUTE_BODY)
		request->keeping = true;
	else if (request->effect.source == ROUTE_NONE || begin_intent(request))
		(void)start_exchange(request, body_size);
	return request->answered;
}

static void send_body(struct request *request, const void *data, size_t size)
{
	int result = exchange_send(request->exchange, data, size);
	if (result < 0)
		fail(request, result);
}

/* Forwards a creation that was kept so far. */
static void release_kept(struct request *request, int64_t body_size)
{
	CLEANUP(free) char *kept = TAKE(request->kept);
	size_t size = request->kept_size;
	request->keeping = false;
	request->kept_size = 0;
	if (!begin_intent(request) || !start_exchange(request, body_size))
		return;
	if (size > 0)
		send_body(request, kept, size);
}

static void keep(struct request *request, const void *data, size_t size)
{
	if (request->kept_size + size > KEEP_MAX) {
		release_kept(request, request->body_size);
		if (!request->answered)
			send_body(request, data, size);
		return;
	}
	char *kept = realloc(request->kept, request->kept_size + size);
	if (!kept) {
		answer_error(request, 503, "The proxy is out of memory");
		return;
	}
	memcpy(kept + request->kept_size, data, size);
	request->kept = kept;
	request->kept_size += size;
}

bool request_body(struct request *request, const void *data, size_t size)
{
	int64_t body_max = request->context->body_max;
	request->body_seen += (int64_t)size;
	if (request->answered || request->own)
		return request->answered;
	if (body_max > 0 && request->body_seen > body_max) {
		/* PowerDNS has not got a whole request, but it is not for us to know what it makes of that. */
		settle(request, INTENT_UNSURE);
		exchange_free(TAKE(request->exchange));
		refuse_size(request);
	} else if (request->keeping) {
		keep(request, data, size);
	} else {
		send_body(request, data, size);
	}
	return request->answered;
}

/* Reads up to max octets of the answer in advance; 0, or the failure. */
static int read_ahead(struct request *request, size_t max)
{
	size_t capacity = 0;
	for (;;) {
		if (request->kept_size == max)
			return 0;
		if (request->kept_size == capacity) {
			capacity = capacity ? 2 * capacity : 4096;
			if (capacity > max)
				capacity = max;
			char *kept = realloc(request->kept, capacity);
			if (!kept)
				return -ENOMEM;
			request->kept = kept;
		}
		ssize_t n = exchange_read(request->exchange, request->kept + request->kept_size, capacity - request->kept_size);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			request->kept_is_all = true;
			return 0;
		}
		request->kept_size += (size_t)n;
	}
}

/* The zone is named by PowerDNS's answer; the name in the request was just for the note beforehand. */
static void settle_creation(struct request *request)
{
	char zone[ZONE_NAME_SIZE];
	bool named = route_zone_of_json(request->kept, request->kept_size, zone) == 0;
	if (named && strcmp(zone, request->effect.zone) != 0) {
		struct intent *intent = NULL;
		int result = intent_begin(request->context->intents, zone, ZONE_CREATED, request->id, &intent);
		if (result == 0)
			result = intent_secure(intent);
		if (result < 0)
			LOG_FIELDS(LOG_ERR, (.zone = zone, .request = request->id),
			           "cannot note the new zone on disk (%s): the health-checker has to find it", error_text(result));
		hold_begin(&request->hold, zone);
		hold_follow(&request->hold, intent_end(intent, INTENT_DONE));
	} else if (!named && !*request->effect.zone) {
		LOG_FIELDS(LOG_WARNING, (.request = request->id),
		           "a zone was created whose name could not be read: the health-checker has to find it");
	}
	settle(request, INTENT_DONE);
}

static bool has_no_body(const struct request *request)
{
	return strcasecmp(request->method, "HEAD") == 0 || request->status == 204 || request->status == 304;
}

static void take_answer(struct request *request)
{
	int64_t size = exchange_body_size(request->exchange);
	enum intent_outcome outcome = outcome_of(exchange_status(request->exchange));
	bool created = request->effect.source == ROUTE_BODY && outcome == INTENT_DONE;
	int result = 0;

	request->status = exchange_status(request->exchange);
	free(TAKE(request->kept));
	request->kept_size = 0;
	/* PowerDNS has acted, from here on nothing that happens to the client or to the answer changes that. */
	if (request->intent && !created) {
		if (outcome == INTENT_DONE && !*request->effect.zone)
			LOG_FIELDS(LOG_WARNING, (.request = request->id),
			           "PowerDNS changed a zone whose name could not be read in %s: the health-checker has to find it", request->target);
		settle(request, outcome);
	}
	if (!has_no_body(request) && (created || (size >= 0 && (size_t)size <= WHOLE_MAX)))
		result = read_ahead(request, created ? KEEP_MAX : (size_t)size + 1);
	if (created)
		settle_creation(request);
	if (result < 0)
		fail(request, result);
	hold_finish(&request->hold, &request->more_headers);
	request->answered = true;
}

static void answer_own(struct request *request)
{
	char *body = NULL;
	int status = status_api_answer(&request->context->status, request->method, request->target, &request->headers, &body);
	answer_json(request, status, body);
}

void request_end(struct request *request)
{
	if (request->answered)
		return;
	if (request->own) {
		answer_own(request);
		return;
	}
	if (request->keeping) {
		(void)route_zone_of_json(request->kept, request->kept_size, request->effect.zone);
		release_kept(request, request->body_size == EXCHANGE_NO_BODY ? EXCHANGE_NO_BODY : (int64_t)request->kept_size);
	}
	if (request->answered)
		return;
	int result = 0;
	if (request->intent) {
		result = exchange_end(request->exchange);
		if (result == 0)
			secure_intent(request);
	}
	if (result == 0)
		result = exchange_answer(request->exchange);
	if (result < 0) {
		fail(request, result);
		return;
	}
	metric_set(&proxy_metric_table[PROXY_METRIC_UPSTREAM_UP], 1);
	take_answer(request);
}

struct request_answer request_answer(const struct request *request)
{
	bool ours = !request->exchange || request->failure < 0 || request->error_headers.count > 0;
	struct request_answer answer = {
		.status = request->status,
		.reason = ours ? NULL : exchange_reason(request->exchange),
		.headers = ours ? &request->error_headers : exchange_headers(request->exchange),
		.more = &request->more_headers,
		.size = request->kept_is_all ? (int64_t)request->kept_size : exchange_body_size(request->exchange),
		.head_only = has_no_body(request),
		.body = request->kept_is_all ? (request->kept ? request->kept : "") : NULL,
	};
	if (answer.head_only && answer.size == EXCHANGE_UNKNOWN)
		answer.size = EXCHANGE_NO_BODY;
	return answer;
}

ssize_t request_read(struct request *request, void *buffer, size_t size)
{
	size_t n = request->kept_size - request->kept_at;
	if (n == 0)
		return exchange_read(request->exchange, buffer, size);
	if (n > size)
		n = size;
	memcpy(buffer, request->kept + request->kept_at, n);
	request->kept_at += n;
	return (ssize_t)n;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	if (request->intent) /* the client left before its request was complete */
		settle(request, request->exchange && exchange_was_sent(request->exchange) ? INTENT_UNSURE : INTENT_UNCHANGED);
	exchange_free(request->exchange);
	header_list_clear(&request->headers);
	header_list_clear(&request->error_headers);
	header_list_clear(&request->more_headers);
	change_release(request->hold.change);
	free(request->kept);
	free(request->method);
	free(request->target);
	free(request);
}
