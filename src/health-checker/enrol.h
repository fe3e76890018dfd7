/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * Membership: who is enrolled by the state bucket, a consumer for each, and the streams themselves. Keeps a durable copy of
 * the members, so that they come back after NATS lost its data. Loop thread.
 */
int enrol_new(struct checker *checker, struct enrol **ret);
void enrol_free(struct enrol *enrol);
/* Has everything looked at within a moment, at most once a second. */
void enrol_soon(struct enrol *enrol);
/* A secondary that is not enrolled has been heard: enrols it if that is allowed, else tells the log. */
void enrol_unknown(struct enrol *enrol, struct member *member);
/* What NATS says of the providers' consumer; false when nothing is known yet. */
bool enrol_events_pending(const struct enrol *enrol, uint64_t *ret_pending);
/* Words for what is wrong with the store, "" if nothing. */
const char *enrol_problem(const struct enrol *enrol);
