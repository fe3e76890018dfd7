/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/scan.h"
#include <errno.h>
#include "common/cleanup.h"
#include "common/pdns_api.h"
#include "health-checker/emit.h"
#include "health-checker/findings.h"
#include "health-checker/leader.h"

#define SOON_US 200000
#define WAIT_US 2000000 /* until the index is complete or the last scan's events are out */
#define SHOWN_MAX 100

struct scan {
	struct checker *checker;
	sd_event_source *timer;
	struct guard guard;
	struct findings findings;
	bool running, again, known;
	uint32_t number;
	uint64_t used_us;     /* monotonic: when the last complete one began */
	uint64_t at_us;       /* realtime of the last complete one */
	size_t zones;
	size_t held_logged;
	char problem[512];    /* of the last one; "" if it was complete */
};

struct scan_job {
	struct work_job job; /* first */
	struct checker *checker;
	struct listing *listing;
	uint64_t started_us;
	bool store_has_zones;
	int error;
	char problem[512];
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static int on_zone(const struct pdns_zone *zone, void *userdata)
{
	struct scan_job *job = userdata;

	if (work_stopping(job->checker->pool))
		return -ECANCELED;
	return listing_add(job->listing, zone->zone, &(struct listing_facts){ zone->edited_serial, zone->dnssec });
}

/* On a worker. A listing counts only when it is whole. */
static void scan_run(struct work_job *work, void *context)
{
	struct scan_job *job = (struct scan_job *)work;
	const struct daemon_options *options = &job->checker->options->daemon;
	struct pdns_api *api = NULL;
	const char *what = "";

	(void)context;
	job->started_us = clock_monotonic_us();
	job->error = pdns_api_new(options->pdns_api_url, options->pdns_api_key, options->pdns_api_timeout, &api);
	if (job->error == 0) {
		job->error = pdns_api_zones(api, on_zone, job);
		/* "No zones at all" is believed only from a PowerDNS that is seen to be one. */
		if (job->error == 0 && listing_count(job->listing) == 0 && job->store_has_zones)
			job->error = pdns_api_ping(api, NULL);
		what = pdns_api_last_error(api);
	}
	if (job->error < 0)
		(void)snprintf(job->problem, sizeof(job->problem), "cannot list the primary's zones at %s: %s",
		               options->pdns_api_url, what && what[0] ? what : error_text(job->error));
	pdns_api_free(api);
}

static void want(const char *zone, enum zone_change change, void *userdata)
{
	struct checker *checker = userdata;

	if (change == ZONE_DELETED)
		LOG_ZONE(LOG_NOTICE, zone, "gone from the primary: its deletion is asked for");
	emit_add(checker->emit, zone, change);
}

static void log_held(struct scan *scan)
{
	if (scan->findings.held_count > 0 && scan->findings.held_count != scan->held_logged)
		LOG(LOG_WARNING, "%zu zones are gone from the primary, too many for nobody having asked (first: %s): nothing is deleted "
		    "until an operator runs pdns-distribute approve-deletions", scan->findings.held_count, scan->findings.held[0]);
	scan->held_logged = scan->findings.held_count;
	metric_set(&checker_metric_table[METRIC_HELD_DELETIONS], (int64_t)scan->findings.held_count);
}

static void use(struct scan *scan, struct scan_job *job)
{
	struct checker *checker = scan->checker;
	struct findings findings;
	int result = findings_make(checker->index, &scan->guard, job->listing, ++scan->number, job->started_us,
	                           clock_monotonic_us(), want, checker, &findings);

	if (result < 0) {
		(void)snprintf(scan->problem, sizeof(scan->problem), "%s", error_text(result));
		return;
	}
	findings_free(&scan->findings);
	scan->findings = findings;
	scan->problem[0] = '\0';
	scan->known = true;
	scan->at_us = clock_realtime_us();
	scan->used_us = job->started_us;
	scan->zones = listing_count(job->listing);
	metric_add(&checker_metric_table[METRIC_SCANS], 1);
	metric_set(&checker_metric_table[METRIC_SCAN_MISSING], (int64_t)findings.missing);
	log_held(scan);
}

static void scan_done(struct work_job *work, void *userdata)
{
	struct scan_job *job = (struct scan_job *)work;
	struct checker *checker = userdata;
	struct scan *scan = checker->scan;

	scan->running = false;
	if (checker->stopping) {
		/* nothing to learn any more */
	} else if (job->error < 0) {
		if (strcmp(scan->problem, job->problem) != 0)
			LOG(LOG_WARNING, "%s", job->problem);
		(void)snprintf(scan->problem, sizeof(scan->problem), "%s", job->problem);
		metric_add(&checker_metric_table[METRIC_SCANS_FAILED], 1);
	} else if (leader_leads(checker->leader) && checker->caught_up) {
		use(scan, job);
	}
	listing_free(job->listing);
	free(job);
	if (scan->again && !checker->stopping) {
		scan->again = false;
		scan_soon(scan);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct scan *scan = userdata;
	struct checker *checker = scan->checker;
	struct index_counts counts;
	struct scan_job *job;

	(void)source;
	(void)usec;
	if (scan->running)
		return 0;
	if (!leader_leads(checker->leader) || !checker->caught_up) {
		(void)checker_set_timer(checker, &scan->timer, WAIT_US, on_timer, scan);
		return 0;
	}
	(void)checker_set_timer(checker, &scan->timer, (uint64_t)checker->options->scan_interval, on_timer, scan);
	job = calloc(1, sizeof(*job));
	if (!job || listing_new(&job->listing) < 0) {
		free(job);
		return 0;
	}
	index_counts(checker->index, &counts);
	job->job.run = scan_run;
	job->job.done = scan_done;
	job->checker = checker;
	job->store_has_zones = counts.present > 0;
	job->error = -ECANCELED;
	scan->running = true;
	work_submit(checker->pool, &job->job);
	return 0;
}

void scan_soon(struct scan *scan)
{
	if (scan->running)
		scan->again = true;
	else
		(void)checker_set_timer(scan->checker, &scan->timer, SOON_US, on_timer, scan);
}

size_t scan_approve(struct scan *scan)
{
	size_t count = scan->findings.held_count;

	for (size_t i = 0; i < count; i++) {
		struct index_zone *zone = index_find(scan->checker->index, scan->findings.held[i]);
		if (zone)
			zone->approved = true;
	}
	findings_free(&scan->findings);
	scan->held_logged = 0;
	metric_set(&checker_metric_table[METRIC_HELD_DELETIONS], 0);
	/* The primary is looked at once more before anything is deleted. */
	scan_soon(scan);
	return count;
}

struct still_missing { const struct scan *scan; size_t count; };

/* What has come into the store since the scan is not missing any more, and what was deleted since is not either. */
static int count_missing(struct index_zone *zone, void *userdata)
{
	struct still_missing *missing = userdata;

	missing->count += zone->scan == missing->scan->number &&
		(zone->state == INDEX_ABSENT || (zone->state == INDEX_DELETED && zone->received_us < missing->scan->used_us));
	return 0;
}

void scan_describe(const struct scan *scan, json_t *status)
{
	json_t *facts = json_object(), *zones = json_array();
	struct still_missing missing = { scan, 0 };
	char at[CLOCK_TEXT_SIZE];

	if (scan->known) {
		(void)index_each(scan->checker->index, count_missing, &missing);
		clock_to_text(scan->at_us, at);
		(void)json_object_set_new(facts, "at", json_string(at));
		(void)json_object_set_new(facts, "zones", json_integer((json_int_t)scan->zones));
		(void)json_object_set_new(facts, "missing", json_integer((json_int_t)missing.count));
	}
	if (scan->problem[0])
		(void)json_object_set_new(facts, "problem", json_string(scan->problem));
	for (size_t i = 0; i < scan->findings.held_count && i < SHOWN_MAX; i++)
		(void)json_array_append_new(zones, json_string(scan->findings.held[i]));
	(void)json_object_set_new(status, "scan", facts);
	(void)json_object_set_new(status, "held_deletions", json_pack("{s:I, s:o}", "count",
		(json_int_t)scan->findings.held_count, "zones", zones));
}

int scan_new(struct checker *checker, struct scan **ret)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	int result;

	if (!scan)
		return -ENOMEM;
	scan->checker = checker;
	scan->guard.max_count = checker->options->max_unasked_deletions;
	scan->guard.max_share = checker->options->max_unasked_deletion_share;
	result = checker_set_timer(checker, &scan->timer, SOON_US, on_timer, scan);
	if (result < 0) {
		scan_free(scan);
		return result;
	}
	*ret = scan;
	return 0;
}

void scan_free(struct scan *scan)
{
	if (!scan)
		return;
	sd_event_source_disable_unref(scan->timer);
	findings_free(&scan->findings);
	free(scan);
}
