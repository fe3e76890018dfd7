/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/heartbeat.h"

#define HEX_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int decode(const json_t *object, struct heartbeat *ret)
{
	char *text = json_dumps(object, JSON_COMPACT);
	int r = heartbeat_decode(text, strlen(text), ret);

	free(text);
	return r;
}

static void test_round_trip(void **state)
{
	struct heartbeat heartbeat;
	json_t *object = heartbeat_new("secondary-syncer", "ns1", 2500000);

	(void)state;
	assert_non_null(object);
	assert_int_equal(decode(object, &heartbeat), 0);
	assert_string_equal(heartbeat.service, "secondary-syncer");
	assert_string_equal(heartbeat.id, "ns1");
	assert_string_equal(heartbeat.version, PROJECT_VERSION);
	assert_int_equal(heartbeat.interval_us, 2500000);
	assert_true(clock_realtime_us() - heartbeat.started_us < 60000000);
	assert_true(heartbeat.load >= 0);
	assert_false(heartbeat.has_set);

	json_object_set_new(object, "zones", json_integer(3));
	json_object_set_new(object, "failing", json_integer(1));
	json_object_set_new(object, "working", json_integer(2));
	json_object_set_new(object, "set_digest", json_string(HEX_64));
	json_object_set_new(object, "pdns", json_string("up"));
	assert_int_equal(decode(object, &heartbeat), 0);
	assert_true(heartbeat.has_set && heartbeat.pdns_up);
	assert_int_equal(heartbeat.zones, 3);
	assert_int_equal(heartbeat.failing, 1);
	assert_int_equal(heartbeat.working, 2);
	assert_string_equal(heartbeat.set_digest, HEX_64);
	json_decref(object);
}

static void test_decode(void **state)
{
	static const struct { const char *name, *member, *value; int want; } table[] = {
		{ "good", "zones", "0", 0 },
		{ "version", "v", "2", ERROR_VERSION },
		{ "id with a dot", "id", "\"a.b\"", ERROR_MALFORMED },
		{ "id with a wildcard", "id", "\"*\"", ERROR_MALFORMED },
		{ "service", "service", "\"\"", ERROR_MALFORMED },
		{ "interval 0", "interval_ms", "0", ERROR_MALFORMED },
		{ "interval too long", "interval_ms", "86400001", ERROR_MALFORMED },
		{ "load", "load", "-1", ERROR_MALFORMED },
		{ "load as integer", "load", "2", 0 },
		{ "started", "started", "\"yesterday\"", ERROR_MALFORMED },
		{ "digest", "set_digest", "\"ab\"", ERROR_MALFORMED },
		{ "digest in upper case", "set_digest", "\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"", ERROR_MALFORMED },
		{ "pdns", "pdns", "\"perhaps\"", ERROR_MALFORMED },
		{ "zones", "zones", "-1", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct heartbeat heartbeat;
		json_t *object = heartbeat_new("secondary-syncer", "ns1", 1000000);

		print_message("%s\n", table[i].name);
		json_object_set_new(object, "zones", json_integer(3));
		json_object_set_new(object, "failing", json_integer(1));
		json_object_set_new(object, "working", json_integer(2));
		json_object_set_new(object, "set_digest", json_string(HEX_64));
		json_object_set_new(object, "pdns", json_string("down"));
		json_object_set_new(object, table[i].member, json_loads(table[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(decode(object, &heartbeat), table[i].want);
		json_decref(object);
	}
	assert_int_equal(heartbeat_decode("", 0, &(struct heartbeat){ 0 }), ERROR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
