/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/zone_head.h"
/*
 * What a secondary did with one head: published on PREFIX.applied.<secondary id> as JSON:
 * {"v":1,"zone":"example.org.","result":"applied|failed|refused|conflict","generation":N,"serial":N,"sequence":N,
 *  "state":"present|deleted","reason":"…","us":N,"at":"<RFC 3339, ms>"}
 */
enum applied_result { APPLIED_OK, APPLIED_FAILED, APPLIED_REFUSED, APPLIED_CONFLICT };

struct applied {
	char zone[ZONE_NAME_SIZE];
	enum applied_result result;
	uint64_t generation;   /* of the head concerned; 0 if it could not be read */
	uint32_t serial;
	uint64_t sequence;     /* of the head in the stream */
	enum zone_state state;
	char reason[256];      /* empty for APPLIED_OK */
	uint64_t took_us;
	uint64_t at_us;
};
const char *applied_result_name(enum applied_result result);
int applied_encode(const struct applied *applied, char **ret_json); /* malloc'ed */
int applied_decode(const void *payload, size_t size, struct applied *ret); /* ERROR_MALFORMED, ERROR_VERSION */
