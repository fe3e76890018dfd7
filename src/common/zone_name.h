/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Zone names. Everywhere in the suite a zone's name is text in ONE form: lower case, absolute with the final dot,
 * escapes as libknot writes them (knot_dname_to_str); the root is ".". The functions make that form and turn it
 * into the others. All: any thread, no allocation. Errors: ERROR_MALFORMED (not a domain name, RFC 1035 2.3.4),
 * -ENOSPC (a buffer that is too small; never with the sizes below).
 */
#define ZONE_NAME_SIZE 1024    /* a name as text with NUL */
#define ZONE_WIRE_SIZE 256     /* in wire form */
#define ZONE_SUBJECT_SIZE 1024 /* the zone's part of a NATS subject with NUL */
#define ZONE_ID_SIZE 3072      /* as PowerDNS's API id with NUL */

/* From text in any case, with or without final dot, with \. \DDD escapes. The empty text is malformed. */
int zone_name_from_text(const char *text, char ret_zone[ZONE_NAME_SIZE]);

/* From wire form of at most `size` octets. */
int zone_name_from_wire(const uint8_t *wire, size_t size, char ret_zone[ZONE_NAME_SIZE]);
/* To wire form, lower case; returns its length in octets. */
int zone_name_to_wire(const char *zone, uint8_t ret_wire[ZONE_WIRE_SIZE]);

/*
 * The subject part: labels reversed, joined by dots; every octet outside [a-z0-9_-] as %XX (upper-case hex); the root is "%".
 * "www.Example.org." -> "org.example.www"; a name whose label holds a dot: "a\.b.org." -> "org.a%2Eb".
 */
int zone_name_to_subject(const char *zone, char ret_part[ZONE_SUBJECT_SIZE]);
int zone_name_from_subject(const char *part, char ret_zone[ZONE_NAME_SIZE]);

/*
 * PowerDNS's API id: the name with every octet outside [A-Za-z0-9.-] as =XX (upper-case hex, of the escaped text); the
 * root is "=2E". From an id: also without final dot, mixed case, percent-encoding left over from the URL ("%2e", "%2F"),
 * =XX upper case only (lower-case hex after '=' is malformed, as in PowerDNS).
 */
int zone_name_to_api_id(const char *zone, char ret_id[ZONE_ID_SIZE]);
int zone_name_from_api_id(const char *id, char ret_zone[ZONE_NAME_SIZE]);
