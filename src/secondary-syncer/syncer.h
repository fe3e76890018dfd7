/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/*
 * The secondary syncer at run time: heads in, zones in the local PowerDNS, confirmations out. See docs/architecture.md.
 */
int syncer_check(const void *configuration, char **ret_reason);
int syncer_start(struct daemon *daemon, const void *configuration, void **ret_state);
int syncer_reload(void *state, const void *configuration);
void syncer_stop(void *state);
void syncer_status(void *state, char *text, size_t size);
const char *syncer_dns_server(const void *configuration);
void syncer_heartbeat(void *state, void *json_object);
