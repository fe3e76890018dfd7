/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "api-proxy/request.h"
#include "api-proxy/stream.h"
/*
 * What is said on one client's connection: requests, one after the other, each carried through struct request and answered.
 * One thread per conversation.
 */
struct conversation_rules { /* what all conversations share; outlives them */
	const struct request_context *context;
	size_t head_max;
	int64_t head_us; /* for request line and fields, from their first octet, or from the connection's first moment */
	int64_t body_us; /* longest silence within a body in either direction, and all in all, 1 s per 1000 octets aside */
	/* Asked before a request is worked on (true) and after its answer (false): whether the connection may live on. */
	bool (*on_busy)(bool busy, void *userdata);
};

/* Opens the stream and talks until the client or the rules end it. client: its address. */
void conversation_run(struct stream *stream, const struct conversation_rules *rules, const struct sockaddr *client, void *userdata);
/* Opens the stream, says why there will be no conversation, and ends it, within deadline_us. */
void conversation_refuse(struct stream *stream, int status, const char *reason, uint64_t deadline_us);
