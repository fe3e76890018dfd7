/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/syncer_options.h"

#include <stddef.h>

#define SECOND INT64_C(1000000)
#define FIELD(name) offsetof(struct syncer_options, name)

const struct option syncer_option_table[] = {
	{ .name = "trusted-keys", .type = OPTION_STRING, .default_text = "/etc/pdns-distribute/keys/trusted.keys",
	  .flags = OPTION_REQUIRED | OPTION_RELOAD, .offset = FIELD(trusted_keys),
	  .help = "file with the public keys whose zones are accepted" },
	{ .name = "dns-listen", .type = OPTION_STRING, .default_text = "127.0.0.1:5380", .flags = OPTION_REQUIRED,
	  .offset = FIELD(dns_listen), .help = "loopback address and port from which the local PowerDNS fetches zones" },
	{ .name = "pdns-master", .type = OPTION_STRING, .offset = FIELD(pdns_master),
	  .help = "the primary's address as the local PowerDNS is told; default: dns-listen" },
	{ .name = "secondary-dns", .type = OPTION_STRING, .default_text = "127.0.0.1:53", .flags = OPTION_REQUIRED,
	  .offset = FIELD(secondary_dns),
	  .help = "address and port on which the local PowerDNS answers this host; allow-axfr-ips must allow it, as by default" },
	{ .name = "workers", .type = OPTION_INTEGER, .minimum = 1, .maximum = 64, .default_text = "64",
	  .offset = FIELD(workers), .help = "how many zones are applied at a time; many new ones are made together" },
	{ .name = "adopt", .type = OPTION_BOOLEAN, .default_text = "no", .offset = FIELD(adopt),
	  .help = "take over zones of the same name that were not made by the suite" },
	{ .name = "local-check-interval", .type = OPTION_DURATION, .minimum = SECOND, .maximum = 86400 * SECOND,
	  .default_text = "5min", .offset = FIELD(local_check_interval),
	  .help = "how often the local PowerDNS's list of zones is compared with what was applied" },
	{ .name = "apply-timeout", .type = OPTION_DURATION, .minimum = SECOND, .maximum = 3600 * SECOND,
	  .default_text = "60s", .offset = FIELD(apply_timeout),
	  .help = "how long a zone may take without any progress before it counts as failed and is tried again" },
	{ .name = "proof-interval", .type = OPTION_DURATION, .minimum = SECOND / 1000, .maximum = 3600 * SECOND,
	  .default_text = "100ms", .offset = FIELD(proof_interval),
	  .help = "how soon after the last zone was applied confirmed ones are read back; while others are, one each ten times that" },
	{ .name = "spool-memory", .type = OPTION_SIZE, .minimum = 4096, .maximum = INT64_C(1) << 30, .default_text = "1M",
	  .offset = FIELD(spool_memory),
	  .help = "a zone whose encoded text is larger than this is kept in a file while it is applied" },
	OPTION_END,
};
