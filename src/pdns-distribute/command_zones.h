/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/* "zones" and "zone NAME": what the store and the secondaries have. Exit status. */
int command_zones(struct command *command, int count, char **words);
int command_zone(struct command *command, int count, char **words);
