/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "api-proxy/admission.h"
#include "common/error.h"
#include "common/net_address.h"

static enum admission enter(struct admissions *admissions, const char *text)
{
	struct sockaddr_storage address;
	socklen_t size;
	assert_int_equal(net_address_parse(text, &address, &size), 0);
	return admissions_enter(admissions, (struct sockaddr *)&address);
}

static void leave(struct admissions *admissions, const char *text, enum admission admission)
{
	struct sockaddr_storage address;
	socklen_t size;
	assert_int_equal(net_address_parse(text, &address, &size), 0);
	admissions_leave(admissions, (struct sockaddr *)&address, admission);
}

static bool list_holds(const char *networks, const char *text)
{
	struct sockaddr_storage address;
	struct network_list *list;
	socklen_t size;
	assert_int_equal(net_address_parse(text, &address, &size), 0);
	assert_int_equal(network_list_new(networks, &list), 0);
	bool result = network_list_holds(list, (struct sockaddr *)&address);
	network_list_free(list);
	return result;
}

static void networks(void **state)
{
	(void)state;
	struct network_list *list = NULL;
	static const char *const wrong[] = { "192.0.2", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/a", "192.0.2.0/-1",
	                                     "example.org", "192.0.2.1, x" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(network_list_new(wrong[i], &list), ERROR_MALFORMED);
	assert_true(list_holds("10.0.0.0/8, 192.0.2.128/25 ::1", "192.0.2.129:1"));
	assert_false(list_holds("10.0.0.0/8, 192.0.2.128/25 ::1", "192.0.2.127:1"));
	assert_true(list_holds("10.0.0.0/8,192.0.2.128/25,::1", "[::1]:1"));
	assert_false(list_holds("10.0.0.0/8,::1", "[::2]:1"));
	assert_true(list_holds("0.0.0.0/0", "192.0.2.1:1"));
	assert_false(list_holds("0.0.0.0/0", "[2001:db8::1]:1"));
	assert_false(list_holds("", "192.0.2.1:1"));
}

static void counts(void **state)
{
	(void)state;
	struct network_list *allowed;
	struct admissions *admissions;
	assert_int_equal(network_list_new("192.0.2.0/24, 2001:db8::/32", &allowed), 0);
	assert_int_equal(admissions_new(4, 2, 2, allowed, &admissions), 0);
	assert_int_equal(enter(admissions, "192.0.2.1:1"), ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "192.0.2.1:2"), ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "192.0.2.1:3"), ADMISSION_CLIENT);
	leave(admissions, "192.0.2.1:3", ADMISSION_CLIENT);
	assert_int_equal(enter(admissions, "[2001:db8::1]:1"), ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "[2001:db8::2]:1"), ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "[2001:db8:0:1::]:1"), ADMISSION_FULL);
	leave(admissions, "[2001:db8::1]:1", ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "[2001:db8::3]:1"), ADMISSION_GRANTED);
	leave(admissions, "192.0.2.1:1", ADMISSION_GRANTED);
	assert_int_equal(enter(admissions, "[2001:db8::4]:1"), ADMISSION_CLIENT);
	assert_int_equal(enter(admissions, "198.51.100.1:1"), ADMISSION_CUT); /* two are being refused already */
	leave(admissions, "[2001:db8::4]:1", ADMISSION_CLIENT);
	assert_int_equal(enter(admissions, "198.51.100.1:1"), ADMISSION_NETWORK);
	admissions_free(admissions);
	network_list_free(allowed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(networks), cmocka_unit_test(counts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
