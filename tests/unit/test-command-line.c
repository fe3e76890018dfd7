/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pdns-distribute/arguments.h"
#include "pdns-distribute/program.h"
#include "pdns-distribute/table.h"

#define WORDS(...) ((char *[]){ (char[]){ "pdns-distribute" }, __VA_ARGS__, NULL })

static int run(char **words)
{
	int count = 0;

	while (words[count])
		count++;
	return program_run(count, words);
}

static void options_may_stand_anywhere(void **state)
{
	struct arguments arguments = { .config_dir = "/default" };
	char *words[] = { (char[]){ "x" }, (char[]){ "zone" }, (char[]){ "--json" }, (char[]){ "example.org" }, (char[]){ "--config-dir=/d" }, NULL };

	(void)state;
	assert_int_equal(arguments_parse(5, words, &arguments), 0);
	assert_true(arguments.json);
	assert_string_equal(arguments.config_dir, "/d");
	assert_int_equal(arguments.count, 2);
	assert_string_equal(arguments.words[0], "zone");
	assert_string_equal(arguments.words[1], "example.org");
}

static void wrong_usage_is_told_from_failure(void **state)
{
	(void)state;
	assert_int_equal(run(WORDS((char[]){ "--help" })), 0);
	assert_int_equal(run(WORDS((char[]){ "--version" })), 0);
	assert_int_equal(run(WORDS((char[]){ "keys" }, (char[]){ "--help" })), 0);
	assert_int_equal(run(WORDS((char[]){ "nonsense" })), 2);
	assert_int_equal(run(WORDS((char[]){ "--nonsense" })), 2);
	assert_int_equal(run(WORDS((char[]){ "status" }, (char[]){ "--secondary" }, (char[]){ "ns1" })), 2);
	assert_int_equal(run(WORDS((char[]){ "--config-dir" }, (char[]){ "/nonexistent" }, (char[]){ "secondary" }, (char[]){ "add" }, (char[]){ "No_Id" })), 2);
	assert_int_equal(run(WORDS((char[]){ "--config-dir" }, (char[]){ "/nonexistent" }, (char[]){ "zone" }, (char[]){ "a..b" })), 2);
	assert_int_equal(run(WORDS((char[]){ "--config-dir" }, (char[]){ "/nonexistent" }, (char[]){ "keys" }, (char[]){ "list" })), 1);
}

static void keys_are_made_without_nats_and_never_overwritten(void **state)
{
	char folder[] = "/tmp/test-command-XXXXXX", config[64], key[128], trusted[128], keys[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(config, sizeof(config), "--config-dir=%s", folder);
	assert_int_equal(run(WORDS(config, (char[]){ "keys" }, (char[]){ "generate" })), 0);
	assert_int_equal(run(WORDS(config, (char[]){ "keys" }, (char[]){ "list" })), 0);
	assert_int_equal(run(WORDS(config, (char[]){ "keys" }, (char[]){ "generate" })), 1);
	(void)snprintf(keys, sizeof(keys), "%s/keys", folder);
	(void)snprintf(key, sizeof(key), "%s/signing.key", keys);
	(void)snprintf(trusted, sizeof(trusted), "%s/trusted.keys", keys);
	assert_int_equal(remove(key), 0);
	assert_int_equal(remove(trusted), 0);
	assert_int_equal(remove(keys), 0);
	assert_int_equal(remove(folder), 0);
}

static void tables_are_aligned_and_harmless(void **state)
{
	static const char *const titles[] = { "NAME", ">COUNT", "REST", NULL };
	struct table *table = table_new(titles);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(table);
	assert_non_null(out);
	table_cell(table, "a");
	table_cell(table, "%d", 1000000);
	table_cell(table, "x\033[2Jy");
	table_cell(table, "longer");
	table_cell(table, "2");
	table_cell(table, "z");
	table_print(table, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "NAME      COUNT  REST\n"
	                          "a       1000000  x?[2Jy\n"
	                          "longer        2  z\n");
	free(text);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_may_stand_anywhere),
		cmocka_unit_test(wrong_usage_is_told_from_failure),
		cmocka_unit_test(keys_are_made_without_nats_and_never_overwritten),
		cmocka_unit_test(tables_are_aligned_and_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
