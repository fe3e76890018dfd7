/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>

#include "common/bus_fetch.h"
#include "common/clock.h"
#include "common/error.h"

#define BACKOFF_BASE_US 100000
#define BACKOFF_CEILING_US 2000000
#define BATCH 1000
/* How long the server keeps the consumer when nobody asks it any more. */
#define INACTIVE_NS INT64_C(60000000000)

struct bus_follow {
	struct bus_listener listener;
	struct bus_follow_handlers handlers;
	char *stream, *filter;
	char consumer[128];
	uint64_t consumer_sequence; /* of the last message */
	bool caught_up;
};

static void follow_free(struct bus_follow *follow)
{
	free(follow->stream);
	free(follow->filter);
	free(follow);
}
DEFINE_CLEANUP(follow, struct bus_follow *, follow_free)

/* An ephemeral pull consumer without acknowledgements: its flow is ours to control, and a lost message shows as a gap. */
static int make_consumer(struct bus_follow *follow)
{
	CLEANUP(json) json_t *answer = NULL;
	CLEANUP(json) json_t *request =
		json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:i}}", "stream_name", follow->stream, "config",
	                  "deliver_policy", "last_per_subject", "ack_policy", "none", "replay_policy", "instant",
	                  "filter_subject", follow->filter, "headers_only", 1, "mem_storage", 1,
	                  "inactive_threshold", (json_int_t)INACTIVE_NS, "num_replicas", 1);
	int r = request ? bus_api(follow->listener.bus, request, &answer, "$JS.API.CONSUMER.CREATE.%s", follow->stream) : -ENOMEM;

	if (r < 0)
		return r;

	const char *name = json_string_value(json_object_get(answer, "name"));

	if (!name || strlen(name) >= sizeof(follow->consumer))
		return ERROR_MALFORMED;
	strcpy(follow->consumer, name);
	return 0;
}

/* Gives messages until something is wrong. */
static int follow_once(struct bus_follow *follow)
{
	const struct bus_follow_handlers *handlers = &follow->handlers;
	struct bus_fetch fetch = { .stream = follow->stream, .consumer = follow->consumer, .batch = BATCH, .catch_up = true };
	int r = bus_fetch_open(&fetch, &follow->listener);

	if (r == 0)
		r = make_consumer(follow);
	if (r < 0)
		return r;
	/* The name became known only now. */
	snprintf(fetch.subject, sizeof(fetch.subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", follow->stream, follow->consumer);
	follow->consumer_sequence = 0;
	follow->caught_up = false;
	if (handlers->on_reset)
		handlers->on_reset(handlers->userdata);

	for (;;) {
		struct bus_message *message = NULL;

		r = bus_fetch_next(&fetch, &follow->listener, &message);
		if (r < 0)
			return r;
		if (message) {
			if (message->consumer_sequence != ++follow->consumer_sequence) {
				bus_message_free(message);
				return -ESTALE;
			}
			handlers->on_message(message, handlers->userdata);
		} else if (fetch.drained && !follow->caught_up) {
			follow->caught_up = true;
			if (handlers->on_caught_up)
				handlers->on_caught_up(handlers->userdata);
		}
	}
}

static void *follow_main(void *argument)
{
	struct bus_follow *follow = argument;
	struct bus_listener *listener = &follow->listener;
	unsigned attempt = 0;

	for (;;) {
		int r;

		follow->consumer[0] = '\0';
		r = follow_once(follow);
		if (follow->caught_up)
			attempt = 0;
		bus_listener_close(listener);
		if (r == -ECANCELED)
			break;
		if (!bus_listener_sleep(listener, clock_backoff_us(attempt++, BACKOFF_BASE_US, BACKOFF_CEILING_US)))
			break;
	}
	/* Otherwise the server would keep it for a while. */
	if (follow->consumer[0] && bus_connected(listener->bus))
		(void)bus_consumer_delete(listener->bus, follow->stream, follow->consumer);
	return NULL;
}

int bus_follow_start(struct bus *bus, const char *stream, const char *filter, const struct bus_follow_handlers *handlers,
                     struct bus_follow **ret)
{
	CLEANUP(follow) struct bus_follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return -ENOMEM;
	follow->stream = strdup(stream);
	follow->filter = strdup(filter);
	if (!follow->stream || !follow->filter)
		return -ENOMEM;
	follow->handlers = *handlers;

	int r = bus_listener_init(&follow->listener, bus);

	if (r == 0)
		r = bus_listener_start(&follow->listener, follow_main, follow);
	if (r < 0)
		return r;
	*ret = TAKE(follow);
	return 0;
}

void bus_follow_stop(struct bus_follow *follow)
{
	if (!follow)
		return;
	bus_listener_stop(&follow->listener);
	follow_free(follow);
}
