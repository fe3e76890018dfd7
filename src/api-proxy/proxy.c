/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/proxy.h"
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "api-proxy/news.h"
#include "api-proxy/proxy_metrics.h"
#include "api-proxy/proxy_options.h"
#include "api-proxy/publisher.h"
#include "api-proxy/server.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/net_address.h"
#include "common/log.h"

#define DRAIN_US INT64_C(5000000)
#define LAST_WORD_US INT64_C(1000000) /* for telling a client that its request was broken off */

struct proxy {
	struct daemon *daemon;
	struct request_context context;
	struct publisher *publisher;
	struct news *news;
	struct server *server;
};

int proxy_check(const void *configuration, char **ret_reason)
{
	const struct proxy_options *options = configuration;
	struct sockaddr_storage address;
	socklen_t size;
	if (net_address_parse(options->listen, &address, &size) < 0) {
		*ret_reason = strdup("listen: not of the form ADDRESS:PORT or [ADDRESS]:PORT");
		return ERROR_MALFORMED;
	}
	if (!options->plain_http && !net_address_is_loopback(&address)) {
		*ret_reason = strdup("listen: not a loopback address, which needs plain-http = yes");
		return ERROR_MALFORMED;
	}
	struct prefer_networks *networks = NULL;
	if (prefer_networks_new(options->default_wait_for, &networks) < 0) {
		*ret_reason = strdup("default-wait-for: not of the form NETWORK/LENGTH=DURATION, ...");
		return ERROR_MALFORMED;
	}
	prefer_networks_free(networks);
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
		result = intents_open(folder, publisher_wake, proxy->publisher, &proxy->context.intents);
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
	result = server_start(options->listen, (unsigned)options->connections_max, &proxy->context, &proxy->server);
	if (result < 0)
		LOG(LOG_ERR, "cannot listen on %s: %s", options->listen, error_text(result));
	return result;
}

int proxy_start(struct daemon *daemon, const void *configuration, void **ret_state)
{
	const struct proxy_options *options = configuration;
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	if (!proxy)
		return -ENOMEM;
	proxy->daemon = daemon;
	proxy->context.body_max = options->body_max;
	raise_descriptor_limit(options->connections_max);
	int result = start_parts(proxy, options);
	if (result < 0) {
		proxy_stop(proxy);
		return result;
	}
	daemon_ready(daemon);
	daemon_status(daemon, "listening on %s, PowerDNS at %s", options->listen, options->daemon.pdns_api_url);
	*ret_state = proxy;
	return 0;
}

void proxy_stop(void *state)
{
	struct proxy *proxy = state;
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
	upstream_free(proxy->context.upstream);
	free(proxy);
}

void proxy_heartbeat(void *state, void *json_object)
{
	struct proxy *proxy = state;
	bool up = metric_get(&proxy_metric_table[PROXY_METRIC_UPSTREAM_UP]) != 0;
	(void)json_object_set_new(json_object, "intents", json_integer(intents_count(proxy->context.intents)));
	(void)json_object_set_new(json_object, "pdns", json_string(up ? "up" : "down"));
}
