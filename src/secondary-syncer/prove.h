/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/zone_schedule.h"
#include "secondary-syncer/apply.h"
/*
 * Proofs: a zone that was confirmed when PowerDNS answered with its serial is read back soon afterwards and compared with what
 * was signed, record by record. What PowerDNS serves, it serves before anybody reads it back: the proof only finds out
 * whether it is what it was sent, and has it applied again if not.
 *
 * One zone at a time: one after the other when nothing else is to be done, and now and then while zones wait to be applied. What
 * is to be proven stands in the book, so that neither a crash nor the number of zones matters.
 */
struct prover;

#define PROOF_BUSY_TIMES 10

struct prover_options {
	struct applied_book *book;
	struct zone_schedule *schedule; /* a proof is a run with the wish APPLY_PROVE and nothing else */
	int64_t interval_us;            /* from other work to the first proof; while there is other work one each PROOF_BUSY_TIMES that */
};

int prover_new(sd_event *loop, const struct prover_options *options, struct prover **ret);
void prover_free(struct prover *prover);

/* A zone has been applied, PowerDNS is there again, or the program starts: look for what is to be proven. Loop thread. */
void prover_wake(struct prover *prover);
/* True: what is to be done is a proof and nothing else. */
bool prover_is_proof(const struct zone_run *run);
/* A run with the wish APPLY_PROVE has ended. told: the proof could be made, whatever it showed. Loop thread. */
void prover_ended(struct prover *prover, bool told);
/* Runs of the schedule that are proofs. Loop thread. */
size_t prover_running(const struct prover *prover);

/* What such a run is to prove; stays as it is until prover_ended. */
const struct book_unproven *prover_current(const struct prover *prover);

/*
 * Proves a zone; on a worker, as the run of a zone. APPLY_ENDED: proven, nothing to be proven any more, or outdated. APPLY_WAITS: could
 * not be told now. APPLY_RETRY: PowerDNS serves something else, or does not let us see it; that is noted in the book, and the
 * zone is to be applied again by force. ret_report: what to publish then.
 */
enum apply_outcome prove_zone(const struct applier *applier, const struct book_unproven *unproven, const _Atomic bool *outdated,
                              struct applied *ret_report);
