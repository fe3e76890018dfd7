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
/* The easy handle must not be in the multi handle any more. */
void upstream_give_back(struct upstream *upstream, struct upstream_pair *pair);
