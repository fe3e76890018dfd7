/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_fetch.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"

#define EXPIRES_US INT64_C(5000000)
#define PROBE_US INT64_C(500000)
#define GRACE_US INT64_C(1000000)
/*
 * What all requests that stand at once may bring in octets: bounds the memory between the connection and whoever handles
 * the messages. At most STANDING_MAX of them stand: two of this round, and two that it left behind.
 */
#define STANDING_OCTETS (INT64_C(16) * 1024 * 1024)
#define STANDING_MAX 4

enum { STATUS_HEARTBEAT = 100, STATUS_BAD_REQUEST = 400, STATUS_EMPTY = 404, STATUS_OVER = 408, STATUS_CONFLICT = 409,
       STATUS_NOBODY = 503 };

int bus_fetch_open(struct bus_fetch *fetch, struct bus_listener *listener)
{
	char subject[BUS_INBOX_SIZE + 2];

	snprintf(fetch->subject, sizeof(fetch->subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", fetch->stream, fetch->consumer);
	bus_inbox(listener->bus, fetch->inbox);
	fetch->remaining = fetch->number = fetch->first = 0;
	fetch->silent_us = 0;
	fetch->probed = fetch->drained = false;
	fetch->denials = bus_denials(listener->bus);
	snprintf(subject, sizeof(subject), "%s.*", fetch->inbox);
	return bus_listener_open(listener, subject, NULL);
}

static bool is_catching_up(const struct bus_fetch *fetch)
{
	return fetch->catch_up && !fetch->drained;
}

static int64_t life_us(const struct bus_fetch *fetch)
{
	return fetch->probed ? EXPIRES_US : PROBE_US;
}

/*
 * Before half of what was asked for is still to come, so that the server need never wait for us; and before the first
 * request of this round can end.
 */
static bool is_due(const struct bus_fetch *fetch, uint64_t now)
{
	if (fetch->remaining == 0 || is_catching_up(fetch))
		return fetch->remaining == 0;
	return now >= fetch->round_ends_us || (fetch->probed && fetch->remaining <= fetch->batch / 2);
}

static int send_request(struct bus_fetch *fetch, struct bus_listener *listener, uint64_t now)
{
	char request[160], reply[BUS_INBOX_SIZE + 16];
	int64_t octets = bus_max_payload(listener->bus) * 2;
	bool alone = is_catching_up(fetch);

	if (octets < STANDING_OCTETS / (alone ? 1 : STANDING_MAX))
		octets = STANDING_OCTETS / (alone ? 1 : STANDING_MAX);
	if (alone)
		snprintf(request, sizeof(request), "{\"batch\":%u,\"max_bytes\":%lld,\"no_wait\":true}", fetch->batch,
		         (long long)octets);
	else
		snprintf(request, sizeof(request), "{\"batch\":%u,\"max_bytes\":%lld,\"expires\":%lld}", fetch->batch,
		         (long long)octets, (long long)life_us(fetch) * 1000);
	snprintf(reply, sizeof(reply), "%s.%u", fetch->inbox, ++fetch->number);

	int r = bus_listener_publish(listener, fetch->subject, reply, request, strlen(request));

	if (r < 0)
		return r;
	if (fetch->remaining == 0 || now >= fetch->round_ends_us) {
		fetch->remaining = 0;
		fetch->first = fetch->number;
		fetch->round_ends_us = now + (uint64_t)life_us(fetch) * 4 / 5;
	}
	fetch->remaining += fetch->batch;
	return 0;
}

/* Whether it is an answer to a request of this round; the ends of those before are of no interest any more. */
static bool is_of_this_round(const struct bus_fetch *fetch, const struct bus_message *message)
{
	size_t size = strlen(fetch->inbox);
	const char *subject = bus_message_subject(message);

	if (strncmp(subject, fetch->inbox, size) != 0 || subject[size] != '.')
		return true; /* somebody on the way gave it another subject */
	return strtoul(subject + size + 1, NULL, 10) >= fetch->first;
}

/* A request is over: what it still might have brought does not come. The next one begins a new round. */
static void end_round(struct bus_fetch *fetch, const struct bus_message *message)
{
	fetch->probed = true;
	if (is_of_this_round(fetch, message))
		fetch->remaining = 0;
}

/* One code for many things, which only its text tells apart. */
static int on_conflict(struct bus_fetch *fetch, const struct bus_message *message)
{
	const char *text = bus_message_header(message, "Description");

	if (!text)
		text = "";
	if (strcasestr(text, "deleted") || strcasestr(text, "push based"))
		return ERROR_NO_STREAM;

	if (!strcasestr(text, "MaxBytes"))
		return -EAGAIN; /* too many requests waiting, another leader, a server that goes down */
	end_round(fetch, message);
	return 0;
}

/* What a message of the server itself means: 0, or the error that ends this round. */
static int on_status(struct bus_fetch *fetch, const struct bus_message *message, unsigned status)
{
	switch (status) {
	case STATUS_HEARTBEAT:
		return 0;
	case STATUS_NOBODY:
		return ERROR_NO_STREAM;
	case STATUS_EMPTY:
		fetch->drained = true;
		/* fall through */
	case STATUS_OVER:
		end_round(fetch, message);
		return 0;
	case STATUS_CONFLICT:
		return on_conflict(fetch, message);
	default:
		return status >= STATUS_BAD_REQUEST ? ERROR_NO_STREAM : 0;
	}
}

/* Waits for whatever comes next, and asks for more whenever it is time. */
static int receive(struct bus_fetch *fetch, struct bus_listener *listener, struct bus_message **ret)
{
	for (;;) {
		uint64_t now = clock_monotonic_us();
		int r = is_due(fetch, now) ? send_request(fetch, listener, now) : 0;

		if (r < 0)
			return r;

		/* Only the time spent listening counts: whoever handles the messages may have been busy for long. */
		int64_t limit = life_us(fetch) + GRACE_US, timeout = limit - fetch->silent_us;

		if (!is_catching_up(fetch) && (int64_t)(fetch->round_ends_us - now) < timeout)
			timeout = (int64_t)(fetch->round_ends_us - now);
		r = bus_listener_next(listener, timeout, ret);
		if (r != -ETIMEDOUT)
			return r;
		fetch->silent_us += (int64_t)(clock_monotonic_us() - now);
		if (fetch->silent_us >= limit)
			return bus_denied(listener->bus, fetch->subject, fetch->denials) ? ERROR_DENIED : ERROR_NO_STREAM;
	}
}

int bus_fetch_next(struct bus_fetch *fetch, struct bus_listener *listener, struct bus_message **ret)
{
	CLEANUP(bus_message) struct bus_message *message = NULL;
	int r = receive(fetch, listener, &message);

	if (r < 0)
		return r == ERROR_NO_RESPONDER ? ERROR_NO_STREAM : r;
	fetch->silent_us = 0;

	unsigned status = bus_message_status(message);

	if (status != 0) {
		fetch->denials = bus_denials(listener->bus);
		r = on_status(fetch, message, status);
		if (r == 0)
			*ret = NULL;
		return r;
	}
	fetch->probed = true;
	if (fetch->remaining > 0)
		fetch->remaining--;
	*ret = TAKE(message);
	return 0;
}
