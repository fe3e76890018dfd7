/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/zone_head.h"
#include "secondary-syncer/applied_book.h"
/*
 * Zones on their way into the local PowerDNS: handed over from the worker that applies a zone to the DNS server that
 * answers PowerDNS's transfer. Any thread.
 */
struct transfers;
struct transfer; /* counted reference */

int transfers_new(struct transfers **ret);
void transfers_free(struct transfers *transfers); /* all must be closed */
/* Ends all waiting. */
void transfers_stop(struct transfers *transfers);

/* What a transfer offers; the spool holds the encoded body, already checked against the facts. */
struct transfer_offer {
	const char *zone;
	const struct zone_body_facts *facts;
	struct spool *body;   /* takes a reference of its own */
	const uint8_t *soa;   /* as struct book_entry has it */
	uint32_t soa_size;
};

/* One per zone at a time: -EEXIST. */
int transfers_open(struct transfers *transfers, const struct transfer_offer *offer, struct transfer **ret);
/* The zone is no longer on offer; whoever serves it now finishes undisturbed. */
void transfers_close(struct transfers *transfers, struct transfer *transfer);

/*
 * PowerDNS is about to be told to fetch a zone that will be on offer soon: whoever looks for it waits up to hold_us. -EEXIST: it is
 * on offer, or expected already; -EBUSY: as many are expected as PowerDNS fetches at a time.
 */
int transfers_expect(struct transfers *transfers, const char *zone, int64_t hold_us);
/* PowerDNS could not be told: nobody waits any more. */
void transfers_forget(struct transfers *transfers, const char *zone);
/* When it was opened PowerDNS had been told to fetch it. */
bool transfer_is_awaited(const struct transfer *transfer);

/* For the DNS server. NULL: not on offer; find does not wait for what is expected, await does. */
struct transfer *transfers_find(struct transfers *transfers, const char *zone);
struct transfer *transfers_await(struct transfers *transfers, const char *zone);
void transfer_unref(struct transfer *transfer);
/* Makes one that is not on offer to others (for a transfer that nobody of us asked for). */
int transfer_new(const struct transfer_offer *offer, struct transfer **ret);
const struct zone_body_facts *transfer_facts(const struct transfer *transfer);
struct spool *transfer_body(const struct transfer *transfer);
const uint8_t *transfer_soa(const struct transfer *transfer, uint32_t *ret_size);
/* Around each sending; while one is under way, who waits is patient: asking again would have PowerDNS fetch it twice. */
void transfer_begun(struct transfer *transfer);
void transfer_ended(struct transfer *transfer);
/* Something was sent; and: the last message was sent and the peer has closed, or seemed content. */
void transfer_progress(struct transfer *transfer);
void transfer_finished(struct transfer *transfer);

/*
 * Waits until the zone has been fetched once more than `before` times, or for timeout_us after the last progress (longer
 * while it is being sent: a large zone takes PowerDNS long to read).
 * Number of times it was fetched, -ETIMEDOUT or -ECANCELED.
 */
int transfer_wait(struct transfers *transfers, struct transfer *transfer, int before, int64_t timeout_us);
