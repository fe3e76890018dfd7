/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/checker_options.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define FIELD(name) offsetof(struct checker_options, name)

const struct option checker_option_table[] = {
	{ .name = "trusted-keys", .type = OPTION_STRING, .default_text = "/etc/pdns-distribute/keys/trusted.keys",
	  .flags = OPTION_REQUIRED | OPTION_RELOAD, .offset = FIELD(trusted_keys),
	  .help = "file with the public keys that heads in the zone store must be signed with" },
	{ .name = "confirm-timeout", .type = OPTION_DURATION, .minimum = SECOND / 10, .maximum = 3600 * SECOND,
	  .default_text = "10s", .offset = FIELD(confirm_timeout),
	  .help = "a zone that a secondary has not confirmed after this time, and a quarter of a millisecond more for each of its records, is asked for again" },
	{ .name = "check-interval", .type = OPTION_DURATION, .minimum = SECOND, .maximum = DAY, .default_text = "60s",
	  .offset = FIELD(check_interval), .help = "how often each secondary's set of zones is compared with the store's" },
	{ .name = "scan-interval", .type = OPTION_DURATION, .minimum = SECOND, .maximum = DAY, .default_text = "60s",
	  .offset = FIELD(scan_interval), .help = "how often the primary's list of zones is compared with the store" },
	{ .name = "recheck-interval", .type = OPTION_DURATION, .minimum = 60 * SECOND, .maximum = 30 * DAY,
	  .default_text = "24h", .offset = FIELD(recheck_interval),
	  .help = "within this time every zone is looked at once, for changes that do not move the serial" },
	{ .name = "auto-enroll", .type = OPTION_BOOLEAN, .default_text = "no", .offset = FIELD(auto_enroll),
	  .help = "enrol secondaries that send heartbeats without having been added by an operator" },
	{ .name = "max-unasked-deletions", .type = OPTION_INTEGER, .minimum = 0, .maximum = 100000000, .default_text = "10",
	  .offset = FIELD(max_unasked_deletions),
	  .help = "more zones than this that vanish from the primary unasked wait for approval, if they exceed the share too" },
	{ .name = "max-unasked-deletion-share", .type = OPTION_INTEGER, .minimum = 0, .maximum = 100, .default_text = "5",
	  .offset = FIELD(max_unasked_deletion_share), .help = "the share for max-unasked-deletions, in percent of all zones" },
	{ .name = "stream-replicas", .type = OPTION_INTEGER, .minimum = 1, .maximum = 5, .default_text = "1",
	  .offset = FIELD(stream_replicas),
	  .help = "copies that a NATS cluster keeps of streams that the checker has to make" },
	OPTION_END,
};
