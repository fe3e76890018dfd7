/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/applied.h"
#include "common/heartbeat.h"
#include "health-checker/checker.h"
/*
 * The ears: follows the heads of the zone store, heartbeats and "applied" messages. Foreign threads decode and check
 * them; the handlers run in the loop thread, in the order of arrival.
 */
struct listen_handlers {
	void (*on_head)(const struct index_head *head, void *userdata);
	/* The newest message on the zone's subject is no good head: why, as an error code. */
	void (*on_bad_head)(const char *zone, int error, void *userdata);
	void (*on_misplaced)(const char *subject, void *userdata);
	void (*on_reset)(void *userdata);
	void (*on_caught_up)(void *userdata);
	void (*on_heartbeat)(const struct heartbeat *heartbeat, bool leads, void *userdata);
	void (*on_applied)(const char *secondary, const struct applied *applied, void *userdata);
	void *userdata;
};
int listen_new(struct checker *checker, const struct listen_handlers *handlers, struct listen **ret);
/* Ends all callbacks; what is queued is dropped. */
void listen_free(struct listen *listen);
/* Has `run` called in the loop thread; `drop` instead when the checker ends first. Any thread but the loop's; -ECANCELED at the end. */
int listen_post(struct listen *listen, void (*run)(void *item), void (*drop)(void *item), void *item);
/* Wakes who waits for room in the queue, and refuses what comes later. */
void listen_close(struct listen *listen);
