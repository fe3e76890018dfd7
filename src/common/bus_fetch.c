/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_fetch.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"

#define EXPIRES_US INT64_C(5000000)
#define PROBE_US 500000
#define GRACE_US 1000000
#define QUEUE_US 50000
/* What one request may bring in octets: bounds the memory between the connection and whoever handles the messages. */
#define BATCH_OCTETS (INT64_C(16) * 1024 * 1024)

enum { STATUS_HEARTBEAT = 100, STATUS_BAD_REQUEST = 400, STATUS_EMPTY = 404, STATUS_OVER = 408, STATUS_CONFLICT = 409,
       STATUS_NOBODY = 503 };

int bus_fetch_open(struct bus_fetch *fetch, struct bus_listener *listener)
{
	snprintf(fetch->subject, sizeof(fetch->subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", fetch->stream, fetch->consumer);
	bus_inbox(listener->bus, fetch->inbox);
	fetch->remaining = 0;
	fetch->probed = fetch->drained = false;
	return bus_listener_open(listener, fetch->inbox, NULL);
}

static int send_request(struct bus_fetch *fetch, struct bus_listener *listener)
{
	char request[160];
	int64_t octets = bus_max_payload(listener->bus) * 2, expires_us = fetch->probed ? EXPIRES_US : PROBE_US;

	if (octets < BATCH_OCTETS)
		octets = BATCH_OCTETS;
	if (fetch->catch_up && !fetch->drained)
		snprintf(request, sizeof(request), "{\"batch\":%u,\"max_bytes\":%lld,\"no_wait\":true}", fetch->batch,
		         (long long)octets);
	else
		snprintf(request, sizeof(request), "{\"batch\":%u,\"max_bytes\":%lld,\"expires\":%lld}", fetch->batch,
		         (long long)octets, (long long)expires_us * 1000);
	fetch->denials = bus_denials(listener->bus);

	int r = bus_listener_publish(listener, fetch->subject, fetch->inbox, request, strlen(request));

	if (r < 0)
		return r;
	fetch->remaining = fetch->batch;
	fetch->deadline_us = clock_monotonic_us() + (uint64_t)expires_us + GRACE_US;
	return 0;
}

/* One code for many things, which only its text tells apart. */
static int on_conflict(struct bus_fetch *fetch, const char *text)
{
	if (strcasestr(text, "deleted") || strcasestr(text, "push based"))
		return ERROR_NO_STREAM;

	if (!strcasestr(text, "MaxBytes"))
		return -EAGAIN; /* too many requests waiting, another leader, a server that goes down */
	fetch->probed = true;
	fetch->remaining = 0;
	return 0;
}

/* What a message of the server itself means: 0, or the error that ends this round. */
static int on_status(struct bus_fetch *fetch, const struct bus_message *message, unsigned status)
{
	const char *text = bus_message_header(message, "Description");

	switch (status) {
	case STATUS_HEARTBEAT:
		return 0;
	case STATUS_NOBODY:
		return ERROR_NO_STREAM;
	case STATUS_EMPTY:
		fetch->drained = true;
		/* fall through */
	case STATUS_OVER:
		fetch->probed = true;
		fetch->remaining = 0;
		return 0;
	case STATUS_CONFLICT:
		return on_conflict(fetch, text ? text : "");
	default:
		return status >= STATUS_BAD_REQUEST ? ERROR_NO_STREAM : 0;
	}
}

int bus_fetch_next(struct bus_fetch *fetch, struct bus_listener *listener, struct bus_message **ret)
{
	CLEANUP(bus_message) struct bus_message *message = NULL;
	int r = fetch->remaining == 0 ? send_request(fetch, listener) : 0;

	if (r < 0)
		return r;

	uint64_t now = clock_monotonic_us();

	/* Whoever handles the messages may have been busy beyond the deadline; what came meanwhile is in the queue. */
	r = bus_listener_next(listener, now < fetch->deadline_us ? (int64_t)(fetch->deadline_us - now) : QUEUE_US, &message);
	if (r == ERROR_NO_RESPONDER)
		return ERROR_NO_STREAM;
	if (r == -ETIMEDOUT)
		return bus_denied(listener->bus, fetch->subject, fetch->denials) ? ERROR_DENIED : ERROR_NO_STREAM;
	if (r < 0)
		return r;

	unsigned status = bus_message_status(message);

	if (status != 0) {
		r = on_status(fetch, message, status);
		if (r == 0)
			*ret = NULL;
		return r;
	}
	fetch->probed = true;
	fetch->remaining--;
	*ret = TAKE(message);
	return 0;
}
