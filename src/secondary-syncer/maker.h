/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/pdns_api.h"
#include "secondary-syncer/transfers.h"
/*
 * Making and removing zones in the local PowerDNS. One worker has its turn at a time, since of two that write at once
 * PowerDNS with sqlite answers one with 500. When many zones are new, whoever has the turn makes all of those that wait, by a
 * catalog zone that PowerDNS reads from us: one commit for all instead of one for each. Any thread; blocking.
 *
 * Not where PowerDNS runs on lmdb: its 4.7.3 was seen to crash (SIGSEGV in a thread that commits a transfer) while it made
 * the members of a catalog: in 4 of 13 runs of tests/e2e/test_bootstrap.py, and in none of 14 without catalogs.
 *
 * A catalog zone lists the zones of one batch, never changes, and is removed once all is done; its members stay. So no list that
 * is short of a zone, for whatever reason, can ever remove one.
 */
struct maker;

int maker_new(struct transfers *transfers, const char *master, const char *folder, struct maker **ret);
void maker_free(struct maker *maker); /* nobody may be inside */

/* Ends the turn that maker_join gave. */
void maker_leave(struct maker *maker, struct pdns_api *api);
/* Waits for the turn and removes a zone; tries again where a transfer was writing just then. As pdns_api_delete. */
int maker_delete(struct maker *maker, struct pdns_api *api, const char *zone);

/*
 * For a zone that is new here and on offer in the transfers. true: PowerDNS has been told of it along with others, and fetches
 * it without being asked; maker_fetched is to follow. false: this is the caller's turn to make it, ended by maker_leave.
 */
bool maker_join(struct maker *maker, struct pdns_api *api, const char *zone);
/*
 * Whether PowerDNS has fetched it. If it did not, it may have had the zone already, as when the book was lost: then zones are
 * made one by one for a while.
 */
void maker_fetched(struct maker *maker, struct pdns_api *api, bool fetched);

/* True once for a catalog that could not be removed: the local check is to find it. */
bool maker_left_behind(struct maker *maker);
/* Whether a catalog zone that PowerDNS has is one of a batch under way; others were left behind by a process that was killed. */
bool maker_uses(struct maker *maker, const char *catalog);
