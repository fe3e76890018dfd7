/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <libknot/libknot.h>
#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/net_address.h"
#include "common/zone_name.h"

#define QUERY_SIZE 1024      /* a question and a TSIG with the longest names */
#define UNSIGNED_MAX 99      /* messages that may lie between two signed ones (RFC 8945 5.3.1) */
#define MAC_SIZE 128
#define UDP_SIZE 1232        /* of an answer over UDP */
#define UDP_TRIES 3

/* What was asked, and what is known of the signatures on the answer. */
struct question {
	uint8_t zone[ZONE_WIRE_SIZE];
	uint16_t type, id;
	const knot_tsig_key_t *key; /* or NULL */
	uint8_t mac[MAC_SIZE];      /* of the query, then of the last message that was signed */
	size_t mac_size;
	uint64_t time_signed;
	bool answered;              /* a first message came, and was signed when there is a key */
	unsigned unsigned_count;
	uint8_t *unchecked;         /* messages that the next signature covers */
	size_t unchecked_size, unchecked_room;
};

struct transfer {
	struct question question;
	int fd;
	int64_t timeout_us, later_timeout_us;
	record_visit visit;
	void *userdata;
	uint8_t *soa; /* rdata of the first record */
	uint16_t soa_size;
	bool ended;
	struct axfr_failure failure;
	uint8_t message[KNOT_WIRE_MAX_PKTSIZE];
};

static void transfer_free(struct transfer *transfer)
{
	if (transfer->fd >= 0)
		(void)close(transfer->fd);
	free(transfer->question.unchecked);
	free(transfer->soa);
	free(transfer);
}

DEFINE_CLEANUP(transfer, struct transfer *, transfer_free)
DEFINE_CLEANUP(packet, knot_pkt_t *, knot_pkt_free)

/* Waits for events on fd until the deadline. */
static int wait_for(int fd, short events, uint64_t deadline_us)
{
	for (;;) {
		uint64_t now = clock_monotonic_us();
		if (now >= deadline_us)
			return -ETIMEDOUT;
		uint64_t milliseconds = (deadline_us - now + 999) / 1000;
		struct pollfd poller = { .fd = fd, .events = events };
		int ready = poll(&poller, 1, milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return -errno;
	}
}

static uint64_t deadline_after(int64_t timeout_us)
{
	return clock_monotonic_us() + (uint64_t)(timeout_us > 0 ? timeout_us : 0);
}

/* A non-blocking socket that is connected to the server, or an error. */
static int connect_to(const char *server, int type, int64_t timeout_us)
{
	struct sockaddr_storage address;
	socklen_t size;

	int result = net_address_parse(server, &address, &size);
	if (result < 0)
		return result;
	CLEANUP(close) int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return TAKE_FD(fd);
	if (errno != EINPROGRESS)
		return -errno;

	int error = 0;
	socklen_t error_size = sizeof(error);
	result = wait_for(fd, POLLOUT, deadline_after(timeout_us));
	if (result < 0)
		return result;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
		return -errno;
	return error ? -error : TAKE_FD(fd);
}

static int send_all(int fd, const uint8_t *data, size_t size, uint64_t deadline_us)
{
	while (size > 0) {
		ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
		if (sent >= 0) {
			data += sent;
			size -= (size_t)sent;
			continue;
		}
		int result = errno == EAGAIN ? wait_for(fd, POLLOUT, deadline_us) : errno == EINTR ? 0 : -errno;
		if (result < 0)
			return result;
	}
	return 0;
}

static int receive_all(int fd, uint8_t *data, size_t size, uint64_t deadline_us)
{
	while (size > 0) {
		ssize_t got = recv(fd, data, size, 0);
		if (got == 0)
			return ERROR_MALFORMED; /* closed in the middle */
		if (got > 0) {
			data += got;
			size -= (size_t)got;
			continue;
		}
		int result = errno == EAGAIN ? wait_for(fd, POLLIN, deadline_us) : errno == EINTR ? 0 : -errno;
		if (result < 0)
			return result;
	}
	return 0;
}

static int question_init(struct question *question, const char *zone, uint16_t type, const struct tsig_key *tsig)
{
	if (sodium_init() < 0)
		return -ENOSYS;
	question->type = type;
	question->id = (uint16_t)randombytes_uniform(UINT16_MAX + 1U);
	question->key = tsig ? tsig_key_knot(tsig) : NULL;
	int size = zone_name_to_wire(zone, question->zone);
	return size < 0 ? size : 0;
}

/* The query in `wire`, signed when there is a key; its size, or an error. */
/*
 * PowerDNS neither answers from its packet cache nor puts an answer into it where somebody asks for its name (NSID): each
 * entry would make its commits slower, which look through the whole cache.
 */
static int ask_past_cache(knot_pkt_t *query)
{
	knot_rrset_t options;
	if (knot_edns_init(&options, UDP_SIZE, 0, 0, NULL) != KNOT_EOK)
		return -ENOMEM;
	int result = knot_edns_add_option(&options, KNOT_EDNS_OPTION_NSID, 0, NULL, NULL);
	if (result == KNOT_EOK)
		result = knot_pkt_begin(query, KNOT_ADDITIONAL);
	if (result == KNOT_EOK)
		result = knot_pkt_put(query, KNOT_COMPR_HINT_NONE, &options, 0);
	knot_rrset_clear(&options, NULL);
	return result == KNOT_EOK ? 0 : -ENOMEM;
}

static int make_query(struct question *question, uint8_t wire[QUERY_SIZE])
{
	CLEANUP(packet) knot_pkt_t *query = knot_pkt_new(wire, QUERY_SIZE, NULL);

	if (!query)
		return -ENOMEM;
	knot_pkt_clear(query);
	knot_wire_set_id(query->wire, question->id);
	if (knot_pkt_put_question(query, question->zone, KNOT_CLASS_IN, question->type) != KNOT_EOK)
		return ERROR_MALFORMED;
	int result = question->type == KNOT_RRTYPE_SOA && !question->key ? ask_past_cache(query) : 0;
	if (result < 0)
		return result;
	size_t size = query->size;
	if (question->key) {
		question->mac_size = sizeof(question->mac);
		if (knot_tsig_sign(query->wire, &size, QUERY_SIZE, NULL, 0, question->mac, &question->mac_size, question->key,
		                   0, 0) != KNOT_EOK)
			return ERROR_TSIG;
	}
	return (int)size;
}

static int rcode_to_error(int rcode)
{
	switch (rcode) {
	case KNOT_RCODE_NOERROR:
		return 0;
	case KNOT_RCODE_REFUSED:
		return ERROR_DNS_REFUSED;
	case KNOT_RCODE_NOTAUTH:
		return ERROR_NOT_AUTH;
	default:
		return ERROR_DNS;
	}
}

static int keep_unchecked(struct question *question, const knot_pkt_t *packet)
{
	size_t size = question->unchecked_size + packet->size;

	if (size > question->unchecked_room) {
		uint8_t *larger = realloc(question->unchecked, 2 * size);
		if (!larger)
			return -ENOMEM;
		question->unchecked = larger;
		question->unchecked_room = 2 * size;
	}
	memcpy(question->unchecked + question->unchecked_size, packet->wire, packet->size);
	question->unchecked_size = size;
	return 0;
}

/* A signature covers its own message, without the TSIG that parsing took off, and the unsigned ones before it. */
static int check_signature(struct question *question, const knot_pkt_t *packet)
{
	const knot_rrset_t *tsig = packet->tsig_rr;

	if (!tsig && (!question->answered || ++question->unsigned_count > UNSIGNED_MAX))
		return ERROR_TSIG;
	int result = keep_unchecked(question, packet);
	if (result < 0 || !tsig)
		return result;

	/* Verification compares the MAC in the length that was sent: none may be shorter than the algorithm's own. */
	size_t mac_size = knot_tsig_rdata_mac_length(tsig);
	if (mac_size != question->mac_size)
		return ERROR_TSIG;
	__auto_type check = question->answered ? knot_tsig_client_check_next : knot_tsig_client_check;
	if (check(tsig, question->unchecked, question->unchecked_size, question->mac, question->mac_size, question->key,
	          question->time_signed) != KNOT_EOK)
		return ERROR_TSIG;
	memcpy(question->mac, knot_tsig_rdata_mac(tsig), mac_size);
	question->time_signed = knot_tsig_rdata_time_signed(tsig);
	question->unsigned_count = 0;
	question->unchecked_size = 0;
	return 0;
}

/* Whether the message repeats our question; messages after the first may leave it out (RFC 5936 2.2.1). */
static bool repeats_question(const struct question *question, const knot_pkt_t *packet)
{
	uint16_t count = knot_wire_get_qdcount(packet->wire);

	if (count == 0)
		return question->answered;
	return count == 1 && knot_dname_is_equal(knot_pkt_qname(packet), question->zone)
	       && knot_pkt_qtype(packet) == question->type && knot_pkt_qclass(packet) == KNOT_CLASS_IN;
}

/* 0, or what the message is instead of a good answer; *ret_rcode as soon as it is known. */
static int check_message(struct question *question, knot_pkt_t *packet, int *ret_rcode)
{
	if (packet->size < KNOT_WIRE_HEADER_SIZE)
		return ERROR_MALFORMED;
	uint16_t id = knot_wire_get_id(packet->wire);
	if (knot_pkt_parse(packet, KNOT_PF_NOCANON) != KNOT_EOK || id != question->id || !knot_wire_get_qr(packet->wire)
	    || knot_wire_get_opcode(packet->wire) != KNOT_OPCODE_QUERY || knot_wire_get_tc(packet->wire))
		return ERROR_MALFORMED;

	int rcode = knot_wire_get_rcode(packet->wire);
	*ret_rcode = rcode;
	if (packet->tsig_rr && (!question->key || knot_tsig_rdata_error(packet->tsig_rr) != 0))
		return ERROR_TSIG;
	/* Servers that know neither key nor zone say no without a signature, and without the question. */
	if (rcode != KNOT_RCODE_NOERROR && rcode != KNOT_RCODE_NXDOMAIN)
		return rcode_to_error(rcode);
	if (!repeats_question(question, packet))
		return ERROR_MALFORMED;
	int result = question->key ? check_signature(question, packet) : 0;
	if (result == 0)
		question->answered = true;
	return result;
}

/* Makes a record of one in a packet, checked. */
static int record_of(const knot_rrset_t *rrset, struct record *ret)
{
	if (rrset->rrs.count != 1 || rrset->rclass != KNOT_CLASS_IN || knot_rrtype_is_metatype(rrset->type))
		return ERROR_MALFORMED;
	*ret = (struct record) {
		.owner = rrset->owner,
		.type = rrset->type,
		.rclass = rrset->rclass,
		.ttl = rrset->ttl,
		.rdata_size = rrset->rrs.rdata->len,
		.rdata = rrset->rrs.rdata->data,
	};
	return record_check(ret);
}

static bool is_apex(const uint8_t *owner, const uint8_t *zone)
{
	return knot_dname_is_case_equal(owner, zone);
}

static bool is_in_zone(const uint8_t *owner, const uint8_t *zone)
{
	uint8_t lower[ZONE_WIRE_SIZE];

	knot_dname_copy_lower(lower, owner);
	return knot_dname_in_bailiwick(lower, zone) >= 0;
}

static int take_record(struct transfer *transfer, const struct record *record)
{
	const uint8_t *zone = transfer->question.zone;

	if (transfer->ended || !is_in_zone(record->owner, zone))
		return ERROR_MALFORMED;
	if (record->type != RECORD_TYPE_SOA)
		return transfer->soa ? transfer->visit(record, transfer->userdata) : ERROR_MALFORMED;
	if (!is_apex(record->owner, zone))
		return ERROR_MALFORMED;
	if (transfer->soa) {
		/* The closing SOA; another one means that the zone changed under way. */
		if (record->rdata_size != transfer->soa_size || memcmp(record->rdata, transfer->soa, transfer->soa_size) != 0)
			return ERROR_MALFORMED;
		transfer->ended = true;
		return 0;
	}
	transfer->soa = malloc(record->rdata_size);
	if (!transfer->soa)
		return -ENOMEM;
	memcpy(transfer->soa, record->rdata, record->rdata_size);
	transfer->soa_size = record->rdata_size;
	return transfer->visit(record, transfer->userdata);
}

static int take_message(struct transfer *transfer, uint16_t size)
{
	CLEANUP(packet) knot_pkt_t *packet = knot_pkt_new(transfer->message, size, NULL);

	if (!packet)
		return -ENOMEM;
	packet->size = size;
	int rcode = -1;
	int result = check_message(&transfer->question, packet, &rcode);
	if (rcode != KNOT_RCODE_NOERROR)
		transfer->failure.rcode = rcode;
	if (result == 0 && rcode != KNOT_RCODE_NOERROR)
		result = rcode_to_error(rcode);

	const knot_pktsection_t *answer = knot_pkt_section(packet, KNOT_ANSWER);
	if (result == 0 && answer->count == 0)
		result = ERROR_MALFORMED; /* nothing moves on: the transfer could last for ever */
	for (uint16_t i = 0; result >= 0 && i < answer->count; i++) {
		struct record record;
		result = record_of(knot_pkt_rr(answer, i), &record);
		if (result == 0)
			result = take_record(transfer, &record);
	}
	return result;
}

static int send_query(struct transfer *transfer)
{
	uint8_t query[2 + QUERY_SIZE] = { 0 };

	int size = make_query(&transfer->question, query + 2);
	if (size < 0)
		return size;
	knot_wire_write_u16(query, (uint16_t)size);
	return send_all(transfer->fd, query, 2 + (size_t)size, deadline_after(transfer->timeout_us));
}

static int receive_messages(struct transfer *transfer)
{
	int64_t timeout_us = transfer->timeout_us;

	while (!transfer->ended) {
		uint64_t deadline = deadline_after(timeout_us);
		uint8_t prefix[2];
		int result = receive_all(transfer->fd, prefix, sizeof(prefix), deadline);
		if (result < 0)
			return result;
		uint16_t size = knot_wire_read_u16(prefix);
		result = receive_all(transfer->fd, transfer->message, size, deadline);
		if (result == 0)
			result = take_message(transfer, size);
		if (result < 0)
			return result;
		timeout_us = transfer->later_timeout_us;
	}
	/* The last message must be signed, or what came since the last signature was never checked. */
	return transfer->question.unsigned_count == 0 ? 0 : ERROR_TSIG;
}

static int fetch(struct transfer *transfer, const struct axfr_source *source, const char *zone)
{
	int result = question_init(&transfer->question, zone, KNOT_RRTYPE_AXFR, source->tsig);
	if (result < 0)
		return result;
	transfer->fd = connect_to(source->server, SOCK_STREAM, source->timeout_us);
	if (transfer->fd < 0)
		return transfer->fd;
	int yes = 1;
	(void)setsockopt(transfer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	result = send_query(transfer);
	return result < 0 ? result : receive_messages(transfer);
}

int axfr_fetch(const struct axfr_source *source, const char *zone, record_visit visit, void *userdata,
               struct axfr_failure *ret_failure)
{
	CLEANUP(transfer) struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return -ENOMEM;
	transfer->fd = -1;
	transfer->timeout_us = source->timeout_us;
	transfer->later_timeout_us =
		source->later_timeout_us > source->timeout_us ? source->later_timeout_us : source->timeout_us;
	transfer->visit = visit;
	transfer->userdata = userdata;
	transfer->failure.rcode = -1;
	int result = fetch(transfer, source, zone);
	if (ret_failure)
		*ret_failure = transfer->failure;
	return result;
}

/* What an answer to the question for the SOA says. */
static int serial_of(const struct question *question, const knot_pkt_t *packet, uint32_t *ret_serial)
{
	const knot_pktsection_t *answer = knot_pkt_section(packet, KNOT_ANSWER);

	if (!knot_wire_get_aa(packet->wire))
		return ERROR_NOT_AUTH;
	for (uint16_t i = 0; i < answer->count; i++) {
		struct record record;
		int result = record_of(knot_pkt_rr(answer, i), &record);
		if (result < 0)
			return result;
		if (record.type == RECORD_TYPE_SOA && is_apex(record.owner, question->zone))
			return record_soa_serial(&record, ret_serial);
	}
	return -ENOENT;
}

/* Waits for the answer; what is not ours, such as one that comes late, is passed over. */
static int receive_serial(int fd, struct question *question, uint64_t deadline_us, uint32_t *ret_serial)
{
	for (;;) {
		uint8_t message[4096];
		int result = wait_for(fd, POLLIN, deadline_us);
		if (result < 0)
			return result;
		ssize_t size = recv(fd, message, sizeof(message), 0);
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (size < 0)
			return -errno;
		if (size < KNOT_WIRE_HEADER_SIZE || knot_wire_get_id(message) != question->id)
			continue;

		CLEANUP(packet) knot_pkt_t *packet = knot_pkt_new(message, (uint16_t)size, NULL);
		if (!packet)
			return -ENOMEM;
		packet->size = (size_t)size;
		int rcode;
		result = check_message(question, packet, &rcode);
		return result < 0 ? result : serial_of(question, packet, ret_serial);
	}
}

int axfr_ask_serial(const struct axfr_source *source, const char *zone, uint32_t *ret_serial)
{
	struct question question = { 0 };
	uint8_t query[QUERY_SIZE] = { 0 };

	int result = question_init(&question, zone, KNOT_RRTYPE_SOA, source->tsig);
	if (result < 0)
		return result;
	CLEANUP(close) int fd = connect_to(source->server, SOCK_DGRAM, source->timeout_us);
	if (fd < 0)
		return fd;
	int size = make_query(&question, query);
	result = size < 0 ? size : -ETIMEDOUT;
	for (int tries = 0; tries < UDP_TRIES && result == -ETIMEDOUT; tries++) {
		uint64_t deadline = deadline_after(source->timeout_us / UDP_TRIES);
		result = send_all(fd, query, (size_t)size, deadline);
		if (result == 0)
			result = receive_serial(fd, &question, deadline, ret_serial);
	}
	free(question.unchecked);
	return result;
}
