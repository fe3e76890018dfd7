/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/daemon.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/daemon_command_line.h"
#include "common/daemon_options.h"
#include "common/daemon_ready.h"
#include "common/error.h"
#include "common/heartbeat.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/subject.h"

#define STATUS_FAILED 1
#define STATUS_USAGE 2
#define ARENAS 4
#define METRIC_TABLES_MAX 16
#define BUS_STATES_MAX 64
#define HEARTBEAT_GAP_US UINT64_C(200000)
#define FIRST_CONNECTION_US UINT64_C(2000000) /* a NATS that starts together with us is no news */

struct metric daemon_metric_table[] = {
	{ .name = "pdns_distribute_nats_connected", .type = METRIC_GAUGE, .help = "1 while NATS is connected" },
	{ .name = "pdns_distribute_nats_disconnects_total", .type = METRIC_COUNTER, .help = "Connections to NATS lost" },
	{ .name = "pdns_distribute_heartbeats_total", .type = METRIC_COUNTER, .help = "Heartbeats published" },
	{ .name = "pdns_distribute_reloads_total", .type = METRIC_COUNTER, .labels = "result=\"done\"",
	  .help = "Configurations read again" },
	{ .name = "pdns_distribute_reloads_total", .type = METRIC_COUNTER, .labels = "result=\"refused\"",
	  .help = "Configurations read again" },
	METRIC_END
};
enum { NATS_CONNECTED, NATS_DISCONNECTS, HEARTBEATS, RELOADS_DONE, RELOADS_REFUSED };

struct daemon {
	const struct daemon_program *program;
	struct daemon_command_line line;
	struct daemon_options *options; /* the program's configuration, which begins with them */
	struct metric *metrics[METRIC_TABLES_MAX];
	struct metric_server *metric_server;
	sd_event *loop;
	struct mailbox *bus_states;
	struct bus *bus;
	void *state;
	struct daemon_ready *ready;
	enum { LINK_NEVER, LINK_UP, LINK_DOWN, LINK_NEVER_REPORTED } link;
	sd_event_source *link_timer, *heartbeat_timer, *heartbeat_soon_timer;
	uint64_t heartbeat_sent_us;
};

sd_event *daemon_loop(struct daemon *daemon)
{
	return daemon->loop;
}

struct bus *daemon_bus(struct daemon *daemon)
{
	return daemon->bus;
}

const char *daemon_id(struct daemon *daemon)
{
	return daemon->options->id;
}

void daemon_exit(struct daemon *daemon, int status)
{
	(void)sd_event_exit(daemon->loop, status);
}

/* Heartbeats. */

static void send_heartbeat(struct daemon *daemon)
{
	const struct daemon_options *options = daemon->options;
	char subject[SUBJECT_SIZE];
	daemon->heartbeat_sent_us = clock_monotonic_us();
	if (!bus_connected(daemon->bus))
		return;
	json_t *object = heartbeat_new(daemon->program->service, options->id, (uint64_t)options->heartbeat_interval);
	if (!object)
		return;
	if (daemon->program->heartbeat && daemon->state)
		daemon->program->heartbeat(daemon->state, object);
	CLEANUP(free) char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	subject_heartbeat(options->prefix, daemon->program->service, options->id, subject);
	/* A heartbeat that is lost is followed by the next one. */
	if (text && bus_publish(daemon->bus, subject, text, strlen(text)) == 0)
		metric_add(&daemon_metric_table[HEARTBEATS], 1);
}

static int on_heartbeat(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct daemon *daemon = userdata;
	(void)now_us;
	send_heartbeat(daemon);
	int error = sd_event_source_set_time_relative(source, (uint64_t)daemon->options->heartbeat_interval);
	return error < 0 ? error : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_heartbeat_soon(sd_event_source *source, uint64_t now_us, void *userdata)
{
	(void)source;
	(void)now_us;
	send_heartbeat(userdata);
	return 0;
}

void daemon_heartbeat_soon(struct daemon *daemon)
{
	int enabled;
	uint64_t now = clock_monotonic_us(), due = daemon->heartbeat_sent_us + HEARTBEAT_GAP_US;
	if (!daemon->heartbeat_soon_timer ||
	    sd_event_source_get_enabled(daemon->heartbeat_soon_timer, &enabled) < 0 || enabled != SD_EVENT_OFF)
		return;
	if (sd_event_source_set_time(daemon->heartbeat_soon_timer, due > now ? due : now) >= 0)
		(void)sd_event_source_set_enabled(daemon->heartbeat_soon_timer, SD_EVENT_ONESHOT);
}

static int start_heartbeats(struct daemon *daemon)
{
	const uint64_t interval = (uint64_t)daemon->options->heartbeat_interval;
	int error = sd_event_add_time(daemon->loop, &daemon->heartbeat_soon_timer, CLOCK_MONOTONIC, 0, 1000,
	                              on_heartbeat_soon, daemon);
	if (error >= 0)
		error = sd_event_source_set_enabled(daemon->heartbeat_soon_timer, SD_EVENT_OFF);
	if (error >= 0) /* wide accuracy, so that the kernel can join wake-ups */
		error = sd_event_add_time_relative(daemon->loop, &daemon->heartbeat_timer, CLOCK_MONOTONIC, interval,
		                                   interval / 20, on_heartbeat, daemon);
	return error;
}

/* The connection to NATS. */

static void report_disconnected(struct daemon *daemon, const char *what)
{
	char why[256] = "";
	bus_last_error(daemon->bus, why, sizeof(why));
	LOG(LOG_WARNING, "%s%s%s", what, *why ? ": " : "", why);
}

static void on_bus_state(void *message, void *userdata)
{
	struct daemon *daemon = userdata;
	bool up = message == &daemon_metric_table[NATS_CONNECTED];
	metric_set(&daemon_metric_table[NATS_CONNECTED], up);
	if (up && daemon->link != LINK_UP) {
		LOG(LOG_NOTICE, "connected to NATS");
		daemon->link = LINK_UP;
		daemon_heartbeat_soon(daemon);
	} else if (!up && daemon->link == LINK_UP) {
		metric_add(&daemon_metric_table[NATS_DISCONNECTS], 1);
		report_disconnected(daemon, "connection to NATS lost");
		daemon->link = LINK_DOWN;
	}
	daemon_ready_look(daemon->ready);
}

/* On a thread of the bus. */
static void post_bus_state(enum bus_state state, void *userdata)
{
	struct daemon *daemon = userdata;
	/* Refused only while the daemon ends. The addresses stand for the two states. */
	(void)mailbox_post(daemon->bus_states,
	                   &daemon_metric_table[state == BUS_CONNECTED ? NATS_CONNECTED : NATS_DISCONNECTS]);
}

static int on_first_connection_due(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct daemon *daemon = userdata;
	(void)source;
	(void)now_us;
	if (daemon->link == LINK_NEVER) {
		report_disconnected(daemon, "NATS cannot be reached yet");
		daemon->link = LINK_NEVER_REPORTED;
	}
	return 0;
}

static int open_bus(struct daemon *daemon)
{
	CLEANUP(free) char *why = NULL, *name = NULL;
	if (asprintf(&name, "%s %s", daemon->program->name, daemon->options->id) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	int error = mailbox_new(daemon->loop, BUS_STATES_MAX, on_bus_state, daemon, &daemon->bus_states);
	if (error == 0)
		error = sd_event_add_time_relative(daemon->loop, &daemon->link_timer, CLOCK_MONOTONIC, FIRST_CONNECTION_US, 0,
		                                   on_first_connection_due, daemon);
	if (error >= 0)
		error = bus_open(&daemon->options->nats, name, post_bus_state, daemon, &daemon->bus, &why);
	if (error < 0)
		LOG(LOG_ERR, "NATS: %s", why ? why : error_text(error));
	return error;
}

/* Configuration. */

static int load_configuration(const struct daemon *daemon, void **ret, char **ret_reason)
{
	const struct daemon_program *program = daemon->program;
	void *configuration = calloc(1, program->configuration_size);
	if (!configuration)
		return -ENOMEM;
	int error = daemon_options_load(daemon->line.config_dir, program->name, program->service, program->options,
	                                configuration, ret_reason);
	if (error == 0 && program->check) {
		error = program->check(configuration, ret_reason);
		if (error < 0) {
			daemon_options_locate(daemon->line.config_dir, program->service, program->options, ret_reason);
			option_free(program->options, configuration);
		}
	}
	if (error < 0) {
		free(configuration);
		return error;
	}
	*ret = configuration;
	return 0;
}

static void free_configuration(const struct daemon_program *program, void *configuration)
{
	if (configuration)
		option_free(program->options, configuration);
	free(configuration);
}

/* Only what may change is exchanged: everything else keeps its value and its place in memory. */
static void take_over(const struct daemon *daemon, void *fresh)
{
	for (option_set set = daemon->program->options; *set; set++) {
		for (const struct option *option = *set; option->name; option++) {
			if (option_same(option, daemon->options, fresh))
				continue;
			if (option->flags & OPTION_RELOAD)
				option_swap(option, daemon->options, fresh);
			else
				LOG(LOG_WARNING, "%s has changed, which needs a restart", option->name);
		}
	}
}

static int reload(struct daemon *daemon)
{
	CLEANUP(free) char *reason = NULL;
	void *fresh = NULL;
	int error = load_configuration(daemon, &fresh, &reason);
	if (error == 0 && daemon->program->reload)
		error = daemon->program->reload(daemon->state, fresh);
	if (error == 0) {
		take_over(daemon, fresh);
		log_set_level(daemon_options_log_level(daemon->options));
		LOG(LOG_NOTICE, "configuration read again");
	} else {
		LOG(LOG_ERR, "the old configuration stays: %s", reason ? reason : error_text(error));
	}
	metric_add(&daemon_metric_table[error == 0 ? RELOADS_DONE : RELOADS_REFUSED], 1);
	free_configuration(daemon->program, fresh);
	return error;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *daemon = userdata;
	(void)source;
	(void)info;
	daemon_ready_reloading(daemon->ready);
	(void)reload(daemon);
	daemon_ready_reloaded(daemon->ready);
	return 0;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)userdata;
	LOG(LOG_NOTICE, "ending: %s", strsignal((int)info->ssi_signo));
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* Life. */

/* Before any thread is made: threads inherit the mask, so signals reach the loop alone. */
static void prepare_process(void)
{
	sigset_t handled;
	(void)mallopt(M_ARENA_MAX, ARENAS); /* one for each thread would keep what each once needed */
	sigemptyset(&handled);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGINT);
	sigaddset(&handled, SIGHUP);
	sigprocmask(SIG_BLOCK, &handled, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
}

static int make_loop(struct daemon *daemon)
{
	int error = sd_event_new(&daemon->loop);
	if (error >= 0)
		error = sd_event_add_signal(daemon->loop, NULL, SIGTERM, on_end, daemon);
	if (error >= 0)
		error = sd_event_add_signal(daemon->loop, NULL, SIGINT, on_end, daemon);
	if (error >= 0)
		error = sd_event_add_signal(daemon->loop, NULL, SIGHUP, on_reload, daemon);
	if (error >= 0)
		error = sd_event_set_watchdog(daemon->loop, true);
	if (error < 0)
		LOG(LOG_ERR, "event loop: %s", error_text(error));
	return error;
}

static int start_metrics(struct daemon *daemon)
{
	const char *listen = daemon->options->metrics_listen;
	size_t count = 0;
	daemon->metrics[count++] = daemon_metric_table;
	for (struct metric *const *table = daemon->program->metrics; table && *table; table++)
		if (count < METRIC_TABLES_MAX - 1)
			daemon->metrics[count++] = *table;
	if (!listen)
		return 0;
	int error = metric_server_start(listen, daemon->metrics, &daemon->metric_server);
	if (error < 0)
		LOG(LOG_ERR, "metrics-listen: %s: %s", listen, error_text(error));
	return error;
}

static int start_readiness(struct daemon *daemon)
{
	const struct daemon_ready_options options = {
		.program = daemon->program, .configuration = daemon->options, .bus = daemon->bus, .state = daemon->state,
	};
	int error = daemon_ready_new(daemon->loop, &options, &daemon->ready);
	if (error < 0)
		LOG(LOG_ERR, "cannot look for PowerDNS: %s", error_text(error));
	return error;
}

static int start_daemon(struct daemon *daemon)
{
	const char *state_dir = daemon->options->state_dir;
	if (mkdir(state_dir, 0700) < 0 && errno != EEXIST) {
		int error = -errno;
		LOG(LOG_ERR, "state-dir: %s: %s", state_dir, error_text(error));
		return error;
	}
	int error = make_loop(daemon);
	if (error >= 0)
		error = start_metrics(daemon);
	if (error >= 0)
		error = open_bus(daemon);
	if (error >= 0)
		error = daemon->program->start(daemon, daemon->options, &daemon->state);
	if (error >= 0)
		error = start_heartbeats(daemon);
	if (error >= 0)
		error = start_readiness(daemon);
	return error;
}

/* In the opposite order; each part may be missing. */
static void end_daemon(struct daemon *daemon)
{
	(void)sd_notify(0, "STOPPING=1");
	if (daemon->bus_states)
		mailbox_close(daemon->bus_states); /* nobody reads it any more */
	daemon_ready_free(daemon->ready);
	if (daemon->state && daemon->program->stop)
		daemon->program->stop(daemon->state);
	if (daemon->bus)
		bus_close(daemon->bus);
	metric_server_stop(daemon->metric_server);
	mailbox_free(daemon->bus_states, NULL);
	sd_event_source_disable_unref(daemon->link_timer);
	sd_event_source_disable_unref(daemon->heartbeat_timer);
	sd_event_source_disable_unref(daemon->heartbeat_soon_timer);
	sd_event_unref(daemon->loop);
}

static int run(struct daemon *daemon)
{
	int status = STATUS_FAILED;
	log_open(daemon->program->name, daemon_options_log_level(daemon->options));
	if (start_daemon(daemon) >= 0) {
		LOG(LOG_NOTICE, "version %s started as %s", PROJECT_VERSION, daemon->options->id);
		status = sd_event_loop(daemon->loop);
		if (status < 0) {
			LOG(LOG_ERR, "event loop: %s", error_text(status));
			status = STATUS_FAILED;
		}
	}
	end_daemon(daemon);
	return status;
}

int daemon_main(const struct daemon_program *program, int argc, char **argv)
{
	struct daemon daemon = { .program = program };
	CLEANUP(free) char *reason = NULL;
	void *configuration = NULL;

	int status = daemon_command_line_read(program, argc, argv, &daemon.line);
	if (status >= 0)
		return status;
	prepare_process();
	if (sodium_init() < 0)
		return STATUS_FAILED;
	if (daemon.line.check_only)
		option_pass_over_credentials();
	int error = load_configuration(&daemon, &configuration, &reason);
	if (error < 0) {
		fprintf(stderr, "%s: %s\n", program->name, reason ? reason : error_text(error));
		return STATUS_USAGE;
	}
	daemon.options = configuration;
	status = daemon.line.check_only ? 0 : run(&daemon);
	free_configuration(program, configuration);
	return status;
}
