/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "secondary-syncer/catalog.h"

/* Gathers what a catalog holds as text. */
static int gather(const struct record *record, void *userdata)
{
	char *all = userdata;
	static char large[RECORD_TEXT_SIZE];
	assert_true(record_to_text(record, large, sizeof(large)) > 0);
	strcat(all, large);
	return 0;
}

static void test_lists_its_zones(void **state)
{
	(void)state;
	static char all[65536];
	static const char *const zones[] = { "a.test.", "\\046x.test.", "." };
	char name[ZONE_NAME_SIZE], line[ZONE_NAME_SIZE + 64];
	struct zone_body_facts facts;
	struct spool *body;
	struct book_entry entry = { 0 };
	catalog_name(name);
	assert_int_equal(catalog_write(name, zones, 3, "/tmp", &facts, &body, &entry), 0);
	assert_int_equal(facts.records, 6);
	assert_true(entry.soa_size > 0);
	assert_int_equal(zone_body_read(body, &facts, gather, all), 0);
	snprintf(line, sizeof(line), "version.%s", name);
	assert_non_null(strstr(all, line));
	assert_non_null(strstr(all, "TXT \"2\""));
	assert_non_null(strstr(all, "PTR a.test."));
	assert_non_null(strstr(all, "x.test."));
	snprintf(line, sizeof(line), "z2.zones.%s", name);
	assert_non_null(strstr(all, line));
	spool_free(body);
}

static void test_names(void **state)
{
	(void)state;
	char one[ZONE_NAME_SIZE], other[ZONE_NAME_SIZE], text[ZONE_NAME_SIZE];
	catalog_name(one);
	catalog_name(other);
	assert_string_not_equal(one, other);
	assert_int_equal(zone_name_from_text(one, text), 0);
	assert_string_equal(one, text);
	assert_true(catalog_is_name(one));
	assert_false(catalog_is_name("catalog.pdns-distribute.invalid."));
	assert_false(catalog_is_name("x.catalog.pdns-distribute.invalid."));
	assert_false(catalog_is_name("example.org."));
	assert_false(catalog_is_name("."));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lists_its_zones), cmocka_unit_test(test_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
