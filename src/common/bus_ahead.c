/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"

/* What was asked for and not taken yet: a ring, in the order of asking. */
struct asked {
	char *subject;
	struct bus_message *answer; /* NULL: not there yet */
};

struct bus_ahead {
	struct bus *bus;
	struct bus_link *link; /* NULL: not connected when it began */
	natsSubscription *subscription;
	char *stream;
	char inbox[BUS_INBOX_SIZE];
	uint64_t first, next; /* numbers of the oldest that was not taken and of the next one */
	struct asked ring[BUS_AHEAD_MAX];
};

static struct asked *asked(struct bus_ahead *ahead, uint64_t number) { return &ahead->ring[number % BUS_AHEAD_MAX]; }

int bus_ahead_new(struct bus *bus, const char *stream, struct bus_ahead **ret)
{
	struct bus_ahead *ahead = calloc(1, sizeof(*ahead));
	char wildcard[BUS_INBOX_SIZE + 4];

	if (!ahead)
		return -ENOMEM;
	ahead->bus = bus;
	ahead->stream = strdup(stream);
	if (!ahead->stream) {
		free(ahead);
		return -ENOMEM;
	}
	bus_inbox(bus, ahead->inbox);
	snprintf(wildcard, sizeof(wildcard), "%s.*", ahead->inbox);
	ahead->link = bus_link_get(bus);
	/* Without a subscription each message is asked for when it is wanted, which then says what is wrong. */
	if (ahead->link && natsConnection_SubscribeSync(&ahead->subscription, ahead->link->connection, wildcard) != NATS_OK)
		ahead->subscription = NULL;
	*ret = ahead;
	return 0;
}

void bus_ahead_free(struct bus_ahead *ahead)
{
	if (!ahead)
		return;
	for (size_t i = 0; i < BUS_AHEAD_MAX; i++) {
		free(ahead->ring[i].subject);
		bus_message_free(ahead->ring[i].answer);
	}
	if (ahead->link) {
		bus_link_end_subscription(ahead->link, ahead->subscription);
		bus_link_put(ahead->link);
	}
	free(ahead->stream);
	free(ahead);
}

int bus_ahead_ask(struct bus_ahead *ahead, const char *subject)
{
	CLEANUP(free) char *request = NULL;
	char reply[BUS_INBOX_SIZE + 24];

	if (ahead->next - ahead->first == BUS_AHEAD_MAX)
		return -ENOBUFS;

	CLEANUP(free) char *copy = strdup(subject);

	if (!copy || asprintf(&request, "$JS.API.DIRECT.GET.%s.%s", ahead->stream, subject) < 0) {
		request = NULL;
		return -ENOMEM;
	}
	snprintf(reply, sizeof(reply), "%s.%llu", ahead->inbox, (unsigned long long)ahead->next);
	/* Lost, or not sent at all: asked for once more when it is wanted. */
	if (ahead->subscription)
		(void)natsConnection_PublishRequest(ahead->link->connection, request, reply, NULL, 0);
	*asked(ahead, ahead->next++) = (struct asked){ .subject = TAKE(copy) };
	return 0;
}

/* Takes answers until that to the oldest is there; false when it does not come. */
static bool receive(struct bus_ahead *ahead)
{
	uint64_t until = clock_monotonic_us() + (uint64_t)ahead->bus->timeout_us;
	struct asked *oldest = asked(ahead, ahead->first);

	while (ahead->subscription && !oldest->answer) {
		uint64_t now = clock_monotonic_us();
		struct bus_message *answer;
		natsMsg *message = NULL;

		if (now >= until ||
		    natsSubscription_NextMsg(&message, ahead->subscription, (int64_t)(until - now) / 1000 + 1) != NATS_OK ||
		    bus_message_wrap(message, &answer) < 0)
			return false;

		/* Answers may come in any order, also late to questions that were asked again. */
		uint64_t number = strtoull(bus_message_subject(answer) + strlen(ahead->inbox) + 1, NULL, 10);

		if (number < ahead->first || number >= ahead->next || asked(ahead, number)->answer)
			bus_message_free(answer);
		else
			asked(ahead, number)->answer = answer;
	}
	return oldest->answer;
}

int bus_ahead_take(struct bus_ahead *ahead, struct bus_message **ret)
{
	if (ahead->first == ahead->next)
		return -EINVAL;

	bool received = receive(ahead);
	struct asked *oldest = asked(ahead, ahead->first++);
	CLEANUP(free) char *subject = TAKE(oldest->subject);
	CLEANUP(bus_message) struct bus_message *answer = TAKE(oldest->answer);

	if (!received)
		return bus_stream_last(ahead->bus, ahead->stream, subject, ret);
	return bus_stream_read_direct(TAKE(answer), ret);
}
