/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include "api-proxy/status_api.h"
#include "common/cleanup.h"

#define BASE "/distribute/v1"

static char folder[64];
static struct status_api api = { .prefix = "pdns", .key = "secret", .wait_max_us = 1000000 };

static int set_up(void **state)
{
	struct bus_options options = { .urls = "nats://127.0.0.1:1", .timeout = 100000 };
	char *reason = NULL;
	(void)state;
	(void)strcpy(folder, "/tmp/test-proxy-status-XXXXXX");
	if (!mkdtemp(folder) || bus_open(&options, "test", NULL, NULL, &api.bus, &reason) < 0 ||
	    waiters_new(NULL, NULL, 0, &api.waiters) < 0)
		return -1;
	return intents_open(folder, false, NULL, NULL, &api.intents);
}

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk)
{
	(void)facts, (void)type, (void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	intents_close(api.intents);
	waiters_free(api.waiters);
	bus_close(api.bus);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int ask_for(const char *method, const char *target, const char *key, char **ret_body)
{
	struct header_list headers = { 0 };
	if (key)
		assert_int_equal(header_list_add(&headers, "x-api-key", key, strlen(key)), 0);
	int status = status_api_answer(&api, method, target, &headers, ret_body);
	header_list_clear(&headers);
	assert_non_null(*ret_body);
	return status;
}

static void test_owns(void **state)
{
	(void)state;
	assert_true(status_api_owns(BASE));
	assert_true(status_api_owns(BASE "?a"));
	assert_true(status_api_owns(BASE "/x"));
	assert_false(status_api_owns(BASE "0/x"));
	assert_false(status_api_owns("/api/v1/servers"));
	assert_false(status_api_owns("/"));
	assert_false(status_api_owns(""));
}

static void test_status(void **state)
{
	static const struct { const char *method, *target, *key; int want; } table[] = {
		{ "GET", "/openapi.json", NULL, 200 }, { "HEAD", "/openapi.json", NULL, 200 }, { "PUT", "/openapi.json", "secret", 405 },
		{ "GET", "/secondaries", NULL, 401 }, { "GET", "/secondaries", "", 401 }, { "GET", "/secondaries", "secret2", 401 },
		{ "GET", "/secondaries", "secre", 401 }, { "GET", "/secondaries", "secret", 200 }, { "get", "/secondaries?x", "secret", 200 },
		{ "POST", "/secondaries", "secret", 405 }, { "GET", "", "secret", 404 }, { "GET", "/", "secret", 404 }, { "GET", "/", NULL, 401 },
		{ "GET", "/nothing", NULL, 401 }, { "GET", "/changes/", "secret", 404 }, { "GET", "/changes/zz", "secret", 404 },
		{ "GET", "/changes/%zz", "secret", 404 }, { "GET", "/changes/a/b", "secret", 404 }, { "GET", "/zones/a..b", "secret", 404 },
		{ "GET", "/zones/example.org.", "secret", 503 }, { "POST", "/zones/example.org./resync", "secret", 503 },
		{ "GET", "/zones/example.org./resync", "secret", 405 }, { "POST", "/zones/a..b/resync", "secret", 404 },
		{ "GET", "/zones/a%2Fb", "secret", 404 }, { "GET", "/zones/a%00b", "secret", 404 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		CLEANUP(free) char *body = NULL;
		CLEANUP(free) char *target = NULL;
		assert_true(asprintf(&target, BASE "%s", table[i].target) > 0);
		int status = ask_for(table[i].method, target, table[i].key, &body);
		if (status != table[i].want || (status >= 400) != (strncmp(body, "{\"error\"", 8) == 0))
			fail_msg("%s %s: %d %s", table[i].method, target, status, body);
	}
}

static void test_nobody_without_key(void **state)
{
	struct status_api open = api;
	struct header_list headers = { 0 };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		CLEANUP(free) char *body = NULL;
		open.key = i ? "" : NULL;
		assert_int_equal(header_list_add(&headers, "X-API-Key", "", 0), 0);
		assert_int_equal(status_api_answer(&open, "GET", BASE "/secondaries", &headers, &body), 401);
		header_list_clear(&headers);
	}
}

/* Goal: a change of an earlier run is found by a new look at its zone, once, and then known. */
static void test_change_of_before(void **state)
{
	CLEANUP(free) char *body = NULL, *again = NULL, *end = NULL;
	struct intent_due due[2];
	(void)state;
	assert_int_equal(ask_for("GET", BASE "/changes/5f0000000000-example.org.", "secret", &body), 200);
	assert_non_null(strstr(body, "\"pending\""));
	assert_int_equal(ask_for("GET", BASE "/changes/5f0000000000-example%2eorg%2E?a=b&wait=0", "secret", &again), 200);
	assert_int_equal(intents_take(api.intents, due, 2), 1);
	assert_string_equal(due[0].zone, "example.org.");
	assert_int_equal(due[0].change, ZONE_CHECK);
	waiters_published(api.waiters, due[0].zone, due[0].stamp, 7);
	intents_give_back(api.intents, &due[0], true);
	struct heartbeat heartbeat = { .service = "secondary-syncer", .id = "a", .interval_us = 20000000 };
	struct covered covered = { .zone = "example.org.", .event = 7, .generation = 3 };
	waiters_heartbeat(api.waiters, &heartbeat);
	waiters_covered(api.waiters, &covered);
	waiters_confirmed(api.waiters, "a", "example.org.", 3, APPLIED_OK, "");
	assert_int_equal(ask_for("GET", BASE "/changes/5f0000000000-example.org.?wait=20", "secret", &end), 200);
	assert_non_null(strstr(end, "\"in-sync\""));
	assert_int_equal(intents_take(api.intents, due, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owns), cmocka_unit_test(test_status), cmocka_unit_test(test_nobody_without_key),
		cmocka_unit_test(test_change_of_before),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
