/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <jansson.h>
#include "health-checker/checker.h"
/* What the checker knows, as JSON for the operators' command; new references. Loop thread. */
json_t *status_all(struct checker *checker);
json_t *status_zones(struct checker *checker, const json_t *question); /* one page */
/* The store's view of a zone and the secondaries with what they said last; who is to be asked has "active". */
json_t *status_zone(struct checker *checker, const char *zone);
