/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/* "status": services, secondaries, store and held deletions; without a checker what NATS itself tells. Exit status. */
int command_status(struct command *command, int count, char **words);
