/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"

#define DUPLICATE_WINDOW_NS INT64_C(120000000000)
#define STATUS_NOT_FOUND 404

int bus_stream_read_direct(struct bus_message *answer, struct bus_message **ret)
{
	CLEANUP(bus_message) struct bus_message *message = answer;
	unsigned status = bus_message_status(message);

	if (status != 0)
		return status == STATUS_NOT_FOUND ? -ENOENT : -EINVAL;

	int r = bus_message_from_direct(message);

	if (r < 0)
		return r;
	*ret = TAKE(message);
	return 0;
}

int bus_stream_last(struct bus *bus, const char *stream, const char *subject, struct bus_message **ret)
{
	CLEANUP(free) char *request = NULL;
	struct bus_message *message = NULL;

	/* The form with the subject in the request's own subject: rights can be given for it. */
	if (asprintf(&request, "$JS.API.DIRECT.GET.%s.%s", stream, subject) < 0) {
		request = NULL;
		return -ENOMEM;
	}

	int r = bus_request(bus, request, NULL, 0, bus->timeout_us, &message);

	/* Nobody answers for a stream that does not exist. (Who may not ask for streams keeps the timeout.) */
	if (r == -ETIMEDOUT && bus_api(bus, NULL, NULL, "$JS.API.STREAM.INFO.%s", stream) == ERROR_NO_STREAM)
		return ERROR_NO_STREAM;
	if (r < 0)
		return r == ERROR_NO_RESPONDER ? ERROR_NO_STREAM : r;
	return bus_stream_read_direct(message, ret);
}

static json_t *stream_config(const struct bus_stream_options *options)
{
	json_t *subjects = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(options->subjects) && options->subjects[i]; i++)
		json_array_append_new(subjects, json_string(options->subjects[i]));
	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:b}",
	                 "name", options->name, "subjects", subjects, "retention", "limits", "storage", "file", "discard", "old",
	                 "max_msgs_per_subject", (json_int_t)options->max_messages_per_subject,
	                 "max_age", (json_int_t)options->max_age_us * 1000,
	                 "max_bytes", (json_int_t)(options->max_bytes > 0 ? options->max_bytes : -1),
	                 "max_msgs", (json_int_t)-1, "max_consumers", -1, "max_msg_size", (json_int_t)-1,
	                 "num_replicas", (json_int_t)(options->replicas > 0 ? options->replicas : 1),
	                 "duplicate_window", (json_int_t)DUPLICATE_WINDOW_NS, "allow_direct", 1);
}

int bus_stream_create(struct bus *bus, json_t *config, const char *name, bool *ret_created)
{
	bool created = false;
	int r = bus_api(bus, NULL, NULL, "$JS.API.STREAM.INFO.%s", name);

	/* Looked for first, since the server takes an equal CREATE for a success and would not say who made it. */
	if (r == ERROR_NO_STREAM) {
		r = bus_api(bus, config, NULL, "$JS.API.STREAM.CREATE.%s", name);
		created = r == 0;
		if (r == ERROR_CONFLICT) /* somebody else was faster */
			r = 0;
	}
	if (r == 0 && ret_created)
		*ret_created = created;
	return r;
}

int bus_stream_ensure(struct bus *bus, const struct bus_stream_options *options, bool *ret_created)
{
	CLEANUP(json) json_t *config = stream_config(options);

	return config ? bus_stream_create(bus, config, options->name, ret_created) : -ENOMEM;
}

uint64_t bus_json_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

int bus_stream_facts(struct bus *bus, const char *stream, struct bus_stream_facts *ret)
{
	CLEANUP(json) json_t *answer = NULL;
	int r = bus_api(bus, NULL, &answer, "$JS.API.STREAM.INFO.%s", stream);

	if (r < 0)
		return r;

	const json_t *state = json_object_get(answer, "state");

	*ret = (struct bus_stream_facts){
		.messages = bus_json_number(state, "messages"),
		.bytes = bus_json_number(state, "bytes"),
		.first_sequence = bus_json_number(state, "first_seq"),
		.last_sequence = bus_json_number(state, "last_seq"),
		.created_us = bus_time_us(json_string_value(json_object_get(answer, "created"))),
	};
	return 0;
}

int bus_stream_purge_subject(struct bus *bus, const char *stream, const char *subject)
{
	CLEANUP(json) json_t *request = json_pack("{s:s}", "filter", subject);

	return request ? bus_api(bus, request, NULL, "$JS.API.STREAM.PURGE.%s", stream) : -ENOMEM;
}

int bus_stream_subjects(struct bus *bus, const char *stream, const char *filter,
                        int (*visit)(const char *subject, void *userdata), void *userdata)
{
	/* The server gives at most 100,000 subjects an answer; the next page starts at the offset. */
	for (json_int_t offset = 0, total = 1; offset < total;) {
		CLEANUP(json) json_t *request = json_pack("{s:s, s:I}", "subjects_filter", filter, "offset", offset);
		CLEANUP(json) json_t *answer = NULL;
		const char *subject;
		json_t *count;
		int r = request ? bus_api(bus, request, &answer, "$JS.API.STREAM.INFO.%s", stream) : -ENOMEM;

		if (r < 0)
			return r;

		json_t *subjects = json_object_get(json_object_get(answer, "state"), "subjects");

		total = json_integer_value(json_object_get(answer, "total"));
		if (json_object_size(subjects) == 0)
			return 0;
		offset += (json_int_t)json_object_size(subjects);
		json_object_foreach(subjects, subject, count) {
			r = visit(subject, userdata);
			if (r != 0)
				return r;
		}
	}
	return 0;
}
