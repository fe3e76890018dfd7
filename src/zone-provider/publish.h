/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/bus.h"
#include "common/keys.h"
#include "common/pdns_api.h"
#include "common/tsig.h"
#include "common/zone_name.h"
#include "zone-provider/head_cache.h"
#include "zone-provider/provider_options.h"
/*
 * Brings one zone from the primary into the zone store: transfer, digest, compare, sign, store. Blocking; runs on a worker.
 */

/* What all publications share; read-only once made. */
struct publisher {
	struct bus *bus;
	const struct provider_options *options;
	const struct signing_key *key;
	const struct trusted_keys *trusted; /* the public half of key */
	const struct tsig_key *tsig;        /* or NULL */
	struct head_cache *heads;
	const char *id;                     /* the provider's */
};

enum publish_wish {
	PUBLISH_REWRITE = 1, /* store a new head even if the content is what the store has */
	PUBLISH_DELETION = 2, /* a deletion was asked for: sign it if the primary says that the zone is gone */
	PUBLISH_ANNOUNCE = 4, /* a new head is likely: tell the secondaries that it comes */
};

enum publish_outcome {
	PUBLISH_STORED,
	PUBLISH_UNCHANGED,
	PUBLISH_DELETED,
	PUBLISH_EMPTY,        /* the primary has the zone but nothing in it yet: a secondary that was not transferred in, no SOA */
	PUBLISH_GONE_UNASKED, /* the primary has no such zone, but nobody asked for its deletion */
};

struct publish_result {
	enum publish_outcome outcome;
	uint64_t generation; /* of the zone's head now; 0: it has none */
	uint32_t serial;
	uint64_t records;
};

/*
 * zone: normalised. covers_event: sequence of the newest event that this publication answers.
 * A failure's reason, with what to do about it, goes to `reason`.
 */
int publish_zone(const struct publisher *publisher, struct pdns_api *api, const char *zone, unsigned wishes,
                 uint64_t covers_event, struct publish_result *ret_result, char *reason, size_t reason_size);
