/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"

#define SUBJECT_MAX 2048

int bus_publish(struct bus *bus, const char *subject, const void *payload, size_t size)
{
	CLEANUP(bus_link) struct bus_link *link = bus_link_get(bus);

	if (!link)
		return ERROR_DISCONNECTED;
	if (size > INT_MAX)
		return -EMSGSIZE;
	return bus_error(natsConnection_Publish(link->connection, subject, payload, (int)size));
}

int bus_respond(struct bus *bus, const struct bus_message *request, const void *payload, size_t size)
{
	const char *reply = bus_message_reply(request);

	return reply ? bus_publish(bus, reply, payload, size) : -EINVAL;
}

int bus_request_message(struct bus *bus, natsMsg *request, int64_t timeout_us, struct bus_message **ret)
{
	CLEANUP(bus_link) struct bus_link *link = bus_link_get(bus);
	unsigned denials = bus_denials(bus);
	natsMsg *answer = NULL;

	if (!link)
		return ERROR_DISCONNECTED;

	natsStatus status = natsConnection_RequestMsg(&answer, link->connection, request,
	                                              timeout_us < 1000 ? 1 : timeout_us / 1000);

	if (status == NATS_OK)
		return bus_message_wrap(answer, ret);
	/* A refused request is simply never answered. */
	if (status == NATS_TIMEOUT && bus_denied(bus, natsMsg_GetSubject(request), denials))
		return ERROR_DENIED;
	return bus_error(status);
}

int bus_request(struct bus *bus, const char *subject, const void *payload, size_t size, int64_t timeout_us,
                struct bus_message **ret)
{
	natsMsg *request = NULL;

	if (size > INT_MAX)
		return -EMSGSIZE;

	int r = bus_error(natsMsg_Create(&request, subject, NULL, payload, (int)size));

	if (r == 0)
		r = bus_request_message(bus, request, timeout_us, ret);
	natsMsg_Destroy(request);
	return r;
}

/* Codes of JetStream's API, as nats-server documents them. */
int bus_api_error(const json_t *answer)
{
	static const struct { int code, error; } table[] = {
		{ 10014, ERROR_NO_STREAM }, /* consumer not found */
		{ 10059, ERROR_NO_STREAM }, /* stream not found */
		{ 10039, ERROR_NO_STREAM }, /* JetStream not enabled for the account */
		{ 10076, ERROR_NO_STREAM }, /* JetStream not enabled */
		{ 10037, -ENOENT },         /* no message found */
		{ 10071, ERROR_CONFLICT },  /* wrong last sequence */
		{ 10058, ERROR_CONFLICT },  /* stream name already in use */
		{ 10008, -EAGAIN },         /* temporarily unavailable */
		{ 10009, -EAGAIN },         /* no response from the other servers */
		{ 10023, -ENOSPC },         /* insufficient resources */
		{ 10028, -ENOSPC },         /* memory limit of the account */
		{ 10047, -ENOSPC },         /* storage limit of the server */
		{ 10054, -EMSGSIZE },       /* message larger than the stream takes */
	};
	const json_t *error = json_object_get(answer, "error");

	if (!error)
		return 0;

	json_int_t code = json_integer_value(json_object_get(error, "err_code"));

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].error;
	LOG(LOG_DEBUG, "JetStream error %lld: %s", (long long)code, json_string_value(json_object_get(error, "description")));
	return json_integer_value(json_object_get(error, "code")) == 503 ? -EAGAIN : -EIO;
}

int bus_api(struct bus *bus, const json_t *request, json_t **ret_answer, const char *subject_format, ...)
{
	char subject[SUBJECT_MAX];
	va_list arguments;

	va_start(arguments, subject_format);

	int length = vsnprintf(subject, sizeof(subject), subject_format, arguments);

	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(subject))
		return -EINVAL;

	CLEANUP(free) char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	CLEANUP(bus_message) struct bus_message *message = NULL;

	if (request && !text)
		return -ENOMEM;

	int r = bus_request(bus, subject, text, text ? strlen(text) : 0, bus->timeout_us, &message);

	if (r < 0)
		return r == ERROR_NO_RESPONDER ? ERROR_NO_STREAM : r;

	size_t size;
	const void *payload = bus_message_payload(message, &size);
	CLEANUP(json) json_t *answer = json_loadb(payload ? payload : "", size, 0, NULL);

	if (!json_is_object(answer))
		return ERROR_MALFORMED;
	r = bus_api_error(answer);
	if (r == 0 && ret_answer)
		*ret_answer = TAKE(answer);
	return r;
}
