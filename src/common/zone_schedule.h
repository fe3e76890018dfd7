/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <systemd/sd-event.h>
#include "common/bus.h"
#include "common/clock.h"
#include "common/zone_name.h"
/*
 * Which zone is due when: collapses what comes for one zone into one run, never lets two run for the same zone, and
 * tries failed ones again with growing delay. Loop thread only.
 *
 * A message is held until a run that began after it came has ended well. Nothing here is durable: what is not
 * acknowledged, JetStream delivers again.
 */
struct zone_schedule;

/* A zone that runs now; what it answers is frozen in it. */
struct zone_run {
	char zone[ZONE_NAME_SIZE];
	unsigned wishes;         /* those of all that was collapsed, or-ed */
	uint64_t newest;         /* newest stream sequence among its messages; 0: none */
	char request[CLOCK_UUID_SIZE]; /* of the newest message, for the log; "" if none */
	struct bus_message **messages; /* owned */
	size_t message_count;
	unsigned attempt;        /* failures in a row before this one */
	uint64_t started_us;     /* monotonic */
	_Atomic bool outdated;   /* a newer message has come since; any thread may look */
};

struct zone_schedule_options {
	int64_t coalesce_us;     /* least time between runs of one zone; grows up to 25 times while it is busy */
	int64_t retry_us;        /* delay before the first repetition … */
	int64_t retry_ceiling_us; /* … and the longest, for ZONE_RUN_AGAIN */
	int64_t later_ceiling_us; /* the longest for ZONE_RUN_LATER */
	/* Starts a run; owns it until zone_schedule_ended gives it back. */
	void (*start)(struct zone_run *run, void *userdata);
	void *userdata;
};

int zone_schedule_new(sd_event *loop, const struct zone_schedule_options *options, struct zone_schedule **ret);
/* Frees with all that waits; runs in progress must have ended. */
void zone_schedule_free(struct zone_schedule *schedule);

/*
 * The zone is to run. message (may be NULL) is owned afterwards, also on failure. request may be NULL. Cancels the delay of a
 * failed zone: what is new is tried at once.
 */
int zone_schedule_add(struct zone_schedule *schedule, const char *zone, unsigned wishes, const char *request,
                      struct bus_message *message);

enum zone_run_outcome {
	ZONE_RUN_DONE,
	ZONE_RUN_AGAIN, /* failed: keep the messages, try soon */
	ZONE_RUN_LATER, /* failed, the caller has acknowledged the messages: forget them, but try again, less often */
};
/* A run has ended; frees it. wishes_again: added to those of the next try when it failed. */
int zone_schedule_ended(struct zone_schedule *schedule, struct zone_run *run, enum zone_run_outcome outcome, unsigned wishes_again);

/* Tries all failed zones at once: what they failed for seems mended. */
int zone_schedule_kick(struct zone_schedule *schedule);

bool zone_schedule_busy(const struct zone_schedule *schedule, const char *zone); /* it runs or is to run */
size_t zone_schedule_waiting(const struct zone_schedule *schedule); /* zones that run or are to run */
/* Calls visit for every message held: to tell JetStream that it is being worked on. */
void zone_schedule_each_message(struct zone_schedule *schedule, void (*visit)(struct bus_message *message, void *userdata), void *userdata);
