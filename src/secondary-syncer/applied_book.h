/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include "common/applied.h"
#include "common/zone_digest.h"
#include "common/zone_head.h"
/*
 * The durable record of what was applied, zone by zone, and the digest of the whole set. Deleted zones stay in it, so
 * that an old head of theirs is known as old. Any thread.
 */
struct applied_book;

#define BOOK_SOA_SIZE 4096

struct book_entry {
	enum zone_state state;
	uint64_t generation;      /* of the head that was applied last; 0: none was yet */
	uint64_t sequence;
	uint32_t serial;
	struct zone_digest digest;
	enum applied_result result; /* of the newest head; if not APPLIED_OK the rest tells of the one before */
	char reason[256];
	bool unproven;            /* seen to be served by its serial, not read back yet; true as well for a while after it was */
	uint32_t soa_size;        /* the zone's SOA and its RRSIGs as uncompressed records in wire form, SOA first */
	uint8_t soa[BOOK_SOA_SIZE];
};

/* folder: made when missing. */
int applied_book_open(const char *folder, struct applied_book **ret);
void applied_book_close(struct applied_book *book);

int applied_book_get(struct applied_book *book, const char *zone, struct book_entry *ret); /* -ENOENT */
/* Durable when it returns 0; the set digest follows. What is unproven is also found by applied_book_next_unproven. */
int applied_book_put(struct applied_book *book, const char *zone, const struct book_entry *entry);

/* What is to be read back. */
struct book_unproven {
	char zone[ZONE_NAME_SIZE];
	uint64_t generation;
};

/* The first one, or the first one after another, in an order of the book's own; -ENOENT: there is none. */
int applied_book_next_unproven(struct applied_book *book, const struct book_unproven *after, struct book_unproven *ret);
/* No longer unproven. Written with the next entry, or with others: if that gets lost, it is found again. */
int applied_book_proven(struct applied_book *book, const struct book_unproven *unproven);
/* Writes at once what applied_book_proven has kept. */
int applied_book_settle(struct applied_book *book);
uint64_t applied_book_count_unproven(struct applied_book *book);

/* Counts of present zones, and of zones whose result is not APPLIED_OK. */
void applied_book_counts(struct applied_book *book, uint64_t *ret_zones, uint64_t *ret_failing);
void applied_book_root_hex(struct applied_book *book, char hex[SET_DIGEST_HEX_SIZE]);
void applied_book_bucket_hex(struct applied_book *book, int bucket, char hex[SET_DIGEST_HEX_SIZE]);
/* In the order of wire names, beginning after `after` (NULL: the first). visit: 0 to go on; its other results end it and are returned. */
int applied_book_each(struct applied_book *book, const char *after,
                      int (*visit)(const char *zone, const struct book_entry *entry, void *userdata), void *userdata);
