/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/* What the command line of a daemon asks for. */
struct daemon_command_line {
	const char *config_dir;
	bool check_only; /* read and check the configuration, then end */
};

/*
 * Reads the command line and answers --help, --version and --print-sample itself. Returns -1 when the daemon shall go
 * on, else the status to end with.
 */
int daemon_command_line_read(const struct daemon_program *program, int argc, char **argv,
                             struct daemon_command_line *ret);
