/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/enrol.h"
#include <errno.h>
#include <limits.h>
#include "common/cleanup.h"
#include "common/durable.h"
#include "common/zone_store.h"
#include "health-checker/leader.h"

#define INTERVAL_US (30 * 1000000ull)
#define FACTS_INTERVAL_US (10 * 1000000ull)
#define SOON_US 200000
#define WARN_AFTER_US 5000000
#define WARN_AGAIN_US (3600 * 1000000ull)
#define MEMBERS_MAX 10000
#define COPY_SIZE (16u << 20)
#define MEMBER_KEY "member."
#define INSTALLATION_KEY "installation" /* in the bucket and in our copy: tells a wiped bucket from a removed member */

struct enrol {
	struct checker *checker;
	struct durable *copy;
	sd_event_source *timer, *facts_timer;
	bool running, again;
	char adding[SUBJECT_ID_SIZE]; /* to be enrolled by the next run; "" none */
	bool pending_known;
	uint64_t pending;
	uint64_t pending_since_us;    /* monotonic: since when events have waited without any provider */
	bool pending_warned;
	int last_error;
};

struct look {
	struct work_job job; /* first */
	struct checker *checker;
	struct durable *copy;
	bool repair;         /* make what is missing: the leader's business */
	char adding[SUBJECT_ID_SIZE];
	char bucket[SUBJECT_SIZE];
	char (*ids)[SUBJECT_ID_SIZE];
	size_t count;
	size_t restored, consumers_made;
	int error;
};

static int add_id(struct look *look, const char *id)
{
	char (*ids)[SUBJECT_ID_SIZE];

	if (look->count >= MEMBERS_MAX)
		return -E2BIG;
	ids = realloc(look->ids, (look->count + 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	look->ids = ids;
	(void)snprintf(ids[look->count++], SUBJECT_ID_SIZE, "%s", id);
	return 0;
}

static int on_member_key(const char *key, void *userdata)
{
	const char *id = key + strlen(MEMBER_KEY);

	if (strncmp(key, MEMBER_KEY, strlen(MEMBER_KEY)) != 0 || subject_check_id(id) < 0)
		return 0;
	return add_id(userdata, id);
}

static int on_copied_member(const void *key, size_t key_size, const void *value, size_t value_size, void *userdata)
{
	char text[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];

	(void)value;
	(void)value_size;
	if (key_size >= sizeof(text))
		return 0;
	memcpy(text, key, key_size);
	text[key_size] = '\0';
	return on_member_key(text, userdata);
}

static int put_member(struct look *look, const char *id, const char *by)
{
	char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)], at[CLOCK_TEXT_SIZE];
	CLEANUP(free) char *value = NULL;
	int result;

	(void)snprintf(key, sizeof(key), MEMBER_KEY "%s", id);
	clock_to_text(clock_realtime_us(), at);
	if (asprintf(&value, "{\"v\":1,\"id\":\"%s\",\"added\":\"%s\",\"by\":\"" SERVICE_CHECKER "/%s\",\"how\":\"%s\"}", id, at,
	             look->checker->id, by) < 0) {
		value = NULL;
		return -ENOMEM;
	}
	result = bus_kv_put(look->checker->bus, look->bucket, key, value, 0, NULL);
	return result == ERROR_CONFLICT ? 0 : result;
}

/* The bucket has lost its marker, so it is new: puts our members back, then marks it. */
static int restore(struct look *look)
{
	struct look copied = { .checker = look->checker };
	char installation[CLOCK_UUID_SIZE];
	int result = durable_each(look->copy, MEMBER_KEY, strlen(MEMBER_KEY), on_copied_member, &copied);

	for (size_t i = 0; i < copied.count && result >= 0; i++) {
		(void)snprintf(copied.bucket, sizeof(copied.bucket), "%s", look->bucket);
		result = put_member(&copied, copied.ids[i], "restored");
		look->restored += result == 0;
	}
	free(copied.ids);
	if (result < 0)
		return result;
	clock_uuid(installation);
	result = bus_kv_put(look->checker->bus, look->bucket, INSTALLATION_KEY, installation, 0, NULL);
	return result == ERROR_CONFLICT ? 0 : result;
}

static int delete_stale(struct look *look)
{
	struct look copied = { 0 };
	char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];
	int result = durable_each(look->copy, MEMBER_KEY, strlen(MEMBER_KEY), on_copied_member, &copied);

	for (size_t i = 0; i < copied.count && result >= 0; i++) {
		bool known = false;
		for (size_t k = 0; k < look->count && !known; k++)
			known = strcmp(copied.ids[i], look->ids[k]) == 0;
		(void)snprintf(key, sizeof(key), MEMBER_KEY "%s", copied.ids[i]);
		if (!known)
			result = durable_delete(look->copy, key, strlen(key));
	}
	free(copied.ids);
	return result;
}

/* Our copy becomes what the bucket says. */
static int copy_members(struct look *look)
{
	CLEANUP(free) void *known = NULL;
	char key[SUBJECT_ID_SIZE + sizeof(MEMBER_KEY)];
	size_t size;
	int result = delete_stale(look);

	for (size_t i = 0; i < look->count && result >= 0; i++) {
		(void)snprintf(key, sizeof(key), MEMBER_KEY "%s", look->ids[i]);
		free(TAKE(known));
		if (durable_get(look->copy, key, strlen(key), &known, &size) == -ENOENT)
			result = durable_put(look->copy, key, strlen(key), "", 0);
	}
	return result < 0 ? result : 0;
}

static int ensure_consumers(struct look *look)
{
	int result = 0;

	for (size_t i = 0; i < look->count && result == 0; i++) {
		bool made = false;
		result = zone_store_ensure_secondary(look->checker->bus, look->checker->prefix, look->ids[i], &made);
		look->consumers_made += made;
	}
	return result;
}

/* On a worker. */
static int look_around(struct look *look)
{
	struct bus *bus = look->checker->bus;
	CLEANUP(free) char *marker = NULL;
	int result;

	if (look->repair) {
		result = zone_store_ensure(bus, look->checker->prefix, (int)look->checker->options->stream_replicas);
		if (result < 0)
			return result;
		result = bus_kv_get(bus, look->bucket, INSTALLATION_KEY, &marker, NULL);
		if (result == -ENOENT)
			result = restore(look);
		if (result == 0 && look->adding[0])
			result = put_member(look, look->adding, "auto-enroll");
		if (result < 0)
			return result;
	}
	result = bus_kv_each(bus, look->bucket, on_member_key, look);
	if (result < 0)
		return result;
	free(TAKE(marker));
	/* A bucket without its marker may be about to be restored: nothing to learn from. */
	if (bus_kv_get(bus, look->bucket, INSTALLATION_KEY, &marker, NULL) == 0) {
		result = copy_members(look);
		if (result < 0)
			return result;
	}
	return look->repair ? ensure_consumers(look) : 0;
}

static void look_run(struct work_job *job, void *context)
{
	struct look *look = (struct look *)job;

	(void)context;
	look->error = look_around(look);
}

static int forget_removed(struct member *member, void *userdata)
{
	struct checker *checker = userdata;

	if (strcmp(member->service, SERVICE_SYNCER) == 0 && !member->enrolled)
		confirm_forget(checker->confirm, member->id);
	return 0;
}

static void look_done(struct work_job *job, void *userdata)
{
	struct look *look = (struct look *)job;
	struct checker *checker = userdata;
	struct enrol *enrol = checker->enrol;

	enrol->running = false;
	if (look->restored > 0)
		LOG(LOG_WARNING, "NATS had lost the members: %zu restored from this host's copy", look->restored);
	if (look->consumers_made > 0)
		LOG(LOG_NOTICE, "%zu consumers of secondaries made", look->consumers_made);
	if (look->error < 0 && look->error != -ECANCELED && look->error != enrol->last_error && look->error != ERROR_DISCONNECTED)
		LOG(LOG_WARNING, "cannot look after streams and members: %s", error_text(look->error));
	enrol->last_error = look->error;
	if (look->error == 0) {
		if (look->adding[0])
			LOG_FIELDS(LOG_NOTICE, (.secondary = look->adding), "enrolled, as auto-enroll is on");
		if (presence_set_enrolled(checker->presence, look->ids, look->count) == 0)
			(void)presence_each(checker->presence, forget_removed, checker);
		metric_set(&checker_metric_table[METRIC_SECONDARIES_ENROLLED], (int64_t)look->count);
	}
	free(look->ids);
	free(look);
	if (enrol->again || (enrol->last_error < 0 && enrol->last_error != ERROR_DISCONNECTED)) {
		bool again = enrol->again;
		enrol->again = false;
		if (again && !checker->stopping)
			enrol_soon(enrol);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct enrol *enrol = userdata;
	struct checker *checker = enrol->checker;
	struct look *look;

	(void)source;
	(void)usec;
	(void)checker_set_timer(checker, &enrol->timer, enrol->last_error < 0 ? 2000000 : INTERVAL_US, on_timer, enrol);
	if (enrol->running || !bus_connected(checker->bus))
		return 0;
	look = calloc(1, sizeof(*look));
	if (!look)
		return 0;
	look->job.run = look_run;
	look->job.done = look_done;
	look->checker = checker;
	look->copy = enrol->copy;
	look->repair = leader_leads(checker->leader);
	look->error = -ECANCELED;
	subject_stream(checker->prefix, BUCKET_STATE, look->bucket);
	if (look->repair) {
		memcpy(look->adding, enrol->adding, sizeof(look->adding));
		enrol->adding[0] = '\0';
	}
	enrol->running = true;
	work_submit(checker->pool, &look->job);
	return 0;
}

void enrol_soon(struct enrol *enrol)
{
	if (enrol->running)
		enrol->again = true;
	else
		(void)checker_set_timer(enrol->checker, &enrol->timer, SOON_US, on_timer, enrol);
}

void enrol_unknown(struct enrol *enrol, struct member *member)
{
	uint64_t now = clock_monotonic_us();

	if (enrol->checker->options->auto_enroll) {
		if (!enrol->adding[0])
			(void)snprintf(enrol->adding, sizeof(enrol->adding), "%s", member->id);
		if (!enrol->running)
			enrol_soon(enrol);
		return;
	}
	/* It may have been added a moment ago. */
	if (!member->unknown_us) {
		member->unknown_us = now;
		enrol_soon(enrol);
	}
	if (now - member->unknown_us < WARN_AFTER_US || (member->warned_us && now - member->warned_us < WARN_AGAIN_US))
		return;
	member->warned_us = now;
	LOG_FIELDS(LOG_WARNING, (.secondary = member->id),
	           "a secondary that is not enrolled sends heartbeats; if it should have the zones: pdns-distribute secondary add %s",
	           member->id);
}

/* Facts: what waits for the providers. */
struct facts {
	struct work_job job; /* first */
	struct checker *checker;
	struct bus_consumer_facts facts;
	int error;
};

static void facts_run(struct work_job *job, void *context)
{
	struct facts *facts = (struct facts *)job;
	char stream[SUBJECT_SIZE];

	(void)context;
	subject_stream(facts->checker->prefix, STREAM_EVENTS, stream);
	facts->error = bus_consumer_facts(facts->checker->bus, stream, SUBJECT_PROVIDER_CONSUMER, &facts->facts);
}

static void warn_of_waiting_events(struct enrol *enrol)
{
	struct checker *checker = enrol->checker;
	uint64_t now = clock_monotonic_us();

	if (enrol->pending == 0 || presence_active(checker->presence, SERVICE_PROVIDER) > 0) {
		enrol->pending_since_us = 0;
		enrol->pending_warned = false;
		return;
	}
	if (enrol->pending_since_us == 0)
		enrol->pending_since_us = now;
	if (enrol->pending_warned || now - enrol->pending_since_us < (uint64_t)checker->options->confirm_timeout)
		return;
	enrol->pending_warned = true;
	LOG(LOG_WARNING, "%llu zone events wait and no zone-provider is alive: start pdns-zone-provider on the primary",
	    (unsigned long long)enrol->pending);
}

static void facts_done(struct work_job *job, void *userdata)
{
	struct facts *facts = (struct facts *)job;
	struct checker *checker = userdata;
	struct enrol *enrol = checker->enrol;

	if (facts->error == 0) {
		enrol->pending_known = true;
		enrol->pending = facts->facts.pending + facts->facts.ack_pending;
		metric_set(&checker_metric_table[METRIC_EVENTS_PENDING], (int64_t)enrol->pending);
		warn_of_waiting_events(enrol);
	} else if (facts->error == ERROR_NO_STREAM && !checker->stopping) {
		enrol_soon(enrol);
	}
	free(facts);
}

static int on_facts_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct enrol *enrol = userdata;
	struct facts *facts;

	(void)source;
	(void)usec;
	(void)checker_set_timer(enrol->checker, &enrol->facts_timer, FACTS_INTERVAL_US, on_facts_timer, enrol);
	if (!bus_connected(enrol->checker->bus))
		return 0;
	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return 0;
	facts->job.run = facts_run;
	facts->job.done = facts_done;
	facts->checker = enrol->checker;
	facts->error = -ECANCELED;
	work_submit(enrol->checker->pool, &facts->job);
	return 0;
}

bool enrol_events_pending(const struct enrol *enrol, uint64_t *ret_pending)
{
	if (enrol->pending_known)
		*ret_pending = enrol->pending;
	return enrol->pending_known;
}

const char *enrol_problem(const struct enrol *enrol)
{
	return enrol->last_error < 0 && enrol->last_error != -ECANCELED ? error_text(enrol->last_error) : "";
}

int enrol_new(struct checker *checker, struct enrol **ret)
{
	struct enrol *enrol = calloc(1, sizeof(*enrol));
	char folder[PATH_MAX];
	int result;

	if (!enrol)
		return -ENOMEM;
	enrol->checker = checker;
	(void)snprintf(folder, sizeof(folder), "%s/members", checker->options->daemon.state_dir);
	result = durable_open(folder, COPY_SIZE, DURABLE_SYNC, &enrol->copy);
	if (result == 0)
		result = checker_set_timer(checker, &enrol->timer, SOON_US, on_timer, enrol);
	if (result == 0)
		result = checker_set_timer(checker, &enrol->facts_timer, FACTS_INTERVAL_US, on_facts_timer, enrol);
	if (result < 0) {
		LOG(LOG_ERR, "cannot open %s: %s", folder, error_text(result));
		enrol_free(enrol);
		return result;
	}
	*ret = enrol;
	return 0;
}

void enrol_free(struct enrol *enrol)
{
	if (!enrol)
		return;
	sd_event_source_disable_unref(enrol->timer);
	sd_event_source_disable_unref(enrol->facts_timer);
	durable_close(enrol->copy);
	free(enrol);
}
