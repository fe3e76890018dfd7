/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "pdns-distribute/command.h"
/* "keys generate" and "keys list": the provider's signing key and the set of trusted public keys. Needs no NATS. Exit status. */
int command_keys(struct command *command, int count, char **words);
