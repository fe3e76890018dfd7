/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/configuration.h"
#include <errno.h>
#include <limits.h>
#include "common/cleanup.h"
#include "common/error.h"

#define OPTIONS_MAX 64

const struct option configuration_table[] = {
	{ .name = "trusted-keys", .type = OPTION_STRING, .offset = offsetof(struct command_configuration, trusted_keys),
	  .help = "file of trusted public keys that the keys commands use; default keys/trusted.keys in the configuration folder" },
	{ .name = "stream-replicas", .type = OPTION_INTEGER, .minimum = 1, .maximum = 5, .default_text = "1",
	  .offset = offsetof(struct command_configuration, stream_replicas),
	  .help = "copies that a NATS cluster keeps of streams that this command makes" },
	OPTION_END
};

static struct option needed[OPTIONS_MAX];
static const struct option *const set[] = { needed, configuration_table, NULL };
static const struct option *const others[] = { daemon_option_table, NULL };

/* common.conf without what concerns PowerDNS. */
static void select_needed(void)
{
	size_t count = 0;

	for (const struct option *option = daemon_option_table; option->name && count < OPTIONS_MAX - 1; option++)
		if (strncmp(option->name, "pdns-api-", 9) != 0)
			needed[count++] = *option;
	needed[count] = (struct option)OPTION_END;
}

static int read_file(struct command *command, const char *name)
{
	CLEANUP(free) char *reason = NULL;
	char path[PATH_MAX];
	int result;

	if (snprintf(path, sizeof(path), "%s/%s", command->config_dir, name) >= (int)sizeof(path))
		return command_fail("--config-dir: %s", error_text(-ENAMETOOLONG));
	result = option_read_file(set, others, &command->configuration, path, &reason);
	if (result == -ENOENT || result == 0)
		return COMMAND_OK;
	return command_fail("%s", reason ? reason : error_text(result));
}

int command_configure(struct command *command)
{
	const char *prefix;
	int result;

	select_needed();
	if (option_defaults(set, &command->configuration) < 0)
		return command_fail("%s", error_text(-ENOMEM));
	result = read_file(command, "common.conf");
	if (result == COMMAND_OK)
		result = read_file(command, "distribute.conf");
	if (result != COMMAND_OK)
		return result;
	prefix = command->configuration.common.prefix;
	if (!prefix || subject_check_prefix(prefix) < 0)
		return command_fail("%s/common.conf: prefix: must be small letters, digits, '-' and '_', at most 32",
		                    command->config_dir);
	return COMMAND_OK;
}

void configuration_print_sample(void)
{
	static const struct option *const own[] = { configuration_table, NULL };

	puts("# distribute.conf: options of pdns-distribute, beside those of common.conf.\n");
	option_print_sample(own, stdout);
}

void configuration_free(struct command *command)
{
	option_free(set, &command->configuration);
}
