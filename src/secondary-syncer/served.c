/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/served.h"

#include <stdio.h>
#include <string.h>

#include "common/axfr_client.h"
#include "common/error.h"

#define SERIAL_US 300000     /* for an answer over UDP */
#define SHUT_OUT_US 3000000  /* the same, where nothing waits */

struct served {
	struct zone_digest digest;
	const struct served_zone *wanted;
	const _Atomic bool *outdated;
	bool began;
};

static int add_served(const struct record *record, void *userdata)
{
	struct served *served = userdata;
	if (*served->outdated)
		return SERVED_OUTDATED;
	if (!served->began) {
		uint32_t serial;
		served->began = true;
		if (record_soa_serial(record, &serial) < 0 || serial != served->wanted->serial)
			return SERVED_OTHER_SERIAL;
	}
	return zone_digest_add(&served->digest, record);
}

int served_compare(const struct syncer_options *options, const struct served_zone *zone, int64_t timeout_us,
                   const _Atomic bool *outdated)
{
	struct axfr_source source = { .server = options->secondary_dns, .timeout_us = timeout_us };
	struct served served = { .wanted = zone, .outdated = outdated };
	zone_digest_init(&served.digest);
	struct axfr_failure failure;
	int r = axfr_fetch(&source, zone->zone, add_served, &served, &failure);
	if (r < 0)
		return r;
	return memcmp(&served.digest, zone->digest, sizeof(served.digest)) == 0 ? 0 : ERROR_BODY;
}

int served_serial(const struct syncer_options *options, const char *zone, uint32_t *ret_serial)
{
	struct axfr_source source = { .server = options->secondary_dns, .timeout_us = SERIAL_US };
	return axfr_ask_serial(&source, zone, ret_serial);
}

bool served_shuts_out(const struct syncer_options *options, const char *zone, uint32_t serial, int error)
{
	struct axfr_source source = { .server = options->secondary_dns, .timeout_us = SHUT_OUT_US };
	uint32_t answered;
	return (error == ERROR_NOT_AUTH || error == ERROR_DNS_REFUSED) &&
	       axfr_ask_serial(&source, zone, &answered) == 0 && answered == serial;
}

void served_explain(const struct syncer_options *options, uint32_t serial, int error, char *text, size_t size)
{
	const char *server = options->secondary_dns;
	if (error == ERROR_BODY)
		snprintf(text, size, "PowerDNS serves serial %u with other content than it was sent", serial);
	else if (error == SERVED_OTHER_SERIAL)
		snprintf(text, size, "PowerDNS fetched serial %u but does not serve it; see its log", serial);
	else if (error == ERROR_DNS_REFUSED || error == ERROR_NOT_AUTH) /* PowerDNS says either to whom it allows none */
		snprintf(text, size, "PowerDNS at %s refuses us AXFR, which confirms what it serves: allow this host in allow-axfr-ips, "
		         "leave disable-axfr off, and check secondary-dns", server);
	else
		snprintf(text, size, "cannot see what PowerDNS serves at %s: %s; check secondary-dns", server, error_text(error));
}
