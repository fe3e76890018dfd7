/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <libknot/libknot.h>
#include <stdlib.h>
#include <string.h>
#include "secondary-syncer/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t answer_message[DNS_MESSAGE_SIZE];

static void must(int condition)
{
	if (!condition)
		abort();
}

/* The answer to whatever was asked is a message that others can read, and repeats the question. */
static void check_answer(const struct dns_query *query, enum dns_rcode rcode)
{
	static const uint8_t rdata[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
	struct record soa = { .owner = query->question, .type = RECORD_TYPE_SOA, .rclass = 1, .ttl = 60, .rdata = rdata,
	                      .rdata_size = sizeof(rdata) - 1 };
	struct dns_answer answer;

	dns_answer_begin(&answer, query, answer_message);
	if (rcode == DNS_NOERROR) {
		must(query->question_size == query->name_size + 4);
		while (dns_answer_add(&answer, &soa) == 0)
			if (query->kind == DNS_ASKS_SOA)
				break;
	}
	dns_answer_end(&answer, rcode);
	must(answer.size <= DNS_MESSAGE_SIZE);

	knot_pkt_t *packet = knot_pkt_new(answer_message, (uint16_t)answer.size, NULL);
	must(packet != NULL && knot_pkt_parse(packet, 0) == KNOT_EOK);
	must(knot_wire_get_qr(packet->wire) && knot_wire_get_id(packet->wire) == query->id);
	must(knot_wire_get_rcode(packet->wire) == rcode && knot_pkt_has_edns(packet) == query->has_edns);
	must(knot_pkt_section(packet, KNOT_ANSWER)->count == answer.answers);
	knot_pkt_free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_query query;

	if (size > DNS_MESSAGE_SIZE)
		return 0;
	int rcode = dns_query_parse(data, size, &query);
	if (rcode >= 0)
		check_answer(&query, (enum dns_rcode)rcode);
	return 0;
}
