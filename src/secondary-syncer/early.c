/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/early.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/coming.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/pdns_api.h"
#include "common/subject.h"
#include "secondary-syncer/syncer_metrics.h"

#define IN_HAND 16
#define HOLD_US 150000 /* a provider needs a few milliseconds for a small zone */

DEFINE_CLEANUP(message, struct bus_message *, bus_message_free)

struct early {
	struct early_options options;
	struct mailbox *announcements;
	struct bus_subscription *subscription;
};

struct early_job {
	struct work_job job; /* first */
	struct transfers *transfers;
	char zone[ZONE_NAME_SIZE];
};

static void retrieve(struct work_job *work, void *context)
{
	const struct early_job *job = (const struct early_job *)work;
	if (pdns_api_retrieve(context, job->zone) < 0)
		transfers_forget(job->transfers, job->zone); /* the head that comes finds out why, and says so */
	else
		COUNT(METRIC_TRANSFERS_EARLY);
}

static void retrieved(struct work_job *job, void *userdata)
{
	(void)userdata;
	free(job);
}

/* The zone is here, in the state that the announced head is to follow. */
static bool is_ready(const struct early *early, const struct coming *coming)
{
	struct book_entry entry;
	return applied_book_get(early->options.book, coming->zone, &entry) == 0 && entry.state == ZONE_STATE_PRESENT &&
	       entry.generation == coming->follows && entry.result == APPLIED_OK;
}

static void announced(void *message, void *userdata)
{
	struct early *early = userdata;
	const struct early_options *options = &early->options;
	CLEANUP(free) struct coming *coming = message;
	if (!options->idle(options->userdata) || !is_ready(early, coming))
		return;
	struct early_job *job = calloc(1, sizeof(*job));
	if (!job || transfers_expect(options->transfers, coming->zone, HOLD_US) < 0) {
		free(job);
		return;
	}
	job->job.run = retrieve;
	job->job.done = retrieved;
	job->transfers = options->transfers;
	snprintf(job->zone, sizeof(job->zone), "%s", coming->zone);
	work_submit(options->pool, &job->job);
}

static void on_announcement(struct bus_message *message, void *userdata)
{
	struct early *early = userdata;
	CLEANUP(message) struct bus_message *owned = message;
	struct coming *coming = malloc(sizeof(*coming));
	size_t size;
	const void *payload = bus_message_payload(owned, &size);
	if (!coming || coming_decode(payload, size, coming) < 0) {
		LOG(LOG_DEBUG, "an announcement on %s cannot be read", bus_message_subject(owned));
		free(coming);
	} else if (mailbox_post(early->announcements, coming) < 0) {
		free(coming);
	}
}

int early_start(const struct early_options *options, struct early **ret)
{
	struct early *early = calloc(1, sizeof(*early));
	if (!early)
		return -ENOMEM;
	early->options = *options;
	char subject[SUBJECT_SIZE];
	subject_coming(options->prefix, "*", subject);
	int r = mailbox_new(options->loop, IN_HAND, announced, early, &early->announcements);
	if (r == 0)
		r = bus_subscribe(options->bus, subject, NULL, on_announcement, early, &early->subscription);
	if (r < 0) {
		early_stop(early);
		early_free(early);
		return r;
	}
	*ret = early;
	return 0;
}

void early_stop(struct early *early)
{
	if (!early)
		return;
	if (early->announcements)
		mailbox_close(early->announcements);
	bus_unsubscribe(TAKE(early->subscription));
}

void early_free(struct early *early)
{
	if (!early)
		return;
	mailbox_free(early->announcements, free);
	free(early);
}
