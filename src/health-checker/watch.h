/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/listen.h"
/*
 * What the checker makes of what it hears: heads, heartbeats and confirmations come together here, and every tick what is
 * due is asked for. Loop thread.
 */
#define WATCH_TICK_US 500000
/* Handlers for listen_new; valid until the next call. */
const struct listen_handlers *watch_handlers(struct checker *checker);
void watch_tick(struct checker *checker);
