/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/dns_answer.h"

#include <errno.h>
#include <libknot/libknot.h>
#include <string.h>

#define HEADER_SIZE 12
#define QUESTION_POINTER 0xC000u
#define EDNS_SIZE 11

static void put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static int parse_question(const knot_pkt_t *packet, struct dns_query *query)
{
	const knot_dname_t *name = knot_pkt_qname(packet);
	if (!name || knot_pkt_qclass(packet) != KNOT_CLASS_IN)
		return DNS_REFUSED;
	query->name_size = knot_dname_size(name);
	query->question_size = query->name_size + 4;
	/* The answer repeats the question as it was asked, in its own case. */
	memcpy(query->question, packet->wire + HEADER_SIZE, query->question_size);
	if (zone_name_from_wire(name, query->name_size, query->zone) < 0)
		return DNS_FORMERR;
	switch (knot_pkt_qtype(packet)) {
	case KNOT_RRTYPE_SOA:
		query->kind = DNS_ASKS_SOA;
		return DNS_NOERROR;
	case KNOT_RRTYPE_AXFR:
	case KNOT_RRTYPE_IXFR: /* answered with the whole zone, RFC 1995 4 */
		query->kind = DNS_ASKS_TRANSFER;
		return DNS_NOERROR;
	default:
		return DNS_REFUSED;
	}
}

int dns_query_parse(const uint8_t *message, size_t size, struct dns_query *ret_query)
{
	struct dns_query query = { 0 };
	if (size < HEADER_SIZE || knot_wire_get_qr(message))
		return -1;
	query.id = knot_wire_get_id(message);
	query.recursion_desired = knot_wire_get_rd(message) != 0;
	int rcode = DNS_FORMERR;
	knot_pkt_t *packet = knot_pkt_new((void *)(uintptr_t)message, (uint16_t)size, NULL);
	if (packet && knot_pkt_parse(packet, KNOT_PF_KEEPWIRE) == KNOT_EOK && knot_wire_get_qdcount(message) == 1) {
		query.has_edns = knot_pkt_has_edns(packet);
		query.dnssec_ok = query.has_edns && knot_pkt_has_dnssec(packet);
		rcode = knot_wire_get_opcode(message) == KNOT_OPCODE_QUERY ? parse_question(packet, &query) : DNS_NOTIMP;
	}
	knot_pkt_free(packet);
	*ret_query = query;
	return rcode;
}

void dns_answer_begin(struct dns_answer *answer, const struct dns_query *query, uint8_t *message)
{
	*answer = (struct dns_answer){ .message = message, .query = query, .size = HEADER_SIZE + query->question_size };
	memcpy(message + HEADER_SIZE, query->question, query->question_size);
}

static size_t room(const struct dns_answer *answer)
{
	return DNS_MESSAGE_SIZE - answer->size - (answer->query->has_edns ? EDNS_SIZE : 0);
}

/*
 * Writes the owner; where it ends in the name of the question, that part becomes a pointer to it. This is all the
 * compression there is: on loopback more would cost time and save nothing.
 */
static size_t put_owner(const struct dns_answer *answer, const uint8_t *owner, size_t owner_size, uint8_t *to)
{
	const uint8_t *zone = answer->query->question;
	size_t zone_size = answer->query->name_size;
	size_t at = 0;
	while (zone_size > 2 && owner_size - at >= zone_size) {
		if (owner_size - at == zone_size && memcmp(owner + at, zone, zone_size) == 0) {
			memcpy(to, owner, at);
			put16(to + at, QUESTION_POINTER | HEADER_SIZE);
			return at + 2;
		}
		if (owner[at] == 0)
			break;
		at += 1u + owner[at];
	}
	memcpy(to, owner, owner_size);
	return owner_size;
}

int dns_answer_add(struct dns_answer *answer, const struct record *record)
{
	uint8_t owner[KNOT_DNAME_MAXLEN];
	size_t owner_size = put_owner(answer, record->owner, knot_dname_size(record->owner), owner);
	if (owner_size + 10 + record->rdata_size > room(answer))
		return -ENOSPC;
	uint8_t *to = answer->message + answer->size;
	memcpy(to, owner, owner_size);
	to += owner_size;
	put16(to, record->type);
	put16(to + 2, record->rclass);
	put16(to + 4, record->ttl >> 16);
	put16(to + 6, record->ttl & 0xFFFF);
	put16(to + 8, record->rdata_size);
	memcpy(to + 10, record->rdata, record->rdata_size);
	answer->size += owner_size + 10 + record->rdata_size;
	answer->answers++;
	return 0;
}

int dns_answer_add_wire(struct dns_answer *answer, const uint8_t *records, size_t size, bool all)
{
	size_t at = 0;
	do {
		size_t owner_size = at < size ? (size_t)knot_dname_size(records + at) : 0;
		if (owner_size == 0 || at + owner_size + 10 > size)
			return -EINVAL;
		const uint8_t *fixed = records + at + owner_size;
		struct record record = { .owner = records + at, .type = knot_wire_read_u16(fixed), .rclass = knot_wire_read_u16(fixed + 2),
		                         .ttl = knot_wire_read_u32(fixed + 4), .rdata_size = knot_wire_read_u16(fixed + 8),
		                         .rdata = fixed + 10 };
		at += owner_size + 10 + record.rdata_size;
		int r = at <= size ? dns_answer_add(answer, &record) : -EINVAL;
		if (r < 0)
			return r;
	} while (all && at < size);
	return 0;
}

static void put_edns(struct dns_answer *answer)
{
	uint8_t *to = answer->message + answer->size;
	memset(to, 0, EDNS_SIZE);
	put16(to + 1, KNOT_RRTYPE_OPT);
	put16(to + 3, DNS_UDP_SIZE);
	if (answer->query->dnssec_ok)
		to[7] = 0x80;
	answer->size += EDNS_SIZE;
}

void dns_answer_end(struct dns_answer *answer, enum dns_rcode rcode)
{
	uint8_t *header = answer->message;
	memset(header, 0, HEADER_SIZE);
	knot_wire_set_id(header, answer->query->id);
	knot_wire_set_qr(header);
	if (answer->answers > 0)
		knot_wire_set_aa(header);
	if (answer->query->recursion_desired)
		knot_wire_set_rd(header);
	knot_wire_set_rcode(header, (uint8_t)rcode);
	knot_wire_set_qdcount(header, answer->query->question_size > 0);
	knot_wire_set_ancount(header, answer->answers);
	if (answer->query->has_edns) {
		put_edns(answer);
		knot_wire_set_arcount(header, 1);
	}
}

int dns_record_to_wire(const struct record *record, uint8_t *buffer, size_t size)
{
	size_t owner_size = knot_dname_size(record->owner);
	if (owner_size + 10 + record->rdata_size > size)
		return -ENOSPC;
	memcpy(buffer, record->owner, owner_size);
	uint8_t *to = buffer + owner_size;
	put16(to, record->type);
	put16(to + 2, record->rclass);
	put16(to + 4, record->ttl >> 16);
	put16(to + 6, record->ttl & 0xFFFF);
	put16(to + 8, record->rdata_size);
	memcpy(to + 10, record->rdata, record->rdata_size);
	return (int)(owner_size + 10 + record->rdata_size);
}
