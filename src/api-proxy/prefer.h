/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "api-proxy/header_list.h"
/*
 * Whether a client wants to wait: what it says itself in Prefer (RFC 7240), and what is set for its network. Any thread.
 */
struct prefer {
	bool has_wait, respond_async;
	int64_t wait_us; /* at most an hour */
};
/* Preferences that are not understood are passed over; of one that comes twice the first counts. */
void prefer_read(const struct header_list *headers, struct prefer *ret);

/* "192.0.2.0/24=5s, ::1/128=2s": the longest network that holds the client counts. */
struct prefer_networks;
/* text may be NULL: none. ERROR_MALFORMED. */
int prefer_networks_new(const char *text, struct prefer_networks **ret);
void prefer_networks_free(struct prefer_networks *networks);
/* client may be NULL; otherwise_us where no network holds it. */
int64_t prefer_networks_find(const struct prefer_networks *networks, const struct sockaddr *client, int64_t otherwise_us);
