/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"

/* Configuration of pdns-secondary-syncer: common.conf and secondary-syncer.conf. */
struct syncer_options {
	struct daemon_options daemon; /* first */
	const char *trusted_keys;     /* file */
	const char *dns_listen;       /* ADDRESS:PORT on loopback, where the local PowerDNS fetches zones */
	const char *pdns_master;      /* how the local PowerDNS names dns_listen; NULL: the same */
	const char *secondary_dns;    /* ADDRESS:PORT where the local PowerDNS answers us */
	int64_t workers;
	bool adopt;
	int64_t local_check_interval; /* µs */
	int64_t apply_timeout;        /* µs without any progress */
	int64_t proof_interval;       /* µs */
	int64_t spool_memory;         /* octets */
};

extern const struct option syncer_option_table[];

static inline const char *syncer_master(const struct syncer_options *options)
{
	return options->pdns_master && options->pdns_master[0] ? options->pdns_master : options->dns_listen;
}
