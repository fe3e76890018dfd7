/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <jansson.h>
#include "health-checker/checker.h"
/*
 * The primary scan: compares the primary's own list of zones with the zone store. Loop thread.
 */
int scan_new(struct checker *checker, struct scan **ret);
void scan_free(struct scan *scan);
/* A scan within a moment instead of at its time. */
void scan_soon(struct scan *scan);
/* Lets the deletions happen that are held now; returns how many those are. */
size_t scan_approve(struct scan *scan);
/* What "status" shows: the members "scan" and "held_deletions". */
void scan_describe(const struct scan *scan, json_t *status);
