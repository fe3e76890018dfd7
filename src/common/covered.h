/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/zone_name.h"
/*
 * A provider is done with an event, and with all earlier ones of that zone: published on PREFIX.covered.<provider id> as
 * JSON: {"v":1,"zone":"example.org.","event":N,"generation":N,"changed":true|false}. Any thread.
 */
struct covered {
	char zone[ZONE_NAME_SIZE];
	uint64_t event;      /* its sequence in the stream */
	uint64_t generation; /* of the head that now stands; 0: there is none */
	bool changed;        /* false: the head stood already */
};
int covered_encode(const struct covered *covered, char **ret_json); /* malloc'ed */
int covered_decode(const void *payload, size_t size, struct covered *ret); /* ERROR_MALFORMED, ERROR_VERSION */
