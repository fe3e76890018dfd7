/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/*
 * The zone-provider at run time: events in, publications out. See docs/architecture.md.
 */
struct provider;

int provider_check(const void *configuration, char **ret_reason);
int provider_start(struct daemon *daemon, const void *configuration, void **ret_state);
void provider_stop(void *state);
void provider_status(void *state, char *text, size_t size);
const char *provider_dns_server(const void *configuration);
void provider_heartbeat(void *state, void *json_object);
