/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libknot/tsig.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/tsig.h"

static void test_texts(void **state)
{
	(void)state;
	static const struct { const char *text; int want; dnssec_tsig_algorithm_t algorithm; } rows[] = {
		{ "hmac-sha256:transfer.:c2VjcmV0", 0, DNSSEC_TSIG_HMAC_SHA256 },
		{ "hmac-sha512:transfer:c2VjcmV0\n", 0, DNSSEC_TSIG_HMAC_SHA512 },
		{ "hmac-sha1:transfer:c2VjcmV0 \r\n", 0, DNSSEC_TSIG_HMAC_SHA1 },
		{ "", ERROR_MALFORMED, 0 },
		{ "\n", ERROR_MALFORMED, 0 },
		{ "transfer.:c2VjcmV0", ERROR_MALFORMED, 0 },
		{ ":transfer.:c2VjcmV0", ERROR_MALFORMED, 0 },
		{ "hmac-sha256::c2VjcmV0", ERROR_MALFORMED, 0 },
		{ "hmac-sha256:transfer.:", ERROR_MALFORMED, 0 },
		{ "hmac-sha256:transfer.:not base64!", ERROR_MALFORMED, 0 },
		{ "hmac-sha257:transfer.:c2VjcmV0", ERROR_MALFORMED, 0 },
		{ "hmac-sha256:a..b:c2VjcmV0", ERROR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tsig_key *key = NULL;
		int result = tsig_key_new(rows[i].text, &key);
		if (result != rows[i].want)
			fail_msg("%s: %d", rows[i].text, result);
		if (result < 0) {
			assert_null(key);
			continue;
		}
		const knot_tsig_key_t *knot = tsig_key_knot(key);
		assert_int_equal(knot->algorithm, rows[i].algorithm);
		assert_memory_equal(knot->name, "\10transfer", 10);
		assert_int_equal(knot->secret.size, 6);
		assert_memory_equal(knot->secret.data, "secret", 6);
		tsig_key_free(key);
	}
	tsig_key_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
