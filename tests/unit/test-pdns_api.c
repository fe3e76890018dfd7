/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a PowerDNS says is believed, what anything else says is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/pdns_api.h"
#include "http-stub.h"

#define S "/api/v1/servers/localhost"
#define SERVER { "GET " S " ", "200 OK", "{\"type\":\"Server\",\"daemon_type\":\"authoritative\",\"version\":\"4.7.3\"}" }
#define END { NULL, NULL, NULL }

static struct http_stub stub;
static struct pdns_api *api;

static void begin(const struct http_route *routes)
{
	http_stub_start(&stub, routes);
	assert_int_equal(pdns_api_new(stub.url, "key", 1000000, &api), 0);
}

static void end(void)
{
	pdns_api_free(api);
	http_stub_stop(&stub);
}

static void only_powerdns_can_say_that_a_zone_is_gone(void **state)
{
	(void)state;
	static const struct { struct http_route routes[3]; int want; } cases[] = {
		{ { { "GET " S "/zones/a.test.", "404 Not Found", "Not Found" }, SERVER, END }, -ENOENT },
		{ { { "GET ", "404 Not Found", "<html>nginx" }, END }, ERROR_HTTP },
		{ { { "GET " S "/zones/a.test.", "404 Not Found", "" },
		    { "GET " S " ", "200 OK", "{\"type\":\"Server\",\"daemon_type\":\"recursor\",\"version\":\"4.8\"}" }, END }, ERROR_MALFORMED },
		{ { { "GET " S "/zones/a.test.", "404 Not Found", "" }, { "GET " S " ", "401 Unauthorized", "" }, END }, ERROR_DENIED },
		{ { { "GET ", "200 OK", "{\"name\":\"b.test.\",\"kind\":\"Native\"}" }, END }, ERROR_MALFORMED },
		{ { { "GET ", "200 OK", "{\"name\":\"a.test.\",\"kind\":7}" }, END }, ERROR_MALFORMED },
		{ { { "GET ", "200 OK", "" }, END }, ERROR_MALFORMED },
		{ { { "GET ", "500 Oops", "{\"error\":\"database\"}" }, END }, ERROR_HTTP },
		{ { { "GET ", "302 Found\r\nLocation: /elsewhere", "" }, END }, ERROR_HTTP },
		{ { END }, -ECONNREFUSED }, /* closes without a word */
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pdns_zone zone;
		begin(cases[i].routes);
		int r = pdns_api_zone(api, "a.test.", &zone);
		if (r != cases[i].want)
			fail_msg("case %zu: %s instead of %s", i, error_text(r), error_text(cases[i].want));
		end();
	}
}

static void words_of_a_refusal_are_kept(void **state)
{
	(void)state;
	static const struct http_route routes[] = { { "POST " S "/zones ", "422 No", "{\"error\":\"Name is odd\"}" },
	                                            { "PUT " S "/zones/", "401 Unauthorized", "Unauthorized" }, END };
	begin(routes);
	assert_int_equal(pdns_api_create_secondary(api, "a.test.", "127.0.0.1:5380"), ERROR_HTTP);
	assert_non_null(strstr(pdns_api_last_error(api), "422: Name is odd"));
	assert_int_equal(pdns_api_retrieve(api, "a.test."), ERROR_DENIED);
	assert_non_null(strstr(pdns_api_last_error(api), "401"));
	end();
}

static int count_zone(const struct pdns_zone *zone, void *userdata)
{
	(void)zone;
	++*(int *)userdata;
	return 0;
}

static void half_a_list_is_no_list(void **state)
{
	(void)state;
	static const struct { const char *body; int want, zones; } cases[] = {
		{ "[]", 0, 0 },
		{ "[{\"name\":\"a.test.\",\"kind\":\"Slave\",\"x\":\"}]\\\"{\"},{\"name\":\"..bad\",\"kind\":\"Slave\"}]", 0, 1 },
		{ "[{\"name\":\"a.test.\",\"kind\":\"Slave\"},", ERROR_MALFORMED, 1 },
		{ "[{\"name\":\"a.test.\",\"kind\":\"Sla", ERROR_MALFORMED, 0 },
		{ "[{\"name\":nonsense}]", ERROR_MALFORMED, 0 },
		{ "<html>", ERROR_MALFORMED, 0 },
		{ "", ERROR_MALFORMED, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct http_route routes[] = { { "GET " S "/zones ", "200 OK", cases[i].body }, END };
		int zones = 0;
		begin(routes);
		assert_int_equal(pdns_api_zones(api, count_zone, &zones), cases[i].want);
		assert_int_equal(zones, cases[i].zones);
		end();
	}
}

static void masters_are_compared_as_addresses(void **state)
{
	(void)state;
	static const struct { const char *kind, *masters, *master; bool want; } cases[] = {
		{ "Slave", "127.0.0.1:5380", "127.0.0.1:5380", true },
		{ "Secondary", "127.0.0.5", "127.0.0.5:53", true },
		{ "Slave", "127.0.0.5", "127.0.0.5", true },
		{ "Slave", "127.0.0.5:53", "127.0.0.5", true },
		{ "Slave", "::1", "[::1]:53", true },
		{ "Slave", "[::1]:5380", "[0:0::1]:5380", true },
		{ "Slave", "127.0.0.1", "127.0.0.1:5380", false },
		{ "Slave", "127.0.0.1:5380,192.0.2.1", "127.0.0.1:5380", false },
		{ "Slave", "", "127.0.0.1:53", false },
		{ "Native", "127.0.0.1:5380", "127.0.0.1:5380", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pdns_zone zone = { 0 };
		strcpy(zone.kind, cases[i].kind);
		strcpy(zone.masters, cases[i].masters);
		if (pdns_zone_is_secondary_of(&zone, cases[i].master) != cases[i].want)
			fail_msg("%s of %s, %s", cases[i].kind, cases[i].masters, cases[i].master);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_powerdns_can_say_that_a_zone_is_gone),
		cmocka_unit_test(words_of_a_refusal_are_kept),
		cmocka_unit_test(half_a_list_is_no_list),
		cmocka_unit_test(masters_are_compared_as_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
