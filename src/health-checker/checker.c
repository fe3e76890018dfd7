/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/checker.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include "common/cleanup.h"
#include "common/keys.h"
#include "health-checker/answer.h"
#include "health-checker/emit.h"
#include "health-checker/enrol.h"
#include "health-checker/leader.h"
#include "health-checker/listen.h"
#include "health-checker/recheck.h"
#include "health-checker/scan.h"
#include "health-checker/watch.h"

#define WORKERS 3
#define TIMER_ACCURACY_US 10000

int checker_set_timer(struct checker *checker, sd_event_source **source, uint64_t delay_us, sd_event_time_handler_t handler, void *userdata)
{
	uint64_t at = clock_monotonic_us() + delay_us;
	int result;

	if (!*source)
		return sd_event_add_time(checker->loop, source, CLOCK_MONOTONIC, at, TIMER_ACCURACY_US, handler, userdata);
	result = sd_event_source_set_time(*source, at);
	return result < 0 ? result : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

int checker_check(const void *configuration, char **ret_reason)
{
	const struct checker_options *options = configuration;
	struct trusted_keys *keys = NULL;
	int result = trusted_keys_load(options->trusted_keys, &keys);

	trusted_keys_free(keys);
	if (result < 0 && asprintf(ret_reason, "trusted-keys: %s: %s; pdns-distribute keys generate makes it", options->trusted_keys,
	                           error_text(result)) < 0)
		*ret_reason = NULL;
	return result;
}

int checker_reload(void *state, const void *configuration)
{
	struct checker *checker = state;
	const struct checker_options *options = configuration;

	return trusted_keys_reload(checker->trusted, options->trusted_keys);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct checker *checker = userdata;

	(void)source;
	(void)usec;
	(void)checker_set_timer(checker, &checker->tick, WATCH_TICK_US, on_tick, checker);
	watch_tick(checker);
	return 0;
}

static void on_leadership(bool leads, void *userdata)
{
	struct checker *checker = userdata;

	LOG(LOG_NOTICE, leads ? "leads now" : "does not lead any more");
	if (leads) {
		enrol_soon(checker->enrol);
		scan_soon(checker->scan);
	}
	daemon_heartbeat_soon(checker->daemon);
}

static int start_parts(struct checker *checker)
{
	int result = trusted_keys_load(checker->options->trusted_keys, &checker->trusted);

	if (result == 0)
		result = index_new(&checker->index);
	if (result == 0)
		result = presence_new(&checker->presence);
	if (result == 0)
		result = confirm_new(&checker->confirm);
	if (result == 0)
		result = repair_new(&checker->repair);
	if (result == 0)
		result = work_pool_new(checker->loop, WORKERS, NULL, NULL, checker, &checker->pool);
	if (result == 0)
		result = work_pool_new(checker->loop, 1, NULL, NULL, checker, &checker->lease_pool);
	if (result == 0)
		result = leader_new(checker, on_leadership, checker, &checker->leader);
	if (result == 0)
		result = emit_new(checker, &checker->emit);
	if (result == 0)
		result = enrol_new(checker, &checker->enrol);
	if (result == 0)
		result = scan_new(checker, &checker->scan);
	if (result == 0)
		result = recheck_new(checker, &checker->recheck);
	if (result == 0)
		result = listen_new(checker, watch_handlers(checker), &checker->listen);
	if (result == 0)
		result = answer_new(checker, &checker->answer);
	if (result == 0)
		result = checker_set_timer(checker, &checker->tick, 0, on_tick, checker);
	return result;
}

int checker_start(struct daemon *daemon, const void *configuration, void **ret_state)
{
	struct checker *checker = calloc(1, sizeof(*checker));
	int result;

	if (!checker)
		return -ENOMEM;
	checker->daemon = daemon;
	checker->options = configuration;
	checker->prefix = checker->options->daemon.prefix;
	checker->id = daemon_id(daemon);
	checker->bus = daemon_bus(daemon);
	checker->loop = daemon_loop(daemon);
	result = start_parts(checker);
	if (result < 0) {
		LOG(LOG_ERR, "cannot start: %s", error_text(result));
		checker_stop(checker);
		return result;
	}
	*ret_state = checker;
	return 0;
}

/* Who sends first, then who works, then what they worked on. */
void checker_stop(void *state)
{
	struct checker *checker = state;

	if (!checker)
		return;
	checker->stopping = true;
	listen_close(checker->listen);
	answer_free(checker->answer);
	listen_free(checker->listen);
	work_pool_stop(checker->pool, NULL);
	work_pool_stop(checker->lease_pool, NULL);
	if (checker->leader)
		leader_release(checker->leader);
	sd_event_source_disable_unref(checker->tick);
	recheck_free(checker->recheck);
	scan_free(checker->scan);
	enrol_free(checker->enrol);
	emit_free(checker->emit);
	leader_free(checker->leader);
	repair_free(checker->repair);
	confirm_free(checker->confirm);
	presence_free(checker->presence);
	index_free(checker->index);
	trusted_keys_free(checker->trusted);
	free(checker);
}

void checker_status(void *state, char *text, size_t size)
{
	const struct checker *checker = state;
	struct index_counts counts;

	index_counts(checker->index, &counts);
	snprintf(text, size, "%s%s, %" PRIu64 " zones", leader_leads(checker->leader) ? "leads" : "follows",
	         checker->caught_up ? "" : ", reads the zone store", counts.present);
}

void checker_heartbeat(void *state, void *json_object)
{
	struct checker *checker = state;
	struct index_counts counts;

	index_counts(checker->index, &counts);
	(void)json_object_set_new(json_object, "leader", json_boolean(leader_leads(checker->leader)));
	(void)json_object_set_new(json_object, "zones", json_integer((json_int_t)counts.present));
}
