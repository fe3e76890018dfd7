/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/zone_event.h"
#include "health-checker/checker.h"
/*
 * Publishes zone events: collects them for a moment, sends them in batches from a worker, keeps what could not be sent
 * and tries again with growing delay. Loop thread.
 */
int emit_new(struct checker *checker, struct emit **ret);
void emit_free(struct emit *emit);
/* One event of a zone waits at a time: a rewrite or deletion is not replaced by a check. Past a bound they are dropped: scans repeat them. */
void emit_add(struct emit *emit, const char *zone, enum zone_change change);
size_t emit_waiting(const struct emit *emit);
