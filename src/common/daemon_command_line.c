/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/daemon_command_line.h"
#include "common/cleanup.h"

#define CONFIG_DIR "/etc/pdns-distribute"
#define GO_ON (-1)
#define STATUS_USAGE 2

static void print_help(const struct daemon_program *program)
{
	printf("Usage: %s [--config-dir DIR] [--check-config]\n"
	       "\n"
	       "%s: %s.\n"
	       "\n"
	       "  --config-dir DIR  read DIR/common.conf and DIR/%s.conf, and *.conf in the folders\n"
	       "                    DIR/common.conf.d and DIR/%s.conf.d; default " CONFIG_DIR "\n"
	       "  --check-config    read and check the configuration, then end: 0 fine, 2 not\n"
	       "  --print-sample    print a configuration file with all options and their defaults\n"
	       "  --help            print this\n"
	       "  --version         print the version\n"
	       "\n"
	       "Signals: SIGTERM and SIGINT end the program, SIGHUP reads the configuration again.\n"
	       "\n"
	       "Options in the configuration files:\n",
	       program->name, program->name, program->summary, program->service, program->service);
	option_print_help(program->options, stdout);
}

static void print_sample(const struct daemon_program *program)
{
	const struct option *const common[] = { program->options[0], NULL };
	printf("# common.conf: what all daemons of a host share. A daemon's own file may hold these options, too.\n\n");
	option_print_sample(common, stdout);
	printf("# %s.conf: options of %s.\n\n", program->service, program->name);
	option_print_sample(program->options + 1, stdout);
}

static int usage(const struct daemon_program *program, const char *what, const char *argument)
{
	fprintf(stderr, "%s: %s%s; see %s --help\n", program->name, what, argument, program->name);
	return STATUS_USAGE;
}

/* The value of "--config-dir DIR" or "--config-dir=DIR"; NULL: another argument. A missing one is "". */
static const char *config_dir(char **argv, int *index)
{
	static const char name[] = "--config-dir";
	const size_t length = sizeof(name) - 1;
	const char *argument = argv[*index];
	if (strncmp(argument, name, length) != 0)
		return NULL;
	if (argument[length] == '=')
		return argument + length + 1;
	if (argument[length] != '\0')
		return NULL;
	return argv[*index + 1] ? argv[++*index] : "";
}

/* By hand, because getopt_long's struct option bears the name of ours. */
int daemon_command_line_read(const struct daemon_program *program, int argc, char **argv,
                             struct daemon_command_line *ret)
{
	struct daemon_command_line line = { .config_dir = CONFIG_DIR };
	for (int i = 1; i < argc; i++) {
		const char *argument = argv[i], *dir = config_dir(argv, &i);
		if (dir && !*dir) {
			return usage(program, "a folder must follow ", "--config-dir");
		} else if (dir) {
			line.config_dir = dir;
		} else if (strcmp(argument, "--check-config") == 0) {
			line.check_only = true;
		} else if (strcmp(argument, "--print-sample") == 0) {
			print_sample(program);
			return 0;
		} else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
			print_help(program);
			return 0;
		} else if (strcmp(argument, "--version") == 0) {
			printf("%s %s\n", program->name, PROJECT_VERSION);
			return 0;
		} else {
			return usage(program, "unknown argument ", argument);
		}
	}
	*ret = line;
	return GO_ON;
}
