/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses in configurations: what is taken, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/net_address.h"

static void addresses(void **state)
{
	(void)state;
	static const struct { const char *text; int want; unsigned port; } rows[] = {
		{ "127.0.0.1:53", AF_INET, 53 },  { "[::1]:5300", AF_INET6, 5300 }, { "192.0.2.1:65535", AF_INET, 65535 },
		{ "", -1, 0 },                    { "127.0.0.1", -1, 0 },           { "127.0.0.1:", -1, 0 },
		{ "127.0.0.1:0", -1, 0 },         { "127.0.0.1:65536", -1, 0 },     { "127.0.0.1:5x", -1, 0 },
		{ "127.0.0.1:+53", -1, 0 },       { "127.0.0.1: 53", -1, 0 },       { "localhost:53", -1, 0 },
		{ "::1:53", -1, 0 },              { "[::1]", -1, 0 },               { "[::1]53", -1, 0 },
		{ "[::1", -1, 0 },                { "[127.0.0.1]:53", -1, 0 },      { "127.1:53", -1, 0 },
		{ "[]:53", -1, 0 },               { ":53", -1, 0 },                 { "127.0.0.1:000053", -1, 0 },
		{ "[:53", -1, 0 },                { "127.0.0.1:-1", -1, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t size = 0;
		int result = net_address_parse(rows[i].text, &address, &size);
		if (rows[i].want < 0) {
			assert_int_equal(result, ERROR_MALFORMED);
			assert_int_equal(size, 0);
			continue;
		}
		assert_int_equal(result, 0);
		assert_int_equal(address.ss_family, rows[i].want);
		assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), rows[i].port); /* at the same place in both */
	}
}

static void loopback(void **state)
{
	(void)state;
	static const struct { const char *text; bool want; } rows[] = {
		{ "127.0.0.1:53", true }, { "127.9.8.7:53", true }, { "[::1]:53", true }, { "192.0.2.1:53", false },
		{ "[::]:53", false }, { "0.0.0.0:53", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sockaddr_storage address;
		socklen_t size;
		assert_int_equal(net_address_parse(rows[i].text, &address, &size), 0);
		assert_int_equal(net_address_is_loopback(&address), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(loopback) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
