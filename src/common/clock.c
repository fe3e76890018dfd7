/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/clock.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_read(clockid_t which)
{
	struct timespec now;
	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000) + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_realtime_us(void)
{
	return clock_read(CLOCK_REALTIME);
}

uint64_t clock_monotonic_us(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

void clock_to_text(uint64_t realtime_us, char text[CLOCK_TEXT_SIZE])
{
	/* The format has four digits for the year; what lies beyond can only come from a broken message. */
	const uint64_t last_us = UINT64_C(253402300799999999);
	if (realtime_us > last_us)
		realtime_us = last_us;
	time_t seconds = (time_t)(realtime_us / 1000000);
	struct tm broken_down;
	gmtime_r(&seconds, &broken_down);
	size_t used = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &broken_down);
	snprintf(text + used, CLOCK_TEXT_SIZE - used, ".%03uZ", (unsigned)(realtime_us / 1000 % 1000));
}

uint64_t clock_backoff_us(unsigned attempt, uint64_t base_us, uint64_t ceiling_us)
{
	uint64_t delay = base_us;
	for (unsigned i = 0; i < attempt && delay < ceiling_us; i++)
		delay = delay > UINT64_MAX / 2 ? ceiling_us : delay * 2;
	if (delay > ceiling_us)
		delay = ceiling_us;
	uint64_t half = delay / 2;
	uint64_t random;
	randombytes_buf(&random, sizeof(random));
	return delay - half + (half ? random % (half + 1) : 0);
}

void clock_uuid(char uuid[CLOCK_UUID_SIZE])
{
	uint8_t bytes[16];
	char hex[sizeof(bytes) * 2 + 1];
	randombytes_buf(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes));
	snprintf(uuid, CLOCK_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
