/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <systemd/sd-event.h>
#include "common/clock.h"
#include "common/daemon.h"
#include "common/error.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/work.h"
#include "health-checker/checker_metrics.h"
#include "health-checker/checker_options.h"
#include "health-checker/confirm.h"
#include "health-checker/index.h"
#include "health-checker/presence.h"
#include "health-checker/repair.h"
/*
 * The health-checker at run time: what its parts share. The loop thread owns all of it; jobs of the pools and callbacks
 * of foreign threads use no more than bus, options, prefix, id and trusted, which do not change.
 */
#define SERVICE_SYNCER "secondary-syncer"
#define SERVICE_PROVIDER "zone-provider"
#define SERVICE_CHECKER "health-checker"

struct emit;
struct scan;
struct enrol;
struct leader;
struct listen;
struct answer;
struct recheck;

struct checker {
	struct daemon *daemon;
	const struct checker_options *options;
	const char *prefix, *id;
	struct bus *bus;
	sd_event *loop;
	struct trusted_keys *trusted;
	struct work_pool *pool;       /* for whatever may take long */
	struct work_pool *lease_pool; /* for the lease alone, which must not wait behind anything */
	struct index *index;
	struct presence *presence;
	struct confirm *confirm;
	struct repair *repair;
	struct emit *emit;
	struct scan *scan;
	struct enrol *enrol;
	struct leader *leader;
	struct listen *listen;
	struct answer *answer;
	struct recheck *recheck;
	sd_event_source *tick;
	uint64_t set_changed_us;      /* when a head last changed the store's set */
	uint64_t compared_us;         /* last round of the periodic check */
	bool stopping;
	bool caught_up;               /* the index is complete */
};

int checker_check(const void *configuration, char **ret_reason);
int checker_start(struct daemon *daemon, const void *configuration, void **ret_state);
int checker_reload(void *state, const void *configuration);
void checker_stop(void *state);
void checker_status(void *state, char *text, size_t size);
void checker_heartbeat(void *state, void *json_object);

/* A one-shot or repeated timer in microseconds from now; *source is made at the first call. */
int checker_set_timer(struct checker *checker, sd_event_source **source, uint64_t delay_us, sd_event_time_handler_t handler, void *userdata);
