/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One turn at a time; what becomes of those who wait when a catalog does not work. That it works, tests/e2e/test_bootstrap.py shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "http-stub.h"
#include "secondary-syncer/maker.h"

#define MEMBERS 32
#define BACKENDS(value) { "GET /api/v1/servers/localhost/config", "200 OK", "[{\"name\":\"a\"},{\"name\":\"launch\",\"value\":\"" value "\"}]" }

static struct transfers *transfers;
static struct maker *maker;
static struct http_stub stub;
static _Atomic int inside, most_inside, turns;

static int setup(void **state)
{
	(void)state;
	inside = most_inside = turns = 0;
	return transfers_new(&transfers) < 0 || maker_new(transfers, "127.0.0.1:5380", "/tmp", &maker) < 0;
}

static int teardown(void **state)
{
	(void)state;
	maker_free(maker);
	transfers_free(transfers);
	return 0;
}

/* One worker: its zone is to be made. */
static void *work(void *zone)
{
	struct pdns_api *api;
	assert_int_equal(pdns_api_new(stub.url, "key", 1000000, &api), 0);
	if (maker_join(maker, api, zone)) {
		maker_fetched(maker, api, true);
	} else {
		int now = ++inside;
		if (now > most_inside)
			most_inside = now;
		turns++;
		usleep(2000);
		inside--;
		maker_leave(maker, api);
	}
	pdns_api_free(api);
	return NULL;
}

static void everybody(void)
{
	static char zones[MEMBERS][32];
	pthread_t threads[MEMBERS];
	for (int i = 0; i < MEMBERS; i++) {
		snprintf(zones[i], sizeof(zones[i]), "zone-%d.test.", i);
		assert_int_equal(pthread_create(&threads[i], NULL, work, zones[i]), 0);
	}
	for (int i = 0; i < MEMBERS; i++)
		pthread_join(threads[i], NULL);
}

static void each_gets_its_turn_when_catalogs_do_not_work(void **state)
{
	(void)state;
	static const struct http_route routes[] = {
		BACKENDS("gsqlite3"), { "POST /api/v1/servers/localhost/zones", "422 Unprocessable", "{\"error\":\"no such kind\"}" }, { 0 } };
	http_stub_start(&stub, routes);
	everybody();
	assert_int_equal(turns, MEMBERS);
	assert_int_equal(most_inside, 1);
	assert_true(stub.count >= 1); /* a catalog was tried … */
	everybody();
	http_stub_stop(&stub);
	assert_int_equal(turns, 2 * MEMBERS);
	assert_in_range(stub.count, 3, 4); /* … and no other one soon; it was asked to be removed once at most each time */
}

static void no_catalog_on_lmdb(void **state)
{
	(void)state;
	static const struct http_route routes[] = { BACKENDS("bind, lmdb"), { "POST ", "201 Created", "" }, { 0 } };
	http_stub_start(&stub, routes);
	everybody();
	http_stub_stop(&stub);
	assert_int_equal(turns, MEMBERS);
	assert_null(strstr(stub.last, "POST "));
}

static void deletion_is_tried_again(void **state)
{
	(void)state;
	static const struct http_route routes[] = {
		{ "DELETE /api/v1/servers/localhost/zones/busy.test.", "500 Internal Server Error", "database is locked" },
		{ "DELETE /api/v1/servers/localhost/zones/bad.test.", "422 Unprocessable", "{\"error\":\"no\"}" },
		{ "DELETE /api/v1/servers/localhost/zones/gone.test.", "404 Not Found", "{\"error\":\"gone\"}" },
		{ "DELETE /api/v1/servers/localhost/zones/there.test.", "204 No Content", "" }, { 0 } };
	static const struct { const char *zone; int want; unsigned most, least; } cases[] = {
		{ "busy.test.", ERROR_HTTP, 20, 3 }, { "bad.test.", ERROR_HTTP, 1, 1 }, { "gone.test.", -ENOENT, 1, 1 }, { "there.test.", 0, 1, 1 } };
	struct pdns_api *api;
	http_stub_start(&stub, routes);
	assert_int_equal(pdns_api_new(stub.url, "key", 1000000, &api), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned before = stub.count;
		assert_int_equal(maker_delete(maker, api, cases[i].zone), cases[i].want);
		assert_in_range(stub.count - before, cases[i].least, cases[i].most);
	}
	pdns_api_free(api);
	http_stub_stop(&stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_gets_its_turn_when_catalogs_do_not_work, setup, teardown),
		cmocka_unit_test_setup_teardown(no_catalog_on_lmdb, setup, teardown),
		cmocka_unit_test_setup_teardown(deletion_is_tried_again, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
