/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/server.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include "api-proxy/certificate.h"
#include "api-proxy/proxy_metrics.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/net_address.h"
#include "common/log.h"

#define HEADER_MEMORY ((size_t)128 << 10) /* of a connection: a request's header, and a piece of its body */
#define IDLE_SECONDS 120u
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define BLOCK_SIZE 32768u

struct server {
	struct MHD_Daemon *daemon;
	const struct request_context *context;
	pthread_mutex_t mutex;
	pthread_cond_t idle;
	unsigned active; /* requests */
	bool quiet;      /* does not listen any more */
	struct certificate *certificates; /* all that handshakes may still use; the newest first */
};

/* The callback of a handshake is not told whose it is: what is shown by the one server. */
static _Atomic(struct certificate *) shown;

/* A request as libmicrohttpd shows it: a call with the head, calls with pieces of the body, a call at the end. */
struct call {
	struct server *server;
	struct request *request;
	bool has_head, has_end;
};

/* The request-target as it came, before anything is unescaped or cut. What this returns becomes the request's context. */
static void *on_target(void *userdata, const char *target, struct MHD_Connection *connection)
{
	struct server *server = userdata;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct call *call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	call->server = server;
	if (request_new(server->context, target, info ? info->client_addr : NULL, &call->request) < 0) {
		free(call);
		return NULL;
	}
	pthread_mutex_lock(&server->mutex);
	server->active++;
	pthread_mutex_unlock(&server->mutex);
	return call;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
	struct server *server = userdata;
	struct call *call = *context;
	(void)connection;
	(void)code;
	if (!call)
		return;
	*context = NULL;
	request_free(call->request);
	free(call);
	pthread_mutex_lock(&server->mutex);
	server->active--;
	pthread_cond_broadcast(&server->idle);
	pthread_mutex_unlock(&server->mutex);
}

static enum MHD_Result add_field(void *userdata, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	const char *text = value ? value : "";
	return header_list_add(userdata, name, text, strlen(text)) == 0 ? MHD_YES : MHD_NO;
}

/* libmicrohttpd has refused what is no number before; which of several lengths it took does not matter, as we frame anew. */
static int64_t body_size(const struct header_list *headers)
{
	if (header_list_find(headers, "Transfer-Encoding"))
		return EXCHANGE_UNKNOWN;
	const char *length = header_list_find(headers, "Content-Length");
	return length ? strtoll(length, NULL, 10) : EXCHANGE_NO_BODY;
}

static ssize_t on_read(void *userdata, uint64_t position, char *buffer, size_t size)
{
	struct call *call = userdata;
	(void)position;
	ssize_t n = request_read(call->request, buffer, size);
	if (n > 0)
		return n;
	return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void add_fields(struct MHD_Response *response, const struct header_list *headers)
{
	for (size_t i = 0; i < headers->count; i++) {
		const struct header_field *field = &headers->fields[i];
		if (MHD_add_response_header(response, field->name, field->value) != MHD_YES)
			LOG(LOG_DEBUG, "field %s of the answer left out: libmicrohttpd does not take it", field->name);
	}
}

static struct MHD_Response *make_response(struct call *call, const struct request_answer *answer)
{
	struct MHD_Response *response;
	if (answer->body)
		response = MHD_create_response_from_buffer((size_t)answer->size, (void *)answer->body, MHD_RESPMEM_PERSISTENT);
	else
		response = MHD_create_response_from_callback(answer->size < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)answer->size, BLOCK_SIZE,
		                                             on_read, call, NULL);
	if (response) {
		add_fields(response, answer->headers);
		add_fields(response, answer->more);
	}
	return response;
}
static enum MHD_Result answer(struct call *call, struct MHD_Connection *connection)
{
	struct request_answer what = request_answer(call->request);
	struct MHD_Response *response = make_response(call, &what);
	if (!response)
		return MHD_NO;
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)what.status, response);
	MHD_destroy_response(response);
	call->has_end = true;
	return result;
}

static enum MHD_Result take_head(struct call *call, struct MHD_Connection *connection, const char *method)
{
	struct header_list headers = { 0 };
	int wanted = MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
	int taken = MHD_get_connection_values(connection, MHD_HEADER_KIND, add_field, &headers);
	if (taken != wanted) {
		header_list_clear(&headers);
		return MHD_NO;
	}
	call->has_head = true;
	int64_t size = body_size(&headers);
	if (!request_head(call->request, method, &headers, size))
		return MHD_YES;
	/* An answer before the body is read costs the connection: only where there is a body to be spared. */
	return size == EXCHANGE_NO_BODY ? MHD_YES : answer(call, connection);
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *data_size, void **context)
{
	struct call *call = *context;
	(void)userdata;
	(void)url;
	(void)version;
	if (!call)
		return MHD_NO;
	if (!call->has_head)
		return take_head(call, connection, method);
	if (*data_size > 0) {
		request_body(call->request, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	if (call->has_end)
		return MHD_YES;
	request_end(call->request);
	return answer(call, connection);
}

static void on_log(void *userdata, const char *format, va_list arguments)
{
	(void)userdata;
	char text[256];
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	LOG(LOG_DEBUG, "libmicrohttpd: %s", text);
}

/* gnutls does not free what this hands out. */
static int on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                        const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
                        unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	struct certificate *certificate = shown;
	(void)session, (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
	if (!certificate)
		return -1;
	*ret_chain = certificate->chain;
	*ret_count = certificate->count;
	*ret_key = certificate->key;
	return 0;
}

void server_set_certificate(struct server *server, struct certificate *certificate)
{
	certificate->next = server->certificates;
	server->certificates = certificate;
	shown = certificate;
	metric_set(&proxy_metric_table[PROXY_METRIC_CERTIFICATE_EXPIRES], (int64_t)(certificate->expires_us / 1000000));
}

static int open_socket(const char *listen_text, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t size;
	int result = net_address_parse(listen_text, &address, &size);
	if (result < 0)
		return result;
	CLEANUP(close) int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int server_start(const char *listen_text, unsigned connections_max, struct certificate *certificate, const struct request_context *context, struct server **ret)
{
	CLEANUP(close) int fd = -1;
	int result = open_socket(listen_text, &fd);
	struct server *server = result < 0 ? NULL : calloc(1, sizeof(*server));
	if (!server) {
		certificate_free(certificate);
		return result < 0 ? result : -ENOMEM;
	}
	if (certificate)
		server_set_certificate(server, certificate);
	server->context = context;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&server->idle, &attributes);
	pthread_condattr_destroy(&attributes);

	/* poll, not select: more than a thousand descriptors. ITC: so that MHD_quiesce_daemon works. */
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC |
	                 MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG | (certificate ? MHD_USE_TLS : 0);
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)on_handshake },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	}, none[] = { { MHD_OPTION_END, 0, NULL } };
	server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server,
	                                  MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	                                  MHD_OPTION_ARRAY, certificate ? tls : none,
	                                  MHD_OPTION_LISTEN_SOCKET, fd,
	                                  MHD_OPTION_CONNECTION_LIMIT, connections_max,
	                                  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
	                                  MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY,
	                                  MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
	                                  MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
	                                  MHD_OPTION_END);
	if (!server->daemon) {
		server_stop(server);
		return -ENOMEM;
	}
	(void)TAKE_FD(fd);
	*ret = server;
	return 0;
}

int server_drain(struct server *server, int64_t timeout_us)
{
	int fd = server->quiet ? -1 : MHD_quiesce_daemon(server->daemon);
	server->quiet = true;
	if (fd >= 0)
		(void)close(fd);
	uint64_t end_us = clock_monotonic_us() + (uint64_t)timeout_us;
	struct timespec end = { .tv_sec = (time_t)(end_us / 1000000), .tv_nsec = (long)(end_us % 1000000) * 1000 };
	int result = 0;
	pthread_mutex_lock(&server->mutex);
	while (server->active > 0 && result == 0)
		result = pthread_cond_timedwait(&server->idle, &server->mutex, &end);
	result = server->active > 0 ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&server->mutex);
	return result;
}

void server_stop(struct server *server)
{
	if (!server)
		return;
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	shown = NULL;
	while (server->certificates) {
		struct certificate *next = server->certificates->next;
		certificate_free(server->certificates);
		server->certificates = next;
	}
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}
