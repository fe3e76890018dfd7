/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include "common/bus.h"
#include "common/keys.h"
#include "common/pdns_api.h"
#include "secondary-syncer/applied_book.h"
#include "secondary-syncer/commit_pace.h"
#include "secondary-syncer/maker.h"
#include "secondary-syncer/syncer_options.h"
#include "secondary-syncer/transfers.h"
/*
 * Brings one zone of the zone store into the local PowerDNS: verify, make known, have it transferred, see that it is
 * served, note it down. Where the serial tells that, the zone is read back later (prove.h), else at once. Blocking; runs on a
 * worker. One zone never runs twice at the same time.
 */

/* What all share; read-only once made, but for what the members themselves keep. */
struct applier {
	struct bus *bus;
	const struct syncer_options *options;
	const struct trusted_keys *trusted;
	struct applied_book *book;
	struct transfers *transfers;
	struct commit_pace *pace;
	struct maker *maker;
	int (*stopping)(void *userdata); /* true: give up */
	void *userdata;
};

enum apply_wish {
	APPLY_FORCE = 1, /* even if the book says that it has been applied; the head is read from the store if no message came */
	APPLY_PROVE = 2, /* only read back what was applied: prove.h; nothing more when there is something else to do */
};

enum apply_outcome {
	APPLY_ENDED,     /* the report tells how: applied, or refused for good */
	APPLY_PDNS_DOWN, /* the local PowerDNS does not answer: keep what came and try again */
	APPLY_WAITS,     /* the store cannot be read now, or state-dir cannot be written: the same */
	APPLY_RETRY,     /* this zone failed or conflicts; noted in the book; try it again later */
};

/*
 * head: the newest message, or NULL to read it from the store. outdated: becomes true when a newer head has come; then what
 * PowerDNS does not get ready in good time is given up (APPLY_WAITS). ret_report: what to publish; only its reason counts
 * for APPLY_PDNS_DOWN and APPLY_WAITS.
 */
enum apply_outcome apply_zone(const struct applier *applier, struct pdns_api *api, const char *zone, unsigned wishes,
                              const struct bus_message *head, const _Atomic bool *outdated, struct applied *ret_report);

/* Fetches a zone for a transfer that the local PowerDNS began by itself. dns_server's fetch. userdata: the applier. */
int apply_fetch(const char *zone, struct transfer **ret, void *applier);
