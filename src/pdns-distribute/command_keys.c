/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/command_keys.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/keys.h"
#include "pdns-distribute/table.h"

DEFINE_CLEANUP(keys, struct trusted_keys *, trusted_keys_free)
DEFINE_CLEANUP(table, struct table *, table_free)

struct key_files { char private_file[PATH_MAX], public_file[PATH_MAX]; };

static int choose(char path[PATH_MAX], const char *given, const char *configured, const char *folder, const char *name)
{
	int length;

	if (given || configured)
		length = snprintf(path, PATH_MAX, "%s", given ? given : configured);
	else
		length = snprintf(path, PATH_MAX, "%s/keys/%s", folder, name);
	return length < PATH_MAX && length > 0 ? 0 : -ENAMETOOLONG;
}

static int choose_files(const struct command *command, struct key_files *files)
{
	int result = choose(files->private_file, command->private_file, NULL, command->config_dir, "signing.key");

	if (result == 0)
		result = choose(files->public_file, command->public_file, command->configuration.trusted_keys,
		                command->config_dir, "trusted.keys");
	return result;
}

/* The folder of a file, one level deep: the configuration folder itself is there or is a mistake. */
static int make_folder_of(const char *file)
{
	CLEANUP(free) char *copy = strdup(file);
	const char *folder;

	if (!copy)
		return -ENOMEM;
	folder = dirname(copy);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int generate(struct command *command)
{
	struct key_files files;
	char id[KEY_ID_SIZE];
	int result = choose_files(command, &files);

	if (result == 0)
		result = make_folder_of(files.private_file);
	if (result == 0)
		result = make_folder_of(files.public_file);
	if (result < 0)
		return command_fail("cannot make a folder for %s and %s: %s", files.private_file, files.public_file,
		                    error_text(result));
	result = signing_key_generate(files.private_file, files.public_file, id);
	if (result == -EEXIST)
		return command_fail("%s or %s exists already and is never overwritten: name another file with --private and "
		                    "--public, or move the old ones away", files.private_file, files.public_file);
	if (result < 0)
		return command_fail("cannot write %s and %s: %s", files.private_file, files.public_file, error_text(result));
	if (command->json)
		return command_print_json(json_pack("{s:s, s:s, s:s}", "id", id, "private", files.private_file,
		                                    "public", files.public_file));
	printf("key %s made\n  private: %s (for the zone-provider alone: signing-key-file)\n"
	       "  public:  %s (for every secondary and the health-checker: trusted-keys)\n", id, files.private_file,
	       files.public_file);
	return COMMAND_OK;
}

static int list(struct command *command)
{
	static const char *const titles[] = { "KEY", "FILE", NULL };
	CLEANUP(keys) struct trusted_keys *keys = NULL;
	CLEANUP(table) struct table *table = NULL;
	struct key_files files;
	int result = choose_files(command, &files);

	if (result == 0)
		result = trusted_keys_load(files.public_file, &keys);
	if (result == -ENOENT)
		return command_fail("%s is not there: make a key with \"pdns-distribute keys generate\", or name the file with --public",
		                    files.public_file);
	if (result < 0)
		return command_fail("cannot read %s: %s", files.public_file, error_text(result));
	if (command->json) {
		json_t *ids = json_array();
		for (int i = 0; i < trusted_keys_count(keys); i++)
			(void)json_array_append_new(ids, json_pack("{s:s}", "id", trusted_keys_id(keys, i)));
		return command_print_json(json_pack("{s:s, s:o}", "file", files.public_file, "keys", ids));
	}
	table = table_new(titles);
	for (int i = 0; table && i < trusted_keys_count(keys); i++) {
		table_cell(table, "%s", trusted_keys_id(keys, i));
		table_cell(table, "%s", files.public_file);
	}
	if (table)
		table_print(table, stdout);
	return COMMAND_OK;
}

int command_keys(struct command *command, int count, char **words)
{
	if (count == 1 && strcmp(words[0], "generate") == 0)
		return generate(command);
	if (count == 1 && strcmp(words[0], "list") == 0)
		return list(command);
	return command_misuse("keys: \"generate\" or \"list\" is wanted");
}
