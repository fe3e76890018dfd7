/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/record.h"
#include "common/zone_body.h"
#include "secondary-syncer/dns_answer.h"
#include "secondary-syncer/transfers.h"
/* "zone.test." of a SOA and some addresses, as a worker offers it to the DNS server. */

static const uint8_t small_zone_apex[] = "\4zone\4test";

struct small_zone {
	struct zone_body_facts facts;
	struct spool *body;
	uint8_t soa[512];
	struct transfer_offer offer;
};

static inline int small_zone_record(unsigned i, struct zone_body_writer *writer)
{
	uint8_t owner[] = "\5xxxxx\4zone\4test", rdata[4] = { 192, 0, 2, (uint8_t)i };
	char label[6];
	snprintf(label, sizeof(label), "%05u", i % 100000);
	memcpy(owner + 1, label, 5);
	return zone_body_writer_add(&(struct record){ owner, 1, 1, 300, sizeof(rdata), rdata }, writer);
}

static inline void small_zone_make(struct small_zone *zone, uint8_t serial, unsigned addresses)
{
	uint8_t rdata[] = "\1a\0\1b\0\0\0\0\7\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
	rdata[9] = serial;
	struct record soa = { small_zone_apex, RECORD_TYPE_SOA, 1, 60, sizeof(rdata) - 1, rdata };
	struct zone_body_writer *writer;
	if (zone_body_writer_new("/tmp", 1 << 20, &writer) < 0 || zone_body_writer_add(&soa, writer) < 0)
		abort();
	for (unsigned i = 0; i < addresses; i++)
		if (small_zone_record(i, writer) < 0)
			abort();
	if (zone_body_writer_finish(writer, &zone->facts, &zone->body) < 0)
		abort();
	zone_body_writer_free(writer);
	int size = dns_record_to_wire(&soa, zone->soa, sizeof(zone->soa));
	zone->offer = (struct transfer_offer){ .zone = "zone.test.", .facts = &zone->facts, .body = zone->body, .soa = zone->soa,
	                                       .soa_size = (uint32_t)size };
}

static inline void small_zone_free(struct small_zone *zone) { spool_free(zone->body); }
