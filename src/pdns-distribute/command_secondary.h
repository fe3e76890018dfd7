/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/* "secondary add ID", "secondary list", "secondary remove ID": who may take zones from the store. Exit status. */
int command_secondary(struct command *command, int count, char **words);
