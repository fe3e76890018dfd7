/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP side of the metrics. */
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/net_address.h"
#include "common/metric.h"

#define CONNECTIONS_MAX 16
#define IDLE_SECONDS 10

struct metric_server {
	struct MHD_Daemon *http;
	struct metric *const *tables;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	if (response)
		MHD_add_response_header(response, "Content-Type", "text/plain");
	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	return answer(connection, status, response);
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection, const struct metric_server *server)
{
	char *text = metric_text(server->tables);
	if (!text)
		return MHD_NO;
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	else
		MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4");
	return answer(connection, MHD_HTTP_OK, response);
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body, size_t *body_size,
                                  void **request)
{
	static char seen;
	(void)version;
	(void)body;
	if (!*request) { /* the headers only; an answer now would close connections that could be kept */
		*request = &seen;
		return MHD_YES;
	}
	if (*body_size > 0) {
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (strcmp(url, "/metrics") != 0)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
	return answer_metrics(connection, userdata);
}

int metric_server_start(const char *listen, struct metric *const *tables, struct metric_server **ret)
{
	struct sockaddr_storage address;
	socklen_t length;
	if (net_address_parse(listen, &address, &length) < 0)
		return -EINVAL;
	struct metric_server *server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->tables = tables;

	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the loop thread */
	errno = 0;
	server->http = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_END);
	int error = server->http ? 0 : errno ? -errno : -EIO;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error < 0) {
		free(server);
		return error;
	}
	*ret = server;
	return 0;
}

void metric_server_stop(struct metric_server *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->http);
	free(server);
}
