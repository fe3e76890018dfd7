/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/*
 * Reads DIR/common.conf, then DIR/<service>.conf, each with its .d folder and each optional, into a zeroed struct that
 * starts with struct daemon_options; fills in what depends on the host (id, state-dir), then checks the required and
 * the common options. set[0] is daemon_option_table. On failure the struct holds nothing that needs freeing, and
 * *ret_reason (malloc'ed) is "FILE:LINE: NAME: why" or "NAME: why". -EINVAL, -ENOMEM.
 */
int daemon_options_load(const char *dir, const char *program, const char *service, option_set set,
                        void *configuration, char **ret_reason);

/* The level for log_open. */
int daemon_options_log_level(const struct daemon_options *options);
