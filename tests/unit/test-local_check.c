/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What PowerDNS has is compared with the book; what cannot be compared is no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "http-stub.h"
#include "secondary-syncer/local_check.h"

#define ZONE(name, serial, kind, master) \
	"{\"name\":\"" name "\",\"kind\":\"" kind "\",\"serial\":" serial ",\"masters\":[\"" master "\"]}"

static char folder[64];
static struct applied_book *book;

static void note(const char *zone, enum zone_state state, uint64_t generation, uint32_t serial)
{
	struct book_entry entry = { .state = state, .generation = generation, .serial = serial };
	assert_int_equal(applied_book_put(book, zone, &entry), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test-local_check-XXXXXX");
	if (!mkdtemp(folder) || applied_book_open(folder, &book) < 0)
		return -1;
	note("same.test.", ZONE_STATE_PRESENT, 5, 7);
	note("behind.test.", ZONE_STATE_PRESENT, 5, 7);
	note("missing.test.", ZONE_STATE_PRESENT, 5, 7);
	note("native.test.", ZONE_STATE_PRESENT, 5, 7);
	note("deleted.test.", ZONE_STATE_DELETED, 5, 0);
	note("gone.test.", ZONE_STATE_DELETED, 5, 0);
	note("failed.test.", ZONE_STATE_PRESENT, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	applied_book_close(book);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void see(const char *zone, void *userdata)
{
	strcat(strcat(userdata, zone), " ");
}

static void see_catalog(const char *zone, void *userdata)
{
	char *found = userdata;
	strcat(strcat(strcat(found, "catalog:"), zone), " ");
}

static int check(const char *list, char found[1024])
{
	const struct http_route routes[] = { { "GET ", "200 OK", list }, { NULL, NULL, NULL } };
	struct http_stub stub;
	struct pdns_api *api;
	found[0] = '\0';
	http_stub_start(&stub, routes);
	assert_int_equal(pdns_api_new(stub.url, "key", 1000000, &api), 0);
	int r = local_check(api, book, "127.0.0.1:5380", see, see_catalog, found);
	pdns_api_free(api);
	http_stub_stop(&stub);
	return r;
}

static void differences_are_found(void **state)
{
	(void)state;
	char found[1024];
	assert_int_equal(check("[" ZONE("same.test.", "7", "Slave", "127.0.0.1:5380") ","
	                       ZONE("behind.test.", "6", "Slave", "127.0.0.1:5380") ","
	                       ZONE("native.test.", "7", "Native", "") ","
	                       ZONE("deleted.test.", "3", "Slave", "127.0.0.1:5380") ","
	                       ZONE("unknown.test.", "3", "Slave", "127.0.0.1:5380") ","
	                       ZONE("0123456789abcdef.catalog.pdns-distribute.invalid.", "1", "Consumer", "127.0.0.1:5380") ","
	                       ZONE("foreign.test.", "3", "Slave", "192.0.2.1") "]", found), 0);
	static const char *const want[] = { "catalog:0123456789abcdef.", "behind.", "native.", "deleted.", "unknown.", "missing." };
	static const char *const not_want[] = { "same.", "foreign.", "gone.", "failed." };
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_non_null(strstr(found, want[i]));
	for (size_t i = 0; i < ARRAY_SIZE(not_want); i++)
		assert_null(strstr(found, not_want[i]));
}

static void half_a_list_finds_nothing_missing(void **state)
{
	(void)state;
	char found[1024];
	assert_int_equal(check("[" ZONE("same.test.", "7", "Slave", "127.0.0.1:5380") ",", found), ERROR_MALFORMED);
	assert_string_equal(found, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(differences_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(half_a_list_finds_nothing_missing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
