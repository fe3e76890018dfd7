/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/error.h"

#define MAX_WAITING 64

static json_t *consumer_request(const struct bus_consumer_options *options)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:I, s:i}",
	                           "durable_name", options->name, "deliver_policy", "all", "ack_policy", "explicit",
	                           "replay_policy", "instant", "ack_wait", (json_int_t)options->ack_wait_us * 1000,
	                           "max_deliver", -1, "max_ack_pending", (json_int_t)options->max_ack_pending,
	                           "max_waiting", MAX_WAITING);

	if (config && options->filter)
		json_object_set_new(config, "filter_subject", json_string(options->filter));
	return json_pack("{s:s, s:o}", "stream_name", options->stream, "config", config);
}

int bus_consumer_ensure(struct bus *bus, const struct bus_consumer_options *options, bool *ret_created)
{
	bool created = false;
	int r = bus_api(bus, NULL, NULL, "$JS.API.CONSUMER.INFO.%s.%s", options->stream, options->name);

	if (r == ERROR_NO_STREAM) {
		CLEANUP(json) json_t *request = consumer_request(options);

		r = request ? bus_api(bus, request, NULL, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", options->stream, options->name)
		            : -ENOMEM;
		created = r == 0;
	}
	if (r == 0 && ret_created)
		*ret_created = created;
	return r;
}

int bus_consumer_delete(struct bus *bus, const char *stream, const char *name)
{
	int r = bus_api(bus, NULL, NULL, "$JS.API.CONSUMER.DELETE.%s.%s", stream, name);

	return r == ERROR_NO_STREAM ? 0 : r;
}

static int read_facts(const json_t *info, struct bus_consumer_facts *ret)
{
	const char *name = json_string_value(json_object_get(info, "name"));
	struct bus_consumer_facts facts = {
		.pending = bus_json_number(info, "num_pending"),
		.ack_pending = bus_json_number(info, "num_ack_pending"),
		.delivered_sequence = bus_json_number(json_object_get(info, "delivered"), "stream_seq"),
		.acked_sequence = bus_json_number(json_object_get(info, "ack_floor"), "stream_seq"),
		.created_us = bus_time_us(json_string_value(json_object_get(info, "created"))),
	};

	if (!name || strlen(name) >= sizeof(facts.name))
		return ERROR_MALFORMED;
	strcpy(facts.name, name);
	*ret = facts;
	return 0;
}

int bus_consumer_facts(struct bus *bus, const char *stream, const char *name, struct bus_consumer_facts *ret)
{
	CLEANUP(json) json_t *answer = NULL;
	int r = bus_api(bus, NULL, &answer, "$JS.API.CONSUMER.INFO.%s.%s", stream, name);

	return r < 0 ? r : read_facts(answer, ret);
}

int bus_consumer_each(struct bus *bus, const char *stream, int (*visit)(const struct bus_consumer_facts *, void *), void *userdata)
{
	for (json_int_t offset = 0, total = 1; offset < total;) {
		CLEANUP(json) json_t *request = json_pack("{s:I}", "offset", offset);
		CLEANUP(json) json_t *answer = NULL;
		size_t index;
		json_t *info;
		int r = request ? bus_api(bus, request, &answer, "$JS.API.CONSUMER.LIST.%s", stream) : -ENOMEM;

		if (r < 0)
			return r;

		json_t *list = json_object_get(answer, "consumers");

		total = json_integer_value(json_object_get(answer, "total"));
		if (json_array_size(list) == 0)
			return 0;
		offset += (json_int_t)json_array_size(list);
		json_array_foreach(list, index, info) {
			struct bus_consumer_facts facts;

			if (!json_object_get(json_object_get(info, "config"), "durable_name"))
				continue;
			r = read_facts(info, &facts);
			if (r == 0)
				r = visit(&facts, userdata);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
