/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * The primary's zones, as one scan found them, in little memory: a few octets more than their names. One thread at a time.
 */
struct listing;
int listing_new(struct listing **ret);
void listing_free(struct listing *listing);
struct listing_facts {
	uint32_t serial; /* what DNS answers */
	bool is_signed;
};
/* -ENOMEM. */
int listing_add(struct listing *listing, const char *zone, const struct listing_facts *facts);
size_t listing_count(const struct listing *listing);
/* In the order they were added; negative stops and is the result. */
int listing_each(const struct listing *listing, int (*visit)(const char *zone, const struct listing_facts *facts, void *userdata),
                 void *userdata);
