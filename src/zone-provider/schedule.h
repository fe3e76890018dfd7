/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <systemd/sd-event.h>
#include "common/bus.h"
#include "common/zone_event.h"
/*
 * Which zone is due when: collapses a burst of events on one zone into one publication, never lets two run for the same
 * zone, and tries failed ones again with growing delay. Loop thread only.
 *
 * An event's message is held until the zone has been published with a transfer that began after the event came; then it
 * is handed back to be acknowledged. Nothing here is durable: what is not acknowledged, JetStream delivers again.
 */
struct schedule;

/* A zone that runs now; what it answers is frozen in it. */
struct zone_run {
	char zone[ZONE_NAME_SIZE];
	unsigned wishes;         /* enum publish_wish */
	uint64_t covers_event;   /* newest sequence among its events */
	char request[CLOCK_UUID_SIZE]; /* of the newest event, for the log */
	struct bus_message **messages; /* to acknowledge; owned */
	size_t message_count;
	unsigned attempt;        /* failures in a row before this one */
	uint64_t started_us;     /* monotonic */
};

struct schedule_options {
	int64_t coalesce_us;     /* least time between runs of one zone */
	/* Starts a run; owns it until schedule_ended gives it back. */
	void (*start)(struct zone_run *run, void *userdata);
	void *userdata;
};

int schedule_new(sd_event *loop, const struct schedule_options *options, struct schedule **ret);
/* Frees with all that waits; runs in progress must have ended. */
void schedule_free(struct schedule *schedule);

/* A new event; owns the message afterwards, also on failure. */
int schedule_event(struct schedule *schedule, const struct zone_event *event, struct bus_message *message);

/* A run has ended. After success its messages were acknowledged by the caller; on failure they are kept and tried again. Frees the run. */
enum schedule_outcome { SCHEDULE_DONE, SCHEDULE_AGAIN };
int schedule_ended(struct schedule *schedule, struct zone_run *run, enum schedule_outcome outcome);

size_t schedule_waiting(const struct schedule *schedule); /* zones with events not done */
/* Calls visit for every message held: to tell JetStream that it is being worked on. */
void schedule_each_message(struct schedule *schedule, void (*visit)(struct bus_message *message, void *userdata), void *userdata);
