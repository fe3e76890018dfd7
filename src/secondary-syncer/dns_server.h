/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "secondary-syncer/applied_book.h"
#include "secondary-syncer/transfers.h"
/*
 * The primary that the local PowerDNS sees: answers SOA and AXFR on a loopback address, UDP and TCP, in threads of its own.
 * SOA comes from a transfer on offer, else from the book, so it is answered while NATS is down. AXFR comes from a transfer
 * on offer, else from `fetch`.
 */
struct dns_server;
struct dns_server_options {
	const char *listen; /* ADDRESS:PORT */
	struct applied_book *book;
	struct transfers *transfers;
	/* Gets a zone that nobody offers now, from the zone store. On a server thread. 0 and a reference, or negative. */
	int (*fetch)(const char *zone, struct transfer **ret, void *userdata);
	void *userdata;
	int timeout_ms; /* 0: as always */
};
/* 0, ERROR_MALFORMED (listen), -EADDRINUSE … */
int dns_server_start(const struct dns_server_options *options, struct dns_server **ret);
/* Ends all threads; running transfers are cut off. */
void dns_server_stop(struct dns_server *server);
