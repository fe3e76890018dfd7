/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"

#define HEADER_ID "Nats-Msg-Id"
#define HEADER_EXPECTED "Nats-Expected-Last-Subject-Sequence"

/* Sets or removes both headers, so that a message can be stored again with other conditions. */
static int set_conditions(struct bus_message *message, const char *message_id, uint64_t expected_last)
{
	char number[24];
	int r = message_id ? bus_message_set_header(message, HEADER_ID, message_id) :
	                     bus_message_delete_header(message, HEADER_ID);

	if (r < 0)
		return r;
	if (expected_last == BUS_ANY)
		return bus_message_delete_header(message, HEADER_EXPECTED);
	snprintf(number, sizeof(number), "%" PRIu64, expected_last);
	return bus_message_set_header(message, HEADER_EXPECTED, number);
}

static int read_acknowledgement(const struct bus_message *message, uint64_t *ret_sequence)
{
	size_t size;
	const void *payload = bus_message_payload(message, &size);

	if (bus_message_status(message) == 503)
		return ERROR_NO_STREAM;

	CLEANUP(json) json_t *answer = json_loadb(payload ? payload : "", size, 0, NULL);
	int r = bus_api_error(answer);

	if (r < 0)
		return r;

	json_int_t sequence = json_integer_value(json_object_get(answer, "seq"));

	if (sequence <= 0 || !json_is_string(json_object_get(answer, "stream")))
		return ERROR_MALFORMED;
	if (ret_sequence)
		*ret_sequence = (uint64_t)sequence;
	return 0;
}

int bus_store(struct bus *bus, struct bus_message *message, const char *message_id, uint64_t expected_last,
              uint64_t *ret_sequence)
{
	CLEANUP(bus_message) struct bus_message *answer = NULL;
	int r = set_conditions(message, message_id, expected_last);

	if (r < 0)
		return r;
	r = bus_request_message(bus, message->message, bus->timeout_us, &answer);
	if (r < 0)
		return r == ERROR_NO_RESPONDER ? ERROR_NO_STREAM : r;
	return read_acknowledgement(answer, ret_sequence);
}

/* Sends message number `index` with its own answer subject. */
static int send_one(struct bus_link *link, struct bus_message *message, const char *message_id, const char *inbox, size_t index)
{
	char reply[BUS_INBOX_SIZE + 24];
	natsMsg *copy = NULL;
	int r = set_conditions(message, message_id, BUS_ANY);

	if (r < 0)
		return r;
	snprintf(reply, sizeof(reply), "%s.%zu", inbox, index);
	r = bus_message_clone(message, reply, &copy);
	if (r < 0)
		return r;
	r = bus_error(natsConnection_PublishMsg(link->connection, copy));
	natsMsg_Destroy(copy);
	return r;
}

static void receive_all(natsSubscription *subscription, size_t prefix_size, size_t count, size_t waiting, int64_t timeout_us,
                        int *results, uint64_t *sequences)
{
	uint64_t until = clock_monotonic_us() + (uint64_t)timeout_us;

	while (waiting > 0) {
		CLEANUP(bus_message) struct bus_message *answer = NULL;
		uint64_t now = clock_monotonic_us();
		natsMsg *message = NULL;
		natsStatus status = now < until ? natsSubscription_NextMsg(&message, subscription, (int64_t)(until - now) / 1000 + 1)
		                                : NATS_TIMEOUT;
		int r = status == NATS_OK ? bus_message_wrap(message, &answer) : bus_error(status);

		if (r < 0) {
			for (size_t i = 0; i < count; i++)
				if (results[i] == -EINPROGRESS)
					results[i] = r == ERROR_NO_RESPONDER ? ERROR_NO_STREAM : r;
			return;
		}

		/* The mark "in progress" also keeps a number that somebody made up, or an answer that came twice, from counting. */
		size_t index = strtoul(bus_message_subject(answer) + prefix_size, NULL, 10);

		if (index >= count || results[index] != -EINPROGRESS)
			continue;
		results[index] = read_acknowledgement(answer, sequences ? &sequences[index] : NULL);
		waiting--;
	}
}

int bus_store_many(struct bus *bus, struct bus_message *const *messages, const char *const *message_ids, size_t count,
                   int *results)
{
	return bus_store_many_sequences(bus, messages, message_ids, count, results, NULL);
}

int bus_store_many_sequences(struct bus *bus, struct bus_message *const *messages, const char *const *message_ids, size_t count,
                             int *results, uint64_t *sequences)
{
	if (count == 1) /* without a subscription of its own, which costs as much again */
		return results[0] = bus_store(bus, messages[0], message_ids ? message_ids[0] : NULL, BUS_ANY, sequences);

	CLEANUP(bus_link) struct bus_link *link = bus_link_get(bus);
	char inbox[BUS_INBOX_SIZE], wildcard[BUS_INBOX_SIZE + 4];
	natsSubscription *subscription = NULL;
	size_t waiting = 0;

	bus_inbox(bus, inbox);
	snprintf(wildcard, sizeof(wildcard), "%s.*", inbox);

	int r = link ? bus_error(natsConnection_SubscribeSync(&subscription, link->connection, wildcard)) : ERROR_DISCONNECTED;

	for (size_t i = 0; i < count; i++) {
		results[i] = r < 0 ? r : send_one(link, messages[i], message_ids ? message_ids[i] : NULL, inbox, i);
		if (results[i] == 0) {
			results[i] = -EINPROGRESS;
			waiting++;
		}
	}
	if (r == 0)
		receive_all(subscription, strlen(inbox) + 1, count, waiting, bus->timeout_us, results, sequences);
	bus_link_end_subscription(link, subscription);
	for (size_t i = 0; i < count && r == 0; i++)
		r = results[i];
	return r;
}
