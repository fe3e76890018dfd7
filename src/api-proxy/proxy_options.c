/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/proxy_options.h"
#include <stddef.h>

#define SECOND INT64_C(1000000)
#define FIELD(name) offsetof(struct proxy_options, name)

const struct option proxy_option_table[] = {
	{ .name = "listen", .type = OPTION_STRING, .default_text = "127.0.0.1:8082", .flags = OPTION_REQUIRED, .offset = FIELD(listen),
	  .help = "address and port for the clients of the PowerDNS API" },
	{ .name = "plain-http", .type = OPTION_BOOLEAN, .default_text = "no", .offset = FIELD(plain_http),
	  .help = "HTTP instead of HTTPS, on loopback or in a network where everybody may see API keys" },
	{ .name = "tls-certificate", .type = OPTION_STRING, .flags = OPTION_RELOAD, .offset = FIELD(tls_certificate),
	  .help = "file with the certificate in PEM, then those that signed it; without it a self-signed one is made in state-dir" },
	{ .name = "tls-key", .type = OPTION_SECRET, .flags = OPTION_RELOAD, .offset = FIELD(tls_key),
	  .help = "file with the key of tls-certificate in PEM" },
	{ .name = "allow-from", .type = OPTION_STRING, .offset = FIELD(allow_from),
	  .help = "networks whose clients are let in, such as \"192.0.2.0/24, ::1\"; empty: all" },
	{ .name = "connections-max", .type = OPTION_INTEGER, .minimum = 1, .maximum = 100000, .default_text = "1000",
	  .offset = FIELD(connections_max), .help = "how many clients may be connected at a time" },
	{ .name = "connections-per-client", .type = OPTION_INTEGER, .minimum = 0, .maximum = 100000, .default_text = "200",
	  .offset = FIELD(connections_per_client), .help = "how many of them from one address (IPv6: one /64); 0 for no limit" },
	{ .name = "header-max", .type = OPTION_SIZE, .minimum = 1024, .maximum = 1 << 20, .default_text = "64K", .offset = FIELD(header_max),
	  .help = "largest request line and header fields of a request" },
	{ .name = "header-timeout", .type = OPTION_DURATION, .minimum = SECOND / 10, .maximum = 3600 * SECOND, .default_text = "10s",
	  .offset = FIELD(header_timeout), .help = "how long a client may take to send them, and to set up TLS" },
	{ .name = "body-max", .type = OPTION_SIZE, .minimum = 0, .maximum = INT64_MAX, .default_text = "0", .offset = FIELD(body_max),
	  .help = "largest body of a request, 0 for no limit but PowerDNS's own" },
	{ .name = "body-timeout", .type = OPTION_DURATION, .minimum = SECOND / 10, .maximum = 3600 * SECOND, .default_text = "30s",
	  .offset = FIELD(body_timeout), .help = "how long a client may stall in a body or in taking an answer; on the whole, 1 s more per 1000 octets" },
	{ .name = "upstream-timeout", .type = OPTION_DURATION, .minimum = SECOND / 10, .maximum = 3600 * SECOND, .default_text = "60s",
	  .offset = FIELD(upstream_timeout), .help = "how long PowerDNS may be silent while a request waits for it" },
	{ .name = "refuse-unwritten", .type = OPTION_BOOLEAN, .default_text = "yes", .offset = FIELD(refuse_unwritten),
	  .help = "refuse changes (507) while state-dir takes no writes; no: let them through, their events only in memory until published" },
	{ .name = "default-wait", .type = OPTION_DURATION, .minimum = 0, .maximum = 100 * SECOND, .default_text = "0s",
	  .offset = FIELD(default_wait), .help = "how long the answer to a change is held until all secondaries serve it, where the client does not say (Prefer: wait=N)" },
	{ .name = "default-wait-for", .type = OPTION_STRING, .offset = FIELD(default_wait_for),
	  .help = "the same for clients of certain networks, such as \"192.0.2.0/24=5s, ::1/128=2s\"; the longest network counts" },
	{ .name = "wait-max", .type = OPTION_DURATION, .minimum = 0, .maximum = 100 * SECOND, .default_text = "60s", .offset = FIELD(wait_max),
	  .help = "the longest time that a client may have an answer held" },
	OPTION_END,
};
