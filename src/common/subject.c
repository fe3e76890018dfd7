/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/subject.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define PREFIX_MAX 32

int subject_check_prefix(const char *prefix)
{
	size_t size = strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return size == 0 || size > PREFIX_MAX || prefix[size] != '\0' ? ERROR_MALFORMED : 0;
}

int subject_check_id(const char *id)
{
	size_t size = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return size == 0 || size >= SUBJECT_ID_SIZE || id[size] != '\0' || id[0] == '-' ? ERROR_MALFORMED : 0;
}

void subject_stream(const char *prefix, enum subject_stream which, char ret[SUBJECT_SIZE])
{
	static const char *const names[] = {
		[STREAM_EVENTS] = "EVENTS", [STREAM_ZONES] = "ZONES", [STREAM_BODIES] = "BODIES", [BUCKET_STATE] = "STATE",
	};
	char upper[PREFIX_MAX + 1] = "";

	/* Stream names know neither '.' nor case rules; '-' would be legal but reads badly next to '_'. */
	for (size_t i = 0; prefix[i] != '\0' && i < PREFIX_MAX; i++)
		upper[i] = prefix[i] == '-' ? '_' : (char)toupper((unsigned char)prefix[i]);
	snprintf(ret, SUBJECT_SIZE, "%s_%s", upper, names[which]);
}

static int of_zone(const char *prefix, const char *kind, const char *zone, char ret[SUBJECT_SIZE])
{
	char part[ZONE_SUBJECT_SIZE];
	int r = zone_name_to_subject(zone, part);

	if (r < 0)
		return r;
	snprintf(ret, SUBJECT_SIZE, "%s.%s.%s", prefix, kind, part);
	return 0;
}

int subject_event(const char *prefix, const char *zone, char ret[SUBJECT_SIZE])
{
	return of_zone(prefix, "event", zone, ret);
}

int subject_zone(const char *prefix, const char *zone, char ret[SUBJECT_SIZE])
{
	return of_zone(prefix, "zone", zone, ret);
}

void subject_body(const char *prefix, const char *body_id, unsigned chunk, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.body.%s.%u", prefix, body_id, chunk);
}

void subject_bodies(const char *prefix, const char *body_id, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.body.%s.*", prefix, body_id);
}

void subject_heartbeat(const char *prefix, const char *service, const char *id, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.heartbeat.%s.%s", prefix, service, id);
}

void subject_applied(const char *prefix, const char *secondary, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.applied.%s", prefix, secondary);
}

void subject_covered(const char *prefix, const char *provider, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.covered.%s", prefix, provider);
}

void subject_coming(const char *prefix, const char *provider, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.coming.%s", prefix, provider);
}

void subject_ask(const char *prefix, const char *service, const char *id, const char *verb, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "%s.ask.%s.%s.%s", prefix, service, id, verb);
}

void subject_consumer(const char *secondary, char ret[SUBJECT_SIZE])
{
	snprintf(ret, SUBJECT_SIZE, "secondary-%s", secondary);
}

int subject_parse_zone(const char *prefix, const char *kind, const char *subject, char ret_zone[ZONE_NAME_SIZE])
{
	char start[SUBJECT_SIZE];
	int size = snprintf(start, sizeof(start), "%s.%s.", prefix, kind);

	if (size < 0 || (size_t)size >= sizeof(start) || strncmp(subject, start, (size_t)size) != 0)
		return ERROR_MALFORMED;
	return zone_name_from_subject(subject + size, ret_zone) < 0 ? ERROR_MALFORMED : 0;
}

int subject_token(const char *subject, unsigned n, char *ret, size_t size)
{
	for (; n > 0; n--) {
		subject = strchr(subject, '.');
		if (!subject)
			return ERROR_MALFORMED;
		subject++;
	}

	size_t length = strcspn(subject, ".");

	if (length == 0 || length >= size)
		return ERROR_MALFORMED;
	memcpy(ret, subject, length);
	ret[length] = '\0';
	return 0;
}
