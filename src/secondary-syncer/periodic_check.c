/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/periodic_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "secondary-syncer/local_check.h"

#define SOON_US 10000000
#define AWAY_US 1000000  /* while PowerDNS is away */

struct periodic_check {
	struct periodic_check_options options;
	sd_event_source *timer;
	bool running;
};

struct check_job {
	struct work_job job; /* first */
	struct periodic_check *periodic;
	int error;
	bool powerdns_answers;
	char reason[256];
	size_t count, room;
	char (*zones)[ZONE_NAME_SIZE];
	size_t catalog_count; /* catalogs that were left behind; if there are more, the next check finds them */
	char catalogs[16][ZONE_NAME_SIZE];
};

static void note_catalog(const char *zone, void *userdata)
{
	struct check_job *check = userdata;
	if (check->catalog_count < ARRAY_SIZE(check->catalogs) && !maker_uses(check->periodic->options.maker, zone))
		snprintf(check->catalogs[check->catalog_count++], ZONE_NAME_SIZE, "%s", zone);
}

static void note_difference(const char *zone, void *userdata)
{
	struct check_job *check = userdata;
	if (check->count == REPAIRS_AT_ONCE)
		return;
	if (check->count == check->room) {
		size_t room = check->room ? check->room * 2 : 16;
		void *grown = realloc(check->zones, room * sizeof(*check->zones));
		if (!grown)
			return; /* found by the next check */
		check->zones = grown;
		check->room = room;
	}
	snprintf(check->zones[check->count++], ZONE_NAME_SIZE, "%s", zone);
}

static void check_run(struct work_job *job, void *context)
{
	struct check_job *check = (struct check_job *)job;
	const struct periodic_check_options *options = &check->periodic->options;
	check->error = local_check(context, options->book, options->master, note_difference, note_catalog, check);
	for (size_t i = 0; check->error == 0 && i < check->catalog_count; i++)
		(void)maker_delete(options->maker, context, check->catalogs[i]);
	if (check->error < 0)
		snprintf(check->reason, sizeof(check->reason), "%s (%s)", error_text(check->error), pdns_api_last_error(context));
	check->powerdns_answers = check->error == 0 || pdns_api_ping(context, NULL) == 0;
}

static void check_done(struct work_job *job, void *userdata)
{
	struct check_job *check = (struct check_job *)job;
	struct periodic_check *periodic = check->periodic;
	(void)userdata;
	periodic->running = false;
	struct periodic_check_result result = { .powerdns_answers = check->powerdns_answers, .reason = check->reason,
	                                        .count = check->error == 0 ? check->count : 0, .zones = check->zones };
	if (check->error < 0 && check->powerdns_answers) /* a list that takes too long must not hold up the zones */
		LOG(LOG_WARNING, "cannot compare the local PowerDNS's list of zones with what was applied: %s", check->reason);
	periodic->options.done(&result, periodic->options.userdata);
	if (check->count == REPAIRS_AT_ONCE)
		periodic_check_soon(periodic);
	free(check->zones);
	free(check);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct periodic_check *periodic = userdata;
	const struct periodic_check_options *options = &periodic->options;
	uint64_t next = options->powerdns_is_up(options->userdata) ? (uint64_t)options->interval_us : AWAY_US;
	struct check_job *check = periodic->running ? NULL : calloc(1, sizeof(*check));
	if (check) {
		check->job.run = check_run;
		check->job.done = check_done;
		check->periodic = periodic;
		periodic->running = true;
		work_submit(options->pool, &check->job);
	}
	int r = sd_event_source_set_time(source, usec + next);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void periodic_check_soon(struct periodic_check *periodic)
{
	if (sd_event_get_state(sd_event_source_get_event(periodic->timer)) == SD_EVENT_FINISHED)
		return; /* the daemon ends */
	if (sd_event_source_set_time_relative(periodic->timer, SOON_US) < 0)
		LOG(LOG_ERR, "cannot set a timer");
}

int periodic_check_new(sd_event *loop, const struct periodic_check_options *options, struct periodic_check **ret)
{
	struct periodic_check *periodic = calloc(1, sizeof(*periodic));
	if (!periodic)
		return -ENOMEM;
	periodic->options = *options;
	int r = sd_event_add_time_relative(loop, &periodic->timer, CLOCK_MONOTONIC, 0, 0, on_timer, periodic);
	if (r < 0) {
		free(periodic);
		return r;
	}
	*ret = periodic;
	return 0;
}

void periodic_check_free(struct periodic_check *periodic)
{
	if (!periodic)
		return;
	sd_event_source_disable_unref(periodic->timer);
	free(periodic);
}
