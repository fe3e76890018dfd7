/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include "api-proxy/certificate.h"
#include "api-proxy/network.h"
#include "api-proxy/request.h"
/*
 * The clients' side of the proxy: listens, decides who is let in, and gives each connection a thread of its own, which runs its
 * conversation. Who is not let in is told why, as far as that costs little.
 */
struct server_rules { /* outlives the server */
	const char *listen;                /* ADDRESS:PORT or [ADDRESS]:PORT */
	unsigned connections_max;          /* over it: 503 */
	unsigned connections_per_client;   /* of one address, in IPv6 one /64; over it: 429. 0: no limit */
	const struct network_list *allowed; /* others: 403. Empty: everybody */
	size_t head_max;
	int64_t head_us, body_us;          /* as in struct conversation_rules */
};

struct server;
/* context outlives the server. certificate: NULL for HTTP; else the server's own from then on, also on failure. ERROR_MALFORMED, -EADDRINUSE … */
int server_start(const struct server_rules *rules, struct certificate *certificate, const struct request_context *context, struct server **ret);
/* For new connections; those that are open keep what they have. The certificate is the server's own from then on. */
void server_set_certificate(struct server *server, struct certificate *certificate);
/* Accepts no more clients and waits for requests under way. 0, or -ETIMEDOUT when some are left after timeout_us; may be called again. */
int server_drain(struct server *server, int64_t timeout_us);
/* Ends all connections; requests under way must be able to end (upstream_cancel). */
void server_stop(struct server *server);
