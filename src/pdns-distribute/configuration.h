/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/*
 * The command's options: those of distribute.conf, and those of common.conf that it needs. Secrets that are not its
 * business (the key of the PowerDNS API) are not opened, so that it may run as a user who cannot read them.
 */
extern const struct option configuration_table[]; /* of distribute.conf */

/* A distribute.conf with all options, to stdout. */
void configuration_print_sample(void);
/* Frees what command_configure has read. */
void configuration_free(struct command *command);
