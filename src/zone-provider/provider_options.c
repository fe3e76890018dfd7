/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/provider_options.h"

#include <stddef.h>

#define SECOND INT64_C(1000000)
#define FIELD(name) offsetof(struct provider_options, name)

const struct option provider_option_table[] = {
	{ .name = "primary-dns", .type = OPTION_STRING, .default_text = "127.0.0.1:53", .offset = FIELD(primary_dns),
	  .help = "address and port on which the primary PowerDNS answers zone transfers" },
	{ .name = "axfr-tsig-file", .type = OPTION_SECRET, .offset = FIELD(axfr_tsig),
	  .help = "file with the TSIG key for zone transfers, as algorithm:name:base64" },
	{ .name = "axfr-timeout", .type = OPTION_DURATION, .minimum = SECOND / 10, .maximum = 600 * SECOND,
	  .default_text = "10s", .offset = FIELD(axfr_timeout),
	  .help = "how long to wait for the connection and the first message of a transfer; for each later one twelve times as long" },
	{ .name = "signing-key-file", .type = OPTION_SECRET, .flags = OPTION_REQUIRED, .offset = FIELD(signing_key),
	  .help = "private key that signs zones, made by pdns-distribute keys generate" },
	{ .name = "workers", .type = OPTION_INTEGER, .minimum = 1, .maximum = 64, .default_text = "4",
	  .offset = FIELD(workers), .help = "how many zones are transferred at a time" },
	{ .name = "coalesce", .type = OPTION_DURATION, .minimum = 0, .maximum = 10 * SECOND, .default_text = "10ms",
	  .offset = FIELD(coalesce),
	  .help = "least time between two transfers of one zone; grows up to 25 times while changes keep coming" },
	{ .name = "stream-replicas", .type = OPTION_INTEGER, .minimum = 1, .maximum = 5, .default_text = "1",
	  .offset = FIELD(stream_replicas), .help = "copies of each stream in a NATS cluster, when the streams are created" },
	{ .name = "spool-memory", .type = OPTION_SIZE, .minimum = 4096, .maximum = INT64_C(1) << 30, .default_text = "1M",
	  .offset = FIELD(spool_memory),
	  .help = "a zone whose encoded text is larger than this is kept in a file while it is handled" },
	OPTION_END,
};
