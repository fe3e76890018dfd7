/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/pdns_api.h"
#include "secondary-syncer/applied_book.h"
/*
 * Compares the book with the local PowerDNS's own list of zones. Blocking; runs on a worker.
 * Calls differs for each zone that the book says is served, but that PowerDNS lacks, has under another master or kind, or has
 * with another serial. Reports zones of ours (same master) that the book does not know as well.
 * catalog is called for each catalog zone of ours that PowerDNS has.
 */
int local_check(struct pdns_api *api, struct applied_book *book, const char *master,
                void (*differs)(const char *zone, void *userdata), void (*catalog)(const char *zone, void *userdata), void *userdata);
