/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "common/cleanup.h"
/*
 * Reading JSON messages that came over the wire and are not trusted: every member is checked for type, size and
 * characters. All return 0 or ERROR_MALFORMED unless said otherwise. Any thread.
 */
DEFINE_CLEANUP(json, json_t *, json_decref)

/* An object of at most `limit` octets whose member "v" is `version`; ERROR_VERSION for another number. Duplicate members are refused. */
int json_wire_load(const void *payload, size_t size, size_t limit, int version, json_t **ret);
/* A string that fits with its NUL and holds no control characters. */
int json_wire_text(const json_t *object, const char *name, char *ret, size_t size);
/* An integer from 0 to max. */
int json_wire_number(const json_t *object, const char *name, uint64_t max, uint64_t *ret);
/* An integer or real number that is finite and not negative. */
int json_wire_real(const json_t *object, const char *name, double *ret);
/* RFC 3339 in UTC with "Z", with or without decimals, from 1970 to 9999; microseconds since the epoch. */
int json_wire_time(const json_t *object, const char *name, uint64_t *ret_us);
