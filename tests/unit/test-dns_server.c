/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What PowerDNS sees of us: SOA out of offer or book, whole zones, and no peer that can block the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libknot/libknot.h>
#include <poll.h>

#include "common/axfr_client.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/spool.h"
#include "pdns-server.h"
#include "secondary-syncer/dns_server.h"
#include "small-zone.h"

#define MANY 70
#define TIMEOUT_MS 600

static struct small_zone zone, newer;
static struct transfers *transfers;
static struct applied_book *book;
static struct dns_server *server;
static char folder[64], address[32];
static int port, fetch_result;

static int fetch(const char *name, struct transfer **ret, void *userdata)
{
	(void)name, (void)userdata;
	return fetch_result < 0 ? fetch_result : transfer_new(&zone.offer, ret);
}

static int setup(void **state)
{
	(void)state;
	struct book_entry entry = { .state = ZONE_STATE_PRESENT, .generation = 1, .serial = 1 };
	strcpy(folder, "/tmp/test-dns_server-XXXXXX");
	fetch_result = 0;
	small_zone_make(&zone, 1, 10000); /* more than fits into one message */
	small_zone_make(&newer, 2, 3);
	port = pdns_server_free_port();
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	if (!mkdtemp(folder) || applied_book_open(folder, &book) < 0 || transfers_new(&transfers) < 0)
		return -1;
	entry.soa_size = zone.offer.soa_size;
	memcpy(entry.soa, zone.soa, entry.soa_size);
	if (applied_book_put(book, "zone.test.", &entry) < 0)
		return -1;
	entry.state = ZONE_STATE_DELETED;
	if (applied_book_put(book, "deleted.test.", &entry) < 0)
		return -1;
	struct dns_server_options options = { .listen = address, .book = book, .transfers = transfers, .fetch = fetch,
	                                      .timeout_ms = TIMEOUT_MS };
	return dns_server_start(&options, &server);
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	dns_server_stop(server);
	applied_book_close(book);
	transfers_free(transfers);
	small_zone_free(&zone);
	small_zone_free(&newer);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static uint32_t serial_of(const char *name)
{
	struct axfr_source source = { .server = address, .timeout_us = 3000000 };
	uint32_t serial = 0;
	int r = axfr_ask_serial(&source, name, &serial);
	return r == 0 ? serial : r == ERROR_DNS_REFUSED ? 0 : UINT32_MAX;
}

static void soa_comes_from_the_offer_or_the_book(void **state)
{
	(void)state;
	struct transfer *transfer;
	assert_int_equal(serial_of("zone.test."), 1);
	assert_int_equal(transfers_open(transfers, &newer.offer, &transfer), 0);
	assert_int_equal(serial_of("ZONE.test."), 2);
	transfers_close(transfers, transfer);
	assert_int_equal(serial_of("zone.test."), 1);
	assert_int_equal(serial_of("deleted.test."), 0);
	assert_int_equal(serial_of("unknown.test."), 0);
}

static int count_record(const struct record *record, void *userdata)
{
	(void)record;
	++*(unsigned *)userdata;
	return 0;
}

static int transfer_count(unsigned *ret)
{
	struct axfr_source source = { .server = address, .timeout_us = 3000000 };
	*ret = 0;
	return axfr_fetch(&source, "zone.test.", count_record, ret, NULL);
}

static void transfer_comes_from_the_offer_or_the_store(void **state)
{
	(void)state;
	struct transfer *transfer;
	unsigned records;
	assert_int_equal(transfer_count(&records), 0);
	assert_int_equal(records, 10001);
	assert_int_equal(transfers_open(transfers, &newer.offer, &transfer), 0);
	assert_int_equal(transfer_count(&records), 0);
	assert_int_equal(records, 4);
	assert_int_equal(transfer_wait(transfers, transfer, 0, 3000000), 1);
	transfers_close(transfers, transfer);
	fetch_result = -ENOENT;
	assert_int_equal(transfer_count(&records), ERROR_DNS_REFUSED);
	fetch_result = -ETIMEDOUT;
	assert_int_equal(transfer_count(&records), ERROR_DNS);
}

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Whether an octet comes (1), the connection ends (0), or neither within the time (-1). */
static int comes(int fd, int milliseconds)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	char octet;
	if (poll(&polled, 1, milliseconds) <= 0)
		return -1;
	return recv(fd, &octet, 1, 0) == 1;
}

static size_t soa_query(uint8_t *wire)
{
	knot_pkt_t *packet = knot_pkt_new(wire + 2, 510, NULL);
	knot_pkt_clear(packet);
	assert_int_equal(knot_pkt_put_question(packet, small_zone_apex, KNOT_CLASS_IN, KNOT_RRTYPE_SOA), 0);
	size_t size = packet->size;
	knot_wire_write_u16(wire, (uint16_t)size);
	knot_pkt_free(packet);
	return size + 2;
}

static void queries_may_come_octet_by_octet(void **state)
{
	(void)state;
	uint8_t wire[512];
	size_t size = soa_query(wire);
	CLEANUP(close) int fd = dial();
	for (int turn = 0; turn < 2; turn++) {
		uint8_t answer[512];
		for (size_t i = 0; i < size; i++)
			assert_int_equal(send(fd, wire + i, 1, MSG_NOSIGNAL), 1);
		assert_int_equal(recv(fd, answer, 2, MSG_WAITALL), 2);
		uint16_t length = knot_wire_read_u16(answer);
		assert_int_equal(recv(fd, answer, length, MSG_WAITALL), length);
		assert_int_equal(knot_wire_get_ancount(answer), 1);
	}
}

static void a_query_must_end_in_time(void **state)
{
	(void)state;
	CLEANUP(close) int fd = dial();
	int result = -1;
	assert_int_equal(send(fd, "\0\377", 2, MSG_NOSIGNAL), 2);
	for (int i = 0; i < 40 && result < 0; i++) { /* each octet in time, all of them not */
		(void)!send(fd, "", 1, MSG_NOSIGNAL);
		result = comes(fd, TIMEOUT_MS / 5);
	}
	assert_int_equal(result, 0);
}

static void too_many_connections_are_closed_and_room_comes_back(void **state)
{
	(void)state;
	int fds[MANY];
	for (int i = 0; i < MANY; i++)
		fds[i] = dial();
	unsigned records;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(comes(fds[i], 20 * TIMEOUT_MS), 0); /* those beyond the limit at once, idle ones in time */
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	assert_int_equal(transfer_count(&records), 0);
}

static void the_end_does_not_wait_for_peers(void **state)
{
	(void)state;
	CLEANUP(close) int fd = dial();
	assert_int_equal(send(fd, "\0", 1, MSG_NOSIGNAL), 1);
	dns_server_stop(TAKE(server));
	assert_true(comes(fd, 100) <= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(soa_comes_from_the_offer_or_the_book, setup, teardown),
		cmocka_unit_test_setup_teardown(transfer_comes_from_the_offer_or_the_store, setup, teardown),
		cmocka_unit_test_setup_teardown(queries_may_come_octet_by_octet, setup, teardown),
		cmocka_unit_test_setup_teardown(a_query_must_end_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_connections_are_closed_and_room_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_does_not_wait_for_peers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
