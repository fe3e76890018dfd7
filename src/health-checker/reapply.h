/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * Asks secondaries to apply again what they have not confirmed in time. What JetStream still has to deliver to one that gets on
 * comes by itself: asked for besides, a new secondary would do everything twice. Loop thread; called at every tick of the leader.
 */
void reapply_due(struct checker *checker);
