/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
/*
 * HTTP header fields in their order, repeated ones included. A zeroed struct is an empty list. One thread at a time.
 */
struct header_field { char *name, *value; };

struct header_list {
	struct header_field *fields;
	size_t count, capacity;
};

/* 0 or -ENOMEM. Copies; value need not end with a NUL. */
int header_list_add(struct header_list *list, const char *name, const char *value, size_t value_size);
/* The first value under a name in any case, or NULL. */
const char *header_list_find(const struct header_list *list, const char *name);
/*
 * Removes what concerns one connection only and must not be passed on (RFC 9110 7.6.1): what Connection names,
 * Connection itself and its relatives, and the framing, which either side makes anew.
 */
void header_list_drop_hop_by_hop(struct header_list *list);
void header_list_clear(struct header_list *list);
