/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/provider.h"

#include <errno.h>
#include <jansson.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/covered.h"
#include "common/error.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/subject.h"
#include "common/work.h"
#include "common/zone_event.h"
#include "common/zone_schedule.h"
#include "common/zone_store.h"
#include "zone-provider/provider_metrics.h"
#include "zone-provider/publish.h"

#define EVENTS_IN_HAND 256           /* messages between the pulling thread and the loop */
#define ANNOUNCE_WAITING 4           /* with more zones than this in work, secondaries have enough to do without being told what comes */
#define RETRY_US 200000
#define RETRY_CEILING_US 30000000

struct provider {
	struct daemon *daemon;
	const struct provider_options *options;
	struct publisher publisher;
	struct signing_key *key;
	struct trusted_keys *trusted;
	struct tsig_key *tsig;
	struct head_cache *heads;
	struct zone_schedule *schedule;
	struct work_pool *pool;
	struct mailbox *events;
	struct bus_pull *pull;
	sd_event_source *progress;
	bool primary_away, looking; /* PowerDNS did not answer; a worker looks whether it does again */
};

/* A publication on its way through a worker. */
struct publication {
	struct work_job job; /* first */
	struct provider *provider;
	struct zone_run *run;
	unsigned wishes;
	int error;
	bool primary_away; /* it failed, and PowerDNS does not answer */
	struct publish_result result;
	char reason[512];
};

int provider_check(const void *configuration, char **ret_reason)
{
	const struct provider_options *options = configuration;
	struct signing_key *key = NULL;
	if (*options->signing_key && signing_key_parse(options->signing_key, &key) < 0) {
		*ret_reason = strdup("signing-key-file: not a private key as pdns-distribute keys generate makes it");
		return ERROR_MALFORMED;
	}
	signing_key_free(key);
	struct tsig_key *tsig = NULL;
	if (options->axfr_tsig && *options->axfr_tsig && tsig_key_new(options->axfr_tsig, &tsig) < 0) {
		*ret_reason = strdup("axfr-tsig-file: not of the form algorithm:name:base64");
		return ERROR_MALFORMED;
	}
	tsig_key_free(tsig);
	return 0;
}

/* Workers: each has a connection to PowerDNS's API of its own. */

static void *worker_start(void *userdata)
{
	struct provider *provider = userdata;
	const struct daemon_options *options = &provider->options->daemon;
	struct pdns_api *api = NULL;
	if (pdns_api_new(options->pdns_api_url, options->pdns_api_key, options->pdns_api_timeout, &api) < 0)
		abort(); /* out of memory at start: let systemd start us again */
	return api;
}

static void worker_end(void *context) { pdns_api_free(context); }

static void publication_run(struct work_job *job, void *context)
{
	struct publication *publication = (struct publication *)job;
	struct zone_run *run = publication->run;
	publication->error = publish_zone(&publication->provider->publisher, context, run->zone, publication->wishes, run->newest,
	                                  &publication->result, publication->reason, sizeof(publication->reason));
	publication->primary_away = publication->error < 0 && pdns_api_ping(context, NULL) < 0;
}

/* Tells whoever waits for a change that the event has been answered, also when nothing had to be stored. */
static void tell_covered(const struct publication *publication)
{
	const struct provider *provider = publication->provider;
	char subject[SUBJECT_SIZE];
	subject_covered(provider->options->daemon.prefix, daemon_id(provider->daemon), subject);
	struct covered covered = {
		.event = publication->run->newest,
		.generation = publication->result.generation,
		.changed = publication->result.outcome == PUBLISH_STORED || publication->result.outcome == PUBLISH_DELETED,
	};
	snprintf(covered.zone, sizeof(covered.zone), "%s", publication->run->zone);
	CLEANUP(free) char *text = NULL;
	if (covered_encode(&covered, &text) == 0)
		(void)bus_publish(daemon_bus(provider->daemon), subject, text, strlen(text));
}

static void log_publication(const struct publication *publication)
{
	const struct zone_run *run = publication->run;
	const struct publish_result *result = &publication->result;
	double ms = (double)(clock_monotonic_us() - run->started_us) / 1000;
	switch (result->outcome) {
	case PUBLISH_STORED:
		LOG_FIELDS(LOG_INFO, (.zone = run->zone, .request = run->request, .has_serial = true, .serial = result->serial),
		           "published: %llu records, generation %llu, %.1f ms", (unsigned long long)result->records,
		           (unsigned long long)result->generation, ms);
		break;
	case PUBLISH_UNCHANGED:
		LOG_FIELDS(LOG_DEBUG, (.zone = run->zone, .request = run->request), "unchanged, %.1f ms", ms);
		break;
	case PUBLISH_EMPTY:
		LOG_FIELDS(LOG_INFO, (.zone = run->zone, .request = run->request), "has no SOA on the primary yet: nothing to publish");
		break;
	case PUBLISH_DELETED:
		LOG_FIELDS(LOG_NOTICE, (.zone = run->zone, .request = run->request), "deleted, generation %llu",
		           (unsigned long long)result->generation);
		break;
	case PUBLISH_GONE_UNASKED:
		LOG_FIELDS(LOG_WARNING, (.zone = run->zone, .request = run->request),
		           "gone from the primary, though nobody asked for its deletion: left to the health-checker");
		break;
	}
}

static void publication_done(struct work_job *job, void *userdata)
{
	struct provider *provider = userdata;
	struct publication *publication = (struct publication *)job;
	struct zone_run *run = publication->run;
	enum zone_run_outcome outcome = publication->error == 0 ? ZONE_RUN_DONE : ZONE_RUN_AGAIN;
	if (publication->error == 0) {
		for (size_t i = 0; i < run->message_count; i++)
			(void)bus_ack(daemon_bus(provider->daemon), run->messages[i]);
		tell_covered(publication);
		log_publication(publication);
	} else {
		provider->primary_away = provider->primary_away || publication->primary_away;
		LOG_FIELDS(run->attempt < 3 || run->attempt % 16 == 0 ? LOG_WARNING : LOG_DEBUG,
		           (.zone = run->zone, .request = run->request), "cannot publish (try %u, will try again): %s",
		           run->attempt + 1, publication->reason);
	}
	int r = zone_schedule_ended(provider->schedule, run, outcome, 0);
	if (r < 0)
		LOG(LOG_ERR, "cannot set a timer: %s", error_text(r));
	metric_set(&provider_metric_table[METRIC_ZONES_WAITING], (int64_t)zone_schedule_waiting(provider->schedule));
	free(publication);
}

/* While the primary's PowerDNS is away zones are tried less and less often; when it is back, all at once. */

struct look {
	struct work_job job; /* first */
	int error;
};

static void look_run(struct work_job *job, void *context)
{
	((struct look *)job)->error = pdns_api_ping(context, NULL);
}

static void look_done(struct work_job *job, void *userdata)
{
	struct provider *provider = userdata;
	provider->looking = false;
	if (((struct look *)job)->error == 0) {
		provider->primary_away = false;
		LOG(LOG_NOTICE, "the primary PowerDNS answers again");
		if (zone_schedule_kick(provider->schedule) < 0)
			LOG(LOG_ERR, "cannot set a timer");
	}
	free(job);
}

static void look_for_primary(struct provider *provider)
{
	struct look *look = provider->primary_away && !provider->looking ? calloc(1, sizeof(*look)) : NULL;
	if (!look)
		return;
	look->job.run = look_run;
	look->job.done = look_done;
	provider->looking = true;
	work_submit(provider->pool, &look->job);
}

/* At the end: what did not run goes back to JetStream. */
static void job_drop(struct work_job *job, void *userdata)
{
	struct provider *provider = userdata;
	if (job->run == publication_run)
		(void)zone_schedule_ended(provider->schedule, ((struct publication *)job)->run, ZONE_RUN_AGAIN, 0);
	free(job);
}

static void start_run(struct zone_run *run, void *userdata)
{
	struct provider *provider = userdata;
	struct publication *publication = calloc(1, sizeof(*publication));
	if (!publication) {
		(void)zone_schedule_ended(provider->schedule, run, ZONE_RUN_AGAIN, 0);
		return;
	}
	publication->job.run = publication_run;
	publication->job.done = publication_done;
	publication->provider = provider;
	publication->run = run;
	publication->wishes = run->wishes;
	if (run->attempt > 0 || zone_schedule_waiting(provider->schedule) > ANNOUNCE_WAITING)
		publication->wishes &= ~(unsigned)PUBLISH_ANNOUNCE;
	work_submit(provider->pool, &publication->job);
}

/* Events: from the pulling thread through the mailbox into the loop. */

static unsigned wishes_of(enum zone_change change)
{
	return change == ZONE_DELETED ? PUBLISH_DELETION : change == ZONE_REWRITE ? PUBLISH_REWRITE : change == ZONE_CHANGED ? PUBLISH_ANNOUNCE : 0;
}

static void event_in_loop(void *message, void *userdata)
{
	struct provider *provider = userdata;
	struct bus_message *received = message;
	struct zone_event event;
	COUNT(METRIC_EVENTS);
	int r = zone_event_decode(received, provider->options->daemon.prefix, &event);
	if (r < 0) {
		COUNT(METRIC_EVENTS_MALFORMED);
		LOG(LOG_ERR, "dropped an event on %s that cannot be read: %s", bus_message_subject(received), error_text(r));
		(void)bus_ack(daemon_bus(provider->daemon), received);
		bus_message_free(received);
		return;
	}
	LOG_FIELDS(LOG_DEBUG, (.zone = event.zone, .request = event.request, .peer = event.by), "event %s",
	           zone_change_name(event.change));
	r = zone_schedule_add(provider->schedule, event.zone, wishes_of(event.change), event.request, received);
	if (r < 0)
		LOG_ZONE(LOG_ERR, event.zone, "cannot schedule an event: %s", error_text(r));
	metric_set(&provider_metric_table[METRIC_ZONES_WAITING], (int64_t)zone_schedule_waiting(provider->schedule));
}

static void on_event(struct bus_message *message, void *userdata)
{
	struct provider *provider = userdata;
	if (mailbox_post(provider->events, message) < 0)
		bus_message_free(message); /* ending */
}

/* The streams vanished, or were never there: make them. Runs on the pulling thread, which has nothing else to do then. */
static void on_pull_problem(int error, void *userdata)
{
	struct provider *provider = userdata;
	if (error == 0)
		LOG(LOG_NOTICE, "receiving events");
	else if (error == ERROR_DENIED)
		LOG(LOG_ERR, "NATS denies the right to pull events: see docs/wire.md for what each program needs");
	if (error != ERROR_NO_STREAM)
		return;
	int r = zone_store_ensure(daemon_bus(provider->daemon), provider->options->daemon.prefix,
	                          (int)provider->options->stream_replicas);
	if (r < 0)
		LOG(LOG_WARNING, "cannot make the streams (will try again): %s", error_text(r));
	else
		LOG(LOG_NOTICE, "the streams of the zone store have been made");
}

static void tell_progress(struct bus_message *message, void *userdata)
{
	const struct provider *provider = userdata;
	(void)bus_ack_progress(daemon_bus(provider->daemon), message);
}

static int on_progress(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct provider *provider = userdata;
	zone_schedule_each_message(provider->schedule, tell_progress, provider);
	look_for_primary(provider);
	int r = sd_event_source_set_time(source, usec + ZONE_STORE_PROGRESS_US);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int make_keys(struct provider *provider)
{
	int r = signing_key_parse(provider->options->signing_key, &provider->key);
	if (r == 0)
		r = signing_key_trusted(provider->key, &provider->trusted);
	if (r == 0 && provider->options->axfr_tsig)
		r = tsig_key_new(provider->options->axfr_tsig, &provider->tsig);
	return r;
}

static int start_parts(struct provider *provider)
{
	sd_event *loop = daemon_loop(provider->daemon);
	struct bus *bus = daemon_bus(provider->daemon);
	const struct provider_options *options = provider->options;
	int r = make_keys(provider);
	if (r < 0)
		return r;
	r = head_cache_new(&provider->heads);
	if (r < 0)
		return r;
	provider->publisher = (struct publisher){ .bus = bus, .options = options, .key = provider->key, .trusted = provider->trusted,
	                                          .tsig = provider->tsig, .heads = provider->heads, .id = daemon_id(provider->daemon) };
	struct zone_schedule_options schedule = { .coalesce_us = options->coalesce,
	                                          .retry_us = RETRY_US,
	                                          .retry_ceiling_us = RETRY_CEILING_US,
	                                          .start = start_run,
	                                          .userdata = provider };
	r = zone_schedule_new(loop, &schedule, &provider->schedule);
	if (r == 0)
		r = work_pool_new(loop, (unsigned)options->workers, worker_start, worker_end, provider, &provider->pool);
	if (r == 0)
		r = mailbox_new(loop, EVENTS_IN_HAND, event_in_loop, provider, &provider->events);
	if (r == 0)
		r = sd_event_add_time_relative(loop, &provider->progress, CLOCK_MONOTONIC, ZONE_STORE_PROGRESS_US, 0, on_progress, provider);
	if (r < 0)
		return r;
	char stream[SUBJECT_SIZE];
	subject_stream(options->daemon.prefix, STREAM_EVENTS, stream);
	return bus_pull_start(bus, stream, SUBJECT_PROVIDER_CONSUMER, 64, on_event, on_pull_problem, provider, &provider->pull);
}

int provider_start(struct daemon *daemon, const void *configuration, void **ret_state)
{
	struct provider *provider = calloc(1, sizeof(*provider));
	if (!provider)
		return -ENOMEM;
	provider->daemon = daemon;
	provider->options = configuration;
	int r = start_parts(provider);
	if (r < 0) {
		LOG(LOG_ERR, "cannot start: %s", error_text(r));
		provider_stop(provider);
		return r;
	}
	LOG(LOG_NOTICE, "signing with key %s", signing_key_id(provider->key));
	*ret_state = provider;
	return 0;
}

void provider_stop(void *state)
{
	struct provider *provider = state;
	if (!provider)
		return;
	if (provider->events)
		mailbox_close(provider->events);
	bus_pull_stop(provider->pull);
	if (provider->pool)
		work_pool_stop(provider->pool, job_drop);
	mailbox_free(provider->events, (void (*)(void *))bus_message_free);
	sd_event_source_disable_unref(provider->progress);
	zone_schedule_free(provider->schedule);
	head_cache_free(provider->heads);
	signing_key_free(provider->key);
	trusted_keys_free(provider->trusted);
	tsig_key_free(provider->tsig);
	free(provider);
}

void provider_status(void *state, char *text, size_t size)
{
	const struct provider *provider = state;
	snprintf(text, size, "%zu zones in work", zone_schedule_waiting(provider->schedule));
}

const char *provider_dns_server(const void *configuration)
{
	return ((const struct provider_options *)configuration)->primary_dns;
}

void provider_heartbeat(void *state, void *json_object)
{
	const struct provider *provider = state;
	json_object_set_new(json_object, "zones_waiting", json_integer((json_int_t)zone_schedule_waiting(provider->schedule)));
	json_object_set_new(json_object, "key", json_string(signing_key_id(provider->key)));
}
