/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/prove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "secondary-syncer/served.h"
#include "secondary-syncer/syncer_metrics.h"

#define TIMEOUT_US 15000000       /* for each message of PowerDNS: what ends the program is not held up longer */
#define AWAY_US 1000000           /* after a proof that could not be made … */
#define AWAY_CEILING_US 30000000  /* … and after many */

struct prover {
	struct prover_options options;
	sd_event_source *timer;
	struct book_unproven last;  /* where to go on; "" as zone: at the beginning */
	uint64_t woken_us;          /* monotonic: other work was done */
	uint64_t latest_us;         /* monotonic: the next proof is not later than this */
	unsigned failures;          /* proofs in a row that could not be made */
	bool running;
};

/* On a worker. */

/* What is read back is not what was sent, or may not be read back: the book says so, and the next try looks at once. */
static enum apply_outcome disproven(const struct applier *applier, struct book_entry *entry, int error, struct applied *report)
{
	served_explain(applier->options, entry->serial, error, report->reason, sizeof(report->reason));
	report->result = APPLIED_FAILED;
	report->state = entry->state;
	report->generation = entry->generation;
	report->sequence = entry->sequence;
	report->serial = entry->serial;
	report->at_us = clock_realtime_us();
	entry->result = APPLIED_FAILED;
	entry->unproven = false;
	snprintf(entry->reason, sizeof(entry->reason), "%s", report->reason);
	if (applied_book_put(applier->book, report->zone, entry) < 0)
		return APPLY_WAITS;
	COUNT(METRIC_PROOFS_FAILED);
	LOG_ZONE(LOG_WARNING, report->zone, "serial %u was confirmed, but does not stand the proof: %s; applying it again",
	         entry->serial, report->reason);
	return APPLY_RETRY;
}

/* Failed and conflicting zones are read back whenever they are tried again. */
static bool is_to_be_proven(const struct book_entry *entry)
{
	return entry->unproven && entry->state == ZONE_STATE_PRESENT && entry->generation > 0 &&
	       (entry->result == APPLIED_OK || entry->result == APPLIED_REFUSED);
}

static enum apply_outcome forget(const struct applier *applier, const char *zone, uint64_t generation)
{
	struct book_unproven proven = { .generation = generation };
	snprintf(proven.zone, sizeof(proven.zone), "%s", zone);
	return applied_book_proven(applier->book, &proven) < 0 ? APPLY_WAITS : APPLY_ENDED;
}

static enum apply_outcome prove_entry(const struct applier *applier, struct book_entry *entry, const _Atomic bool *outdated,
                                      struct applied *report)
{
	const struct served_zone wanted = { report->zone, entry->serial, &entry->digest };
	int64_t timeout = applier->options->apply_timeout;
	if (!is_to_be_proven(entry))
		return forget(applier, report->zone, entry->generation);
	int r = served_compare(applier->options, &wanted, timeout < TIMEOUT_US ? timeout : TIMEOUT_US, outdated);
	if (r == SERVED_OUTDATED)
		return APPLY_ENDED; /* what comes now is to be proven in its place */
	if (r == 0) {
		COUNT(METRIC_PROOFS);
		return forget(applier, report->zone, entry->generation);
	}
	if (r == ERROR_BODY || served_shuts_out(applier->options, report->zone, entry->serial, r))
		return disproven(applier, entry, r, report);
	/* Another serial, or no zone: somebody else's doing, which the local check finds; or PowerDNS is away. */
	served_explain(applier->options, entry->serial, r, report->reason, sizeof(report->reason));
	return APPLY_WAITS;
}

enum apply_outcome prove_zone(const struct applier *applier, const struct book_unproven *unproven, const _Atomic bool *outdated,
                              struct applied *ret_report)
{
	struct book_entry entry;
	struct book_unproven next;
	snprintf(ret_report->zone, sizeof(ret_report->zone), "%s", unproven->zone);
	enum apply_outcome outcome = APPLY_WAITS;
	int r = applied_book_get(applier->book, unproven->zone, &entry);
	if (r == -ENOENT || (r == 0 && entry.generation != unproven->generation))
		outcome = forget(applier, unproven->zone, unproven->generation);
	else if (r == 0)
		outcome = prove_entry(applier, &entry, outdated, ret_report);
	if (applied_book_next_unproven(applier->book, unproven, &next) == -ENOENT)
		(void)applied_book_settle(applier->book); /* the last one: if this gets lost, some are proven once more */
	return outcome;
}

/* In the loop. */

static void arm(struct prover *prover, uint64_t delay_us)
{
	if (sd_event_get_state(sd_event_source_get_event(prover->timer)) == SD_EVENT_FINISHED)
		return; /* the daemon ends: nothing runs any more */
	int r = sd_event_source_set_time_relative(prover->timer, delay_us);
	if (r >= 0)
		r = sd_event_source_set_enabled(prover->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		LOG(LOG_ERR, "cannot set a timer");
}

/* The next proof: after some quiet, but not after latest_us, however much else there is to do. */
static void arm_next(struct prover *prover)
{
	uint64_t interval = (uint64_t)prover->options.interval_us, now = clock_monotonic_us();
	bool busy = zone_schedule_waiting(prover->options.schedule) > 0;
	uint64_t when = busy ? prover->latest_us : prover->woken_us + interval;
	when = when < prover->latest_us ? when : prover->latest_us;
	arm(prover, when > now ? when - now : 0);
}

static void postpone(struct prover *prover)
{
	prover->latest_us = clock_monotonic_us() + PROOF_BUSY_TIMES * (uint64_t)prover->options.interval_us;
}

/* Goes on to the next one; false: there is none. */
static bool advance(struct prover *prover)
{
	struct applied_book *book = prover->options.book;
	int r = applied_book_next_unproven(book, prover->last.zone[0] ? &prover->last : NULL, &prover->last);
	if (r == -ENOENT && prover->last.zone[0]) { /* from the beginning: what came meanwhile, or could not be told */
		prover->last.zone[0] = '\0';
		if (applied_book_count_unproven(book) > 0)
			r = applied_book_next_unproven(book, NULL, &prover->last);
	}
	if (r < 0 && r != -ENOENT)
		LOG(LOG_ERR, "cannot read from state-dir what is to be proven: %s", error_text(r));
	return r == 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	struct prover *prover = userdata;
	if (prover->running || !advance(prover))
		return 0;
	prover->running = !zone_schedule_busy(prover->options.schedule, prover->last.zone);
	if (!prover->running)
		arm(prover, (uint64_t)prover->options.interval_us); /* what it is doing is newer; its turn comes again */
	else if (zone_schedule_add(prover->options.schedule, prover->last.zone, APPLY_PROVE, NULL, NULL) < 0)
		prover_ended(prover, false);
	return 0;
}

void prover_wake(struct prover *prover)
{
	int enabled = SD_EVENT_OFF;
	prover->woken_us = clock_monotonic_us();
	(void)sd_event_source_get_enabled(prover->timer, &enabled);
	if (enabled == SD_EVENT_OFF || prover->failures > 0)
		postpone(prover);
	prover->failures = 0;
	if (!prover->running)
		arm_next(prover);
}

bool prover_is_proof(const struct zone_run *run) { return run->wishes == APPLY_PROVE && run->message_count == 0; }

void prover_ended(struct prover *prover, bool told)
{
	if (!prover->running)
		return;
	prover->running = false;
	if (told) {
		prover->failures = 0;
		postpone(prover);
		arm_next(prover);
	} else {
		arm(prover, clock_backoff_us(prover->failures++, AWAY_US, AWAY_CEILING_US));
	}
}

const struct book_unproven *prover_current(const struct prover *prover) { return &prover->last; }

size_t prover_running(const struct prover *prover) { return prover->running; }

int prover_new(sd_event *loop, const struct prover_options *options, struct prover **ret)
{
	struct prover *prover = calloc(1, sizeof(*prover));
	if (!prover)
		return -ENOMEM;
	prover->options = *options;
	prover->woken_us = clock_monotonic_us();
	postpone(prover);
	int r = sd_event_add_time_relative(loop, &prover->timer, CLOCK_MONOTONIC, (uint64_t)prover->options.interval_us, 0, on_timer, prover);
	if (r < 0) {
		free(prover);
		return r;
	}
	*ret = prover;
	return 0;
}

void prover_free(struct prover *prover)
{
	if (!prover)
		return;
	sd_event_source_disable_unref(prover->timer);
	free(prover);
}
