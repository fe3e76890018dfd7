/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include "common/record.h"
#include "common/tsig.h"
/*
 * Zone transfer (RFC 5936) over TCP, streamed: memory does not grow with the zone. Blocking; any thread.
 */
struct axfr_source {
	const char *server;      /* "127.0.0.1:53", "[::1]:5300" */
	const struct tsig_key *tsig; /* or NULL */
	int64_t timeout_us;      /* for connecting, and for each message */
	int64_t later_timeout_us; /* for each message of a transfer but the first: larger than timeout_us, or 0 for the same */
};

/* What a transfer that failed can say about itself: the rcode that the server sent, or -1. */
struct axfr_failure { int rcode; };

/*
 * Fetches zone. visit gets the SOA first, then every record once, in the server's order; the closing SOA is not given.
 * PowerDNS sends the SOA at once, and then reads all of the zone before it sends on.
 * A negative result of visit ends the transfer and is the result. Nothing that visit got counts before the result is 0:
 * with TSIG up to 99 messages may come before the signature that covers them.
 * 0; ERROR_NOT_AUTH (NOTAUTH), ERROR_DNS_REFUSED (REFUSED), ERROR_TSIG, ERROR_DNS, ERROR_MALFORMED (message or sequence
 * broken, a record outside the zone, connection closed too early), -ECONNREFUSED, -ETIMEDOUT …
 *
 * What PowerDNS 4.7 says: NOTAUTH to a zone that it does not have, and just as well to a client whose address or key may
 * not fetch the zone and to a false or unknown key, without a TSIG in the answer; REFUSED to a zone with NSEC3 narrow.
 * So ERROR_NOT_AUTH is no proof that a zone is gone: its API must be asked.
 */
int axfr_fetch(const struct axfr_source *source, const char *zone, record_visit visit, void *userdata,
               struct axfr_failure *ret_failure);

/*
 * Asks for the SOA over UDP, past PowerDNS's packet cache (its query cache may answer). 0 and the serial; -ENOENT when the answer is authoritative without that SOA;
 * ERROR_NOT_AUTH/ERROR_DNS_REFUSED/ERROR_DNS by rcode, ERROR_NOT_AUTH too for an answer without authority (a referral);
 * -ETIMEDOUT. PowerDNS 4.7 answers REFUSED for a zone that it has no part of.
 */
int axfr_ask_serial(const struct axfr_source *source, const char *zone, uint32_t *ret_serial);
