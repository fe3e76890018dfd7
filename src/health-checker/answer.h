/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * What the checker is asked: status, zones, zone, resync, approve-deletions. Questions come on threads of the bus, which hand
 * them to the loop thread and wait for the answer, but not for ever.
 */
int answer_new(struct checker *checker, struct answer **ret);
/* After listen_close, which ends waiting questions; no call runs afterwards. */
void answer_free(struct answer *answer);
