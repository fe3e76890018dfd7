/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <libknot/dname.h>
#include "common/error.h"
#include "common/zone_name.h"

/* knot_dname_from_str wants room for the text with its escapes, not for the name that comes out. */
#define SCRATCH_SIZE (ZONE_NAME_SIZE + 1)

static const char upper_hex[] = "0123456789ABCDEF";

/* A text buffer that remembers whether it was ever too small. */
struct text {
	char *at, *end; /* end: one before the last octet, which is kept for the NUL */
	bool full;
};

static struct text text_over(char *buffer, size_t size)
{
	return (struct text) { .at = buffer, .end = buffer + size - 1 };
}

static void text_put(struct text *text, char c)
{
	if (text->at >= text->end)
		text->full = true;
	else
		*text->at++ = c;
}

static void text_put_hex(struct text *text, char mark, uint8_t octet)
{
	text_put(text, mark);
	text_put(text, upper_hex[octet >> 4]);
	text_put(text, upper_hex[octet & 15]);
}

static int text_end(struct text *text)
{
	*text->at = '\0';
	return text->full ? -ENOSPC : 0;
}

/* Value of a hexadecimal digit, or -1. */
static int hex_value(char c, bool lower_too)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (lower_too && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Octet written as two hexadecimal digits at `text`, or -1; never reads past the NUL. */
static int hex_octet(const char *text, bool lower_too)
{
	int high = hex_value(text[0], lower_too);
	if (high < 0)
		return -1;
	int low = hex_value(text[1], lower_too);
	return low < 0 ? -1 : high * 16 + low;
}

/* The name in wire form, lower case, checked; returns its length. */
static int text_to_wire(const char *text, uint8_t ret_wire[ZONE_WIRE_SIZE])
{
	uint8_t scratch[SCRATCH_SIZE];

	if (strlen(text) >= ZONE_NAME_SIZE || !knot_dname_from_str(scratch, text, sizeof(scratch)))
		return ERROR_MALFORMED;
	int size = knot_dname_wire_check(scratch, scratch + sizeof(scratch), NULL);
	if (size <= 0 || size > KNOT_DNAME_MAXLEN)
		return ERROR_MALFORMED;
	knot_dname_copy_lower(ret_wire, scratch);
	return size;
}

static int wire_to_text(const uint8_t *wire, char ret_zone[ZONE_NAME_SIZE])
{
	return knot_dname_to_str(ret_zone, wire, ZONE_NAME_SIZE) ? 0 : -ENOSPC;
}

int zone_name_from_text(const char *text, char ret_zone[ZONE_NAME_SIZE])
{
	uint8_t wire[ZONE_WIRE_SIZE];

	int size = text_to_wire(text, wire);
	return size < 0 ? size : wire_to_text(wire, ret_zone);
}

int zone_name_from_wire(const uint8_t *wire, size_t size, char ret_zone[ZONE_NAME_SIZE])
{
	uint8_t lower[ZONE_WIRE_SIZE];

	if (size == 0 || knot_dname_wire_check(wire, wire + size, NULL) <= 0)
		return ERROR_MALFORMED;
	knot_dname_copy_lower(lower, wire);
	return wire_to_text(lower, ret_zone);
}

int zone_name_to_wire(const char *zone, uint8_t ret_wire[ZONE_WIRE_SIZE])
{
	return text_to_wire(zone, ret_wire);
}

static bool is_plain_in_subject(uint8_t octet)
{
	return (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

static int wire_to_subject(const uint8_t *wire, char ret_part[ZONE_SUBJECT_SIZE])
{
	const uint8_t *labels[KNOT_DNAME_MAXLABELS];
	int count = 0;
	struct text out = text_over(ret_part, ZONE_SUBJECT_SIZE);

	for (const uint8_t *label = wire; *label != 0; label += *label + 1)
		labels[count++] = label;
	if (count == 0)
		text_put(&out, '%');
	while (count-- > 0) {
		for (int i = 1; i <= labels[count][0]; i++) {
			uint8_t octet = labels[count][i];
			if (is_plain_in_subject(octet))
				text_put(&out, (char)octet);
			else
				text_put_hex(&out, '%', octet);
		}
		if (count > 0)
			text_put(&out, '.');
	}
	return text_end(&out);
}

int zone_name_to_subject(const char *zone, char ret_part[ZONE_SUBJECT_SIZE])
{
	uint8_t wire[ZONE_WIRE_SIZE];

	int size = text_to_wire(zone, wire);
	return size < 0 ? size : wire_to_subject(wire, ret_part);
}

/*
 * Fills the wire form from its end: the first label of a subject part is the last of the name.
 * Returns where the name starts in `wire`, or an error.
 */
static int subject_to_wire(const char *part, uint8_t wire[KNOT_DNAME_MAXLEN])
{
	size_t start = KNOT_DNAME_MAXLEN - 1;

	wire[start] = 0;
	for (;;) {
		uint8_t label[KNOT_DNAME_MAXLABELLEN];
		size_t size = 0;
		for (; *part != '\0' && *part != '.'; part++) {
			int octet = (uint8_t)*part;
			if (*part == '%') {
				octet = hex_octet(part + 1, false);
				part += 2;
			}
			if (octet < 0 || size == sizeof(label))
				return ERROR_MALFORMED;
			label[size++] = (uint8_t)octet;
		}
		if (size == 0 || size + 1 > start)
			return ERROR_MALFORMED;
		start -= size + 1;
		wire[start] = (uint8_t)size;
		memcpy(wire + start + 1, label, size);
		if (*part == '\0')
			return (int)start;
		part++;
	}
}

int zone_name_from_subject(const char *part, char ret_zone[ZONE_NAME_SIZE])
{
	uint8_t wire[KNOT_DNAME_MAXLEN] = { 0 };
	char again[ZONE_SUBJECT_SIZE];
	int start = strcmp(part, "%") == 0 ? 0 : subject_to_wire(part, wire);

	if (start < 0)
		return start;
	/* One zone has one subject: an escape that was not needed, or upper case, would be a second one. */
	knot_dname_to_lower(wire + start);
	if (wire_to_subject(wire + start, again) < 0 || strcmp(part, again) != 0)
		return ERROR_MALFORMED;
	return wire_to_text(wire + start, ret_zone);
}

static bool is_plain_in_api_id(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static void put_in_api_id(struct text *out, const char *text)
{
	for (; *text; text++) {
		if (is_plain_in_api_id(*text))
			text_put(out, *text);
		else
			text_put_hex(out, '=', (uint8_t)*text);
	}
}

int zone_name_to_api_id(const char *zone, char ret_id[ZONE_ID_SIZE])
{
	uint8_t wire[ZONE_WIRE_SIZE];
	struct text out = text_over(ret_id, ZONE_ID_SIZE);

	int size = text_to_wire(zone, wire);
	if (size < 0)
		return size;
	if (wire[0] == 0)
		text_put_hex(&out, '=', '.');
	/* PowerDNS escapes fewer octets than libknot, and its ids are made of its own text. */
	for (const uint8_t *label = wire; *label != 0; label += *label + 1) {
		for (int i = 1; i <= label[0]; i++) {
			uint8_t octet = label[i];
			char escaped[5] = { (char)octet };
			if (octet == '.' || octet == '\\')
				(void)snprintf(escaped, sizeof(escaped), "\\%c", octet);
			else if (octet <= ' ' || octet >= 127)
				(void)snprintf(escaped, sizeof(escaped), "\\%03u", octet);
			put_in_api_id(&out, escaped);
		}
		text_put(&out, '.');
	}
	return text_end(&out);
}

/* Replaces each mark with two hexadecimal digits by its octet, in place. */
static int decode(char *text, char mark, bool lower_too)
{
	char *out = text;

	for (; *text; text++) {
		if (*text == mark) {
			int octet = hex_octet(text + 1, lower_too);
			if (octet <= 0) /* a NUL cannot be in an id: PowerDNS writes it as \000 */
				return ERROR_MALFORMED;
			*out++ = (char)octet;
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
	return 0;
}

int zone_name_from_api_id(const char *id, char ret_zone[ZONE_NAME_SIZE])
{
	char text[3 * ZONE_ID_SIZE]; /* each octet of the longest id may come percent-encoded */

	if (strlen(id) >= sizeof(text))
		return ERROR_MALFORMED;
	(void)strcpy(text, id);
	int result = decode(text, '%', true);
	if (result == 0)
		result = decode(text, '=', false);
	return result < 0 ? result : zone_name_from_text(text, ret_zone);
}
