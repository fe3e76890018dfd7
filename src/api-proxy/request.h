/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "api-proxy/header_list.h"
#include "api-proxy/hold.h"
#include "api-proxy/intent.h"
#include "api-proxy/status_api.h"
#include "api-proxy/upstream.h"
/*
 * One request of a client on its way through the proxy. The server feeds it: head, pieces of the body, end; then it has an
 * answer. All by one thread.
 */
struct request_context { /* what all requests share; outlives them */
	struct upstream *upstream;
	struct intents *intents;
	int64_t body_max; /* octets, 0: no limit */
	struct hold_policy hold;
	struct status_api status;
};

struct request_answer {
	int status;
	const char *reason; /* its phrase, NULL: the usual one */
	const struct header_list *headers;
	const struct header_list *more; /* headers of our own beside them */
	int64_t size;     /* of the body, or EXCHANGE_UNKNOWN; EXCHANGE_NO_BODY: none, and its size is not told either */
	bool head_only;   /* the body is not sent, its size is told */
	const char *body; /* all of it, valid as long as the request; NULL: to be read by request_read */
};

struct request;
/* target: the request-target, as it came. client: its address, of which only the time to wait depends; may be NULL, outlives the request. */
int request_new(const struct request_context *context, const char *target, const struct sockaddr *client, struct request **ret);
/*
 * A request whose head follows HTTP's rules. Takes over the header's fields. body_size as in struct exchange_request. True: there is an answer already, the body does
 * not matter any more.
 */
bool request_head(struct request *request, const char *method, struct header_list *headers, int64_t body_size);
bool request_body(struct request *request, const void *data, size_t size); /* true as from request_head */
/* The body is complete: waits for PowerDNS, and for the secondaries if the client wants that. After that there is an answer. */
void request_end(struct request *request);
struct request_answer request_answer(const struct request *request);
/* 0 at the end, negative: broken off. */
ssize_t request_read(struct request *request, void *buffer, size_t size);
/* At any time: a client may leave. What PowerDNS did, or may have done, is not forgotten. */
void request_free(struct request *request);
