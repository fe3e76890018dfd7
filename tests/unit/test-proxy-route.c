/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "api-proxy/header_list.h"
#include "api-proxy/route.h"
#include "common/cleanup.h"
#include "common/error.h"

#define SERVER "/api/v1/servers/localhost"
#define ZONES SERVER "/zones"

/* What PowerDNS 4.7.3 was seen to do with each of these targets. */
static void routes(void **state)
{
	static const struct { const char *method, *target; enum route_source source; enum zone_change change; const char *zone; } table[] = {
		{ "POST", ZONES, ROUTE_BODY, ZONE_CREATED, "" },
		{ "POST", ZONES "?rrsets=false", ROUTE_BODY, ZONE_CREATED, "" },
		{ "post", ZONES, ROUTE_BODY, ZONE_CREATED, "" },
		{ "GET", ZONES, ROUTE_NONE, 0, "" },
		{ "PATCH", ZONES, ROUTE_NONE, 0, "" },
		{ "PATCH", ZONES "/example.org.", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "patch", ZONES "/example.org", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PUT", ZONES "/EXAMPLE.org.", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "DELETE", ZONES "/example.org.?x=y/z", ROUTE_PATH, ZONE_DELETED, "example.org." },
		{ "GET", ZONES "/example.org.", ROUTE_NONE, 0, "" },
		{ "HEAD", ZONES "/example.org.", ROUTE_NONE, 0, "" },
		{ "OPTIONS", ZONES "/example.org.", ROUTE_NONE, 0, "" },
		{ "POST", ZONES "/example.org.", ROUTE_NONE, 0, "" },
		/* ways to write a name */
		{ "PATCH", ZONES "/example%2eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/example%252Eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/example%2525252eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/example=2Eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/example%3D2Eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/example=%32Eorg", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", ZONES "/=2E", ROUTE_PATH, ZONE_CHANGED, "." },
		{ "PATCH", ZONES "/.", ROUTE_PATH, ZONE_CHANGED, "." },
		{ "PATCH", ZONES "/a=2Fb.org", ROUTE_PATH, ZONE_CHANGED, "a/b.org." },
		{ "PATCH", ZONES "/a%2fb.org", ROUTE_PATH, ZONE_CHANGED, "a/b.org." },
		{ "PATCH", ZONES "/a/b.org", ROUTE_PATH, ZONE_CHANGED, "a/b.org." },
		/* names that are none: they change nothing, but who knows */
		{ "PATCH", ZONES "/example=2eorg", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/ex..Org", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/ex..org.", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/ex...org", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/ex..", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/ex%00.org", ROUTE_PATH, ZONE_CHANGED, "" },
		{ "PATCH", ZONES "/", ROUTE_PATH, ZONE_CHANGED, "" },
		/* below a zone */
		{ "PUT", ZONES "/example.org/rectify", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "POST", ZONES "/example.org/rectify", ROUTE_NONE, 0, "" },
		{ "PUT", ZONES "/example.org/axfr-retrieve", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "PUT", ZONES "/example.org/notify", ROUTE_NONE, 0, "" },
		{ "GET", ZONES "/example.org/export", ROUTE_NONE, 0, "" },
		{ "POST", ZONES "/example.org/metadata", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "GET", ZONES "/example.org/metadata", ROUTE_NONE, 0, "" },
		{ "PUT", ZONES "/EXAMPLE%2eorg/metadata/NSEC3PARAM", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "DELETE", ZONES "/example.org/metadata/a/b", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "POST", ZONES "/example.org/cryptokeys", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PUT", ZONES "/example.org/cryptokeys/1", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "DELETE", ZONES "/example.org/cryptokeys/1?x", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		/* variants, views and networks of 5.0 */
		{ "PATCH", ZONES "/Example.org..inside", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "DELETE", ZONES "/example.org..a_b-1", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "PUT", ZONES "/example.org%2E.inside/rectify", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "PATCH", ZONES "/..inside", ROUTE_PATH, ZONE_CHECK, "." },
		{ "POST", SERVER "/views/inside", ROUTE_BODY, ZONE_CHECK, "" },
		{ "DELETE", SERVER "/views/inside/example.org..variant", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "DELETE", SERVER "/views/inside/example.org.", ROUTE_PATH, ZONE_CHECK, "example.org." },
		{ "DELETE", SERVER "/views/inside/a/b.org.", ROUTE_PATH, ZONE_CHECK, "a/b.org." },
		{ "DELETE", SERVER "/views/inside", ROUTE_NONE, 0, "" },
		{ "GET", SERVER "/views/inside", ROUTE_NONE, 0, "" },
		{ "GET", SERVER "/views", ROUTE_NONE, 0, "" },
		{ "POST", SERVER "/views", ROUTE_NONE, 0, "" },
		{ "PUT", SERVER "/networks/192.0.2.0/24", ROUTE_NONE, 0, "" },
		/* the absolute form */
		{ "PATCH", "http://primary:8081" ZONES "/example.org", ROUTE_PATH, ZONE_CHANGED, "example.org." },
		{ "PATCH", "http://primary?" ZONES "/example.org", ROUTE_NONE, 0, "" },
		/* other things */
		{ "PUT", "/api/v1/servers/localhost/cache/flush?domain=example.org.", ROUTE_NONE, 0, "" },
		{ "POST", "/api/v1/servers/localhost/tsigkeys", ROUTE_NONE, 0, "" },
		{ "POST", "/api/v1/servers/localhost/autoprimaries", ROUTE_NONE, 0, "" },
		{ "PATCH", "/" ZONES "/example.org", ROUTE_NONE, 0, "" },
		{ "PATCH", "/api//v1/servers/localhost/zones/example.org", ROUTE_NONE, 0, "" },
		{ "PATCH", "/x?" ZONES "/example.org", ROUTE_NONE, 0, "" },
		{ "OPTIONS", "*", ROUTE_NONE, 0, "" },
		{ "PATCH", "", ROUTE_NONE, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct route_effect effect;
		route_find(table[i].method, table[i].target, &effect);
		if (effect.source != table[i].source || strcmp(effect.zone, table[i].zone) != 0 ||
		    (effect.source != ROUTE_NONE && effect.change != table[i].change))
			fail_msg("%s %s: source %d, change %d, zone '%s'", table[i].method, table[i].target, (int)effect.source,
			         (int)effect.change, effect.zone);
	}
}

static void a_very_long_id_is_quickly_refused(void **state)
{
	static char target[100000];
	struct route_effect effect;
	(void)state;
	(void)strcpy(target, ZONES "/");
	for (size_t at = strlen(target); at + 3 < sizeof(target); at += 2)
		memcpy(target + at, at == strlen(ZONES "/") ? "%2" : "52", 3);
	route_find("PATCH", target, &effect);
	assert_string_equal(effect.zone, "");
}

static void zone_of_json(void **state)
{
	static const struct { const char *json, *want; } table[] = {
		{ "{\"name\": \"Example.ORG.\", \"kind\": \"Native\"}", "example.org." },
		{ "{\"name\": \"one.org.\", \"name\": \"two.org.\"}", "two.org." },
		{ "{\"name\": \"a\\u0000.org.\"}", NULL },
		{ "{\"name\": 1}", NULL }, { "[]", NULL }, { "", NULL }, { "{", NULL },
		{ "{\"name\": \"..\"}", NULL },
		{ "{\"name\": \"Example.org..inside\"}", "example.org." },
		{ "{\"name\": \"..inside\"}", "." },
		{ "{\"n\\u0061me\": \"example.org.\"}", "example.org." },
		{ "{\"name\": \"one.org.\", \"n\\u0061m\\u0065\": \"two.org.\"}", "two.org." },
		{ "{\"name\": \"one.org.\", \"name\": 1}", NULL },
		{ "{\"name\": \"\\ud800.org.\"}", NULL }, { "{\"\\x\": \"a.\"}", NULL }, { "{\"name\": \"\xff.org.\"}", NULL },
		/* the beginning of a large one */
		{ " {\"kind\": \"Native\", \"name\" : \"Ex\\u0061mple.org.\", \"rrsets\": [{\"name\"", "example.org." },
		{ "{\"a\": {\"name\": \"x.\"}, \"b\": [\"name\", \"]\", {}], \"c\": \"\\\"name\\\": \", \"name\": \"example.org.\"", "example.org." },
		{ "{\"a\": \"name\", \"name\": \"example.org.\",", "example.org." },
		{ "{\"a\": {\"name\": \"x.\"}, \"b\": [", NULL },
		{ "{\"name\": \"exam", NULL }, { "{\"name\": \"exam\\", NULL }, { "{\"name\": 1, \"rrsets\": [", NULL }, { "{\"name\"", NULL },
		{ "[\"name\", \"example.org.\",", NULL }, { "{\"a\": 1}, \"name\": \"example.org.\"", NULL }, { "{\"name\": \"a\\u0000.org.\",", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char zone[ZONE_NAME_SIZE] = "";
		int result = route_zone_of_json(table[i].json, strlen(table[i].json), zone);
		assert_int_equal(result == 0, table[i].want != NULL);
		assert_string_equal(zone, table[i].want ? table[i].want : "");
	}
}

static void a_deep_one_needs_no_stack(void **state)
{
	enum { DEPTH = 2000000 };
	static const char begin[] = "{\"kind\": ", end[] = ", \"name\": \"example.org.\"";
	char zone[ZONE_NAME_SIZE];
	(void)state;
	CLEANUP(free) char *text = malloc(2 * DEPTH + sizeof(begin) + sizeof(end));
	assert_non_null(text);
	size_t size = sizeof(begin) - 1;
	memcpy(text, begin, size);
	memset(text + size, '[', DEPTH);
	memset(text + size + DEPTH, ']', DEPTH);
	memcpy(text + size + 2 * DEPTH, end, sizeof(end));
	assert_int_equal(route_zone_of_json(text, size + 2 * DEPTH + sizeof(end) - 1, zone), 0);
	assert_string_equal(zone, "example.org.");
	assert_int_equal(route_zone_of_json(text, size + DEPTH, zone), ERROR_MALFORMED);
}

static void hop_by_hop_fields_go(void **state)
{
	static const char *const fields[][2] = {
		{ "Connection", "close, X-Gone" }, { "X-Gone", "1" }, { "Host", "h" }, { "connection", "host , keep-alive" }, { "A", "1" },
		{ "a", "2" }, { "Keep-Alive", "timeout=5" }, { "Transfer-Encoding", "chunked" }, { "TE", "trailers" }, { "x-gone", "2" },
		{ "X-Gone-Not", "3" }, { "Upgrade", "h2c" }, { "Content-Length", "3" }, { "X-API-Key", "" },
	};
	static const char *const want[][2] = { { "Host", "h" }, { "A", "1" }, { "a", "2" }, { "X-Gone-Not", "3" }, { "X-API-Key", "" } };
	struct header_list list = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		assert_int_equal(header_list_add(&list, fields[i][0], fields[i][1], strlen(fields[i][1])), 0);
	header_list_drop_hop_by_hop(&list);
	assert_int_equal(list.count, ARRAY_SIZE(want));
	for (size_t i = 0; i < list.count; i++) {
		assert_string_equal(list.fields[i].name, want[i][0]);
		assert_string_equal(list.fields[i].value, want[i][1]);
	}
	header_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(a_very_long_id_is_quickly_refused),
		cmocka_unit_test(zone_of_json),
		cmocka_unit_test(a_deep_one_needs_no_stack),
		cmocka_unit_test(hop_by_hop_fields_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
