/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "api-proxy/header_list.h"
/*
 * PowerDNS's side of the proxy, the one place that knows curl. An exchange is one request and its answer, driven by the
 * thread that calls; both bodies stream through it in bounded memory. Connections are kept and used again.
 */
struct upstream;
/* url: http:// or https://, a path in it goes before every request-target. timeout_us: longest time without any progress. */
int upstream_new(const char *url, int64_t timeout_us, struct upstream **ret);
void upstream_free(struct upstream *upstream);
/* From now on exchanges fail with -ECANCELED. Any thread. */
void upstream_cancel(struct upstream *upstream);

#define EXCHANGE_NO_BODY (-2)
#define EXCHANGE_UNKNOWN (-1) /* of a body's size: chunked */

struct exchange_request {
	const char *method, *target;
	const struct header_list *headers; /* without hop-by-hop ones */
	int64_t body_size;
};

/* One thread at a time. */
struct exchange;
int exchange_start(struct upstream *upstream, const struct exchange_request *request, struct exchange **ret);
/*
 * Blocks until the data is on its way. Data for a PowerDNS that has answered already is passed over.
 * -ECONNREFUSED: not reached; -ETIMEDOUT, -ECANCELED; -EPIPE: broken off or no valid HTTP.
 */
int exchange_send(struct exchange *exchange, const void *data, size_t size);
/* Ends the request's body and blocks until all of it is on its way, or there is an answer already; errors as for exchange_send. */
int exchange_end(struct exchange *exchange);
/* The same, and blocks until the header of the answer is there. */
int exchange_answer(struct exchange *exchange);
/* After exchange_answer. */
int exchange_status(const struct exchange *exchange);
const char *exchange_reason(const struct exchange *exchange); /* the phrase beside it, "": none */
const struct header_list *exchange_headers(const struct exchange *exchange); /* without hop-by-hop ones */
int64_t exchange_body_size(const struct exchange *exchange);                 /* or EXCHANGE_UNKNOWN */
/* Octets of the answer's body, blocking for at least one; 0 at its end; errors as for exchange_send. */
ssize_t exchange_read(struct exchange *exchange, void *buffer, size_t size);
/* False if surely nothing of the request has reached PowerDNS. */
bool exchange_was_sent(const struct exchange *exchange);
void exchange_free(struct exchange *exchange);
