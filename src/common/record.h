/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * One DNS record in uncompressed wire form, and its way to a line of text (RFC 1035 presentation, RFC 3597 for types
 * that the library does not know) and back. The case of names is kept.
 */
struct record {
	const uint8_t *owner;  /* wire-form name, its length is implied */
	uint16_t type, rclass;
	uint32_t ttl;
	uint16_t rdata_size;
	const uint8_t *rdata;
};

enum { RECORD_TYPE_SOA = 6, RECORD_TYPE_RRSIG = 46, RECORD_TYPE_LUA = 65402, RECORD_TYPE_ALIAS = 65401 };

/*
 * Whether the rdata has the form that its type asks for: fixed fields there, names whole and uncompressed, nothing after
 * them. Types that the library does not know may hold anything. 0 or ERROR_MALFORMED. Every record that a reader or a
 * transfer gives was checked.
 */
int record_check(const struct record *record);
/* The same, and tells where in the rdata each name is. */
typedef void (*record_name_visit)(size_t offset, size_t size, void *userdata);
int record_walk(const struct record *record, record_name_visit visit, void *userdata);

/* Largest line of one record, with newline and NUL: a name, and rdata of 65,535 octets at four characters each, and room. */
#define RECORD_TEXT_SIZE 280000

/*
 * Writes "owner TTL CLASS TYPE rdata\n" on one line and returns its length. The line, read by record_reader, gives back
 * the very same octets: where the presentation form would not, RFC 3597 form is used instead. The owner must be a
 * checked name. -ENOSPC; ERROR_MALFORMED (a class other than IN, rdata that record_check refuses,
 * or none at all in a type that must have some). libknot asks for a little more room than it fills: give RECORD_TEXT_SIZE.
 * Any thread.
 */
ssize_t record_to_text(const struct record *record, char *text, size_t size);

/*
 * Reads lines of text fed in pieces of any size: one record a line with an absolute owner; relative names, "@", blank
 * lines, comment lines, directives and records over several lines are refused. A failure is final.
 */
struct record_reader;
/* visit: 0 to go on, negative to stop, which is then the result of the feed. The record is valid only during the call. */
typedef int (*record_visit)(const struct record *record, void *userdata);
int record_reader_new(record_visit visit, void *userdata, struct record_reader **ret);
void record_reader_free(struct record_reader *reader);
/* ERROR_MALFORMED: a line is no record, or is longer than RECORD_TEXT_SIZE. */
int record_reader_feed(struct record_reader *reader, const char *text, size_t size);
/* At the end; ERROR_MALFORMED if the text did not end with a newline. */
int record_reader_finish(struct record_reader *reader);

/* Serial of a SOA (0 and *ret_serial), or ERROR_MALFORMED. */
int record_soa_serial(const struct record *record, uint32_t *ret_serial);
/* Expiration of an RRSIG in seconds since the epoch, made unambiguous by `now` (RFC 1982, RFC 4034 3.1.5). */
int record_rrsig_expiration(const struct record *record, uint64_t now, uint64_t *ret_expiration);
/* Type that an RRSIG covers, or 0. */
uint16_t record_rrsig_covers(const struct record *record);
