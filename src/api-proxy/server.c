/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/server.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <utlist.h>
#include "api-proxy/admission.h"
#include "api-proxy/conversation.h"
#include "api-proxy/proxy_metrics.h"
#include "api-proxy/stream.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/net_address.h"

#define STACK_SIZE ((size_t)512 << 10)
#define REFUSALS_MAX 32u /* who is turned away costs a thread for a moment, too; over this many are just cut off */
#define REFUSAL_US UINT64_C(2000000)
#define OUT_OF_FILES_MS 100

struct connection {
	struct server *server;
	struct sockaddr_storage address;
	struct stream *stream;
	enum admission admission;
	bool busy; /* with a request */
	struct connection *prev, *next;
};

struct server {
	const struct server_rules *rules;
	struct conversation_rules conversation;
	int listen_fd, wake_fd;
	pthread_t thread;
	bool has_thread;

	pthread_mutex_t mutex; /* for all below */
	pthread_cond_t less;   /* of connections, or of busy ones */
	struct certificate *certificate;
	struct admissions *admissions;
	struct connection *connections;
	unsigned count, busy;
	bool draining;
};

static bool on_busy(bool busy, void *userdata)
{
	struct connection *connection = userdata;
	struct server *server = connection->server;
	pthread_mutex_lock(&server->mutex);
	if (busy && !connection->busy)
		server->busy++;
	if (!busy && connection->busy && --server->busy == 0)
		pthread_cond_broadcast(&server->less);
	connection->busy = busy;
	bool goes_on = !server->draining;
	pthread_mutex_unlock(&server->mutex);
	return goes_on;
}

/* The connection and all about it goes; nothing of the server may be touched afterwards. */
static void end_connection(struct connection *connection)
{
	struct server *server = connection->server;
	(void)on_busy(false, connection);
	pthread_mutex_lock(&server->mutex);
	stream_free(connection->stream);
	DL_DELETE(server->connections, connection);
	admissions_leave(server->admissions, (struct sockaddr *)&connection->address, connection->admission);
	server->count--;
	metric_set(&proxy_metric_table[PROXY_METRIC_CONNECTIONS], server->count);
	pthread_cond_broadcast(&server->less);
	pthread_mutex_unlock(&server->mutex);
	free(connection);
}

static void *connection_thread(void *argument)
{
	struct connection *connection = argument;
	if (connection->admission == ADMISSION_GRANTED)
		conversation_run(connection->stream, &connection->server->conversation, (struct sockaddr *)&connection->address, connection);
	else
		conversation_refuse(connection->stream, admission_status(connection->admission), admission_text(connection->admission),
		                    clock_monotonic_us() + REFUSAL_US);
	end_connection(connection);
	return NULL;
}

static int start_thread(struct connection *connection)
{
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int result = -pthread_create(&thread, &attributes, connection_thread, connection);
	pthread_attr_destroy(&attributes);
	return result;
}

/* Under the mutex; false: the client is not even told. */
static bool admit(struct server *server, struct connection *connection)
{
	connection->admission = admissions_enter(server->admissions, (struct sockaddr *)&connection->address);
	if (connection->admission == ADMISSION_CUT)
		return false;
	DL_APPEND(server->connections, connection);
	server->count++;
	metric_set(&proxy_metric_table[PROXY_METRIC_CONNECTIONS], server->count);
	return true;
}

static void take_client(struct server *server, int client_fd, const struct sockaddr_storage *address)
{
	static const int on = 1;
	CLEANUP(close) int fd = client_fd;
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->server = server;
	connection->address = *address;
	pthread_mutex_lock(&server->mutex);
	int result = stream_new(TAKE_FD(fd), server->certificate, &connection->stream);
	bool admitted = result == 0 && admit(server, connection);
	pthread_mutex_unlock(&server->mutex);
	if (!admitted) {
		if (result == 0)
			stream_free(connection->stream);
		free(connection);
		return;
	}
	result = start_thread(connection);
	if (result < 0) {
		LOG(LOG_WARNING, "no thread for a client: %s", error_text(result));
		end_connection(connection);
	}
}

/* Descriptors are out, or memory: nothing to do but to try again a little later, told once a while. */
static void wait_for_better_times(int error)
{
	static uint64_t told_us;
	uint64_t now = clock_monotonic_us();
	if (now - told_us > 60000000) {
		LOG(LOG_WARNING, "cannot accept a client: %s", error_text(-error));
		told_us = now;
	}
	(void)poll(NULL, 0, OUT_OF_FILES_MS);
}

static void *accept_thread(void *argument)
{
	struct server *server = argument;
	struct pollfd ready[2] = { { .fd = server->listen_fd, .events = POLLIN }, { .fd = server->wake_fd, .events = POLLIN } };
	for (;;) {
		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[1].revents)
			return NULL;
		struct sockaddr_storage address = { 0 };
		socklen_t size = sizeof(address);
		int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			take_client(server, fd, &address);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			wait_for_better_times(errno);
	}
}

void server_set_certificate(struct server *server, struct certificate *certificate)
{
	pthread_mutex_lock(&server->mutex);
	struct certificate *before = server->certificate;
	server->certificate = certificate;
	pthread_mutex_unlock(&server->mutex);
	certificate_free(before);
	metric_set(&proxy_metric_table[PROXY_METRIC_CERTIFICATE_EXPIRES], (int64_t)(certificate->expires_us / 1000000));
}

static int open_socket(const char *listen_text, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t size;
	int result = net_address_parse(listen_text, &address, &size);
	if (result < 0)
		return result;
	CLEANUP(close) int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	static const int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int start(struct server *server)
{
	const struct server_rules *rules = server->rules;
	int result = open_socket(rules->listen, &server->listen_fd);
	if (result == 0)
		result = admissions_new(rules->connections_max, rules->connections_per_client, REFUSALS_MAX, rules->allowed, &server->admissions);
	if (result < 0)
		return result;
	server->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (server->wake_fd < 0)
		return -errno;
	result = -pthread_create(&server->thread, NULL, accept_thread, server);
	server->has_thread = result == 0;
	return result;
}

int server_start(const struct server_rules *rules, struct certificate *certificate, const struct request_context *context, struct server **ret)
{
	struct server *server = calloc(1, sizeof(*server));
	if (!server) {
		certificate_free(certificate);
		return -ENOMEM;
	}
	server->rules = rules;
	server->conversation = (struct conversation_rules){ context, rules->head_max, rules->head_us, rules->body_us, on_busy };
	server->listen_fd = server->wake_fd = -1;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&server->less, &attributes);
	pthread_condattr_destroy(&attributes);
	if (certificate)
		server_set_certificate(server, certificate);
	int result = start(server);
	if (result < 0) {
		server_stop(server);
		return result;
	}
	*ret = server;
	return 0;
}

/* No more clients, and no more requests of those that are connected. */
static void stop_listening(struct server *server)
{
	if (server->has_thread) {
		static const uint64_t one = 1;
		(void)!write(server->wake_fd, &one, sizeof(one));
		pthread_join(server->thread, NULL);
		server->has_thread = false;
	}
	if (server->listen_fd >= 0)
		(void)close(TAKE_FD(server->listen_fd));
	pthread_mutex_lock(&server->mutex);
	server->draining = true;
	struct connection *connection;
	DL_FOREACH(server->connections, connection) {
		if (!connection->busy)
			stream_shut(connection->stream, false);
	}
	pthread_mutex_unlock(&server->mutex);
}

int server_drain(struct server *server, int64_t timeout_us)
{
	stop_listening(server);
	uint64_t end_us = clock_monotonic_us() + (uint64_t)timeout_us;
	struct timespec end = { .tv_sec = (time_t)(end_us / 1000000), .tv_nsec = (long)(end_us % 1000000) * 1000 };
	int result = 0;
	pthread_mutex_lock(&server->mutex);
	while (server->busy > 0 && result == 0)
		result = pthread_cond_timedwait(&server->less, &server->mutex, &end);
	result = server->busy > 0 ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&server->mutex);
	return result;
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	stop_listening(server);
	pthread_mutex_lock(&server->mutex);
	struct connection *connection;
	DL_FOREACH(server->connections, connection)
		stream_shut(connection->stream, true);
	while (server->count > 0)
		pthread_cond_wait(&server->less, &server->mutex);
	pthread_mutex_unlock(&server->mutex);
	if (server->wake_fd >= 0)
		(void)close(server->wake_fd);
	certificate_free(server->certificate);
	admissions_free(server->admissions);
	pthread_cond_destroy(&server->less);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}
