/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/bus_fetch.h"
#include "common/clock.h"
#include "common/error.h"

#define BACKOFF_BASE_US 100000
#define BACKOFF_CEILING_US 2000000

struct bus_pull {
	struct bus_listener listener;
	struct bus_fetch fetch;
	char *stream, *consumer;
	void (*on_message)(struct bus_message *message, void *userdata);
	void (*on_problem)(int error, void *userdata);
	void *userdata;
	bool in_trouble;
};

static void pull_free(struct bus_pull *pull)
{
	free(pull->stream);
	free(pull->consumer);
	free(pull);
}
DEFINE_CLEANUP(pull, struct bus_pull *, pull_free)

static void tell(struct bus_pull *pull, int error)
{
	if (error == 0 && !pull->in_trouble)
		return;
	pull->in_trouble = error != 0;
	if (pull->on_problem)
		pull->on_problem(error, pull->userdata);
}

static void *pull_main(void *argument)
{
	struct bus_pull *pull = argument;
	struct bus_listener *listener = &pull->listener;
	unsigned attempt = 0;

	for (;;) {
		struct bus_message *message = NULL;
		int r = bus_fetch_open(&pull->fetch, listener);

		while (r == 0) {
			r = bus_fetch_next(&pull->fetch, listener, &message);
			if (r == 0) {
				attempt = 0;
				tell(pull, 0);
				if (message)
					pull->on_message(TAKE(message), pull->userdata);
			}
		}
		bus_listener_close(listener);
		if (r == -ECANCELED)
			return NULL;
		tell(pull, r);
		/* After a lost connection there is nothing to wait for but the next one. */
		if (r != ERROR_DISCONNECTED &&
		    !bus_listener_sleep(listener, clock_backoff_us(attempt++, BACKOFF_BASE_US, BACKOFF_CEILING_US)))
			return NULL;
	}
}

int bus_pull_start(struct bus *bus, const char *stream, const char *consumer, unsigned batch,
                   void (*on_message)(struct bus_message *, void *), void (*on_problem)(int, void *), void *userdata,
                   struct bus_pull **ret)
{
	CLEANUP(pull) struct bus_pull *pull = calloc(1, sizeof(*pull));

	if (!pull)
		return -ENOMEM;
	pull->stream = strdup(stream);
	pull->consumer = strdup(consumer);
	if (!pull->stream || !pull->consumer)
		return -ENOMEM;
	pull->on_message = on_message;
	pull->on_problem = on_problem;
	pull->userdata = userdata;
	pull->fetch = (struct bus_fetch){ .stream = pull->stream, .consumer = pull->consumer, .batch = batch > 0 ? batch : 1 };

	int r = bus_listener_init(&pull->listener, bus);

	if (r == 0)
		r = bus_listener_start(&pull->listener, pull_main, pull);
	if (r < 0)
		return r;
	*ret = TAKE(pull);
	return 0;
}

void bus_pull_stop(struct bus_pull *pull)
{
	if (!pull)
		return;
	bus_listener_stop(&pull->listener);
	pull_free(pull);
}

/* Only JetStream's own acknowledgement subjects: whatever else a reply subject says, we do not publish to it. */
static int acknowledge(struct bus *bus, const struct bus_message *message, const char *text)
{
	return message->acked_by_reply ? bus_publish(bus, bus_message_reply(message), text, strlen(text)) : -EINVAL;
}

int bus_ack(struct bus *bus, const struct bus_message *message)
{
	return acknowledge(bus, message, "+ACK");
}

int bus_ack_later(struct bus *bus, const struct bus_message *message, int64_t delay_us)
{
	char text[64];

	snprintf(text, sizeof(text), "-NAK {\"delay\":%" PRId64 "}", delay_us * 1000);
	return acknowledge(bus, message, delay_us > 0 ? text : "-NAK");
}

int bus_ack_progress(struct bus *bus, const struct bus_message *message)
{
	return acknowledge(bus, message, "+WPI");
}
