/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/daemon_ready.h"
#include <errno.h>
#include <systemd/sd-daemon.h>
#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/pdns_api.h"
#include "common/work.h"

#define TICK_US UINT64_C(1000000)
#define AGAIN_AWAY_US UINT64_C(500000)   /* between two looks at a PowerDNS that does not answer */
#define AGAIN_UP_US UINT64_C(5000000)
#define LOOK_TIMEOUT_US INT64_C(2000000) /* the end of the daemon may have to wait for a look */
#define REPORT_US UINT64_C(5000000)
#define WHY_SIZE 192
#define STATUS_SIZE 640

/* What PowerDNS said, on a thread. */
struct look {
	struct work_job job; /* first */
	struct daemon_ready *ready;
	bool answers;
	char why[WHY_SIZE];
};

struct daemon_ready {
	struct daemon_ready_options options;
	sd_event_source *tick;
	struct work_pool *pool;
	struct look look;
	bool looking, looked, ready, waiting_logged, stopping;
	bool powerdns;          /* as of the last look */
	char why[WHY_SIZE];     /* if not */
	uint64_t started_us, look_due_us;
	char status[STATUS_SIZE]; /* as said last */
};

static void *look_start(void *userdata)
{
	const struct daemon_options *options = ((struct daemon_ready *)userdata)->options.configuration;
	int64_t timeout_us = options->pdns_api_timeout < LOOK_TIMEOUT_US ? options->pdns_api_timeout : LOOK_TIMEOUT_US;
	struct pdns_api *api = NULL;
	if (pdns_api_new(options->pdns_api_url, options->pdns_api_key, timeout_us, &api) < 0)
		abort(); /* out of memory at start: let systemd start us again */
	return api;
}

static void look_end(void *context) { pdns_api_free(context); }

/* Any answer of a name server will do; one to a question for the root is short. */
static bool dns_answers(const char *server)
{
	uint32_t serial;
	struct axfr_source source = { .server = server, .timeout_us = LOOK_TIMEOUT_US / 2 };
	int result = axfr_ask_serial(&source, ".", &serial);
	return result == 0 || result == -ENOENT || result == ERROR_NOT_AUTH || result == ERROR_DNS_REFUSED || result == ERROR_DNS;
}

static void look_run(struct work_job *job, void *context)
{
	struct look *look = (struct look *)job;
	const struct daemon_ready_options *options = &look->ready->options;
	const char *said, *server = options->program->dns_server ? options->program->dns_server(options->configuration) : NULL;
	int result = pdns_api_ping(context, NULL);
	look->answers = result == 0;
	if (result < 0) {
		said = pdns_api_last_error(context);
		snprintf(look->why, sizeof(look->why), "%s: %s", options->configuration->pdns_api_url, *said ? said : error_text(result));
	} else if (server && !dns_answers(server)) {
		look->answers = false;
		snprintf(look->why, sizeof(look->why), "no answer from %s to DNS queries", server);
	}
}

static void name_absent(const char *name, const char *why, char *text, size_t size)
{
	if ((size_t)snprintf(text, size, *why ? "%s (%s)" : "%s", name, why) >= size)
		strcpy(text + size - 5, "...)");
}

/* "waiting for NATS (Connection refused) and PowerDNS (…)", or what is away that was there before; "" if all is there. */
static void describe_absent(const struct daemon_ready *ready, char *text, size_t size)
{
	char why[WHY_SIZE] = "", nats[WHY_SIZE] = "", powerdns[WHY_SIZE] = "";
	if (!bus_connected(ready->options.bus)) {
		bus_last_error(ready->options.bus, why, sizeof(why));
		name_absent("NATS", why, nats, sizeof(nats));
	}
	if (!ready->powerdns)
		name_absent("PowerDNS", ready->why, powerdns, sizeof(powerdns));
	const char *lead = ready->ready ? "does without " : "waiting for ", *link = *nats && *powerdns ? " and " : "";
	snprintf(text, size, "%s%s%s%s", *nats || *powerdns ? lead : "", nats, link, powerdns);
}

static void say_status(struct daemon_ready *ready)
{
	const struct daemon_ready_options *options = &ready->options;
	char absent[STATUS_SIZE], own[WHY_SIZE] = "", text[STATUS_SIZE];
	if (!ready->looked) /* there is no reason to tell yet */
		return;
	describe_absent(ready, absent, sizeof(absent));
	if (options->program->status)
		options->program->status(options->state, own, sizeof(own));
	if ((size_t)snprintf(text, sizeof(text), "%s%s%s", absent, *absent && *own ? "; " : "", own) >= sizeof(text))
		strcpy(text + sizeof(text) - 4, "...");
	for (char *c = text; *c; c++) /* a line end would begin another assignment */
		if (*c == '\n')
			*c = ' ';
	if (strcmp(text, ready->status) == 0)
		return;
	strcpy(ready->status, text);
	(void)sd_notifyf(0, "STATUS=%s", text);
}

static void look_done(struct work_job *job, void *userdata);

static void look_if_due(struct daemon_ready *ready)
{
	if (ready->looking || clock_monotonic_us() < ready->look_due_us)
		return;
	ready->looking = true;
	ready->look = (struct look){ .job = { .run = look_run, .done = look_done }, .ready = ready };
	work_submit(ready->pool, &ready->look.job);
}

static void become_ready(struct daemon_ready *ready)
{
	ready->ready = true;
	say_status(ready);
	LOG(LOG_NOTICE, "ready: NATS and PowerDNS answer");
	(void)sd_notify(0, "READY=1");
}

static void wait_on(struct daemon_ready *ready)
{
	char absent[STATUS_SIZE];
	(void)sd_notify(0, "EXTEND_TIMEOUT_USEC=30000000");
	if (ready->waiting_logged || clock_monotonic_us() - ready->started_us < REPORT_US)
		return;
	ready->waiting_logged = true;
	describe_absent(ready, absent, sizeof(absent));
	LOG(LOG_NOTICE, "not ready yet, %s", absent);
}

void daemon_ready_look(struct daemon_ready *ready)
{
	if (!ready || ready->stopping)
		return;
	look_if_due(ready);
	if (!ready->ready && ready->powerdns && bus_connected(ready->options.bus))
		become_ready(ready);
	else if (!ready->ready)
		wait_on(ready);
	say_status(ready);
}

static void look_done(struct work_job *job, void *userdata)
{
	struct daemon_ready *ready = userdata;
	(void)job;
	ready->looking = false;
	ready->looked = true;
	ready->powerdns = ready->look.answers;
	strcpy(ready->why, ready->look.why);
	ready->look_due_us = clock_monotonic_us() + (ready->powerdns ? AGAIN_UP_US : AGAIN_AWAY_US);
	daemon_ready_look(ready);
}

static int on_tick(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct daemon_ready *ready = userdata;
	(void)now_us;
	daemon_ready_look(ready);
	int error = sd_event_source_set_time_relative(source, TICK_US);
	return error < 0 ? error : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int daemon_ready_new(sd_event *loop, const struct daemon_ready_options *options, struct daemon_ready **ret)
{
	struct daemon_ready *ready = calloc(1, sizeof(*ready));
	if (!ready)
		return -ENOMEM;
	ready->options = *options;
	ready->started_us = clock_monotonic_us();
	int error = work_pool_new(loop, 1, look_start, look_end, ready, &ready->pool);
	if (error == 0) /* wide accuracy, so that the kernel can join wake-ups */
		error = sd_event_add_time_relative(loop, &ready->tick, CLOCK_MONOTONIC, 0, TICK_US / 10, on_tick, ready);
	if (error < 0) {
		daemon_ready_free(ready);
		return error;
	}
	*ret = ready;
	return 0;
}

static void drop_look(struct work_job *job, void *userdata)
{
	(void)job;
	(void)userdata;
}

void daemon_ready_free(struct daemon_ready *ready)
{
	if (!ready)
		return;
	ready->stopping = true;
	work_pool_stop(ready->pool, drop_look);
	sd_event_source_disable_unref(ready->tick);
	free(ready);
}

void daemon_ready_reloading(const struct daemon_ready *ready)
{
	if (ready && ready->ready)
		(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
}

void daemon_ready_reloaded(const struct daemon_ready *ready)
{
	if (ready && ready->ready)
		(void)sd_notify(0, "READY=1");
}
