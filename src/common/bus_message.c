/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/error.h"

#define ACK_PREFIX "$JS.ACK."
#define ACK_TOKENS_MAX 12

static bool parse_number(const char *text, size_t size, uint64_t *ret)
{
	uint64_t value = 0;

	if (size == 0 || size > 20)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

/*
 * Reply subject of a message from a consumer, in two forms:
 *   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<ns>.<pending>
 *   $JS.ACK.<domain>.<account>.<stream>.<consumer>.<same five>.<random>
 */
static void read_ack_subject(struct bus_message *message, const char *reply)
{
	const char *tokens[ACK_TOKENS_MAX];
	size_t sizes[ACK_TOKENS_MAX], count = 0;

	if (!reply || strncmp(reply, ACK_PREFIX, strlen(ACK_PREFIX)) != 0)
		return;
	for (const char *token = reply; count < ACK_TOKENS_MAX; token += sizes[count - 1] + 1) {
		tokens[count] = token;
		sizes[count] = strcspn(token, ".");
		if (token[sizes[count++]] == '\0')
			break;
	}

	size_t first = count == 9 ? 4 : count >= 11 ? 6 : 0;
	uint64_t numbers[5];

	if (first == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!parse_number(tokens[first + i], sizes[first + i], &numbers[i]))
			return;
	message->acked_by_reply = true;
	message->deliveries = numbers[0] > UINT_MAX ? UINT_MAX : (unsigned)numbers[0];
	message->sequence = numbers[1];
	message->consumer_sequence = numbers[2];
	message->time_us = numbers[3] / 1000;
	message->pending = numbers[4];
}

int bus_message_wrap(natsMsg *message, struct bus_message **ret)
{
	struct bus_message *wrapped = calloc(1, sizeof(*wrapped));

	if (!wrapped) {
		natsMsg_Destroy(message);
		return -ENOMEM;
	}
	wrapped->message = message;
	read_ack_subject(wrapped, natsMsg_GetReply(message));
	*ret = wrapped;
	return 0;
}

/* The library's garbage collector must be there before the first message goes, connection or not. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static void library_open(void) { (void)nats_Open(-1); }

int bus_message_new(const char *subject, const void *payload, size_t size, struct bus_message **ret)
{
	natsMsg *message = NULL;

	if (size > INT_MAX)
		return -EMSGSIZE;
	pthread_once(&library_once, library_open);

	natsStatus status = natsMsg_Create(&message, subject, NULL, payload, (int)size);

	return status == NATS_OK ? bus_message_wrap(message, ret) : bus_error(status);
}

void bus_message_free(struct bus_message *message)
{
	if (!message)
		return;
	natsMsg_Destroy(message->message);
	free(message->subject);
	free(message);
}

int bus_message_set_header(struct bus_message *message, const char *name, const char *value)
{
	/* A line break would let the value invent headers of its own. */
	if (strpbrk(value, "\r\n") || strpbrk(name, "\r\n: "))
		return -EINVAL;
	return bus_error(natsMsgHeader_Set(message->message, name, value));
}

int bus_message_delete_header(struct bus_message *message, const char *name)
{
	natsStatus status = natsMsgHeader_Delete(message->message, name);

	return status == NATS_NOT_FOUND ? 0 : bus_error(status);
}

const char *bus_message_header(const struct bus_message *message, const char *name)
{
	const char *value = NULL;

	return natsMsgHeader_Get(message->message, name, &value) == NATS_OK ? value : NULL;
}

/* The last value of a header: the server appends its own behind those that a publisher may have forged. */
static const char *last_header(const struct bus_message *message, const char *name, size_t *ret_count)
{
	const char **values = NULL;
	int count = 0;

	if (natsMsgHeader_Values(message->message, name, &values, &count) != NATS_OK || count <= 0) {
		*ret_count = 0;
		return NULL;
	}

	const char *last = values[count - 1];

	free((void *)values);
	*ret_count = (size_t)count;
	return last;
}

size_t bus_message_header_count(const struct bus_message *message, const char *name)
{
	size_t count;

	(void)last_header(message, name, &count);
	return count;
}

uint64_t bus_time_us(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	uint64_t us = 0, unit = 100000;

	if (!rest)
		return 0;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			us += (uint64_t)(*rest - '0') * unit;
	return (uint64_t)timegm(&tm) * 1000000 + us;
}

int bus_message_from_direct(struct bus_message *message)
{
	size_t count;
	const char *sequence = last_header(message, "Nats-Sequence", &count);
	const char *subject = last_header(message, "Nats-Subject", &count);

	if (!sequence || !subject || !parse_number(sequence, strlen(sequence), &message->sequence))
		return ERROR_MALFORMED;
	message->time_us = bus_time_us(last_header(message, "Nats-Time-Stamp", &count));
	message->deliveries = 1;
	message->subject = strdup(subject);
	return message->subject ? 0 : -ENOMEM;
}

unsigned bus_message_status(const struct bus_message *message)
{
	uint64_t number;
	const char *status;
	size_t count;

	/* A publisher may store a message that carries a status line; only what did not come out of a stream is a status. */
	if (message->acked_by_reply || last_header(message, "Nats-Sequence", &count))
		return 0;
	status = bus_message_header(message, "Status");
	return status && parse_number(status, strlen(status), &number) && number < 1000 ? (unsigned)number : 0;
}

int bus_message_clone(const struct bus_message *message, const char *reply, natsMsg **ret)
{
	natsMsg *copy = NULL;
	const char **names = NULL;
	int count = 0;
	natsStatus status = natsMsg_Create(&copy, natsMsg_GetSubject(message->message), reply,
	                                   natsMsg_GetData(message->message), natsMsg_GetDataLength(message->message));

	if (status != NATS_OK)
		return bus_error(status);
	if (natsMsgHeader_Keys(message->message, &names, &count) == NATS_OK) {
		for (int i = 0; i < count && status == NATS_OK; i++) {
			const char *value = NULL;

			status = natsMsgHeader_Get(message->message, names[i], &value);
			if (status == NATS_OK)
				status = natsMsgHeader_Set(copy, names[i], value);
		}
		free((void *)names);
	}
	if (status != NATS_OK) {
		natsMsg_Destroy(copy);
		return bus_error(status);
	}
	*ret = copy;
	return 0;
}

const char *bus_message_subject(const struct bus_message *message)
{
	return message->subject ? message->subject : natsMsg_GetSubject(message->message);
}

const char *bus_message_reply(const struct bus_message *message)
{
	const char *reply = natsMsg_GetReply(message->message);

	return reply && reply[0] != '\0' ? reply : NULL;
}

const void *bus_message_payload(const struct bus_message *message, size_t *ret_size)
{
	int size = natsMsg_GetDataLength(message->message);

	if (ret_size)
		*ret_size = size > 0 ? (size_t)size : 0;
	return natsMsg_GetData(message->message);
}

uint64_t bus_message_stored_size(const struct bus_message *message)
{
	size_t size, count;
	uint64_t stored;

	(void)bus_message_payload(message, &size);

	const char *text = size == 0 ? last_header(message, "Nats-Msg-Size", &count) : NULL;

	return text && parse_number(text, strlen(text), &stored) ? stored : size;
}

uint64_t bus_message_sequence(const struct bus_message *message)
{
	return message->sequence;
}

uint64_t bus_message_time_us(const struct bus_message *message)
{
	return message->time_us;
}

unsigned bus_message_deliveries(const struct bus_message *message)
{
	return message->deliveries;
}
