/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
/* Times. All functions: any thread, never fail. */

uint64_t clock_realtime_us(void);  /* microseconds since the epoch */
uint64_t clock_monotonic_us(void); /* microseconds, for intervals */

/* RFC 3339 in UTC with milliseconds, "2026-01-31T23:59:59.123Z". */
#define CLOCK_TEXT_SIZE 32
void clock_to_text(uint64_t realtime_us, char text[CLOCK_TEXT_SIZE]);

/*
 * Delay before try number `attempt` (0 is the first repetition): base doubled each time up to ceiling, of which
 * a random share of 50 to 100 % is returned, so that many clients do not come back at once.
 */
uint64_t clock_backoff_us(unsigned attempt, uint64_t base_us, uint64_t ceiling_us);

/* A random UUID (version 4), 36 characters. */
#define CLOCK_UUID_SIZE 37
void clock_uuid(char uuid[CLOCK_UUID_SIZE]);
