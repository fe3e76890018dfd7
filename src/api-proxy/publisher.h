/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "api-proxy/intent.h"
#include "common/bus.h"
/*
 * Publishes what is due as zone events, in a thread of its own: batch after batch, the longest waiting first. While
 * NATS is away it waits; the queue is the intents on disk.
 */
struct publisher;
/* by: "api-proxy/<id>". All arguments outlive the publisher, which is made before the intents: see publisher_wake. */
int publisher_new(struct bus *bus, const char *prefix, const char *by, struct publisher **ret);
/* on_published is told, in the publisher's thread, of each event that JetStream acknowledged. Before publisher_start. */
void publisher_tell(struct publisher *publisher, void (*on_published)(const char *zone, uint64_t stamp, uint64_t sequence, void *userdata),
                    void *userdata);
/* A callback for intents_open: userdata is the publisher. */
void publisher_wake(void *userdata);
int publisher_start(struct publisher *publisher, struct intents *intents);
/* Publishes what is due now if NATS is there, then ends the thread. */
void publisher_stop(struct publisher *publisher);
/* After publisher_stop, or when never started; NULL is fine. */
void publisher_free(struct publisher *publisher);
