/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/header_list.h"
#include <errno.h>
#include <stdbool.h>
#include <strings.h>
#include "common/cleanup.h"

int header_list_add(struct header_list *list, const char *name, const char *value, size_t value_size)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct header_field *fields = reallocarray(list->fields, capacity, sizeof(*fields));
		if (!fields)
			return -ENOMEM;
		list->fields = fields;
		list->capacity = capacity;
	}
	CLEANUP(free) char *name_copy = strdup(name);
	CLEANUP(free) char *value_copy = strndup(value, value_size);
	if (!name_copy || !value_copy)
		return -ENOMEM;
	list->fields[list->count++] = (struct header_field){ TAKE(name_copy), TAKE(value_copy) };
	return 0;
}

const char *header_list_find(const struct header_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->fields[i].name, name) == 0)
			return list->fields[i].value;
	}
	return NULL;
}

static bool is_hop_by_hop(const char *name)
{
	static const char *const names[] = { "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
	                                     "Transfer-Encoding", "Upgrade", "Content-Length" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* True if a Connection field of the list has the name among its options. */
static bool is_named_by_connection(const struct header_list *list, const char *name)
{
	size_t size = strlen(name);
	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->fields[i].name, "Connection") != 0)
			continue;
		for (const char *at = list->fields[i].value; *at;) {
			at += strspn(at, ", \t");
			size_t length = strcspn(at, ", \t");
			if (length == size && strncasecmp(at, name, size) == 0)
				return true;
			at += length;
		}
	}
	return false;
}

static void drop(struct header_list *list, size_t at)
{
	free(list->fields[at].name);
	free(list->fields[at].value);
	list->count--;
	memmove(list->fields + at, list->fields + at + 1, (list->count - at) * sizeof(*list->fields));
}

void header_list_drop_hop_by_hop(struct header_list *list)
{
	/* Connection itself goes in the second pass: it is needed until all others were looked at. */
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < list->count;) {
			const char *name = list->fields[i].name;
			/* Host is never an option of a connection, and no request is complete without it. */
			bool named = pass == 0 && strcasecmp(name, "Host") != 0 && strcasecmp(name, "Connection") != 0 &&
			             is_named_by_connection(list, name);
			if (named || (pass == 1 && is_hop_by_hop(name)))
				drop(list, i);
			else
				i++;
		}
	}
}

void header_list_clear(struct header_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->fields[i].name);
		free(list->fields[i].value);
	}
	free(list->fields);
	*list = (struct header_list){ 0 };
}
