/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/dns_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <uthash.h>
#include <utlist.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/net_address.h"
#include "secondary-syncer/dns_answer.h"
#include "secondary-syncer/syncer_metrics.h"

#define CONNECTIONS_MAX 64
#define TCP_TIMEOUT_MS 10000 /* by default: without a sign of life from the peer, and for all of a query */
#define ACCEPT_PAUSE_MS 100

struct connection {
	int fd;
	struct dns_server *server;
	uint8_t message[2 + DNS_MESSAGE_SIZE];
	struct connection *next, *prev;
};

struct dns_server {
	struct dns_server_options options;
	int udp, tcp, stop_event;
	pthread_t udp_thread, tcp_thread;
	bool has_udp_thread, has_tcp_thread;
	pthread_mutex_t lock; /* of the connections */
	pthread_cond_t closed;
	struct connection *connections;
	unsigned connection_count;
};

/* Waits for input on fd or for the end of the server; false at the end. */
static bool wait_input(const struct dns_server *server, int fd)
{
	struct pollfd polled[] = { { .fd = fd, .events = POLLIN }, { .fd = server->stop_event, .events = POLLIN } };
	while (poll(polled, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return !(polled[1].revents & POLLIN);
}

/* The SOA answer, or the refusal; the message is complete then. */
static void answer_soa(struct dns_server *server, const struct dns_query *query, struct dns_answer *answer)
{
	struct transfer *transfer = transfers_find(server->options.transfers, query->zone);
	struct book_entry entry = { 0 };
	int r = -ENOENT;
	if (transfer) {
		uint32_t size;
		const uint8_t *soa = transfer_soa(transfer, &size);
		r = dns_answer_add_wire(answer, soa, size, query->dnssec_ok);
		transfer_unref(transfer);
	} else if (applied_book_get(server->options.book, query->zone, &entry) == 0 &&
	           entry.state == ZONE_STATE_PRESENT && entry.soa_size > 0) {
		r = dns_answer_add_wire(answer, entry.soa, entry.soa_size, query->dnssec_ok);
	}
	if (r < 0)
		COUNT(METRIC_QUERIES_REFUSED);
	dns_answer_end(answer, r == 0 ? DNS_NOERROR : DNS_REFUSED);
}

static void answer_datagram(struct dns_server *server, const uint8_t *message, size_t size, const struct sockaddr *peer,
                            socklen_t peer_size)
{
	static __thread uint8_t buffer[DNS_MESSAGE_SIZE];
	struct dns_query query;
	struct dns_answer answer;
	int rcode = dns_query_parse(message, size, &query);
	COUNT(METRIC_QUERIES);
	if (rcode < 0)
		return;
	dns_answer_begin(&answer, &query, buffer);
	if (rcode == DNS_NOERROR && query.kind == DNS_ASKS_SOA) {
		answer_soa(server, &query, &answer);
	} else { /* a transfer over UDP is none */
		COUNT(METRIC_QUERIES_REFUSED);
		dns_answer_end(&answer, rcode == DNS_NOERROR ? DNS_REFUSED : (enum dns_rcode)rcode);
	}
	if (answer.size > DNS_UDP_SIZE) { /* ask again over TCP */
		dns_answer_begin(&answer, &query, buffer);
		dns_answer_end(&answer, DNS_NOERROR);
		buffer[2] |= 0x02;
	}
	(void)sendto(server->udp, buffer, answer.size, 0, peer, peer_size);
}

static void *udp_main(void *userdata)
{
	struct dns_server *server = userdata;
	uint8_t message[DNS_UDP_SIZE];
	while (wait_input(server, server->udp)) {
		struct sockaddr_storage peer;
		socklen_t peer_size = sizeof(peer);
		ssize_t size = recvfrom(server->udp, message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&peer, &peer_size);
		if (size > 0)
			answer_datagram(server, message, (size_t)size, (struct sockaddr *)&peer, peer_size);
	}
	return NULL;
}

/* Reads exactly size octets; false at the end of the connection, on an error, or at the deadline. */
static bool read_exactly(int fd, uint8_t *buffer, size_t size, uint64_t deadline_us)
{
	while (size > 0) {
		struct pollfd polled = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_monotonic_us();
		if (now >= deadline_us || poll(&polled, 1, (int)((deadline_us - now + 999) / 1000)) <= 0)
			return false;
		ssize_t got = recv(fd, buffer, size, 0);
		if (got <= 0)
			return false;
		buffer += got;
		size -= (size_t)got;
	}
	return true;
}

/* One deadline for a whole query: who sends it octet by octet must not hold one of the few connections. */
static bool read_query(const struct connection *connection, uint8_t *message, size_t room, size_t *ret_size)
{
	int fd = connection->fd;
	uint64_t deadline_us = clock_monotonic_us() + (uint64_t)connection->server->options.timeout_ms * 1000;
	uint8_t length[2];
	if (!read_exactly(fd, length, sizeof(length), deadline_us))
		return false;
	size_t size = (size_t)length[0] << 8 | length[1];
	if (size > room || !read_exactly(fd, message, size, deadline_us))
		return false;
	*ret_size = size;
	return true;
}

static int send_answer(struct connection *connection, const struct dns_answer *answer)
{
	uint8_t *at = connection->message;
	at[0] = (uint8_t)(answer->size >> 8);
	at[1] = (uint8_t)answer->size;
	size_t left = answer->size + 2;
	while (left > 0) { /* SO_SNDTIMEO bounds each */
		ssize_t sent = send(connection->fd, at, left, MSG_NOSIGNAL);
		if (sent <= 0)
			return sent < 0 && errno != EAGAIN ? -errno : -ETIMEDOUT;
		at += sent;
		left -= (size_t)sent;
	}
	return 0;
}

/* A transfer on its way out: the records come one by one and fill message after message. */
struct outgoing {
	struct connection *connection;
	const struct dns_query *query;
	struct transfer *transfer;
	struct dns_answer answer;
};

static int flush_outgoing(struct outgoing *outgoing)
{
	dns_answer_end(&outgoing->answer, DNS_NOERROR);
	int r = send_answer(outgoing->connection, &outgoing->answer);
	transfer_progress(outgoing->transfer);
	dns_answer_begin(&outgoing->answer, outgoing->query, outgoing->connection->message + 2);
	return r;
}

static int send_record(const struct record *record, void *userdata)
{
	struct outgoing *outgoing = userdata;
	int r = dns_answer_add(&outgoing->answer, record);
	if (r != -ENOSPC)
		return r;
	r = flush_outgoing(outgoing);
	return r < 0 ? r : dns_answer_add(&outgoing->answer, record);
}

/* The whole zone, SOA first and last. */
static int send_transfer(struct connection *connection, const struct dns_query *query, struct transfer *transfer)
{
	struct outgoing outgoing = { .connection = connection, .query = query, .transfer = transfer };
	dns_answer_begin(&outgoing.answer, query, connection->message + 2);
	int r = zone_body_read_again(transfer_body(transfer), transfer_facts(transfer), send_record, &outgoing);
	uint32_t soa_size;
	const uint8_t *soa = transfer_soa(transfer, &soa_size);
	if (r == 0)
		r = dns_answer_add_wire(&outgoing.answer, soa, soa_size, false);
	if (r == -ENOSPC) {
		r = flush_outgoing(&outgoing);
		if (r == 0)
			r = dns_answer_add_wire(&outgoing.answer, soa, soa_size, false);
	}
	return r < 0 ? r : flush_outgoing(&outgoing);
}

static int answer_transfer(struct connection *connection, const struct dns_query *query)
{
	const struct dns_server_options *options = &connection->server->options;
	struct transfer *transfer = transfers_await(options->transfers, query->zone);
	int r = transfer ? 0 : options->fetch(query->zone, &transfer, options->userdata);
	if (r < 0) {
		struct dns_answer answer;
		COUNT(METRIC_QUERIES_REFUSED);
		dns_answer_begin(&answer, query, connection->message + 2);
		dns_answer_end(&answer, r == -ENOENT ? DNS_REFUSED : DNS_SERVFAIL);
		return send_answer(connection, &answer);
	}
	transfer_begun(transfer);
	r = send_transfer(connection, query, transfer);
	if (r == 0) {
		COUNT(METRIC_TRANSFERS_SERVED);
		/* PowerDNS closes once it has read everything, and begins to commit; not before then is there anything to look for. */
		struct pollfd polled = { .fd = connection->fd, .events = POLLIN };
		(void)poll(&polled, 1, options->timeout_ms);
		transfer_finished(transfer);
	}
	transfer_ended(transfer);
	transfer_unref(transfer);
	return r;
}

static int answer_stream_query(struct connection *connection, const uint8_t *message, size_t size)
{
	struct dns_query query;
	struct dns_answer answer;
	int rcode = dns_query_parse(message, size, &query);
	COUNT(METRIC_QUERIES);
	if (rcode < 0)
		return ERROR_MALFORMED;
	if (rcode == DNS_NOERROR && query.kind == DNS_ASKS_TRANSFER)
		return answer_transfer(connection, &query);
	dns_answer_begin(&answer, &query, connection->message + 2);
	if (rcode == DNS_NOERROR) {
		answer_soa(connection->server, &query, &answer);
	} else {
		COUNT(METRIC_QUERIES_REFUSED);
		dns_answer_end(&answer, (enum dns_rcode)rcode);
	}
	return send_answer(connection, &answer);
}

static void *connection_main(void *userdata)
{
	struct connection *connection = userdata;
	struct dns_server *server = connection->server;
	uint8_t message[1024];
	size_t size;
	while (read_query(connection, message, sizeof(message), &size))
		if (answer_stream_query(connection, message, size) < 0)
			break;
	pthread_mutex_lock(&server->lock);
	DL_DELETE(server->connections, connection);
	close(connection->fd);
	free(connection);
	if (--server->connection_count == 0)
		pthread_cond_broadcast(&server->closed);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static int start_detached(void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int r = -pthread_create(&thread, &attributes, run, argument);
	pthread_attr_destroy(&attributes);
	return r;
}

static void accept_connection(struct dns_server *server)
{
	CLEANUP(close) int fd = accept4(server->tcp, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) { /* out of descriptors or memory: the connection still waits, and poll says so at once */
		(void)poll(NULL, 0, ACCEPT_PAUSE_MS);
		return;
	}
	const int timeout_ms = server->options.timeout_ms;
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	const int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return;
	connection->server = server;
	pthread_mutex_lock(&server->lock);
	bool room = server->connection_count < CONNECTIONS_MAX;
	if (room) {
		connection->fd = TAKE_FD(fd);
		server->connection_count++;
		DL_APPEND(server->connections, connection);
		if (start_detached(connection_main, connection) < 0) {
			DL_DELETE(server->connections, connection);
			server->connection_count--;
			close(connection->fd);
			room = false;
		}
	}
	pthread_mutex_unlock(&server->lock);
	if (!room)
		free(connection);
}

static void *tcp_main(void *userdata)
{
	struct dns_server *server = userdata;
	while (wait_input(server, server->tcp))
		accept_connection(server);
	return NULL;
}

static int open_socket(const char *listen_on, int type, int *ret)
{
	struct sockaddr_storage address;
	socklen_t size;
	int r = net_address_parse(listen_on, &address, &size);
	if (r < 0)
		return r;
	CLEANUP(close) int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
	const int on = 1;
	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || (type == SOCK_STREAM && listen(fd, CONNECTIONS_MAX) < 0))
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

int dns_server_start(const struct dns_server_options *options, struct dns_server **ret)
{
	struct dns_server *server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->options = *options;
	if (server->options.timeout_ms <= 0)
		server->options.timeout_ms = TCP_TIMEOUT_MS;
	server->udp = server->tcp = -1;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->closed, NULL);
	server->stop_event = eventfd(0, EFD_CLOEXEC);
	int r = server->stop_event < 0 ? -errno : open_socket(options->listen, SOCK_DGRAM, &server->udp);
	if (r == 0)
		r = open_socket(options->listen, SOCK_STREAM, &server->tcp);
	if (r == 0) {
		r = -pthread_create(&server->udp_thread, NULL, udp_main, server);
		server->has_udp_thread = r == 0;
	}
	if (r == 0) {
		r = -pthread_create(&server->tcp_thread, NULL, tcp_main, server);
		server->has_tcp_thread = r == 0;
	}
	if (r < 0) {
		dns_server_stop(server);
		return r;
	}
	*ret = server;
	return 0;
}

void dns_server_stop(struct dns_server *server)
{
	if (!server)
		return;
	if (server->stop_event >= 0)
		(void)eventfd_write(server->stop_event, 1);
	if (server->has_udp_thread)
		pthread_join(server->udp_thread, NULL);
	if (server->has_tcp_thread)
		pthread_join(server->tcp_thread, NULL);
	pthread_mutex_lock(&server->lock);
	struct connection *connection;
	DL_FOREACH(server->connections, connection)
		(void)shutdown(connection->fd, SHUT_RDWR);
	while (server->connection_count > 0)
		pthread_cond_wait(&server->closed, &server->lock);
	pthread_mutex_unlock(&server->lock);
	cleanup_close(&server->udp);
	cleanup_close(&server->tcp);
	cleanup_close(&server->stop_event);
	pthread_cond_destroy(&server->closed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
