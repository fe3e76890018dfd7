/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/schedule.h"

#include <errno.h>
#include <uthash.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "zone-provider/publish.h"

#define STREAK_MAX 25            /* coalesce grows up to this many times */
#define RETRY_BASE_US 200000     /* first repetition of a failed zone */
#define RETRY_CEILING_US 30000000

/* What is known of one zone while it has events, runs, or ran a moment ago. */
struct zone_task {
	char zone[ZONE_NAME_SIZE];
	struct bus_message **messages; /* not yet running */
	size_t message_count;
	unsigned wishes;
	uint64_t newest_event;
	char request[CLOCK_UUID_SIZE];
	bool running;
	struct zone_run *run;       /* while running */
	unsigned attempt;           /* failures in a row */
	int64_t gap_us;             /* least time to the next run */
	uint64_t not_before_us;     /* monotonic */
	sd_event_source *timer;
	struct schedule *schedule;
	UT_hash_handle hh;
};

struct schedule {
	sd_event *loop;
	struct schedule_options options;
	struct zone_task *tasks;
	size_t waiting;
};

static void messages_free(struct bus_message **messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bus_message_free(messages[i]);
	free(messages);
}

static void task_free(struct zone_task *task)
{
	HASH_DEL(task->schedule->tasks, task);
	sd_event_source_disable_unref(task->timer);
	messages_free(task->messages, task->message_count);
	free(task);
}

int schedule_new(sd_event *loop, const struct schedule_options *options, struct schedule **ret)
{
	struct schedule *schedule = calloc(1, sizeof(*schedule));
	if (!schedule)
		return -ENOMEM;
	schedule->loop = sd_event_ref(loop);
	schedule->options = *options;
	*ret = schedule;
	return 0;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	struct zone_task *task, *next;
	HASH_ITER(hh, schedule->tasks, task, next)
		task_free(task);
	sd_event_unref(schedule->loop);
	free(schedule);
}

size_t schedule_waiting(const struct schedule *schedule) { return schedule->waiting; }

void schedule_each_message(struct schedule *schedule, void (*visit)(struct bus_message *, void *), void *userdata)
{
	for (struct zone_task *task = schedule->tasks; task; task = task->hh.next) {
		for (size_t i = 0; i < task->message_count; i++)
			visit(task->messages[i], userdata);
		for (size_t i = 0; task->run && i < task->run->message_count; i++)
			visit(task->run->messages[i], userdata);
	}
}

static void task_start(struct zone_task *task)
{
	struct zone_run *run = calloc(1, sizeof(*run));
	if (!run) { /* the messages stay; the next event or delivery starts it */
		task->attempt++;
		return;
	}
	memcpy(run->zone, task->zone, sizeof(run->zone));
	memcpy(run->request, task->request, sizeof(run->request));
	run->wishes = task->wishes;
	run->covers_event = task->newest_event;
	run->messages = TAKE(task->messages);
	run->message_count = task->message_count;
	run->attempt = task->attempt;
	run->started_us = clock_monotonic_us();
	task->message_count = 0;
	task->wishes = 0;
	task->running = true;
	task->run = run;
	task->schedule->options.start(run, task->schedule->options.userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	struct zone_task *task = userdata;
	if (task->message_count > 0)
		task_start(task);
	else
		task_free(task); /* quiet for as long as its gap: forget it */
	return 0;
}

/* Wakes the task at not_before_us: to run if it has events by then, else to be forgotten. */
static int task_arm(struct zone_task *task)
{
	if (!task->timer)
		return sd_event_add_time(task->schedule->loop, &task->timer, CLOCK_MONOTONIC, task->not_before_us, 1, on_timer, task);
	int r = sd_event_source_set_time(task->timer, task->not_before_us);
	return r < 0 ? r : sd_event_source_set_enabled(task->timer, SD_EVENT_ONESHOT);
}

static struct zone_task *task_get(struct schedule *schedule, const char *zone)
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

/* The same event delivered again replaces its older copy, whose acknowledgement would come too late. */
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
	struct bus_message **grown = realloc(task->messages, (task->message_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	task->messages = grown;
	grown[task->message_count++] = message;
	return 0;
}

static unsigned wishes_of(enum zone_change change)
{
	return change == ZONE_DELETED ? PUBLISH_DELETION : change == ZONE_REWRITE ? PUBLISH_REWRITE : 0;
}

int schedule_event(struct schedule *schedule, const struct zone_event *event, struct bus_message *message)
{
	struct zone_task *task = task_get(schedule, event->zone);
	bool idle = task && !task->running && task->message_count == 0;
	int r = task ? task_hold(task, message) : -ENOMEM;
	if (r < 0) {
		bus_message_free(message);
		return r;
	}
	uint64_t sequence = bus_message_sequence(message);
	if (task->message_count == 1 && !task->running)
		schedule->waiting += idle;
	task->wishes |= wishes_of(event->change);
	if (sequence >= task->newest_event) {
		task->newest_event = sequence;
		memcpy(task->request, event->request, sizeof(task->request));
	}
	if (task->running || !idle)
		return 0; /* runs again when it ends, or is armed already */
	uint64_t now = clock_monotonic_us();
	if (task->not_before_us <= now) {
		task_start(task);
		return 0;
	}
	return task_arm(task);
}

/* Puts the messages of a failed run back in front of those that came meanwhile. */
static int keep_messages(struct zone_task *task, struct zone_run *run)
{
	for (size_t i = 0; i < run->message_count; i++) {
		int r = task_hold(task, run->messages[i]);
		if (r < 0)
			bus_message_free(run->messages[i]); /* JetStream delivers it again */
	}
	free(TAKE(run->messages));
	run->message_count = 0;
	task->wishes |= run->wishes;
	return 0;
}

int schedule_ended(struct schedule *schedule, struct zone_run *run, enum schedule_outcome outcome)
{
	struct zone_task *task;
	HASH_FIND_STR(schedule->tasks, run->zone, task);
	uint64_t now = clock_monotonic_us();
	int64_t coalesce = schedule->options.coalesce_us;
	task->running = false;
	task->run = NULL;
	if (outcome == SCHEDULE_DONE) {
		task->attempt = 0;
		/* Events that came during the run mean a busy zone: transfer it less often, up to a point. */
		bool busy = task->message_count > 0;
		task->gap_us = busy ? task->gap_us * 2 : coalesce;
		if (task->gap_us > coalesce * STREAK_MAX)
			task->gap_us = coalesce * STREAK_MAX;
		task->not_before_us = now + (uint64_t)task->gap_us;
	} else {
		keep_messages(task, run);
		task->not_before_us = now + clock_backoff_us(task->attempt++, RETRY_BASE_US, RETRY_CEILING_US);
	}
	messages_free(run->messages, run->message_count);
	free(run);
	if (task->message_count == 0)
		schedule->waiting--;
	return task_arm(task);
}
