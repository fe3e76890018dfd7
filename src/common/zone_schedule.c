/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/zone_schedule.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <uthash.h>

#include "common/cleanup.h"

#define MANY 100      /* zones waiting at a time, after which freed memory is handed back to the system */
#define STREAK_MAX 25 /* the gap of a busy zone grows up to so many times coalesce_us */

/* What is known of one zone while it is due, runs, or ran a moment ago. */
struct zone_task {
	char zone[ZONE_NAME_SIZE];
	struct bus_message **messages; /* not yet running */
	size_t message_count;
	unsigned wishes;
	uint64_t newest;
	char request[CLOCK_UUID_SIZE];
	bool due;               /* is to run (again) */
	struct zone_run *run;   /* while running */
	unsigned attempt;       /* failures in a row */
	int64_t gap_us;         /* least time to the next run */
	uint64_t not_before_us; /* monotonic */
	sd_event_source *timer;
	struct zone_schedule *schedule;
	UT_hash_handle hh;
};

struct zone_schedule {
	sd_event *loop;
	struct zone_schedule_options options;
	struct zone_task *tasks;
	size_t waiting; /* tasks that are due or run */
	size_t most_waiting; /* since memory was last handed back */
};

static void messages_free(struct bus_message **messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bus_message_free(messages[i]);
	free(messages);
}

static void run_free(struct zone_run *run)
{
	messages_free(run->messages, run->message_count);
	free(run);
}

static void task_free(struct zone_task *task)
{
	HASH_DEL(task->schedule->tasks, task);
	sd_event_source_disable_unref(task->timer);
	messages_free(task->messages, task->message_count);
	free(task);
}

int zone_schedule_new(sd_event *loop, const struct zone_schedule_options *options, struct zone_schedule **ret)
{
	struct zone_schedule *schedule = calloc(1, sizeof(*schedule));
	if (!schedule)
		return -ENOMEM;
	schedule->loop = sd_event_ref(loop);
	schedule->options = *options;
	*ret = schedule;
	return 0;
}

void zone_schedule_free(struct zone_schedule *schedule)
{
	if (!schedule)
		return;
	struct zone_task *task, *next;
	HASH_ITER(hh, schedule->tasks, task, next)
		task_free(task);
	sd_event_unref(schedule->loop);
	free(schedule);
}

size_t zone_schedule_waiting(const struct zone_schedule *schedule) { return schedule->waiting; }

bool zone_schedule_busy(const struct zone_schedule *schedule, const char *zone)
{
	struct zone_task *task;
	HASH_FIND_STR(schedule->tasks, zone, task);
	return task && (task->due || task->run);
}

void zone_schedule_each_message(struct zone_schedule *schedule, void (*visit)(struct bus_message *, void *), void *userdata)
{
	for (struct zone_task *task = schedule->tasks; task; task = task->hh.next) {
		for (size_t i = 0; i < task->message_count; i++)
			visit(task->messages[i], userdata);
		for (size_t i = 0; task->run && i < task->run->message_count; i++)
			visit(task->run->messages[i], userdata);
	}
}

static int task_start(struct zone_task *task)
{
	struct zone_run *run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	memcpy(run->zone, task->zone, sizeof(run->zone));
	memcpy(run->request, task->request, sizeof(run->request));
	run->wishes = task->wishes;
	run->newest = task->newest;
	run->messages = TAKE(task->messages);
	run->message_count = task->message_count;
	run->attempt = task->attempt;
	run->started_us = clock_monotonic_us();
	task->message_count = 0;
	task->wishes = 0;
	task->due = false;
	task->run = run;
	if (task->timer) /* it would find the task not due, and forget it under the run */
		(void)sd_event_source_set_enabled(task->timer, SD_EVENT_OFF);
	task->schedule->options.start(run, task->schedule->options.userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	struct zone_task *task = userdata;
	if (task->due)
		return task_start(task);
	task_free(task); /* quiet for as long as its gap: forget it */
	return 0;
}

/* Wakes the task at not_before_us: to run if it is due by then, else to be forgotten. */
static int task_arm(struct zone_task *task)
{
	if (sd_event_get_state(task->schedule->loop) == SD_EVENT_FINISHED)
		return 0; /* the daemon ends: nothing runs any more */
	if (!task->timer)
		return sd_event_add_time(task->schedule->loop, &task->timer, CLOCK_MONOTONIC, task->not_before_us, 1, on_timer, task);
	int r = sd_event_source_set_time(task->timer, task->not_before_us);
	return r < 0 ? r : sd_event_source_set_enabled(task->timer, SD_EVENT_ONESHOT);
}

static struct zone_task *task_get(struct zone_schedule *schedule, const char *zone)
{
	struct zone_task *task;
	HASH_FIND_STR(schedule->tasks, zone, task);
	if (task)
		return task;
	task = calloc(1, sizeof(*task));
	if (!task)
		return NULL;
	snprintf(task->zone, sizeof(task->zone), "%s", zone);
	task->schedule = schedule;
	task->gap_us = schedule->options.coalesce_us;
	HASH_ADD_STR(schedule->tasks, zone, task);
	return task;
}

/* The same message delivered again replaces its older copy, whose acknowledgement would come too late. */
static int task_hold(struct zone_task *task, struct bus_message *message)
{
	uint64_t sequence = bus_message_sequence(message);
	for (size_t i = 0; i < task->message_count; i++) {
		if (bus_message_sequence(task->messages[i]) != sequence)
			continue;
		bus_message_free(task->messages[i]);
		task->messages[i] = message;
		return 0;
	}
	struct bus_message **grown = reallocarray(task->messages, task->message_count + 1, sizeof(struct bus_message *));
	if (!grown)
		return -ENOMEM;
	task->messages = grown;
	grown[task->message_count++] = message;
	return 0;
}

int zone_schedule_add(struct zone_schedule *schedule, const char *zone, unsigned wishes, const char *request,
                      struct bus_message *message)
{
	struct zone_task *task = task_get(schedule, zone);
	int r = task ? 0 : -ENOMEM;
	if (r == 0 && message)
		r = task_hold(task, message);
	if (r < 0) {
		bus_message_free(message);
		return r;
	}
	uint64_t sequence = message ? bus_message_sequence(message) : 0;
	task->wishes |= wishes;
	if (task->run && sequence > task->run->newest)
		task->run->outdated = true;
	if (sequence >= task->newest) {
		task->newest = sequence;
		snprintf(task->request, sizeof(task->request), "%s", request ? request : "");
	}
	bool waited = task->due || task->run;
	bool retrying = task->due && task->attempt > 0;
	task->due = true;
	schedule->waiting += !waited;
	if (schedule->waiting > schedule->most_waiting)
		schedule->most_waiting = schedule->waiting;
	if (task->run || (waited && !retrying))
		return 0; /* runs again when it ends, or is armed already */
	uint64_t now = clock_monotonic_us();
	if (retrying || task->not_before_us < now)
		task->not_before_us = now;
	return task->not_before_us == now ? task_start(task) : task_arm(task);
}

/* Puts what a failed run was to answer back to what came meanwhile. */
static void task_keep(struct zone_task *task, struct zone_run *run)
{
	for (size_t i = 0; i < run->message_count; i++)
		if (task_hold(task, run->messages[i]) < 0)
			bus_message_free(run->messages[i]); /* JetStream delivers it again */
	run->message_count = 0;
	task->wishes |= run->wishes;
}

int zone_schedule_ended(struct zone_schedule *schedule, struct zone_run *run, enum zone_run_outcome outcome, unsigned wishes_again)
{
	const struct zone_schedule_options *options = &schedule->options;
	struct zone_task *task;
	HASH_FIND_STR(schedule->tasks, run->zone, task);
	if (!task) { /* cannot be: a task stays while it runs */
		run_free(run);
		return -ENOENT;
	}
	uint64_t now = clock_monotonic_us();
	task->run = NULL;
	if (outcome == ZONE_RUN_DONE) {
		/* What came during the run means a busy zone: run it less often, up to a point. */
		task->gap_us = task->due ? task->gap_us * 2 : options->coalesce_us;
		if (task->gap_us > options->coalesce_us * STREAK_MAX)
			task->gap_us = options->coalesce_us * STREAK_MAX;
		task->not_before_us = now + (uint64_t)task->gap_us;
		task->attempt = 0;
	} else {
		int64_t ceiling = outcome == ZONE_RUN_AGAIN ? options->retry_ceiling_us : options->later_ceiling_us;
		if (outcome == ZONE_RUN_AGAIN)
			task_keep(task, run);
		task->wishes |= wishes_again;
		/* What came during the run may be the cure. */
		task->not_before_us = task->due ? now : now + clock_backoff_us(task->attempt, (uint64_t)options->retry_us, (uint64_t)ceiling);
		task->attempt++;
		task->due = true;
	}
	run_free(run);
	if (!task->due)
		schedule->waiting--;
	if (schedule->waiting == 0 && schedule->most_waiting >= MANY) {
		malloc_trim(0); /* what a crowd of zones took is not needed by the next few */
		schedule->most_waiting = 0;
	}
	return task_arm(task);
}

int zone_schedule_kick(struct zone_schedule *schedule)
{
	int result = 0;
	uint64_t now = clock_monotonic_us();
	for (struct zone_task *task = schedule->tasks; task; task = task->hh.next) {
		if (!task->due || task->run || task->attempt == 0)
			continue;
		task->not_before_us = now;
		int r = task_arm(task);
		result = r < 0 ? r : result;
	}
	return result;
}
