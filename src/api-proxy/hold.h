/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
#include <sys/socket.h>
#include "api-proxy/header_list.h"
#include "api-proxy/prefer.h"
#include "api-proxy/waiters.h"
/*
 * Holding back the answer to a change until the secondaries serve it. One request's, by its thread; a zeroed struct holds
 * nothing back.
 */
struct hold_policy { /* what all requests share */
	struct waiters *waiters;
	struct prefer_networks *networks;
	int64_t default_us, most_us;
};

struct hold {
	const struct hold_policy *policy;
	struct prefer prefer;
	int64_t wait_us;
	struct change *change;
	bool followed;
};

/* Decides whether the client of a changing request is to wait. */
void hold_decide(struct hold *hold, const struct hold_policy *policy, const struct header_list *headers, const struct sockaddr *client);
/* PowerDNS has made the change; before its intent ends. zone "": unknown, nothing is held back. */
void hold_begin(struct hold *hold, const char *zone);
/* After its intent has ended, with the stamp of that; only the first time counts. */
void hold_follow(struct hold *hold, uint64_t stamp);
/* Waits, and adds the fields that tell of it. Blocking. */
void hold_finish(struct hold *hold, struct header_list *fields);
