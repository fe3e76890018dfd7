/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/* "resync [ZONE] [--secondary ID]" and "approve-deletions": what the health-checker is asked to do. Exit status. */
int command_resync(struct command *command, int count, char **words);
int command_approve_deletions(struct command *command, int count, char **words);
