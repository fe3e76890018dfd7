/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/daemon.h"
/* Configuration of the health-checker. Times in microseconds. */
struct checker_options {
	struct daemon_options daemon; /* first */
	const char *trusted_keys;
	int64_t confirm_timeout, check_interval, scan_interval, recheck_interval;
	bool auto_enroll;
	int64_t max_unasked_deletions, max_unasked_deletion_share;
	int64_t stream_replicas;
};
extern const struct option checker_option_table[];
