/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/* The daemon's callbacks, as in struct daemon_program. */
int proxy_check(const void *configuration, char **ret_reason);
int proxy_start(struct daemon *daemon, const void *configuration, void **ret_state);
int proxy_reload(void *state, const void *configuration);
void proxy_stop(void *state);
void proxy_status(void *state, char *text, size_t size);
void proxy_heartbeat(void *state, void *json_object);
