/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "api-proxy/prefer.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/net_address.h"

static void test_read(void **state)
{
	static const struct { const char *first, *second; bool wait; int seconds; bool async; } table[] = {
		{ "wait=5", NULL, true, 5, false },
		{ "Wait = 5", NULL, true, 5, false },
		{ "wait=\"7\"", NULL, true, 7, false },
		{ "wait=7; a=b", NULL, true, 7, false },
		{ "wait=0", NULL, true, 0, false },
		{ "wait=99999999999999999999", NULL, true, 3600, false },
		{ "return=minimal, wait=3", NULL, true, 3, false },
		{ "foo=\"a, wait=9\", wait=3", NULL, true, 3, false },
		{ "foo=\"a\\\", wait=9\", wait=3", NULL, true, 3, false },
		{ "wait=3, wait=4", NULL, true, 3, false },
		{ "return=minimal", "wait=4", true, 4, false },
		{ "respond-async", NULL, false, 0, true },
		{ "respond-async, wait=2", NULL, true, 2, true },
		{ "Respond-Async;x", NULL, false, 0, true },
		{ "wait", NULL, false, 0, false },
		{ "wait=", NULL, false, 0, false },
		{ "wait=-1", NULL, false, 0, false },
		{ "wait=1x", NULL, false, 0, false },
		{ "wait=\"1", NULL, false, 0, false },
		{ "waiting=5, respond-asynchronous", NULL, false, 0, false },
		{ "", ",,;=,\"", false, 0, false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct header_list headers = { 0 };
		struct prefer prefer;
		assert_int_equal(header_list_add(&headers, "prefer", table[i].first, strlen(table[i].first)), 0);
		if (table[i].second)
			assert_int_equal(header_list_add(&headers, "PREFER", table[i].second, strlen(table[i].second)), 0);
		prefer_read(&headers, &prefer);
		if (prefer.has_wait != table[i].wait || prefer.wait_us != table[i].seconds * INT64_C(1000000) || prefer.respond_async != table[i].async)
			fail_msg("%s: %d %lld %d", table[i].first, prefer.has_wait, (long long)prefer.wait_us, prefer.respond_async);
		header_list_clear(&headers);
	}
}

static int64_t find(const struct prefer_networks *networks, const char *text)
{
	struct sockaddr_storage address;
	socklen_t size;
	assert_int_equal(net_address_parse(text, &address, &size), 0);
	return prefer_networks_find(networks, (struct sockaddr *)&address, 42);
}

static void test_networks(void **state)
{
	struct prefer_networks *networks;
	(void)state;
	assert_int_equal(prefer_networks_new("192.0.2.0/24=5s, 192.0.2.128/25=0s,::1=2s ,2001:db8::/33=100ms, 10.0.0.0/7=1s", &networks), 0);
	assert_int_equal(find(networks, "192.0.2.1:5"), 5000000);
	assert_int_equal(find(networks, "192.0.2.128:5"), 0);
	assert_int_equal(find(networks, "192.0.3.1:5"), 42);
	assert_int_equal(find(networks, "11.2.3.4:5"), 1000000);
	assert_int_equal(find(networks, "12.2.3.4:5"), 42);
	assert_int_equal(find(networks, "[::1]:5"), 2000000);
	assert_int_equal(find(networks, "[::2]:5"), 42);
	assert_int_equal(find(networks, "[2001:db8:7fff::1]:5"), 100000);
	assert_int_equal(find(networks, "[2001:db8:8000::1]:5"), 42);
	assert_int_equal(prefer_networks_find(networks, NULL, 42), 42);
	prefer_networks_free(networks);
	assert_int_equal(prefer_networks_new(NULL, &networks), 0);
	assert_int_equal(find(networks, "192.0.2.1:5"), 42);
	prefer_networks_free(networks);
	static const char *const wrong[] = { "x", "192.0.2.0/24", "192.0.2.0/33=1s", "192.0.2.0/=1s", "192.0.2/24=1s", "::/129=1s", "::1=x", "=1s", "::1=2h" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(prefer_networks_new(wrong[i], &networks), ERROR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_read), cmocka_unit_test(test_networks) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
