/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Zones whose head in the store is bad and has to be written again: each is asked for at once, then with a delay that
 * grows from 1 s to 60 s, until a good head has come. Times are monotonic microseconds. Loop thread.
 */
struct repair;
int repair_new(struct repair **ret);
void repair_free(struct repair *repair);
int repair_add(struct repair *repair, const char *zone, uint64_t now_us); /* also when it is in already; -ENOMEM */
/* A new head has come. The delay of a zone that becomes bad again soon goes on growing. */
void repair_done(struct repair *repair, const char *zone, uint64_t now_us);
/* Calls visit for each zone that is due. */
void repair_due(struct repair *repair, uint64_t now_us, void (*visit)(const char *zone, void *userdata), void *userdata);
size_t repair_count(const struct repair *repair); /* not yet done */
