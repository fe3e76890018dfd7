/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/record.h"
#include "common/zone_name.h"
/*
 * DNS messages of the loopback server: what a query asks, and the octets of an answer (RFC 1035 4.1, RFC 5936 2.2).
 */
#define DNS_MESSAGE_SIZE 65535
#define DNS_UDP_SIZE 1232

enum dns_question_kind { DNS_ASKS_SOA, DNS_ASKS_TRANSFER };

struct dns_query {
	uint16_t id;
	bool recursion_desired;
	bool dnssec_ok;
	bool has_edns;
	enum dns_question_kind kind;
	char zone[ZONE_NAME_SIZE];
	uint8_t question[ZONE_WIRE_SIZE + 4]; /* as it was asked */
	size_t question_size;
	size_t name_size;                     /* of the name in the question */
};

enum dns_rcode { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

/*
 * Reads a query. DNS_NOERROR, or the rcode to answer with; *ret_query is filled in as far as it could be read.
 * -1: not even a header of a query: no answer at all.
 */
int dns_query_parse(const uint8_t *message, size_t size, struct dns_query *ret_query);

/* An answer that is being written. */
struct dns_answer {
	uint8_t *message; /* DNS_MESSAGE_SIZE octets, the caller's */
	size_t size;
	uint16_t answers;
	const struct dns_query *query;
};

void dns_answer_begin(struct dns_answer *answer, const struct dns_query *query, uint8_t *message);
/* -ENOSPC: no room left in this message. */
int dns_answer_add(struct dns_answer *answer, const struct record *record);
/* Records in wire form, uncompressed, one after the other: the first, or all. */
int dns_answer_add_wire(struct dns_answer *answer, const uint8_t *records, size_t size, bool all);
/* Writes counts and flags; the message is complete then. Adds EDNS if the query had it. */
void dns_answer_end(struct dns_answer *answer, enum dns_rcode rcode);

/* A record in uncompressed wire form as dns_answer_add_wire takes it; number of octets or -ENOSPC. */
int dns_record_to_wire(const struct record *record, uint8_t *buffer, size_t size);
