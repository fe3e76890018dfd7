/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/proxy_metrics.h"
#include <stddef.h>

#define NAME(name) "pdns_distribute_proxy_" name
#define REQUESTS "Requests by what they can do to zones"
#define WAITS "Changes whose answer was held until the secondaries served them, or the time was over"
#define LIMITS "Clients turned away or cut off by a limit"
#define FAILURES "Requests that PowerDNS did not answer"

struct metric proxy_metric_table[] = {
	[PROXY_METRIC_REQUESTS_READ] = { NAME("requests_total"), METRIC_COUNTER, REQUESTS, "class=\"read\"", 0 },
	[PROXY_METRIC_REQUESTS_CHANGE] = { NAME("requests_total"), METRIC_COUNTER, REQUESTS, "class=\"change\"", 0 },
	[PROXY_METRIC_REQUESTS_OTHER] = { NAME("requests_total"), METRIC_COUNTER, REQUESTS, "class=\"other\"", 0 },
	[PROXY_METRIC_CHANGES_REFUSED] = { NAME("changes_refused_total"), METRIC_COUNTER,
	                                   "Changes refused because they could not be noted on disk", NULL, 0 },
	[PROXY_METRIC_CHANGES_UNWRITTEN] = { NAME("changes_unwritten_total"), METRIC_COUNTER,
	                                     "Changes let through although they could not be noted on disk", NULL, 0 },
	[PROXY_METRIC_EVENTS_PUBLISHED] = { NAME("events_published_total"), METRIC_COUNTER, "Zone events that JetStream acknowledged", NULL, 0 },
	[PROXY_METRIC_EVENTS_FAILED] = { NAME("events_failed_total"), METRIC_COUNTER, "Tries to publish a zone event that failed", NULL, 0 },
	[PROXY_METRIC_INTENTS] = { NAME("intents"), METRIC_GAUGE, "Zones noted on disk whose event is not published yet", NULL, 0 },
	[PROXY_METRIC_UPSTREAM_REFUSED] = { NAME("upstream_failures_total"), METRIC_COUNTER, FAILURES, "reason=\"unreachable\"", 0 },
	[PROXY_METRIC_UPSTREAM_TIMEOUTS] = { NAME("upstream_failures_total"), METRIC_COUNTER, FAILURES, "reason=\"timeout\"", 0 },
	[PROXY_METRIC_UPSTREAM_BROKEN] = { NAME("upstream_failures_total"), METRIC_COUNTER, FAILURES, "reason=\"broken\"", 0 },
	[PROXY_METRIC_UPSTREAM_UP] = { NAME("upstream_up"), METRIC_GAUGE, "1 if PowerDNS answered the last request", NULL, 1 },
	[PROXY_METRIC_WAITS_IN_SYNC] = { NAME("waits_total"), METRIC_COUNTER, WAITS, "result=\"in-sync\"", 0 },
	[PROXY_METRIC_WAITS_PENDING] = { NAME("waits_total"), METRIC_COUNTER, WAITS, "result=\"pending\"", 0 },
	[PROXY_METRIC_CERTIFICATE_EXPIRES] = { NAME("certificate_expires_seconds"), METRIC_GAUGE,
	                                       "When the certificate that clients see expires, in seconds since the epoch; 0: plain HTTP", NULL, 0 },
	[PROXY_METRIC_CONNECTIONS] = { NAME("connections"), METRIC_GAUGE, "Connections of clients", NULL, 0 },
	[PROXY_METRIC_LIMIT_CONNECTIONS] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"connections-max\"", 0 },
	[PROXY_METRIC_LIMIT_CLIENT] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"connections-per-client\"", 0 },
	[PROXY_METRIC_LIMIT_NETWORK] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"allow-from\"", 0 },
	[PROXY_METRIC_LIMIT_HEADER_SIZE] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"header-max\"", 0 },
	[PROXY_METRIC_LIMIT_HEADER_TIME] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"header-timeout\"", 0 },
	[PROXY_METRIC_LIMIT_BODY_SIZE] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"body-max\"", 0 },
	[PROXY_METRIC_LIMIT_BODY_TIME] = { NAME("limited_total"), METRIC_COUNTER, LIMITS, "limit=\"body-timeout\"", 0 },
	[PROXY_METRIC_MALFORMED] = { NAME("malformed_total"), METRIC_COUNTER, "Requests that do not follow HTTP, refused", NULL, 0 },
	METRIC_END,
};
