/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "health-checker/checker.h"
/*
 * Which of several checkers leads: who holds the lease in the state bucket (key "leader"). The holder renews it every
 * two seconds; another takes it over once it has seen it unchanged for six seconds by its own clock. Loop thread.
 */
int leader_new(struct checker *checker, void (*on_change)(bool leads, void *userdata), void *userdata, struct leader **ret);
/* The pool of the lease must have stopped before. */
void leader_free(struct leader *leader);
bool leader_leads(const struct leader *leader);
/* Id of who leads, as far as we know; "" unknown. */
const char *leader_id(const struct leader *leader);
/* Gives the lease back at the end, so that another need not wait. Blocking; the pool of the lease must have stopped. */
void leader_release(struct leader *leader);
