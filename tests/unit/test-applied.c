/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/applied.h"
#include "common/cleanup.h"
#include "common/error.h"

static void check_round_trip(const struct applied *applied, const char *want_reason)
{
	struct applied back;
	char *text;

	assert_int_equal(applied_encode(applied, &text), 0);
	assert_int_equal(applied_decode(text, strlen(text), &back), 0);
	assert_string_equal(back.zone, applied->zone);
	assert_int_equal(back.result, applied->result);
	assert_int_equal(back.generation, applied->generation);
	assert_int_equal(back.serial, applied->serial);
	assert_int_equal(back.sequence, applied->sequence);
	assert_int_equal(back.state, applied->state);
	assert_string_equal(back.reason, want_reason);
	assert_int_equal(back.took_us, applied->took_us);
	assert_int_equal(back.at_us, applied->at_us);
	free(text);
}

static void test_round_trip(void **state)
{
	struct applied applied = {
		.zone = "example.org.", .generation = ZONE_HEAD_NUMBER_MAX, .serial = UINT32_MAX, .sequence = 7,
		.took_us = 12345, .at_us = UINT64_C(1769903999123000),
	};

	(void)state;
	for (applied.result = APPLIED_OK; applied.result <= APPLIED_CONFLICT; applied.result++) {
		applied.state = applied.result == APPLIED_OK ? ZONE_STATE_DELETED : ZONE_STATE_PRESENT;
		check_round_trip(&applied, "");
	}
	applied.result = APPLIED_FAILED;
	strcpy(applied.reason, "PowerDNS said \"no\"");
	check_round_trip(&applied, "PowerDNS said \"no\"");
	/* What other programs said must not lose the message. */
	strcpy(applied.reason, "two\nlines");
	check_round_trip(&applied, "two lines");
	strcpy(applied.reason, "half \xc3");
	check_round_trip(&applied, "half ?");
}

#define REST "\"generation\":1,\"serial\":1,\"sequence\":1,\"state\":\"present\",\"reason\":\"\",\"us\":1,\"at\":\"2026-01-31T23:59:59Z\"}"

static void test_decode(void **state)
{
	static const struct { const char *name, *payload; int want; } table[] = {
		{ "good", "{\"v\":1,\"zone\":\"a.\",\"result\":\"applied\"," REST, 0 },
		{ "empty", "", ERROR_MALFORMED },
		{ "version", "{\"v\":9,\"zone\":\"a.\",\"result\":\"applied\"," REST, ERROR_VERSION },
		{ "result", "{\"v\":1,\"zone\":\"a.\",\"result\":\"perhaps\"," REST, ERROR_MALFORMED },
		{ "zone not normal", "{\"v\":1,\"zone\":\"A.\",\"result\":\"applied\"," REST, ERROR_MALFORMED },
		{ "zone no name", "{\"v\":1,\"zone\":\"a..b.\",\"result\":\"applied\"," REST, ERROR_MALFORMED },
		{ "negative", "{\"v\":1,\"zone\":\"a.\",\"result\":\"applied\",\"generation\":-1,\"serial\":1,\"sequence\":1,"
		  "\"state\":\"present\",\"reason\":\"\",\"us\":1,\"at\":\"2026-01-31T23:59:59Z\"}", ERROR_MALFORMED },
		{ "serial too large", "{\"v\":1,\"zone\":\"a.\",\"result\":\"applied\",\"generation\":1,\"serial\":4294967296,"
		  "\"sequence\":1,\"state\":\"present\",\"reason\":\"\",\"us\":1,\"at\":\"2026-01-31T23:59:59Z\"}", ERROR_MALFORMED },
		{ "real number", "{\"v\":1,\"zone\":\"a.\",\"result\":\"applied\",\"generation\":1.0,\"serial\":1,"
		  "\"sequence\":1,\"state\":\"present\",\"reason\":\"\",\"us\":1,\"at\":\"2026-01-31T23:59:59Z\"}", ERROR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct applied applied;

		print_message("%s\n", table[i].name);
		assert_int_equal(applied_decode(table[i].payload, strlen(table[i].payload), &applied), table[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
