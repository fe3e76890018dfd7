/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "common/zone_name.h"
/*
 * A provider begins to make a new head of a small zone, because a change was made: published on PREFIX.coming.<provider id> as
 * JSON: {"v":1,"zone":"example.org.","follows":N}. A hint and no more: it is not signed, may get lost, and the head may not
 * come. Whoever hears it may have things ready; what it applies is the head alone. Any thread.
 */
#define COMING_SIZE_MAX 65536 /* octets of text that the head before has: larger zones take too long to be waited for */

struct coming {
	char zone[ZONE_NAME_SIZE];
	uint64_t follows; /* generation of the head that stands */
};
int coming_encode(const struct coming *coming, char **ret_json); /* malloc'ed */
int coming_decode(const void *payload, size_t size, struct coming *ret); /* ERROR_MALFORMED, ERROR_VERSION */
