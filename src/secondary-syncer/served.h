/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "common/zone_digest.h"
#include "secondary-syncer/syncer_options.h"
/*
 * What the local PowerDNS serves. Blocking; any thread.
 */
struct served_zone {
	const char *zone;
	uint32_t serial;
	const struct zone_digest *digest;
};

#define SERVED_OTHER_SERIAL (-ECANCELED) /* the zone served is another one */
#define SERVED_OUTDATED (-EINTR)         /* nobody wants to know any more */

/*
 * Reads the zone back by AXFR, which costs PowerDNS a thread and a connection to its database, and compares every record. 0: it is
 * what was sent. SERVED_OTHER_SERIAL, ERROR_BODY (same serial, other content), SERVED_OUTDATED as soon as outdated becomes true, or
 * why it cannot be told. timeout_us: for each message.
 */
int served_compare(const struct syncer_options *options, const struct served_zone *zone, int64_t timeout_us,
                   const _Atomic bool *outdated);

/* Asks for the serial over UDP, which costs next to nothing but may be answered from PowerDNS's caches. As axfr_ask_serial. */
int served_serial(const struct syncer_options *options, const char *zone, uint32_t *ret_serial);

/* After error of served_compare: PowerDNS answers for the zone with this serial, but does not let us have the zone. */
bool served_shuts_out(const struct syncer_options *options, const char *zone, uint32_t serial, int error);

/* Words for an error of served_compare. */
void served_explain(const struct syncer_options *options, uint32_t serial, int error, char *text, size_t size);
