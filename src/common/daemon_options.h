/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/*
 * Reads DIR/common.conf, then DIR/<service>.conf, each with its .d folder and each optional, into a zeroed struct that
 * starts with struct daemon_options; fills in what depends on the host (id, state-dir), then checks the required and
 * the common options. set[0] is daemon_option_table. On failure the struct holds nothing that needs freeing, and
 * *ret_reason (malloc'ed) is "FILE:LINE: NAME: why", without the line where no file sets the option; of options that
 * miss in several files all, in one line. -EINVAL, -ENOMEM.
 */
int daemon_options_load(const char *dir, const char *program, const char *service, option_set set,
                        void *configuration, char **ret_reason);

/*
 * Makes "NAME: why" into "FILE:LINE: NAME: why": the line that sets the option, or else the file in which it is looked
 * for. A text that does not begin with the name of an option stays as it is. *reason is malloc'ed, or NULL.
 */
void daemon_options_locate(const char *dir, const char *service, option_set set, char **reason);

/* The level for log_open. */
int daemon_options_log_level(const struct daemon_options *options);
