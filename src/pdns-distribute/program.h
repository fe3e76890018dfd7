/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
/* The command line of pdns-distribute: finds the command, reads the configuration, runs it; returns the exit status. */
int program_run(int argc, char **argv);
