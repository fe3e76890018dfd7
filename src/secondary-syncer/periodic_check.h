/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/work.h"
#include "common/zone_name.h"
#include "secondary-syncer/applied_book.h"
#include "secondary-syncer/maker.h"
/*
 * Runs the local check now and then: does PowerDNS still have what was applied? Catalog zones that a killed process left behind
 * are removed on the way. Loop thread, but for the check itself.
 */
struct periodic_check;

#define REPAIRS_AT_ONCE 4000 /* zones to be applied again at a time: bounds the memory when PowerDNS lost everything */

struct periodic_check_result {
	bool powerdns_answers;
	const char *reason;                   /* why nothing could be compared; "": it was */
	size_t count;                         /* zones that differ; if there are more, the next check finds them, soon */
	const char (*zones)[ZONE_NAME_SIZE];
};

struct periodic_check_options {
	struct work_pool *pool;      /* whose workers have a struct pdns_api as their context */
	struct applied_book *book;
	struct maker *maker;
	const char *master;
	int64_t interval_us;
	bool (*powerdns_is_up)(void *userdata); /* while it is not, it is looked for each second */
	void (*done)(const struct periodic_check_result *result, void *userdata);
	void *userdata;
};

/* The first check comes at once. */
int periodic_check_new(sd_event *loop, const struct periodic_check_options *options, struct periodic_check **ret);
/* After the pool was stopped. */
void periodic_check_free(struct periodic_check *periodic);
/* The next one comes soon: there is something to be found. */
void periodic_check_soon(struct periodic_check *periodic);
