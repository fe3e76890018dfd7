/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "secondary-syncer/applied_book.h"
#include "common/zone_body.h"
/*
 * Catalog zones (RFC 9432) of the syncer's own: each lists zones that the local PowerDNS is to make, and is there for as
 * long as that takes. Their names cannot be anybody else's.
 */
#define CATALOG_SUFFIX ".catalog.pdns-distribute.invalid."

/* A new one's name. */
void catalog_name(char ret[ZONE_NAME_SIZE]);
bool catalog_is_name(const char *zone);

/*
 * The catalog zone as what a transfer offers. folder: for spools. ret_entry: gets SOA and its size.
 */
int catalog_write(const char *catalog, const char *const *zones, size_t count, const char *folder, struct zone_body_facts *ret_facts,
                  struct spool **ret_body, struct book_entry *ret_entry);
