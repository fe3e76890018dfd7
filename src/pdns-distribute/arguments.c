/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/arguments.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

/* Apart from the rest of the command, whose own "struct option" is that of the configuration. */
static const struct option long_options[] = {
	{ "config-dir", required_argument, NULL, 'c' },
	{ "private", required_argument, NULL, 'p' },
	{ "public", required_argument, NULL, 'P' },
	{ "secondary", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "print-sample", no_argument, NULL, 'S' },
	{ NULL, 0, NULL, 0 }
};

int arguments_parse(int argc, char **argv, struct arguments *arguments)
{
	int letter;

	optind = 0; /* start anew, also in a second call */
	while ((letter = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (letter) {
		case 'c': arguments->config_dir = optarg; break;
		case 'p': arguments->private_file = optarg; break;
		case 'P': arguments->public_file = optarg; break;
		case 's': arguments->secondary = optarg; break;
		case 'j': arguments->json = true; break;
		case 'h': arguments->help = true; break;
		case 'V': arguments->version = true; break;
		case 'S': arguments->print_sample = true; break;
		default:
			(void)fputs("Try pdns-distribute --help.\n", stderr);
			return -EINVAL;
		}
	}
	arguments->count = argc - optind;
	arguments->words = argv + optind;
	return 0;
}
