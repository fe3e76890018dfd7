/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

static void texts(void **state)
{
	static const struct { uint64_t in; const char *want; } cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ UINT64_C(1769903999123999), "2026-01-31T23:59:59.123Z" },
		{ UINT64_C(1709164800000000), "2024-02-29T00:00:00.000Z" },
		{ UINT64_MAX, "9999-12-31T23:59:59.999Z" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[CLOCK_TEXT_SIZE];
		clock_to_text(cases[i].in, text);
		assert_string_equal(text, cases[i].want);
	}
}

static void goes_forward(void **state)
{
	(void)state;
	uint64_t before = clock_monotonic_us();
	assert_true(clock_realtime_us() > UINT64_C(1600000000000000));
	assert_true(clock_monotonic_us() >= before);
}

static void backoff(void **state)
{
	static const struct { unsigned attempt; uint64_t base, ceiling, low, high; } cases[] = {
		{ 0, 1000, 60000, 500, 1000 }, { 1, 1000, 60000, 1000, 2000 }, { 5, 1000, 60000, 16000, 32000 },
		{ 6, 1000, 60000, 30000, 60000 }, { UINT_MAX, 1000, 60000, 30000, 60000 },
		{ 3, 90000, 60000, 30000, 60000 }, { UINT_MAX, 1, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX },
		{ 9, 0, 60000, 0, 0 }, { 0, 1, 1, 1, 1 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int n = 0; n < 50; n++) {
			uint64_t delay = clock_backoff_us(cases[i].attempt, cases[i].base, cases[i].ceiling);
			assert_true(delay >= cases[i].low && delay <= cases[i].high);
		}
	}
}

static void uuids(void **state)
{
	char one[CLOCK_UUID_SIZE], other[CLOCK_UUID_SIZE];
	(void)state;
	clock_uuid(one);
	clock_uuid(other);
	assert_string_not_equal(one, other);
	assert_int_equal(strlen(one), 36);
	assert_int_equal(strspn(one, "0123456789abcdef-"), 36);
	assert_true(one[8] == '-' && one[13] == '-' && one[18] == '-' && one[23] == '-');
	assert_int_equal(one[14], '4');
	assert_non_null(strchr("89ab", one[19]));
}

static void error_texts(void **state)
{
	(void)state;
	assert_string_equal(error_text(0), "success");
	assert_string_equal(error_text(-ENOENT), "No such file or directory");
	assert_string_equal(error_text(ERROR_REPLAYED), "older than what is already applied");
	for (int error = ERROR_MALFORMED; error <= ERROR_DENIED; error++)
		assert_string_not_equal(error_text(error), "unknown error");
	assert_string_equal(error_text(ERROR_DENIED + 1), "unknown error");
	assert_string_equal(error_text(INT_MIN), "unknown error");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts), cmocka_unit_test(goes_forward), cmocka_unit_test(backoff), cmocka_unit_test(uuids),
		cmocka_unit_test(error_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
