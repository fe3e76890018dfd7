/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
/* The words of the command line; everything points into argv. Options may stand anywhere before "--". */
struct arguments {
	const char *config_dir, *private_file, *public_file, *secondary;
	bool json, help, version, print_sample;
	int count;    /* of words that are no options: the command and what it is about */
	char **words;
};
/* Changes what the options name; reorders argv. -EINVAL, having said why on stderr. */
int arguments_parse(int argc, char **argv, struct arguments *arguments);
