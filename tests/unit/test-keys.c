/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/keys.h"

static char folder[64];

static char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned turn;
	char *path = paths[turn++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void read_file(const char *name, char text[1024])
{
	FILE *file = fopen(path_of(name), "r");

	assert_non_null(file);
	text[fread(text, 1, 1023, file)] = '\0';
	assert_int_equal(fclose(file), 0);
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	assert_int_equal(stat(path_of(name), &status), 0);
	return status.st_mode & 07777;
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test-keys-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void test_sign_and_verify(void **state)
{
	(void)state;
	char id[KEY_ID_SIZE], text[1024], other_id[KEY_ID_SIZE];
	uint8_t signature[64], data[] = "the zone";
	struct signing_key *key;
	struct trusted_keys *keys, *own;

	mode_t before = umask(0077);
	assert_int_equal(signing_key_generate(path_of("private"), path_of("public"), id), 0);
	umask(before);
	assert_int_equal(strlen(id), KEY_ID_SIZE - 1);
	assert_int_equal(mode_of("private"), 0600);
	assert_int_equal(mode_of("public"), 0644);

	read_file("private", text);
	assert_int_equal(signing_key_parse(text, &key), 0);
	assert_string_equal(signing_key_id(key), id);
	signing_key_sign(key, data, sizeof(data), signature);
	assert_int_equal(trusted_keys_load(path_of("public"), &keys), 0);
	assert_int_equal(trusted_keys_count(keys), 1);
	assert_string_equal(trusted_keys_id(keys, 0), id);
	assert_null(trusted_keys_id(keys, 1));
	assert_null(trusted_keys_id(keys, -1));
	assert_int_equal(trusted_keys_verify(keys, id, data, sizeof(data), signature), 0);
	assert_int_equal(trusted_keys_verify(keys, id, data, sizeof(data) - 1, signature), ERROR_UNTRUSTED);
	assert_int_equal(trusted_keys_verify(keys, "0000000000000000", data, sizeof(data), signature), ERROR_UNTRUSTED);
	assert_int_equal(trusted_keys_verify(keys, "", data, sizeof(data), signature), ERROR_UNTRUSTED);
	assert_int_equal(signing_key_trusted(key, &own), 0);
	assert_int_equal(trusted_keys_verify(own, id, data, sizeof(data), signature), 0);

	/* Another key's signature under this key's id. */
	assert_int_equal(signing_key_generate(path_of("private2"), path_of("public2"), other_id), 0);
	struct signing_key *other;
	read_file("private2", text);
	assert_int_equal(signing_key_parse(text, &other), 0);
	signing_key_sign(other, data, sizeof(data), signature);
	assert_int_equal(trusted_keys_verify(keys, id, data, sizeof(data), signature), ERROR_UNTRUSTED);
	assert_int_equal(trusted_keys_verify(keys, other_id, data, sizeof(data), signature), ERROR_UNTRUSTED);
	signing_key_free(other);
	signing_key_free(key);
	signing_key_free(NULL);
	trusted_keys_free(own);
	trusted_keys_free(keys);
	trusted_keys_free(NULL);
}

static void test_never_overwrites(void **state)
{
	(void)state;
	char id[KEY_ID_SIZE] = "untouched", text[1024];

	write_file("there", "mine");
	assert_int_equal(signing_key_generate(path_of("there"), path_of("new-public"), id), -EEXIST);
	assert_int_equal(access(path_of("new-public"), F_OK), -1);
	assert_int_equal(signing_key_generate(path_of("new-private"), path_of("there"), id), -EEXIST);
	assert_int_equal(access(path_of("new-private"), F_OK), -1);
	assert_int_equal(signing_key_generate(path_of("no/such/folder"), path_of("new-public"), id), -ENOENT);
	assert_int_equal(symlink("elsewhere", path_of("link")), 0);
	assert_int_equal(signing_key_generate(path_of("link"), path_of("new-public"), id), -EEXIST);
	read_file("there", text);
	assert_string_equal(text, "mine");
	assert_string_equal(id, "untouched");
}

#define SEED "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void test_private_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "\n", "pdns-distribute-private-v1", "pdns-distribute-private-v1 0000000000000000 " SEED,
		"pdns-distribute-private-v2 0000000000000000 " SEED, "pdns-distribute-public-v1 0000000000000000 " SEED,
		"pdns-distribute-private-v1 000000000000000 " SEED, "pdns-distribute-private-v1 0000000000000000 AAAA",
		"pdns-distribute-private-v1 0000000000000000 " SEED "AAAA", "pdns-distribute-private-v1 0000000000000000 !" SEED,
		"pdns-distribute-private-v1 0000000000000000 " SEED " more",
	};
	struct signing_key *key = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(signing_key_parse(texts[i], &key), ERROR_MALFORMED);
	assert_null(key);
}

static void test_public_files(void **state)
{
	(void)state;
	char one[1024], two[1024], text[4096], id[KEY_ID_SIZE];
	struct trusted_keys *keys = NULL;

	assert_int_equal(signing_key_generate(path_of("private3"), path_of("one"), id), 0);
	assert_int_equal(signing_key_generate(path_of("private4"), path_of("two"), id), 0);
	read_file("one", one);
	read_file("two", two);
	snprintf(text, sizeof(text), "# keys\n\n  # more\n%s\n  %s\n%s", one, two, one);
	write_file("both", text);
	assert_int_equal(trusted_keys_load(path_of("both"), &keys), 0);
	assert_int_equal(trusted_keys_count(keys), 2);
	assert_string_equal(trusted_keys_id(keys, 1), id);
	assert_int_equal(trusted_keys_reload(keys, path_of("missing")), -ENOENT);
	assert_int_equal(trusted_keys_count(keys), 2);
	assert_int_equal(trusted_keys_reload(keys, path_of("two")), 0);
	assert_int_equal(trusted_keys_count(keys), 1);
	assert_string_equal(trusted_keys_id(keys, 0), id);
	trusted_keys_free(keys);
	keys = NULL;

	assert_int_equal(trusted_keys_load(path_of("missing"), &keys), -ENOENT);
	assert_int_equal(trusted_keys_load(folder, &keys), -EISDIR);
	write_file("empty", "# nothing\n");
	assert_int_equal(trusted_keys_load(path_of("empty"), &keys), ERROR_MALFORMED);
	snprintf(text, sizeof(text), "%snonsense\n", one);
	write_file("bad", text);
	assert_int_equal(trusted_keys_load(path_of("bad"), &keys), ERROR_MALFORMED);
	/* One key's id before the other's octets. */
	memcpy(one + strlen("pdns-distribute-public-v1 "), id, KEY_ID_SIZE - 1);
	write_file("mixed", one);
	assert_int_equal(trusted_keys_load(path_of("mixed"), &keys), ERROR_MALFORMED);
	assert_null(keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign_and_verify),
		cmocka_unit_test(test_never_overwrites),
		cmocka_unit_test(test_private_refused),
		cmocka_unit_test(test_public_files),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
