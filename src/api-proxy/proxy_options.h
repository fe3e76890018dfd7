/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"

/* Configuration of pdns-api-proxy: common.conf and api-proxy.conf. */
struct proxy_options {
	struct daemon_options daemon; /* first */
	const char *listen;           /* ADDRESS:PORT */
	bool plain_http;
	const char *tls_certificate;  /* file */
	const char *tls_key;          /* its text */
	const char *allow_from;       /* as of network_list_new */
	int64_t connections_max, connections_per_client;
	int64_t header_max, body_max; /* octets; body 0: no limit */
	int64_t header_timeout, body_timeout; /* µs */
	int64_t upstream_timeout;     /* µs without progress */
	bool refuse_unwritten;
	int64_t default_wait, wait_max; /* µs */
	const char *default_wait_for; /* as of prefer_networks_new */
};

extern const struct option proxy_option_table[];
