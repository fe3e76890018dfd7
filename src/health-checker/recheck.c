/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/recheck.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/zone_store.h"
#include "health-checker/emit.h"
#include "health-checker/leader.h"

#define STEP_US (60 * 1000000ull)
#define HOUR_US (3600 * 1000000ull)
#define EXPIRES_SOON_S (7 * 86400ull)
#define SWEEP_GRACE_US ((int64_t)HOUR_US)

struct recheck {
	struct checker *checker;
	sd_event_source *timer;
	uint64_t last_us;       /* since the epoch: how far the round has come */
	uint64_t swept_us;      /* monotonic */
	bool sweeping;
};

struct step { struct checker *checker; uint64_t from_us, to_us; };

struct sweep {
	struct work_job job; /* first */
	struct checker *checker;
	int result;
};

/* FNV-1a: spreads names; nothing depends on it being hard to steer. */
static uint64_t spread(const char *zone)
{
	uint64_t hash = 14695981039346656037ull;

	for (; *zone; zone++)
		hash = (hash ^ (unsigned char)*zone) * 1099511628211ull;
	return hash ^ hash >> 32;
}

bool recheck_falls(const char *zone, uint64_t interval_us, uint64_t from_us, uint64_t to_us)
{
	uint64_t phase = spread(zone) % interval_us;

	/* Moments are phase, phase + interval, …: is the number of those that passed another one at the end than at the start? */
	return (to_us + interval_us - phase) / interval_us != (from_us + interval_us - phase) / interval_us;
}

static int check_zone(struct index_zone *zone, void *userdata)
{
	const struct step *step = userdata;
	bool due;

	if (zone->state != INDEX_PRESENT)
		return 0;
	due = recheck_falls(zone->zone, (uint64_t)step->checker->options->recheck_interval, step->from_us, step->to_us);
	if (!due && zone->signatures_expire != 0 && zone->signatures_expire < step->to_us / 1000000 + EXPIRES_SOON_S)
		due = recheck_falls(zone->zone, HOUR_US, step->from_us, step->to_us);
	if (due)
		emit_add(step->checker->emit, zone->zone, ZONE_CHECK);
	return 0;
}

static void sweep_run(struct work_job *job, void *context)
{
	struct sweep *sweep = (struct sweep *)job;

	(void)context;
	sweep->result = zone_store_sweep(sweep->checker->bus, sweep->checker->prefix, sweep->checker->trusted, SWEEP_GRACE_US);
}

static void sweep_done(struct work_job *job, void *userdata)
{
	struct sweep *sweep = (struct sweep *)job;
	struct checker *checker = userdata;

	checker->recheck->sweeping = false;
	if (sweep->result > 0) {
		metric_add(&checker_metric_table[METRIC_BODIES_SWEPT], sweep->result);
		LOG(LOG_INFO, "%d bodies removed that no head names", sweep->result);
	} else if (sweep->result < 0 && sweep->result != -ECANCELED) {
		LOG(LOG_WARNING, "cannot sweep the bodies that no head names: %s", error_text(sweep->result));
	}
	free(sweep);
}

static void maybe_sweep(struct recheck *recheck)
{
	uint64_t now = clock_monotonic_us();
	struct sweep *sweep;

	if (recheck->sweeping || now - recheck->swept_us < HOUR_US || !bus_connected(recheck->checker->bus))
		return;
	sweep = calloc(1, sizeof(*sweep));
	if (!sweep)
		return;
	sweep->job.run = sweep_run;
	sweep->job.done = sweep_done;
	sweep->checker = recheck->checker;
	sweep->result = -ECANCELED;
	recheck->swept_us = now;
	recheck->sweeping = true;
	work_submit(recheck->checker->pool, &sweep->job);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct recheck *recheck = userdata;
	struct checker *checker = recheck->checker;
	struct step step = { checker, recheck->last_us, clock_realtime_us() };

	(void)source;
	(void)usec;
	(void)checker_set_timer(checker, &recheck->timer, STEP_US, on_timer, recheck);
	/* A clock that was set, or a long pause: go on from now rather than check everything at once. */
	if (step.to_us < step.from_us || step.to_us - step.from_us > 10 * STEP_US)
		step.from_us = step.to_us > STEP_US ? step.to_us - STEP_US : 0;
	recheck->last_us = step.to_us;
	if (!leader_leads(checker->leader) || !checker->caught_up)
		return 0;
	(void)index_each(checker->index, check_zone, &step);
	maybe_sweep(recheck);
	return 0;
}

int recheck_new(struct checker *checker, struct recheck **ret)
{
	struct recheck *recheck = calloc(1, sizeof(*recheck));
	int result;

	if (!recheck)
		return -ENOMEM;
	recheck->checker = checker;
	recheck->last_us = clock_realtime_us();
	recheck->swept_us = clock_monotonic_us();
	result = checker_set_timer(checker, &recheck->timer, STEP_US, on_timer, recheck);
	if (result < 0) {
		recheck_free(recheck);
		return result;
	}
	*ret = recheck;
	return 0;
}

void recheck_free(struct recheck *recheck)
{
	if (!recheck)
		return;
	sd_event_source_disable_unref(recheck->timer);
	free(recheck);
}
