/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/syncer.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <time.h>

#include "common/ask.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/net_address.h"
#include "common/subject.h"
#include "common/work.h"
#include "common/zone_schedule.h"
#include "common/zone_store.h"
#include "secondary-syncer/answers.h"
#include "secondary-syncer/apply.h"
#include "secondary-syncer/dns_server.h"
#include "secondary-syncer/early.h"
#include "secondary-syncer/periodic_check.h"
#include "secondary-syncer/prove.h"
#include "secondary-syncer/syncer_metrics.h"

#define LISTEN_TRIES 30               /* in 3 s: PowerDNS asks from random ports, and may just be asking from ours */
#define INPUTS_IN_HAND 64             /* between foreign threads and the loop */
#define PULL_BATCH 64
#define RETRY_US 100000
#define RETRY_CEILING_US 2000000      /* while PowerDNS or the store is away */
#define LATER_CEILING_US 300000000    /* for one zone that fails */
#define IDLE_WAITING 1                /* with more zones than this in work there is nothing to be won by being early */

enum powerdns_state { POWERDNS_UNKNOWN, POWERDNS_UP, POWERDNS_DOWN };

struct syncer {
	struct daemon *daemon;
	const struct syncer_options *options;
	struct applier applier;
	struct commit_pace pace;
	struct maker *maker;
	struct trusted_keys *trusted;
	struct applied_book *book;
	struct transfers *transfers;
	struct dns_server *dns;
	struct zone_schedule *schedule;
	struct work_pool *pool;
	struct prover *prover;
	struct mailbox *inputs;
	struct bus_pull *pull;
	struct early *early;
	struct ask_server *asks;
	struct periodic_check *check;
	sd_event_source *progress;
	enum powerdns_state powerdns;
	_Atomic bool stopping;
	_Atomic int pull_error; /* as logged last, by the pulling thread */
};

/* What foreign threads put into the loop. */
struct input {
	struct bus_message *head; /* a head, or NULL: */
	size_t count;             /* zones to apply again */
	char (*zones)[ZONE_NAME_SIZE];
};

static void input_free(void *message)
{
	struct input *input = message;
	bus_message_free(input->head);
	free(input->zones);
	free(input);
}

int syncer_check(const void *configuration, char **ret_reason)
{
	const struct syncer_options *options = configuration;
	struct sockaddr_storage address;
	socklen_t size;
	if (net_address_parse(options->dns_listen, &address, &size) < 0 ||
	    net_address_parse(options->secondary_dns, &address, &size) < 0) {
		*ret_reason = strdup("dns-listen and secondary-dns must be ADDRESS:PORT or [ADDRESS]:PORT");
		return ERROR_MALFORMED;
	}
	(void)net_address_parse(options->dns_listen, &address, &size);
	if (!net_address_is_loopback(&address)) {
		*ret_reason = strdup("dns-listen: must be a loopback address: whoever reaches it can read all zones");
		return ERROR_MALFORMED;
	}
	struct trusted_keys *trusted = NULL;
	int r = trusted_keys_load(options->trusted_keys, &trusted);
	if (r < 0 && asprintf(ret_reason, "trusted-keys: %s: %s", options->trusted_keys, error_text(r)) < 0)
		*ret_reason = NULL;
	trusted_keys_free(trusted);
	return r;
}

/* Workers: each has a connection to PowerDNS's API of its own. */

static void *worker_start(void *userdata)
{
	const struct syncer *syncer = userdata;
	const struct daemon_options *options = &syncer->options->daemon;
	struct pdns_api *api = NULL;
	if (pdns_api_new(options->pdns_api_url, options->pdns_api_key, options->pdns_api_timeout, &api) < 0)
		abort(); /* out of memory at start: let systemd start us again */
	return api;
}

static void worker_end(void *context) { pdns_api_free(context); }

/* One zone on its way through a worker. */
struct application {
	struct work_job job; /* first */
	struct syncer *syncer;
	struct zone_run *run;
	enum apply_outcome outcome;
	struct applied report;
};

/* Only the newest head matters: what it replaced is never applied. */
static const struct bus_message *newest_head(const struct zone_run *run)
{
	const struct bus_message *newest = NULL;
	for (size_t i = 0; i < run->message_count; i++)
		if (!newest || bus_message_sequence(run->messages[i]) > bus_message_sequence(newest))
			newest = run->messages[i];
	return newest;
}

static void application_run(struct work_job *job, void *context)
{
	struct application *application = (struct application *)job;
	struct zone_run *run = application->run;
	const struct applier *applier = &application->syncer->applier;
	if (prover_is_proof(run))
		application->outcome = prove_zone(applier, prover_current(application->syncer->prover), &run->outdated, &application->report);
	else
		application->outcome = apply_zone(applier, context, run->zone, run->wishes, newest_head(run), &run->outdated, &application->report);
}

static void publish_report(const struct syncer *syncer, const struct applied *report)
{
	char subject[SUBJECT_SIZE];
	CLEANUP(free) char *json = NULL;
	subject_applied(syncer->options->daemon.prefix, daemon_id(syncer->daemon), subject);
	if (applied_encode(report, &json) == 0)
		(void)bus_publish(daemon_bus(syncer->daemon), subject, json, strlen(json));
}

static void log_report(const struct applied *report, const struct zone_run *run)
{
	double ms = (double)(clock_monotonic_us() - run->started_us) / 1000;
	switch (report->result) {
	case APPLIED_OK:
		if (report->state == ZONE_STATE_DELETED)
			LOG_ZONE(LOG_NOTICE, report->zone, "deleted, generation %llu, %.1f ms", (unsigned long long)report->generation, ms);
		else
			LOG_FIELDS(LOG_INFO, (.zone = report->zone, .has_serial = true, .serial = report->serial),
			           "applied, generation %llu, %.1f ms", (unsigned long long)report->generation, ms);
		break;
	case APPLIED_REFUSED:
		LOG_ZONE(LOG_ERR, report->zone, "refused what the zone store holds (sequence %llu): %s",
		         (unsigned long long)report->sequence, report->reason);
		break;
	default:
		LOG_ZONE(run->attempt < 3 || run->attempt % 16 == 0 ? LOG_WARNING : LOG_DEBUG, report->zone,
		         "not applied (try %u, will try again): %s", run->attempt + 1, report->reason);
	}
}

static void count_report(const struct applied *report)
{
	static const enum syncer_metric metrics[] = { [APPLIED_OK] = METRIC_APPLIED, [APPLIED_FAILED] = METRIC_FAILED,
	                                              [APPLIED_REFUSED] = METRIC_REFUSED, [APPLIED_CONFLICT] = METRIC_CONFLICTS };
	COUNT(metrics[report->result]);
}

/* Proofs aside. */
static size_t zones_in_work(const struct syncer *syncer)
{
	return zone_schedule_waiting(syncer->schedule) - prover_running(syncer->prover);
}

static void set_gauges(struct syncer *syncer)
{
	uint64_t zones, failing;
	applied_book_counts(syncer->book, &zones, &failing);
	metric_set(&syncer_metric_table[METRIC_ZONES_UNPROVEN], (int64_t)applied_book_count_unproven(syncer->book));
	metric_set(&syncer_metric_table[METRIC_ZONES], (int64_t)zones);
	metric_set(&syncer_metric_table[METRIC_ZONES_FAILING], (int64_t)failing);
	metric_set(&syncer_metric_table[METRIC_ZONES_WAITING], (int64_t)zones_in_work(syncer));
	metric_set(&syncer_metric_table[METRIC_PDNS_UP], syncer->powerdns == POWERDNS_UP);
}

/* Says once that PowerDNS went or came; when it comes, everything that waited for it is tried at once. */
static void note_powerdns(struct syncer *syncer, enum powerdns_state now, const char *why)
{
	if (syncer->powerdns == now)
		return;
	bool back = syncer->powerdns == POWERDNS_DOWN && now == POWERDNS_UP;
	syncer->powerdns = now;
	if (now == POWERDNS_DOWN) {
		LOG(LOG_ERR, "the local PowerDNS does not answer: %s; zones wait until it does; check pdns-api-url (%s) and pdns-api-key-file",
		    why, syncer->options->daemon.pdns_api_url);
	} else {
		LOG(LOG_NOTICE, "the local PowerDNS answers");
	}
	if (back && zone_schedule_kick(syncer->schedule) < 0)
		LOG(LOG_ERR, "cannot set a timer");
	if (back)
		prover_wake(syncer->prover);
	daemon_heartbeat_soon(syncer->daemon);
}

static void acknowledge(const struct syncer *syncer, const struct zone_run *run)
{
	for (size_t i = 0; i < run->message_count; i++)
		(void)bus_ack(daemon_bus(syncer->daemon), run->messages[i]);
}

/* That PowerDNS or NATS is away has been said already; whatever else goes on is said now and then. */
static bool is_worth_saying(const struct syncer *syncer, const struct application *application)
{
	return application->outcome == APPLY_WAITS && application->run->attempt % 16 == 2 && bus_connected(daemon_bus(syncer->daemon));
}

/* It ran, and whatever it was is acknowledged or will be tried again. */
static void end_run(struct syncer *syncer, struct application *application, enum zone_run_outcome outcome, unsigned wishes)
{
	if (zone_schedule_ended(syncer->schedule, application->run, outcome, wishes) < 0)
		LOG(LOG_ERR, "cannot set a timer");
	free(application);
}

static void tell_report(struct syncer *syncer, const struct application *application)
{
	const struct applied *report = &application->report;
	publish_report(syncer, report);
	acknowledge(syncer, application->run);
	count_report(report);
	log_report(report, application->run);
}

/* A proof that could not be made is the prover's to repeat. */
static void proof_done(struct syncer *syncer, struct application *application)
{
	enum apply_outcome outcome = application->outcome;
	if (outcome == APPLY_RETRY)
		tell_report(syncer, application);
	else if (outcome != APPLY_ENDED)
		LOG_ZONE(LOG_DEBUG, application->run->zone, "not proven yet: %s", application->report.reason);
	end_run(syncer, application, outcome == APPLY_RETRY ? ZONE_RUN_LATER : ZONE_RUN_DONE, outcome == APPLY_RETRY ? APPLY_FORCE : 0);
	prover_ended(syncer->prover, outcome == APPLY_RETRY || outcome == APPLY_ENDED);
	set_gauges(syncer);
}

static void application_done(struct work_job *job, void *userdata)
{
	struct syncer *syncer = userdata;
	struct application *application = (struct application *)job;
	struct zone_run *run = application->run;
	const struct applied *report = &application->report;
	enum zone_run_outcome outcome = ZONE_RUN_DONE;
	unsigned wishes = 0;
	if (prover_is_proof(run)) {
		proof_done(syncer, application);
		return;
	}
	if (application->outcome == APPLY_PDNS_DOWN || application->outcome == APPLY_WAITS) {
		outcome = ZONE_RUN_AGAIN;
		if (application->outcome == APPLY_PDNS_DOWN)
			note_powerdns(syncer, POWERDNS_DOWN, report->reason);
		LOG_ZONE(is_worth_saying(syncer, application) ? LOG_WARNING : LOG_DEBUG, run->zone, "waits: %s", report->reason);
	} else {
		note_powerdns(syncer, POWERDNS_UP, "");
		if (application->outcome == APPLY_RETRY) { /* noted in the book, so that it is tried again after a restart too */
			outcome = ZONE_RUN_LATER;
			wishes = APPLY_FORCE;
		}
		tell_report(syncer, application);
	}
	if (run->wishes & APPLY_PROVE) /* something else came along with it */
		prover_ended(syncer->prover, true);
	end_run(syncer, application, outcome, wishes);
	if (maker_left_behind(syncer->maker))
		periodic_check_soon(syncer->check);
	set_gauges(syncer);
	prover_wake(syncer->prover);
	if (zones_in_work(syncer) == 0)
		daemon_heartbeat_soon(syncer->daemon);
}

/* At the end: what did not run stays unacknowledged. */
static void job_drop(struct work_job *job, void *userdata)
{
	struct syncer *syncer = userdata;
	if (job->run == application_run)
		(void)zone_schedule_ended(syncer->schedule, ((struct application *)job)->run, ZONE_RUN_AGAIN, 0);
	free(job);
}

static void start_run(struct zone_run *run, void *userdata)
{
	struct syncer *syncer = userdata;
	struct application *application = calloc(1, sizeof(*application));
	if (!application) {
		(void)zone_schedule_ended(syncer->schedule, run, ZONE_RUN_AGAIN, 0);
		return;
	}
	application->job.run = application_run;
	application->job.done = application_done;
	application->syncer = syncer;
	application->run = run;
	work_submit(syncer->pool, &application->job);
}

/* Zones that are not as they were applied. */

static void repair(struct syncer *syncer, const char *zone)
{
	COUNT(METRIC_REPAIRS);
	if (zone_schedule_add(syncer->schedule, zone, APPLY_FORCE, NULL, NULL) < 0)
		LOG_ZONE(LOG_ERR, zone, "cannot schedule a repair");
}

static void on_checked(const struct periodic_check_result *result, void *userdata)
{
	struct syncer *syncer = userdata;
	note_powerdns(syncer, result->powerdns_answers ? POWERDNS_UP : POWERDNS_DOWN, result->reason);
	for (size_t i = 0; i < result->count; i++) {
		if (zone_schedule_busy(syncer->schedule, result->zones[i]))
			continue; /* differs because it is just being applied */
		LOG_ZONE(LOG_WARNING, result->zones[i], "the local PowerDNS does not have it as it was applied: applying it again");
		repair(syncer, result->zones[i]);
	}
	set_gauges(syncer);
}

static bool powerdns_is_up(void *userdata)
{
	const struct syncer *syncer = userdata;
	return syncer->powerdns == POWERDNS_UP;
}

/* Zones that failed before the restart are tried again. */
static int retry_failed(const char *zone, const struct book_entry *entry, void *userdata)
{
	struct syncer *syncer = userdata;
	return entry->result == APPLIED_OK ? 0 : zone_schedule_add(syncer->schedule, zone, APPLY_FORCE, NULL, NULL);
}

/* Inputs: from foreign threads through the mailbox into the loop. */

static void input_in_loop(void *message, void *userdata)
{
	struct syncer *syncer = userdata;
	struct input *input = message;
	for (size_t i = 0; i < input->count; i++)
		repair(syncer, input->zones[i]);
	if (input->head) {
		char zone[ZONE_NAME_SIZE];
		struct bus_message *head = TAKE(input->head);
		COUNT(METRIC_HEADS);
		if (subject_parse_zone(syncer->options->daemon.prefix, "zone", bus_message_subject(head), zone) < 0) {
			COUNT(METRIC_REFUSED);
			LOG(LOG_ERR, "dropped a head on %s, which names no zone", bus_message_subject(head));
			(void)bus_ack(daemon_bus(syncer->daemon), head);
			bus_message_free(head);
		} else if (zone_schedule_add(syncer->schedule, zone, 0, NULL, head) < 0) {
			LOG_ZONE(LOG_ERR, zone, "cannot schedule a head");
		}
	}
	set_gauges(syncer);
	input_free(input);
}

static int post_input(struct syncer *syncer, struct input *input)
{
	int r = mailbox_post(syncer->inputs, input);
	if (r < 0)
		input_free(input);
	return r;
}

static void on_head(struct bus_message *message, void *userdata)
{
	struct input *input = calloc(1, sizeof(*input));
	if (!input) { /* delivered again */
		bus_message_free(message);
		return;
	}
	input->head = message;
	(void)post_input(userdata, input);
}

static void on_pull_problem(int error, void *userdata)
{
	struct syncer *syncer = userdata;
	if (error == syncer->pull_error)
		return;
	syncer->pull_error = error;
	if (error == 0)
		LOG(LOG_NOTICE, "following the zone store");
	else if (error == ERROR_NO_STREAM)
		LOG(LOG_WARNING, "not enrolled, or the zone store is not there yet; waiting. On the primary: pdns-distribute secondary add %s",
		    daemon_id(syncer->daemon));
	else if (error == ERROR_DENIED)
		LOG(LOG_ERR, "NATS denies the right to read the zone store: see docs/wire.md for what a secondary needs");
}

/* Asks: answered on the asking thread out of the book; what is to be applied goes to the loop. */

static json_t *answer_apply(struct syncer *syncer, const json_t *question)
{
	const json_t *zones = json_object_get(question, "zones");
	size_t count = json_array_size(zones), used = 0;
	if (count > REPAIRS_AT_ONCE)
		return ask_error("zones: at most %d at once", REPAIRS_AT_ONCE);
	struct input *input = calloc(1, sizeof(*input));
	if (!input || count == 0 || !(input->zones = calloc(count, sizeof(*input->zones)))) {
		free(input);
		return count == 0 ? ask_error("zones: must be a list of names") : ask_error("out of memory");
	}
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(zones, i));
		used += text && zone_name_from_text(text, input->zones[used]) == 0;
	}
	input->count = used;
	if (post_input(syncer, input) < 0)
		return ask_error("ending");
	return json_pack("{s:I}", "queued", (json_int_t)used);
}

static json_t *on_question(const char *verb, const json_t *question, void *userdata)
{
	struct syncer *syncer = userdata;
	if (strcmp(verb, "apply") == 0)
		return answer_apply(syncer, question);
	return answers_about_book(syncer->book, verb, question);
}

static void tell_progress(struct bus_message *message, void *userdata)
{
	const struct syncer *syncer = userdata;
	(void)bus_ack_progress(daemon_bus(syncer->daemon), message);
}

static int on_progress(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct syncer *syncer = userdata;
	zone_schedule_each_message(syncer->schedule, tell_progress, syncer);
	int r = sd_event_source_set_time(source, usec + ZONE_STORE_PROGRESS_US);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int is_stopping(void *userdata)
{
	const struct syncer *syncer = userdata;
	return syncer->stopping;
}

/* What answers PowerDNS, before anything else starts: it may ask at once. */
static int start_service(struct syncer *syncer)
{
	const struct syncer_options *options = syncer->options;
	CLEANUP(free) char *folder = NULL;
	if (asprintf(&folder, "%s/applied", options->daemon.state_dir) < 0)
		return -ENOMEM;
	int r = trusted_keys_load(options->trusted_keys, &syncer->trusted);
	if (r == 0)
		r = applied_book_open(folder, &syncer->book);
	if (r == 0)
		r = transfers_new(&syncer->transfers);
	if (r == 0)
		r = maker_new(syncer->transfers, syncer_master(options), options->daemon.state_dir, &syncer->maker);
	if (r < 0)
		return r;
	syncer->applier = (struct applier){ .bus = daemon_bus(syncer->daemon), .options = options, .trusted = syncer->trusted,
	                                    .book = syncer->book, .transfers = syncer->transfers, .pace = &syncer->pace,
	                                    .maker = syncer->maker, .stopping = is_stopping, .userdata = syncer };
	struct dns_server_options dns = { .listen = options->dns_listen, .book = syncer->book, .transfers = syncer->transfers,
	                                  .fetch = apply_fetch, .userdata = &syncer->applier };
	r = dns_server_start(&dns, &syncer->dns);
	for (int i = 0; r == -EADDRINUSE && i < LISTEN_TRIES; i++) {
		const struct timespec pause = { .tv_nsec = 100000000 };
		(void)nanosleep(&pause, NULL);
		r = dns_server_start(&dns, &syncer->dns);
	}
	if (r < 0)
		LOG(LOG_ERR, "cannot listen on %s (dns-listen): %s", options->dns_listen, error_text(r));
	return r;
}

static int start_loop_parts(struct syncer *syncer)
{
	sd_event *loop = daemon_loop(syncer->daemon);
	struct zone_schedule_options schedule = { .retry_us = RETRY_US, .retry_ceiling_us = RETRY_CEILING_US,
	                                          .later_ceiling_us = LATER_CEILING_US, .start = start_run, .userdata = syncer };
	int r = zone_schedule_new(loop, &schedule, &syncer->schedule);
	struct prover_options proofs = { .book = syncer->book, .schedule = syncer->schedule,
	                                  .interval_us = syncer->options->proof_interval };
	if (r == 0)
		r = prover_new(loop, &proofs, &syncer->prover);
	if (r == 0)
		r = work_pool_new(loop, (unsigned)syncer->options->workers, worker_start, worker_end, syncer, &syncer->pool);
	if (r == 0)
		r = mailbox_new(loop, INPUTS_IN_HAND, input_in_loop, syncer, &syncer->inputs);
	if (r == 0)
		r = sd_event_add_time_relative(loop, &syncer->progress, CLOCK_MONOTONIC, ZONE_STORE_PROGRESS_US, 0, on_progress, syncer);
	struct periodic_check_options check = { .pool = syncer->pool, .book = syncer->book, .maker = syncer->maker,
	                                        .master = syncer_master(syncer->options),
	                                        .interval_us = syncer->options->local_check_interval,
	                                        .powerdns_is_up = powerdns_is_up, .done = on_checked, .userdata = syncer };
	if (r >= 0)
		r = periodic_check_new(loop, &check, &syncer->check);
	return r < 0 ? r : applied_book_each(syncer->book, NULL, retry_failed, syncer);
}

static bool is_idle(void *userdata)
{
	const struct syncer *syncer = userdata;
	return syncer->powerdns == POWERDNS_UP && zones_in_work(syncer) <= IDLE_WAITING;
}

static int start_bus_parts(struct syncer *syncer)
{
	const char *prefix = syncer->options->daemon.prefix, *id = daemon_id(syncer->daemon);
	struct bus *bus = daemon_bus(syncer->daemon);
	char stream[SUBJECT_SIZE], consumer[SUBJECT_SIZE];
	int r = ask_serve(bus, prefix, "secondary-syncer", id, false, on_question, syncer, &syncer->asks);
	if (r < 0)
		return r;
	struct early_options early = { .bus = bus, .prefix = prefix, .loop = daemon_loop(syncer->daemon), .pool = syncer->pool,
	                               .book = syncer->book, .transfers = syncer->transfers, .idle = is_idle, .userdata = syncer };
	r = early_start(&early, &syncer->early);
	if (r < 0)
		return r;
	subject_stream(prefix, STREAM_ZONES, stream);
	subject_consumer(id, consumer);
	return bus_pull_start(bus, stream, consumer, PULL_BATCH, on_head, on_pull_problem, syncer, &syncer->pull);
}

int syncer_start(struct daemon *daemon, const void *configuration, void **ret_state)
{
	struct syncer *syncer = calloc(1, sizeof(*syncer));
	if (!syncer)
		return -ENOMEM;
	syncer->daemon = daemon;
	syncer->pace = (struct commit_pace)COMMIT_PACE_INITIAL;
	syncer->options = configuration;
	int r = start_service(syncer);
	if (r == 0)
		r = start_loop_parts(syncer);
	if (r == 0)
		r = start_bus_parts(syncer);
	if (r < 0) {
		LOG(LOG_ERR, "cannot start: %s", error_text(r));
		syncer_stop(syncer);
		return r;
	}
	set_gauges(syncer);
	*ret_state = syncer;
	return 0;
}

/* New keys may cure what was refused. */
int syncer_reload(void *state, const void *configuration)
{
	struct syncer *syncer = state;
	const struct syncer_options *options = configuration;
	int r = trusted_keys_reload(syncer->trusted, options->trusted_keys);
	return r < 0 ? r : applied_book_each(syncer->book, NULL, retry_failed, syncer);
}

void syncer_stop(void *state)
{
	struct syncer *syncer = state;
	if (!syncer)
		return;
	syncer->stopping = true;
	if (syncer->transfers)
		transfers_stop(syncer->transfers);
	if (syncer->inputs)
		mailbox_close(syncer->inputs);
	bus_pull_stop(syncer->pull);
	early_stop(syncer->early);
	ask_server_stop(syncer->asks);
	if (syncer->pool)
		work_pool_stop(syncer->pool, job_drop);
	early_free(syncer->early);
	mailbox_free(syncer->inputs, input_free);
	dns_server_stop(syncer->dns);
	sd_event_source_disable_unref(syncer->progress);
	periodic_check_free(syncer->check);
	prover_free(syncer->prover);
	zone_schedule_free(syncer->schedule);
	maker_free(syncer->maker);
	transfers_free(syncer->transfers);
	applied_book_close(syncer->book);
	trusted_keys_free(syncer->trusted);
	free(syncer);
}

void syncer_status(void *state, char *text, size_t size)
{
	struct syncer *syncer = state;
	uint64_t zones, failing, unproven = applied_book_count_unproven(syncer->book);
	char proofs[64] = "";
	int error = syncer->pull_error;
	if (unproven > 0)
		snprintf(proofs, sizeof(proofs), ", %llu to be read back", (unsigned long long)unproven);
	applied_book_counts(syncer->book, &zones, &failing);
	snprintf(text, size, "%llu zones, %llu failing, %zu in work%s%s", (unsigned long long)zones, (unsigned long long)failing,
	         zones_in_work(syncer), proofs,
	         error == ERROR_NO_STREAM ? "; not enrolled, or no zone store yet" : error == ERROR_DENIED ? "; NATS denies the zone store" : "");
}

const char *syncer_dns_server(const void *configuration)
{
	return ((const struct syncer_options *)configuration)->secondary_dns;
}

void syncer_heartbeat(void *state, void *json_object)
{
	struct syncer *syncer = state;
	uint64_t zones, failing;
	char root[SET_DIGEST_HEX_SIZE];
	applied_book_counts(syncer->book, &zones, &failing);
	applied_book_root_hex(syncer->book, root);
	json_object_set_new(json_object, "zones", json_integer((json_int_t)zones));
	json_object_set_new(json_object, "failing", json_integer((json_int_t)failing));
	json_object_set_new(json_object, "working", json_integer((json_int_t)zones_in_work(syncer)));
	json_object_set_new(json_object, "set_digest", json_string(root));
	json_object_set_new(json_object, "pdns", json_string(syncer->powerdns == POWERDNS_UP ? "up" : "down"));
}
