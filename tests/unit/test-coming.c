/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/coming.h"
#include "common/error.h"

static void test_round_trip(void **state)
{
	static const char *const zones[] = { ".", "_dmarc.example.", "2.0.192.in-addr.arpa.", "a\\.b.example.", "xn--bcher-kva.example." };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		struct coming coming = { .follows = UINT64_C(1) << 62 }, back;
		char *text;
		snprintf(coming.zone, sizeof(coming.zone), "%s", zones[i]);
		assert_int_equal(coming_encode(&coming, &text), 0);
		assert_int_equal(coming_decode(text, strlen(text), &back), 0);
		free(text);
		assert_string_equal(back.zone, zones[i]);
		assert_int_equal(back.follows, coming.follows);
	}
}

static void test_decode(void **state)
{
	static const struct { const char *name, *payload; int want; } table[] = {
		{ "good", "{\"v\":1,\"zone\":\"a.\",\"follows\":1,\"more\":[]}", 0 },
		{ "empty", "", ERROR_MALFORMED },
		{ "version", "{\"v\":2,\"zone\":\"a.\",\"follows\":1}", ERROR_VERSION },
		{ "upper case", "{\"v\":1,\"zone\":\"A.\",\"follows\":1}", ERROR_MALFORMED },
		{ "no zone", "{\"v\":1,\"follows\":1}", ERROR_MALFORMED },
		{ "no generation", "{\"v\":1,\"zone\":\"a.\"}", ERROR_MALFORMED },
		{ "negative", "{\"v\":1,\"zone\":\"a.\",\"follows\":-1}", ERROR_MALFORMED },
		{ "text", "{\"v\":1,\"zone\":\"a.\",\"follows\":\"1\"}", ERROR_MALFORMED },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct coming coming = { .follows = 77 };
		int result = coming_decode(table[i].payload, strlen(table[i].payload), &coming);
		if (result != table[i].want)
			fail_msg("%s: %d", table[i].name, result);
		if (result < 0)
			assert_int_equal(coming.follows, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
