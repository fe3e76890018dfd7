/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include "api-proxy/request.h"
/*
 * The clients' side of the proxy, the one place that knows libmicrohttpd: listens, and carries each request through
 * struct request, one thread per connection.
 */
struct server;
/* listen: ADDRESS:PORT or [ADDRESS]:PORT. context outlives the server. ERROR_MALFORMED, -EADDRINUSE … */
int server_start(const char *listen, unsigned connections_max, const struct request_context *context, struct server **ret);
/* Accepts no more clients and waits for requests under way. 0, or -ETIMEDOUT when some are left after timeout_us; may be called again. */
int server_drain(struct server *server, int64_t timeout_us);
/* Ends all connections; requests under way must be able to end (upstream_cancel). */
void server_stop(struct server *server);
