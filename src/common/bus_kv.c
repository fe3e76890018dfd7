/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/bus_internal.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"

#define NAME_SIZE 512

/* A bucket is a stream of a certain name and shape, so that other NATS programs can read it too. */
struct names {
	char stream[NAME_SIZE];
	char subject[NAME_SIZE]; /* of a key */
};

static int make_names(const char *bucket, const char *key, struct names *ret)
{
	int stream_size = snprintf(ret->stream, sizeof(ret->stream), "KV_%s", bucket);
	int subject_size = snprintf(ret->subject, sizeof(ret->subject), "$KV.%s.%s", bucket, key);

	return stream_size < 0 || stream_size >= NAME_SIZE || subject_size < 0 || subject_size >= NAME_SIZE ? -EINVAL : 0;
}

int bus_kv_ensure(struct bus *bus, const char *bucket, int replicas, bool *ret_created)
{
	struct names names;
	int r = make_names(bucket, ">", &names);

	if (r < 0)
		return r;

	CLEANUP(json) json_t *config =
		json_pack("{s:s, s:[s], s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:b, s:b}", "name", names.stream,
	                  "subjects", names.subject, "retention", "limits", "storage", "file", "discard", "new",
	                  "max_msgs_per_subject", 1, "max_msgs", -1, "max_bytes", -1, "num_replicas", replicas > 0 ? replicas : 1,
	                  "allow_direct", 1, "allow_rollup_hdrs", 1, "deny_delete", 1);

	return config ? bus_stream_create(bus, config, names.stream, ret_created) : -ENOMEM;
}

/* Other programs delete by a marker. */
static bool is_marker(const struct bus_message *message)
{
	const char *operation = bus_message_header(message, "KV-Operation");

	return operation && (strcmp(operation, "DEL") == 0 || strcmp(operation, "PURGE") == 0);
}

int bus_kv_get(struct bus *bus, const char *bucket, const char *key, char **ret_value, uint64_t *ret_revision)
{
	struct names names;
	CLEANUP(bus_message) struct bus_message *message = NULL;
	int r = make_names(bucket, key, &names);

	if (r == 0)
		r = bus_stream_last(bus, names.stream, names.subject, &message);
	if (r < 0)
		return r;
	if (is_marker(message))
		return -ENOENT;

	size_t size;
	const void *payload = bus_message_payload(message, &size);
	char *value = malloc(size + 1);

	if (!value)
		return -ENOMEM;
	if (size > 0)
		memcpy(value, payload, size);
	value[size] = '\0';
	*ret_value = value;
	if (ret_revision)
		*ret_revision = bus_message_sequence(message);
	return 0;
}

int bus_kv_put(struct bus *bus, const char *bucket, const char *key, const char *value, uint64_t expected,
               uint64_t *ret_revision)
{
	struct names names;
	CLEANUP(bus_message) struct bus_message *message = NULL, *last = NULL;
	int r = make_names(bucket, key, &names);

	if (r == 0)
		r = bus_message_new(names.subject, value, strlen(value), &message);
	if (r == 0)
		r = bus_store(bus, message, NULL, expected, ret_revision);
	if (r != ERROR_CONFLICT || expected != 0)
		return r;
	/* A marker in the place of a deleted key does not count as a value. */
	if (bus_stream_last(bus, names.stream, names.subject, &last) < 0 || !is_marker(last))
		return ERROR_CONFLICT;
	return bus_store(bus, message, NULL, bus_message_sequence(last), ret_revision);
}

int bus_kv_delete(struct bus *bus, const char *bucket, const char *key)
{
	struct names names;
	int r = make_names(bucket, key, &names);

	return r < 0 ? r : bus_stream_purge_subject(bus, names.stream, names.subject);
}

struct each {
	size_t skip;
	int (*visit)(const char *key, void *userdata);
	void *userdata;
};

static int visit_subject(const char *subject, void *userdata)
{
	const struct each *each = userdata;

	return strlen(subject) > each->skip ? each->visit(subject + each->skip, each->userdata) : 0;
}

int bus_kv_each(struct bus *bus, const char *bucket, int (*visit)(const char *, void *), void *userdata)
{
	struct names names;
	int r = make_names(bucket, ">", &names);
	struct each each = { .skip = strlen(names.subject) - 1, .visit = visit, .userdata = userdata };

	return r < 0 ? r : bus_stream_subjects(bus, names.stream, names.subject, visit_subject, &each);
}
