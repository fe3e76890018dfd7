/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <systemd/sd-event.h>
#include "common/bus.h"
#include "common/metric.h"
#include "common/option.h"
/*
 * The skeleton of every daemon: options, configuration, logging, signals, readiness, watchdog, metrics, shutdown.
 * main.c is a struct daemon_program and a call of daemon_main. A daemon serves as soon as start has returned; it is ready, as
 * systemd sees it, once NATS and PowerDNS have answered (daemon_ready.h).
 *
 * Command line: --config-dir DIR (default /etc/pdns-distribute; reads DIR/common.conf if there, then DIR/<name>.conf
 * if there, each with its .d folder), --check-config, --print-sample, --help, --version.
 */

/* What the daemons of a host share; the first member of every daemon's configuration struct. */
struct daemon_options {
	const char *id;            /* name of this member; default: the host name, lower case */
	const char *prefix;        /* of NATS subjects and, in upper case, of stream names; default pdns */
	int64_t log_level;         /* 0 error, 1 warning, 2 notice, 3 info, 4 debug */
	const char *state_dir;     /* default /var/lib/<program>, or $STATE_DIRECTORY */
	const char *metrics_listen;
	int64_t heartbeat_interval; /* µs */
	struct bus_options nats;
	const char *pdns_api_url;  /* http://127.0.0.1:8081 */
	const char *pdns_api_key;
	int64_t pdns_api_timeout;  /* µs */
};
extern const struct option daemon_option_table[];

/* What every daemon measures; comes before its own tables. */
extern struct metric daemon_metric_table[];

struct daemon; /* handed to the callbacks */

struct daemon_program {
	const char *name;          /* "pdns-zone-provider" */
	const char *service;       /* "zone-provider": in subjects and file names */
	const char *summary;       /* one line for --help */
	option_set options;        /* all tables, daemon_option_table first */
	size_t configuration_size; /* of the struct that starts with struct daemon_options */
	struct metric *const *metrics;
	/*
	 * In order: check (after the configuration was read; may be NULL; ret_reason malloc'ed; a secret that is "" was
	 * not looked at: option_pass_over_credentials), start (loop runs soon
	 * after; 0 or negative, having logged why), stop (loop has ended). reload (on SIGHUP, in the loop thread) may be
	 * NULL; it gets the new configuration for the time of the call, of which the options with OPTION_RELOAD count.
	 * After it returned 0 these have their new values in the configuration that start was given; the other options
	 * there, strings included, never change.
	 */
	int (*check)(const void *configuration, char **ret_reason);
	int (*start)(struct daemon *daemon, const void *configuration, void **ret_state);
	int (*reload)(void *state, const void *configuration);
	void (*stop)(void *state);
	/* What the daemon does now, in one line for systemctl status, in the loop thread; may be NULL. */
	void (*status)(void *state, char *text, size_t size);
	/* Where the PowerDNS that it needs answers DNS queries, as "ADDRESS:PORT"; any thread; may be NULL: needs none. */
	const char *(*dns_server)(const void *configuration);
	/* Adds members to the JSON of the heartbeat (json_t *), in the loop thread; may be NULL. */
	void (*heartbeat)(void *state, void *json_object);
};

/* The whole life of the daemon; returns the exit status (0 fine, 1 failed, 2 usage or configuration). */
int daemon_main(const struct daemon_program *program, int argc, char **argv);

sd_event *daemon_loop(struct daemon *daemon);
struct bus *daemon_bus(struct daemon *daemon);     /* connected or connecting; lives until after stop */
const char *daemon_id(struct daemon *daemon);

/* Sends a heartbeat now, in addition to the regular ones (after a set digest changed). Coalesced to one per 200 ms. Loop thread. */
void daemon_heartbeat_soon(struct daemon *daemon);

/* Ends the loop; exit status as for daemon_main. Loop thread. */
void daemon_exit(struct daemon *daemon, int status);
