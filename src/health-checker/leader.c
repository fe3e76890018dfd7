/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/leader.h"
#include <errno.h>
#include <jansson.h>
#include "common/cleanup.h"

#define KEY "leader"
#define RENEW_US 2000000
#define EXPIRE_US 6000000
#define TRUST_US 5000000 /* without a renewal we stop leading before another takes over */

DEFINE_CLEANUP(json, json_t *, json_decref)

struct lease {
	bool held;
	uint64_t revision;      /* of ours, or of the one last seen */
	uint64_t renewed_us;    /* monotonic: when ours was last put, or when the other's revision was first seen */
	char holder[SUBJECT_ID_SIZE];
};

struct leader {
	struct checker *checker;
	void (*on_change)(bool leads, void *userdata);
	void *userdata;
	sd_event_source *timer;
	struct lease lease;
	char instance[CLOCK_UUID_SIZE];
	bool running, leads;
};

struct attempt {
	struct work_job job; /* first */
	struct leader *leader;
	struct lease lease;     /* a copy to work on */
	int error;
};

static int put(struct leader *leader, struct lease *lease, uint64_t expected)
{
	char bucket[SUBJECT_SIZE], until[CLOCK_TEXT_SIZE];
	CLEANUP(free) char *value = NULL;
	uint64_t before = clock_monotonic_us();
	int result;

	subject_stream(leader->checker->prefix, BUCKET_STATE, bucket);
	clock_to_text(clock_realtime_us() + EXPIRE_US, until);
	if (asprintf(&value, "{\"v\":1,\"id\":\"%s\",\"instance\":\"%s\",\"until\":\"%s\"}", leader->checker->id, leader->instance,
	             until) < 0) {
		value = NULL;
		return -ENOMEM;
	}
	result = bus_kv_put(leader->checker->bus, bucket, KEY, value, expected, &lease->revision);
	if (result == 0) {
		lease->held = true;
		lease->renewed_us = before;
		(void)snprintf(lease->holder, sizeof(lease->holder), "%s", leader->checker->id);
	}
	return result;
}

/* Looks at another's lease: takes it over when it is free, old, or was that of an earlier run of ours. */
static int look(struct leader *leader, struct lease *lease, const char *bucket)
{
	CLEANUP(free) char *text = NULL;
	CLEANUP(json) json_t *value = NULL;
	uint64_t revision, now;
	const char *id;
	int result = bus_kv_get(leader->checker->bus, bucket, KEY, &text, &revision);

	if (result == -ENOENT)
		return put(leader, lease, 0);
	if (result == ERROR_NO_STREAM) {
		result = bus_kv_ensure(leader->checker->bus, bucket, (int)leader->checker->options->stream_replicas, NULL);
		return result < 0 ? result : put(leader, lease, 0);
	}
	if (result < 0)
		return result;
	value = json_loads(text, 0, NULL);
	id = json_string_value(json_object_get(value, "id"));
	now = clock_monotonic_us();
	if (revision != lease->revision || lease->renewed_us == 0) {
		lease->revision = revision;
		lease->renewed_us = now;
	}
	(void)snprintf(lease->holder, sizeof(lease->holder), "%s", id && subject_check_id(id) == 0 ? id : "");
	if (strcmp(lease->holder, leader->checker->id) == 0 || now - lease->renewed_us > EXPIRE_US)
		return put(leader, lease, revision);
	return 0;
}

static void attempt_run(struct work_job *job, void *context)
{
	struct attempt *attempt = (struct attempt *)job;
	struct leader *leader = attempt->leader;
	char bucket[SUBJECT_SIZE];

	(void)context;
	subject_stream(leader->checker->prefix, BUCKET_STATE, bucket);
	if (attempt->lease.held)
		attempt->error = put(leader, &attempt->lease, attempt->lease.revision);
	else
		attempt->error = look(leader, &attempt->lease, bucket);
	if (attempt->error == ERROR_CONFLICT || attempt->error == ERROR_NO_STREAM) {
		/* Somebody else was faster, or the bucket is gone: begin anew as one who watches. */
		attempt->lease.held = false;
		attempt->lease.renewed_us = 0;
	}
}

static void judge(struct leader *leader)
{
	bool leads = leader->lease.held && clock_monotonic_us() - leader->lease.renewed_us < TRUST_US;

	if (leads == leader->leads)
		return;
	leader->leads = leads;
	metric_set(&checker_metric_table[METRIC_LEADER], leads);
	if (!leader->checker->stopping)
		leader->on_change(leads, leader->userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void attempt_done(struct work_job *job, void *userdata)
{
	struct attempt *attempt = (struct attempt *)job;
	struct leader *leader = attempt->leader;

	(void)userdata;
	leader->running = false;
	if (attempt->error != -ECANCELED)
		leader->lease = attempt->lease;
	free(attempt);
	judge(leader);
	/* The lease was lost or its bucket is new: look at once who has it now. */
	if (!leader->lease.held && leader->lease.renewed_us == 0 && !leader->checker->stopping)
		(void)checker_set_timer(leader->checker, &leader->timer, RENEW_US / 10, on_timer, leader);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct leader *leader = userdata;
	struct checker *checker = leader->checker;
	bool connected = bus_connected(checker->bus);
	struct attempt *attempt;

	(void)source;
	(void)usec;
	(void)checker_set_timer(checker, &leader->timer, leader->lease.held || leader->lease.renewed_us ? RENEW_US : RENEW_US / 10,
	                        on_timer, leader);
	judge(leader);
	if (leader->running || !connected)
		return 0;
	attempt = calloc(1, sizeof(*attempt));
	if (!attempt)
		return 0;
	attempt->job.run = attempt_run;
	attempt->job.done = attempt_done;
	attempt->leader = leader;
	attempt->lease = leader->lease;
	attempt->error = -ECANCELED;
	leader->running = true;
	work_submit(checker->lease_pool, &attempt->job);
	return 0;
}

int leader_new(struct checker *checker, void (*on_change)(bool leads, void *userdata), void *userdata, struct leader **ret)
{
	struct leader *leader = calloc(1, sizeof(*leader));
	int result;

	if (!leader)
		return -ENOMEM;
	*leader = (struct leader){ .checker = checker, .on_change = on_change, .userdata = userdata };
	clock_uuid(leader->instance);
	result = checker_set_timer(checker, &leader->timer, 0, on_timer, leader);
	if (result < 0) {
		leader_free(leader);
		return result;
	}
	*ret = leader;
	return 0;
}

void leader_free(struct leader *leader)
{
	if (!leader)
		return;
	sd_event_source_disable_unref(leader->timer);
	free(leader);
}

bool leader_leads(const struct leader *leader)
{
	return leader->leads && clock_monotonic_us() - leader->lease.renewed_us < TRUST_US;
}

const char *leader_id(const struct leader *leader)
{
	return leader->lease.holder;
}

void leader_release(struct leader *leader)
{
	char bucket[SUBJECT_SIZE];

	if (!leader->leads || !bus_connected(leader->checker->bus))
		return;
	subject_stream(leader->checker->prefix, BUCKET_STATE, bucket);
	(void)bus_kv_delete(leader->checker->bus, bucket, KEY);
}
