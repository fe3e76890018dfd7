/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include "api-proxy/request.h"

struct certificate;
/*
 * The clients' side of the proxy, the one place that knows libmicrohttpd: listens, and carries each request through
 * struct request, one thread per connection.
 */
struct server;
/* listen: ADDRESS:PORT or [ADDRESS]:PORT. context outlives the server. certificate: NULL for HTTP; else the server's own from then on, also on failure. One server in a process. ERROR_MALFORMED, -EADDRINUSE … */
int server_start(const char *listen, unsigned connections_max, struct certificate *certificate, const struct request_context *context, struct server **ret);
/* For new connections; those that are open keep what they have. The certificate is the server's own from then on. */
void server_set_certificate(struct server *server, struct certificate *certificate);
/* Accepts no more clients and waits for requests under way. 0, or -ETIMEDOUT when some are left after timeout_us; may be called again. */
int server_drain(struct server *server, int64_t timeout_us);
/* Ends all connections; requests under way must be able to end (upstream_cancel). */
void server_stop(struct server *server);
