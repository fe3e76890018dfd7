/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/proxy.h"
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "api-proxy/certificate.h"
#include "api-proxy/news.h"
#include "api-proxy/proxy_metrics.h"
#include "api-proxy/proxy_options.h"
#include "api-proxy/publisher.h"
#include "api-proxy/server.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/net_address.h"
#include "common/log.h"

#define DRAIN_US INT64_C(5000000)
#define CERTIFICATE_LOOK_US UINT64_C(21600000000)
#define LAST_WORD_US INT64_C(1000000) /* for telling a client that its request was broken off */

struct proxy {
	struct daemon *daemon;
	struct request_context context;
	struct publisher *publisher;
	struct news *news;
	struct server *server;
	struct server_rules rules;
	struct network_list *allowed;
	const struct proxy_options *options; /* the daemon's */
	sd_event_source *timer;              /* looks at our own certificate */
	uint64_t certificate_expires_us;
};

/* The certificate that these options want: NULL for plain HTTP. */
static int find_certificate(const struct proxy_options *options, struct certificate **ret, char **ret_reason)
{
	CLEANUP(free) char *folder = NULL;
	*ret = NULL;
	if (options->plain_http)
		return 0;
	if (options->tls_certificate)
		return certificate_read(options->tls_certificate, options->tls_key, ret, ret_reason);
	if (asprintf(&folder, "%s/tls", options->daemon.state_dir) < 0)
		return -ENOMEM;
	return certificate_own(folder, clock_realtime_us(), ret, ret_reason);
}

int proxy_check(const void *configuration, char **ret_reason)
{
	const struct proxy_options *options = configuration;
	struct sockaddr_storage address;
	socklen_t size;
	if (net_address_parse(options->listen, &address, &size) < 0) {
		*ret_reason = strdup("listen: not of the form ADDRESS:PORT or [ADDRESS]:PORT");
		return ERROR_MALFORMED;
	}
	if (!options->tls_certificate != !options->tls_key) {
		*ret_reason = strdup("tls-certificate and tls-key: one needs the other");
		return ERROR_MALFORMED;
	}
	struct certificate *certificate = NULL; /* one of our own is not made just for a look */
	CLEANUP(free) char *reason = NULL;
	bool looked_at = options->tls_certificate && *options->tls_key;
	int result = looked_at ? find_certificate(options, &certificate, &reason) : 0;
	certificate_free(certificate);
	if (result < 0 && asprintf(ret_reason, "tls-certificate: %s", reason ? reason : error_text(result)) < 0)
		*ret_reason = NULL;
	if (result < 0)
		return result;
	struct prefer_networks *networks = NULL;
	if (prefer_networks_new(options->default_wait_for, &networks) < 0) {
		*ret_reason = strdup("default-wait-for: not of the form NETWORK/LENGTH=DURATION, ...");
		return ERROR_MALFORMED;
	}
	prefer_networks_free(networks);
	struct network_list *allowed = NULL;
	if (network_list_new(options->allow_from, &allowed) < 0) {
		*ret_reason = strdup("allow-from: not of the form NETWORK/LENGTH, ...");
		return ERROR_MALFORMED;
	}
	network_list_free(allowed);
	return 0;
}

/* A connection takes one descriptor, its exchange with PowerDNS three. */
static void raise_descriptor_limit(int64_t connections)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)connections * 4 + 256;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted)
		LOG(LOG_WARNING, "the limit of open files is %llu, connections-max may not be reached", (unsigned long long)limit.rlim_cur);
}

static void on_published(const char *zone, uint64_t stamp, uint64_t sequence, void *userdata)
{
	struct proxy *proxy = userdata;
	waiters_published(proxy->context.hold.waiters, zone, stamp, sequence);
}

/* After 1.5 of our own intervals every secondary that sends as often as we do has been heard. */
static int start_news(struct proxy *proxy, const struct proxy_options *options)
{
	struct hold_policy *hold = &proxy->context.hold;
	int64_t quiet_us = options->daemon.heartbeat_interval + options->daemon.heartbeat_interval / 2;
	hold->default_us = options->default_wait;
	hold->most_us = options->wait_max;
	int result = prefer_networks_new(options->default_wait_for, &hold->networks);
	if (result == 0)
		result = news_start(daemon_bus(proxy->daemon), options->daemon.prefix, quiet_us, &proxy->news, &hold->waiters);
	if (result < 0)
		LOG(LOG_ERR, "cannot listen to the secondaries: %s", error_text(result));
	return result;
}

static int start_intents(struct proxy *proxy, const struct proxy_options *options)
{
	CLEANUP(free) char *folder = NULL;
	char by[128];
	if (asprintf(&folder, "%s/intents", options->daemon.state_dir) < 0)
		return -ENOMEM;
	snprintf(by, sizeof(by), "api-proxy/%s", daemon_id(proxy->daemon));
	int result = publisher_new(daemon_bus(proxy->daemon), options->daemon.prefix, by, &proxy->publisher);
	if (result == 0)
		result = intents_open(folder, !options->refuse_unwritten, publisher_wake, proxy->publisher, &proxy->context.intents);
	if (result < 0) {
		LOG(LOG_ERR, "cannot open the intents in %s: %s", folder, error_text(result));
		return result;
	}
	int64_t left = intents_count(proxy->context.intents);
	if (left > 0)
		LOG(LOG_NOTICE, "%lld zones left to be published", (long long)left);
	if (intents_found_unnamed(proxy->context.intents))
		LOG(LOG_WARNING, "stopped while a zone of unknown name was being created: if it was, the health-checker has to find it");
	publisher_tell(proxy->publisher, on_published, proxy);
	return publisher_start(proxy->publisher, proxy->context.intents);
}

static int start_server(struct proxy *proxy, const struct proxy_options *options)
{
	struct certificate *certificate = NULL;
	CLEANUP(free) char *reason = NULL;
	int result = network_list_new(options->allow_from, &proxy->allowed);
	if (result < 0) { /* no memory: what it says was checked before */
		LOG(LOG_ERR, "allow-from: %s", error_text(result));
		return result;
	}
	result = find_certificate(options, &certificate, &reason);
	if (result < 0) {
		LOG(LOG_ERR, "no certificate: %s", reason ? reason : error_text(result));
		return result;
	}
	proxy->certificate_expires_us = certificate ? certificate->expires_us : 0;
	proxy->rules = (struct server_rules){
		.listen = options->listen,
		.connections_max = (unsigned)options->connections_max,
		.connections_per_client = (unsigned)options->connections_per_client,
		.allowed = proxy->allowed,
		.head_max = (size_t)options->header_max,
		.head_us = options->header_timeout,
		.body_us = options->body_timeout,
	};
	result = server_start(&proxy->rules, certificate, &proxy->context, &proxy->server);
	if (result < 0)
		LOG(LOG_ERR, "cannot listen on %s: %s", options->listen, error_text(result));
	return result;
}

static int start_parts(struct proxy *proxy, const struct proxy_options *options)
{
	int result = upstream_new(options->daemon.pdns_api_url, options->upstream_timeout, &proxy->context.upstream);
	if (result < 0) {
		LOG(LOG_ERR, "pdns-api-url: %s: %s", options->daemon.pdns_api_url, error_text(result));
		return result;
	}
	result = start_news(proxy, options);
	if (result == 0)
		result = start_intents(proxy, options);
	if (result < 0)
		return result;
	proxy->context.status = (struct status_api){
		.waiters = proxy->context.hold.waiters,
		.intents = proxy->context.intents,
		.bus = daemon_bus(proxy->daemon),
		.prefix = options->daemon.prefix,
		.key = options->daemon.pdns_api_key,
		.wait_max_us = options->wait_max,
	};
	return start_server(proxy, options);
}

/* Shows what the options say now; a certificate that is still the same is not taken again. */
static int renew_certificate(struct proxy *proxy, const struct proxy_options *options)
{
	struct certificate *certificate;
	CLEANUP(free) char *reason = NULL;
	int result = find_certificate(options, &certificate, &reason);
	if (result < 0) {
		LOG(LOG_ERR, "the certificate stays as it is: %s", reason ? reason : error_text(result));
		return result;
	}
	if (certificate && (options->tls_certificate || certificate->expires_us != proxy->certificate_expires_us)) {
		proxy->certificate_expires_us = certificate->expires_us;
		server_set_certificate(proxy->server, TAKE(certificate));
		LOG(LOG_INFO, "new connections see the new certificate");
	}
	certificate_free(certificate);
	return 0;
}

int proxy_reload(void *state, const void *configuration)
{
	struct proxy *proxy = state;
	struct proxy_options options = *(const struct proxy_options *)configuration;
	options.plain_http = proxy->options->plain_http; /* not to be changed without a restart */
	options.daemon.state_dir = proxy->options->daemon.state_dir;
	return renew_certificate(proxy, &options);
}

static int on_certificate_timer(sd_event_source *source, uint64_t time_us, void *userdata)
{
	struct proxy *proxy = userdata;
	(void)time_us;
	if (!proxy->options->tls_certificate)
		(void)renew_certificate(proxy, proxy->options);
	(void)sd_event_source_set_time(source, clock_monotonic_us() + CERTIFICATE_LOOK_US);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int proxy_start(struct daemon *daemon, const void *configuration, void **ret_state)
{
	const struct proxy_options *options = configuration;
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	if (!proxy)
		return -ENOMEM;
	proxy->daemon = daemon;
	proxy->options = options;
	proxy->context.body_max = options->body_max;
	raise_descriptor_limit(options->connections_max);
	int result = start_parts(proxy, options);
	if (result == 0 && !options->plain_http) {
		result = sd_event_add_time(daemon_loop(daemon), &proxy->timer, CLOCK_MONOTONIC, clock_monotonic_us() + CERTIFICATE_LOOK_US, 0,
		                           on_certificate_timer, proxy);
		if (result < 0)
			LOG(LOG_ERR, "cannot set a timer: %s", error_text(result));
	}
	if (result < 0) {
		proxy_stop(proxy);
		return result;
	}
	*ret_state = proxy;
	return 0;
}

void proxy_stop(void *state)
{
	struct proxy *proxy = state;
	(void)sd_event_source_disable_unref(proxy->timer);
	if (proxy->context.hold.waiters)
		waiters_cancel(proxy->context.hold.waiters);
	bool left = proxy->server && server_drain(proxy->server, DRAIN_US) < 0;
	if (left)
		LOG(LOG_NOTICE, "requests still under way are broken off");
	if (proxy->context.upstream)
		upstream_cancel(proxy->context.upstream);
	if (left)
		(void)server_drain(proxy->server, LAST_WORD_US);
	server_stop(proxy->server);
	publisher_stop(proxy->publisher); /* after the last request has ended: it publishes that one too */
	intents_close(proxy->context.intents);
	publisher_free(proxy->publisher);
	news_stop(proxy->news);
	prefer_networks_free(proxy->context.hold.networks);
	network_list_free(proxy->allowed);
	upstream_free(proxy->context.upstream);
	free(proxy);
}

void proxy_status(void *state, char *text, size_t size)
{
	const struct proxy *proxy = state;
	int64_t left = intents_count(proxy->context.intents);
	int used = snprintf(text, size, "listening on %s", proxy->options->listen);
	if (left > 0 && used > 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, ", %lld zones to be published", (long long)left);
}

void proxy_heartbeat(void *state, void *json_object)
{
	struct proxy *proxy = state;
	bool up = metric_get(&proxy_metric_table[PROXY_METRIC_UPSTREAM_UP]) != 0;
	(void)json_object_set_new(json_object, "intents", json_integer(intents_count(proxy->context.intents)));
	(void)json_object_set_new(json_object, "pdns", json_string(up ? "up" : "down"));
}
