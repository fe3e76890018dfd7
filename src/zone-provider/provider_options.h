/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"

/* Configuration of pdns-zone-provider: common.conf and zone-provider.conf. */
struct provider_options {
	struct daemon_options daemon; /* first */
	const char *primary_dns;      /* ADDRESS:PORT that answers AXFR */
	const char *axfr_tsig;        /* "algorithm:name:base64", or NULL */
	int64_t axfr_timeout;         /* µs, for connecting and for each message */
	const char *signing_key;      /* content of the private key file */
	int64_t workers;
	int64_t coalesce;             /* µs */
	int64_t stream_replicas;
	int64_t spool_memory;         /* octets a transfer may hold in memory before it goes to a file */
};

extern const struct option provider_option_table[];
