/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/program.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "pdns-distribute/arguments.h"
#include "pdns-distribute/command.h"
#include "pdns-distribute/command_keys.h"
#include "pdns-distribute/command_resync.h"
#include "pdns-distribute/command_secondary.h"
#include "pdns-distribute/command_status.h"
#include "pdns-distribute/command_zones.h"
#include "pdns-distribute/configuration.h"

enum { OPTION_FILES = 1, OPTION_SECONDARY = 2 };

static const struct verb {
	const char *name, *arguments, *summary, *help;
	unsigned options; /* that only some commands take */
	int (*run)(struct command *command, int count, char **words);
} verbs[] = {
	{ "keys", "generate|list", "make the signing key, or show the trusted public keys",
	  "keys generate   makes a key pair: the private half for the zone-provider, the public half for everybody else.\n"
	  "                Existing files are never overwritten.\n"
	  "keys list       shows the ids of the trusted public keys.\n\n"
	  "  --private FILE  private key (default: keys/signing.key in the configuration folder)\n"
	  "  --public FILE   public keys (default: option trusted-keys, else keys/trusted.keys in the configuration folder)\n",
	  OPTION_FILES, command_keys },
	{ "secondary", "add ID|list|remove ID", "who takes zones from the store",
	  "secondary add ID      enrols a secondary: makes the streams if missing, its durable consumer, and its membership.\n"
	  "secondary list        shows who is enrolled, and how many zones wait for each.\n"
	  "secondary remove ID   ends the membership and deletes the consumer; the zones stay on the secondary.\n\n"
	  "ID is the option \"id\" of that secondary's common.conf (default: its host name with '-' for '.').\n",
	  0, command_secondary },
	{ "status", "", "services, secondaries, store: what runs and what is in sync",
	  "Shows every service with its last heartbeat, every secondary with what is wrong on it, the zone store, and the\n"
	  "deletions that wait for approval. Exit status 3 when something is out of sync.\n", 0, command_status },
	{ "zones", "", "all zones of the store",
	  "Lists the zones of the store with serial, number of records and time of the last change.\n", 0, command_zones },
	{ "zone", "NAME", "one zone, on the store and on every secondary",
	  "Shows what the store has of a zone and what each secondary says that it has. Exit status 3 when they differ.\n",
	  0, command_zone },
	{ "resync", "[ZONE] [--secondary ID]", "have zones looked at and applied again",
	  "resync                        every zone is looked at on the primary again\n"
	  "resync ZONE                   this zone is written to the store again, and so applied by every secondary\n"
	  "resync [ZONE] --secondary ID  that secondary applies the zone, or every zone, again\n",
	  OPTION_SECONDARY, command_resync },
	{ "approve-deletions", "", "let deletions happen that the guard holds back",
	  "Zones that vanished from the primary without the API having been asked are deleted on the secondaries, but not\n"
	  "many at once: more than the configured number and share wait for this command. \"status\" shows them.\n",
	  0, command_approve_deletions },
};

static void print_help(FILE *out)
{
	(void)fputs("Usage: pdns-distribute [--config-dir DIR] [--json] COMMAND …\n\nCommands:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)fprintf(out, "  %-18s %-24s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
	(void)fputs("\nOptions:\n"
	            "  --config-dir DIR  folder of common.conf and distribute.conf (default /etc/pdns-distribute)\n"
	            "  --json            write JSON\n"
	            "  --help            this text, or that of a command\n"
	            "  --print-sample    print a distribute.conf with all options and their defaults\n"
	            "  --version\n\n"
	            "Exit status: 0 fine, 1 failed, 2 wrong usage, 3 (status, zone) something is out of sync.\n", out);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int refuse_options(const struct verb *verb, const struct arguments *arguments)
{
	if ((arguments->private_file || arguments->public_file) && !(verb->options & OPTION_FILES))
		return command_misuse("%s takes neither --private nor --public", verb->name);
	if (arguments->secondary && !(verb->options & OPTION_SECONDARY))
		return command_misuse("%s does not take --secondary", verb->name);
	return COMMAND_OK;
}

int program_run(int argc, char **argv)
{
	struct arguments arguments = { .config_dir = "/etc/pdns-distribute" };
	struct command command = { 0 };
	const struct verb *verb;
	int status;

	if (arguments_parse(argc, argv, &arguments) < 0)
		return COMMAND_USAGE;
	if (arguments.version) {
		puts("pdns-distribute " PROJECT_VERSION);
		return COMMAND_OK;
	}
	if (arguments.print_sample) {
		configuration_print_sample();
		return COMMAND_OK;
	}
	if (arguments.count == 0 && arguments.help) {
		print_help(stdout);
		return COMMAND_OK;
	}
	if (arguments.count == 0)
		return command_misuse("a command is wanted");
	verb = find_verb(arguments.words[0]);
	if (!verb)
		return command_misuse("there is no command \"%s\"", arguments.words[0]);
	if (arguments.help) {
		printf("Usage: pdns-distribute %s %s\n\n%s", verb->name, verb->arguments, verb->help);
		return COMMAND_OK;
	}
	status = refuse_options(verb, &arguments);
	if (status != COMMAND_OK)
		return status;
	log_open("pdns-distribute", LOG_WARNING);
	command.config_dir = arguments.config_dir;
	command.private_file = arguments.private_file;
	command.public_file = arguments.public_file;
	command.secondary = arguments.secondary;
	command.json = arguments.json;
	status = command_configure(&command);
	if (status == COMMAND_OK)
		status = verb->run(&command, arguments.count - 1, arguments.words + 1);
	command_close(&command);
	configuration_free(&command);
	return status;
}
