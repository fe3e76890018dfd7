/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/bus.h"
#include "common/work.h"
#include "secondary-syncer/applied_book.h"
#include "secondary-syncer/transfers.h"
/*
 * Has the local PowerDNS begin to fetch a zone when a provider announces that a new head of it comes (common/coming.h): by the
 * time the head is here and verified, PowerDNS waits at our door. What it gets is decided by the head alone; if none comes in
 * time it gets the zone as it stands. Only while there is little else to do, since it takes one of PowerDNS's few threads for
 * transfers meanwhile. Loop thread.
 */
struct early;

struct early_options {
	struct bus *bus;
	const char *prefix;
	sd_event *loop;
	struct work_pool *pool; /* whose workers have a struct pdns_api as their context */
	struct applied_book *book;
	struct transfers *transfers;
	bool (*idle)(void *userdata); /* loop thread */
	void *userdata;
};

int early_start(const struct early_options *options, struct early **ret);
/* Hears nothing any more; before the pool is stopped. */
void early_stop(struct early *early);
/* After the pool was stopped. */
void early_free(struct early *early);
