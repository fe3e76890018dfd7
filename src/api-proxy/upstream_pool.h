/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include "api-proxy/upstream.h"
/* Inside of the upstream: pairs of curl handles, each with the connections that it has open. */
struct upstream_pair {
	CURL *easy;
	CURLM *multi;
	int done_with; /* a descriptor that curl would have closed, or -1 */
	struct upstream_pair *next;
};

struct upstream {
	char *url;         /* scheme, host and port */
	char *path;        /* goes before each request-target; "" mostly */
	int64_t timeout_us;
	atomic_bool cancelled;
	pthread_mutex_t mutex;
	struct upstream_pair *idle;
	unsigned idle_count;
};

/* NULL: out of memory. */
struct upstream_pair *upstream_borrow(struct upstream *upstream);
/*
 * Curl's way to close a connection of the pair: left until the pair is given back, when the client has its answer. PowerDNS ends each connection,
 * so there is one to close with every request, and that costs a tenth of the proxy's share of it.
 */
int upstream_close_later(void *pair, curl_socket_t fd);
/* The easy handle must not be in the multi handle any more. */
void upstream_give_back(struct upstream *upstream, struct upstream_pair *pair);
