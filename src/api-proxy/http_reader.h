/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "api-proxy/header_list.h"
/*
 * Reads HTTP/1 requests (RFC 9112) out of the octets of a connection, in pieces of any size: the request line by itself, so that
 * every method and target comes through as it is, fields and framing by http-parser. One thread at a time.
 */
struct http_reader;

struct http_head {
	char *method, *target;
	struct header_list headers;
	int64_t body_size;     /* as in struct exchange_request */
	bool is_1_0;
	bool keep_alive;       /* the client may send another request on this connection */
	bool expects_continue;
};

enum http_step {
	HTTP_STEP_MORE, /* all octets used */
	HTTP_STEP_HEAD, /* the head is complete, see http_reader_head */
	HTTP_STEP_BODY, /* a piece of the body */
	HTTP_STEP_END,  /* of the request; the next octets are those of another one */
};

/* head_max: octets of request line and fields together, the same for all readers of a process. */
int http_reader_new(size_t head_max, struct http_reader **ret);
void http_reader_free(struct http_reader *reader);
/*
 * Goes on by one step; *ret_used octets are done with then, a piece of the body lies in data. Negative: minus the HTTP status
 * that tells the client what is wrong (400, 414, 431, 501, 503, 505); nothing more can be read from this client then.
 */
int http_reader_step(struct http_reader *reader, const char *data, size_t size, size_t *ret_used, const char **ret_piece, size_t *ret_piece_size);
/* Of the current request, from HTTP_STEP_HEAD until the step after HTTP_STEP_END; the caller may take its parts away. */
struct http_head *http_reader_head(struct http_reader *reader);
/* True before the first octet of a request. */
bool http_reader_is_idle(const struct http_reader *reader);
/* The usual reason phrase of a status. Static. */
const char *http_reason(int status);
