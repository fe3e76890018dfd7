/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/route.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/cleanup.h"
#include "common/error.h"

struct route {
	const char *pattern;
	enum route_source source;
	struct { const char *method; enum zone_change change; } changes[3];
};

/*
 * The first pattern that fits decides, as in PowerDNS, whatever the method: <name> reaches to the next slash, at the
 * end of a pattern it takes the rest, slashes included ("zones/0/26.2.0.192.in-addr.arpa" is a zone). So the routes without
 * an effect stand here too: they must not be taken for a zone of that name.
 */
#define SERVER "/api/v1/servers/<server>"
#define ZONES SERVER "/zones"
static const struct route routes[] = {
	/* What axfr-retrieve queues comes later, if at all: a look, not a known change. */
	{ ZONES "/<zone>/axfr-retrieve", ROUTE_PATH, { { "PUT", ZONE_CHECK } } },
	{ ZONES "/<zone>/cryptokeys/<key>", ROUTE_PATH, { { "PUT", ZONE_CHANGED }, { "DELETE", ZONE_CHANGED }, { "POST", ZONE_CHANGED } } },
	{ ZONES "/<zone>/cryptokeys", ROUTE_PATH, { { "POST", ZONE_CHANGED } } },
	{ .pattern = ZONES "/<zone>/export", .source = ROUTE_NONE },
	{ ZONES "/<zone>/metadata/<kind>", ROUTE_PATH, { { "PUT", ZONE_CHANGED }, { "DELETE", ZONE_CHANGED }, { "POST", ZONE_CHANGED } } },
	{ ZONES "/<zone>/metadata", ROUTE_PATH, { { "POST", ZONE_CHANGED } } },
	{ .pattern = ZONES "/<zone>/notify", .source = ROUTE_NONE },
	{ ZONES "/<zone>/rectify", ROUTE_PATH, { { "PUT", ZONE_CHANGED } } },
	{ ZONES "/<zone>", ROUTE_PATH, { { "PATCH", ZONE_CHANGED }, { "PUT", ZONE_CHANGED }, { "DELETE", ZONE_DELETED } } },
	{ ZONES, ROUTE_BODY, { { "POST", ZONE_CREATED } } },
	/* From 5.0 on. What the provider is shown of the zone may be another variant now, or it may not. */
	{ SERVER "/views/<view>/<zone>", ROUTE_PATH, { { "DELETE", ZONE_CHECK } } },
	{ SERVER "/views/<view>", ROUTE_BODY, { { "POST", ZONE_CHECK } } },
};

/* The path within a request-target: without query, and without "http://host" of the absolute form, which PowerDNS takes too. */
static void find_path(const char *target, const char **ret_path, size_t *ret_size)
{
	const char *path = target;
	const char *scheme_end = strstr(target, "://");
	if (*path != '/' && scheme_end)
		path = scheme_end + 3 + strcspn(scheme_end + 3, "/?");
	*ret_path = path;
	*ret_size = strcspn(path, "?");
}

/* Matches all of the path; *ret_id is where <zone> lies in it. */
static bool match(const char *pattern, const char *path, size_t size, const char **ret_id, size_t *ret_id_size)
{
	const char *end = path + size;
	while (*pattern) {
		if (*pattern != '<') {
			if (path == end || *path++ != *pattern++)
				return false;
			continue;
		}
		bool is_zone = strncmp(pattern, "<zone>", 6) == 0;
		pattern = strchr(pattern, '>') + 1;
		const char *stop = *pattern ? memchr(path, *pattern, (size_t)(end - path)) : end;
		if (!stop)
			return false;
		if (is_zone) {
			*ret_id = path;
			*ret_id_size = (size_t)(stop - path);
		}
		path = stop;
	}
	return path == end;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/*
 * PowerDNS decodes an id again and again until no percent-encoding is left ("%25252e" is a dot), so must we.
 * An octet that completes an encoding begun before it is taken together with it at once: one pass suffices.
 */
static int decode_id(const char *id, size_t size, char ret[ZONE_ID_SIZE])
{
	char text[ZONE_ID_SIZE];
	size_t length = 0;
	for (size_t i = 0; i < size; i++) {
		if (length + 1 >= sizeof(text))
			return ERROR_MALFORMED;
		text[length++] = id[i];
		while (length >= 3 && text[length - 3] == '%' && hex_value(text[length - 2]) >= 0 && hex_value(text[length - 1]) >= 0) {
			text[length - 3] = (char)(hex_value(text[length - 2]) << 4 | hex_value(text[length - 1]));
			length -= 2;
		}
	}
	if (memchr(text, '\0', length))
		return ERROR_MALFORMED;
	memcpy(ret, text, length);
	ret[length] = '\0';
	return 0;
}

/*
 * PowerDNS 5 writes a variant of a zone as "example.org..name". It is no zone of its own for us: what it may change is what is
 * seen of the zone. True if there was one, which then is cut off.
 */
static bool cut_variant(char *text)
{
	char *dots = strstr(text, "..");
	if (!dots || !dots[2] || dots[2 + strspn(dots + 2, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
		return false;
	dots[1] = '\0';
	return true;
}

void route_find(const char *method, const char *target, struct route_effect *ret)
{
	const char *path, *id = NULL;
	size_t size, id_size = 0;
	*ret = (struct route_effect){ .source = ROUTE_NONE };
	find_path(target, &path, &size);

	const struct route *route = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(routes) && !route; i++) {
		if (match(routes[i].pattern, path, size, &id, &id_size))
			route = &routes[i];
	}
	for (size_t i = 0; route && i < ARRAY_SIZE(route->changes) && route->changes[i].method; i++) {
		if (strcasecmp(route->changes[i].method, method) == 0) {
			ret->source = route->source;
			ret->change = route->changes[i].change;
		}
	}
	char text[ZONE_ID_SIZE];
	if (ret->source == ROUTE_PATH && decode_id(id, id_size, text) == 0) {
		if (cut_variant(text))
			ret->change = ZONE_CHECK;
		(void)zone_name_from_api_id(text, ret->zone);
	}
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/* From a quote to what follows the one that closes it; NULL: there is none. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			return at + 1;
	}
	return NULL;
}

/* The string that a member is, when `at` follows its key: where it ends is *ret_end. NULL: it is none, or cut off. */
static const char *find_value(const char *at, const char *end, const char **ret_end)
{
	at = skip_space(at, end);
	if (at == end || *at != ':')
		return NULL;
	at = skip_space(at + 1, end);
	*ret_end = at < end && *at == '"' ? skip_string(at, end) : NULL;
	return *ret_end ? at : NULL;
}

/* The string that stands there with its quotes; NULL: it is none. A string is no deep thing: jansson needs no stack for it. */
static json_t *load_string(const char *at, const char *end)
{
	return at ? json_loadb(at, (size_t)(end - at), JSON_DECODE_ANY, NULL) : NULL;
}

static bool is_name(const char *at, const char *end)
{
	if (!memchr(at, '\\', (size_t)(end - at)))
		return end - at == 6 && memcmp(at, "\"name\"", 6) == 0;
	json_t *key = load_string(at, end);
	bool is = key && strcmp(json_string_value(key), "name") == 0;
	json_decref(key);
	return is;
}

/*
 * The last string "name" of the outermost object of a JSON text, whose rest may be missing. Not a parser: who has no API key may send
 * this, so it costs neither memory nor stack, and what is no JSON is for PowerDNS to refuse.
 */
static const char *find_name(const char *at, const char *end, const char **ret_end)
{
	const char *found = NULL;
	unsigned depth = 0;
	bool is_key = false;
	at = skip_space(at, end);
	if (at == end || *at != '{')
		return NULL;
	while (at < end) {
		char c = *at;
		if (c == '"') {
			const char *string = at;
			at = skip_string(at, end);
			if (!at)
				break;
			if (depth == 1 && is_key && is_name(string, at))
				found = find_value(at, end, ret_end);
			is_key = false;
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			break;
		if (depth == 1 && (c == '{' || c == ','))
			is_key = true;
		at++;
	}
	return found;
}

int route_zone_of_json(const void *json, size_t size, char ret_zone[ZONE_NAME_SIZE])
{
	const char *begin = json, *end = NULL, *at = begin ? find_name(begin, begin + size, &end) : NULL;
	/* A name with \u0000 must not pass for its first half: without JSON_ALLOW_NUL jansson refuses it, as PowerDNS does. */
	json_t *name = load_string(at, end);
	CLEANUP(free) char *text = name ? strdup(json_string_value(name)) : NULL;
	json_decref(name);
	if (!text)
		return ERROR_MALFORMED;
	(void)cut_variant(text);
	return zone_name_from_text(text, ret_zone);
}
