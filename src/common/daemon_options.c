/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/daemon_options.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <syslog.h>
#include "common/cleanup.h"
#include "common/net_address.h"
#include "common/subject.h"

#define FIELD(name) offsetof(struct daemon_options, name)
#define MILLISECOND INT64_C(1000)
#define SECOND INT64_C(1000000)

static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const tls_choices[] = { "as-url", "required", NULL };

const struct option daemon_option_table[] = {
	{ .name = "id", .type = OPTION_STRING, .offset = FIELD(id),
	  .help = "name of this member: a-z, 0-9 and '-'; default: the host name" },
	{ .name = "prefix", .type = OPTION_STRING, .default_text = "pdns", .offset = FIELD(prefix),
	  .help = "first part of all subjects and streams; one per installation on a NATS" },
	{ .name = "log-level", .type = OPTION_CHOICE, .choices = log_levels, .default_text = "info", .flags = OPTION_RELOAD,
	  .offset = FIELD(log_level), .help = "least important messages that are logged" },
	{ .name = "state-dir", .type = OPTION_STRING, .offset = FIELD(state_dir),
	  .help = "folder for what must survive a restart; default: as systemd says, or /var/lib/ and the program's name" },
	{ .name = "metrics-listen", .type = OPTION_STRING, .offset = FIELD(metrics_listen),
	  .help = "ADDRESS:PORT or [ADDRESS]:PORT on which /metrics is served; default: nowhere" },
	{ .name = "heartbeat-interval", .type = OPTION_DURATION, .minimum = 100 * MILLISECOND, .maximum = 3600 * SECOND,
	  .default_text = "2s", .offset = FIELD(heartbeat_interval), .help = "time between two signs of life" },
	{ .name = "nats-url", .type = OPTION_STRING, .default_text = "nats://127.0.0.1:4222", .flags = OPTION_REQUIRED,
	  .offset = FIELD(nats.urls), .help = "URLs of the NATS servers, comma-separated; tls:// for TLS" },
	{ .name = "nats-user", .type = OPTION_STRING, .offset = FIELD(nats.user), .help = "user name at NATS" },
	{ .name = "nats-password-file", .type = OPTION_SECRET, .offset = FIELD(nats.password),
	  .help = "password of nats-user" },
	{ .name = "nats-token-file", .type = OPTION_SECRET, .offset = FIELD(nats.token), .help = "token for NATS" },
	{ .name = "nats-nkey-seed-file", .type = OPTION_SECRET, .offset = FIELD(nats.nkey_seed),
	  .help = "NKEY seed (SU…) for NATS" },
	{ .name = "nats-credentials-file", .type = OPTION_STRING, .offset = FIELD(nats.credentials_file),
	  .help = "credentials file (JWT and seed) for NATS" },
	{ .name = "nats-tls", .type = OPTION_CHOICE, .choices = tls_choices, .default_text = "as-url",
	  .offset = FIELD(nats.tls), .help = "whether TLS is required whatever the URL says" },
	{ .name = "nats-tls-ca", .type = OPTION_STRING, .offset = FIELD(nats.tls_ca),
	  .help = "file of CA certificates that NATS servers are checked with; default: the system's" },
	{ .name = "nats-tls-certificate", .type = OPTION_STRING, .offset = FIELD(nats.tls_certificate),
	  .help = "file of our certificate for NATS" },
	{ .name = "nats-tls-key", .type = OPTION_STRING, .offset = FIELD(nats.tls_key),
	  .help = "file of our certificate's key" },
	{ .name = "nats-inbox-prefix", .type = OPTION_STRING, .default_text = "_INBOX", .offset = FIELD(nats.inbox_prefix),
	  .help = "first part of the subjects on which answers come back" },
	{ .name = "nats-timeout", .type = OPTION_DURATION, .minimum = 50 * MILLISECOND, .maximum = 60 * SECOND,
	  .default_text = "1s", .offset = FIELD(nats.timeout), .help = "longest wait for an answer of NATS" },
	{ .name = "pdns-api-url", .type = OPTION_STRING, .default_text = "http://127.0.0.1:8081", .flags = OPTION_REQUIRED,
	  .offset = FIELD(pdns_api_url), .help = "the local PowerDNS's HTTP API" },
	{ .name = "pdns-api-key-file", .type = OPTION_SECRET, .flags = OPTION_REQUIRED, .offset = FIELD(pdns_api_key),
	  .help = "api-key of the local PowerDNS" },
	{ .name = "pdns-api-timeout", .type = OPTION_DURATION, .minimum = 50 * MILLISECOND, .maximum = 600 * SECOND,
	  .default_text = "5s", .offset = FIELD(pdns_api_timeout), .help = "longest wait for an answer of PowerDNS" },
	OPTION_END
};

int daemon_options_log_level(const struct daemon_options *options)
{
	return LOG_ERR + (int)options->log_level;
}

static int refuse(const char *name, const char *why, char **ret_reason)
{
	char *text;
	if (asprintf(&text, "%s: %s", name, why) < 0)
		return -ENOMEM;
	*ret_reason = text;
	return -EINVAL;
}

/* "NS1.example.org" is "ns1-example-org": what is no letter or digit cannot stand in a subject. */
static int default_id(option_set set, struct daemon_options *options, char **ret_reason)
{
	char host[256] = "", *id = host;
	if (options->id)
		return 0;
	if (gethostname(host, sizeof(host) - 1) < 0)
		return refuse("id", "is not set, and the host name is not known", ret_reason);
	for (char *c = host; *c; c++)
		*c = isascii(*c) && isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
	id += strspn(id, "-");
	if (strlen(id) >= SUBJECT_ID_SIZE)
		id[SUBJECT_ID_SIZE - 1] = '\0';
	return option_set_text(option_find(set, "id"), options, id, ret_reason);
}

static int default_state_dir(const char *program, option_set set, struct daemon_options *options, char **ret_reason)
{
	char path[PATH_MAX];
	const char *given = getenv("STATE_DIRECTORY");
	if (options->state_dir)
		return 0;
	if (given && *given) /* may be a list */
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(given, ":"), given);
	else
		snprintf(path, sizeof(path), "/var/lib/%s", program);
	return option_set_text(option_find(set, "state-dir"), options, path, ret_reason);
}

/* A file that is read later, by the library that talks to NATS. */
static int check_file(const char *name, const char *file, char **ret_reason)
{
	CLEANUP(free) char *why = NULL;
	if (!file || access(file, R_OK) == 0)
		return 0;
	if (asprintf(&why, "cannot read %s: %s", file, strerrordesc_np(errno)) < 0)
		return -ENOMEM;
	return refuse(name, why, ret_reason);
}

static int check_nats_files(const struct bus_options *nats, char **ret_reason)
{
	int error = check_file("nats-credentials-file", nats->credentials_file, ret_reason);
	if (error == 0)
		error = check_file("nats-tls-ca", nats->tls_ca, ret_reason);
	if (error == 0)
		error = check_file("nats-tls-certificate", nats->tls_certificate, ret_reason);
	if (error == 0)
		error = check_file("nats-tls-key", nats->tls_key, ret_reason);
	return error;
}

static int check_common(const struct daemon_options *options, char **ret_reason)
{
	struct sockaddr_storage address;
	socklen_t length;
	if (!options->id || subject_check_id(options->id) < 0)
		return refuse("id", "must be 1 to 63 of a-z, 0-9 and '-', not beginning with '-'", ret_reason);
	if (!options->prefix || subject_check_prefix(options->prefix) < 0)
		return refuse("prefix", "must be 1 to 32 of a-z, 0-9, '-' and '_'", ret_reason);
	if (options->metrics_listen && net_address_parse(options->metrics_listen, &address, &length) < 0)
		return refuse("metrics-listen", "must be ADDRESS:PORT or [ADDRESS]:PORT", ret_reason);
	if (strncmp(options->pdns_api_url, "http://", 7) != 0 && strncmp(options->pdns_api_url, "https://", 8) != 0)
		return refuse("pdns-api-url", "must begin with http:// or https://", ret_reason);
	if (options->nats.tls_key && !options->nats.tls_certificate)
		return refuse("nats-tls-key", "needs nats-tls-certificate", ret_reason);
	return check_nats_files(&options->nats, ret_reason);
}

static int read_file(option_set set, void *configuration, const char *dir, const char *name, char **ret_reason)
{
	CLEANUP(free) char *path = NULL;
	if (asprintf(&path, "%s/%s.conf", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	int error = option_read_file(set, NULL, configuration, path, ret_reason);
	return error == -ENOENT ? 0 : error;
}

/* The file in which this option stands, with the line if it does; that of its own table if it stands nowhere. */
static int find_place(const char *dir, const char *service, option_set set, const char *name, char **ret)
{
	const struct option *const common[] = { set[0], NULL };
	const bool shared = option_find(common, name);
	CLEANUP(free) char *own_file = NULL, *common_file = NULL;
	if (asprintf(&own_file, "%s/%s.conf", dir, service) < 0 || asprintf(&common_file, "%s/common.conf", dir) < 0)
		return -ENOMEM;
	if (option_find_line(own_file, name, ret) == 0 || (shared && option_find_line(common_file, name, ret) == 0))
		return 0;
	*ret = shared ? TAKE(common_file) : TAKE(own_file);
	return 0;
}

void daemon_options_locate(const char *dir, const char *service, option_set set, char **reason)
{
	CLEANUP(free) char *name = NULL, *place = NULL;
	char *text;
	if (!*reason || !(name = strndup(*reason, strspn(*reason, "abcdefghijklmnopqrstuvwxyz0123456789-"))))
		return;
	if (!option_find(set, name) || find_place(dir, service, set, name, &place) < 0)
		return;
	if (asprintf(&text, "%s: %s", place, *reason) < 0)
		return;
	free(*reason);
	*reason = text;
}

/* What is missing in all files, in one line. */
static int check_required(const char *dir, const char *service, option_set set, const void *configuration, char **ret_reason)
{
	CLEANUP(free) char *all = NULL;
	int error = 0;
	for (option_set next = set; *next; next++) {
		const struct option *const table[] = { *next, NULL };
		CLEANUP(free) char *reason = NULL;
		char *text;
		int result = option_check(table, configuration, &reason);
		if (result == 0)
			continue;
		error = result;
		daemon_options_locate(dir, service, set, &reason);
		if (asprintf(&text, "%s%s%s", all ? all : "", all ? "; " : "", reason ? reason : "") < 0)
			return -ENOMEM;
		free(all);
		all = text;
	}
	if (error < 0)
		*ret_reason = TAKE(all);
	return error;
}

int daemon_options_load(const char *dir, const char *program, const char *service, option_set set,
                        void *configuration, char **ret_reason)
{
	/* A daemon's own options do not belong in the file of all: there they would be errors to the others. */
	const struct option *const common[] = { set[0], NULL };
	if (access(dir, X_OK) < 0) /* a mistyped folder must not start a daemon with nothing but defaults */
		return refuse(dir, strerrordesc_np(errno), ret_reason);
	int error = option_defaults(set, configuration);
	if (error == 0)
		error = read_file(common, configuration, dir, "common", ret_reason);
	if (error == 0)
		error = read_file(set, configuration, dir, service, ret_reason);
	if (error == 0)
		error = default_id(set, configuration, ret_reason);
	if (error == 0)
		error = default_state_dir(program, set, configuration, ret_reason);
	if (error == 0)
		error = check_required(dir, service, set, configuration, ret_reason);
	if (error == 0) {
		error = check_common(configuration, ret_reason);
		if (error < 0)
			daemon_options_locate(dir, service, set, ret_reason);
	}
	if (error < 0)
		option_free(set, configuration);
	return error;
}
