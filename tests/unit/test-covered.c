/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/covered.h"
#include "common/error.h"

static void test_round_trip(void **state)
{
	struct covered covered = { .zone = "a\\.b.example.", .event = UINT64_C(1) << 62, .generation = 0, .changed = true }, back;
	char *text;
	(void)state;
	assert_int_equal(covered_encode(&covered, &text), 0);
	assert_int_equal(covered_decode(text, strlen(text), &back), 0);
	free(text);
	assert_string_equal(back.zone, covered.zone);
	assert_int_equal(back.event, covered.event);
	assert_int_equal(back.generation, 0);
	assert_true(back.changed);
}

static void test_decode(void **state)
{
	static const struct { const char *name, *payload; int want; } table[] = {
		{ "good", "{\"v\":1,\"zone\":\"a.\",\"event\":1,\"generation\":2,\"changed\":false,\"more\":[]}", 0 },
		{ "empty", "", ERROR_MALFORMED },
		{ "version", "{\"v\":2,\"zone\":\"a.\",\"event\":1,\"generation\":2,\"changed\":false}", ERROR_VERSION },
		{ "upper case", "{\"v\":1,\"zone\":\"A.\",\"event\":1,\"generation\":2,\"changed\":false}", ERROR_MALFORMED },
		{ "no zone", "{\"v\":1,\"event\":1,\"generation\":2,\"changed\":false}", ERROR_MALFORMED },
		{ "negative", "{\"v\":1,\"zone\":\"a.\",\"event\":-1,\"generation\":2,\"changed\":false}", ERROR_MALFORMED },
		{ "text", "{\"v\":1,\"zone\":\"a.\",\"event\":1,\"generation\":\"2\",\"changed\":false}", ERROR_MALFORMED },
		{ "number", "{\"v\":1,\"zone\":\"a.\",\"event\":1,\"generation\":2,\"changed\":0}", ERROR_MALFORMED },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct covered covered = { .event = 77 };
		int result = covered_decode(table[i].payload, strlen(table[i].payload), &covered);
		if (result != table[i].want)
			fail_msg("%s: %d", table[i].name, result);
		if (result < 0)
			assert_int_equal(covered.event, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip), cmocka_unit_test(test_decode) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
