/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/*
 * A web server that says what the test wants: for each request the first route whose beginning matches "METHOD path".
 * Behind the status line the answer is sent as it is and the connection closed.
 */
struct http_route { const char *request, *status, *body; };

struct http_stub {
	int fd;
	char url[64];
	const struct http_route *routes; /* ends with a NULL request */
	char last[512];                  /* the last request line */
	_Atomic unsigned count;
	pthread_t thread;
};

static inline void http_stub_answer(struct http_stub *stub, int fd)
{
	char request[8192];
	size_t used = 0;
	while (used < sizeof(request) - 1 && !memmem(request, used, "\r\n\r\n", 4)) {
		ssize_t got = recv(fd, request + used, sizeof(request) - 1 - used, 0);
		if (got <= 0)
			return;
		used += (size_t)got;
	}
	request[used] = '\0';
	request[strcspn(request, "\r")] = '\0';
	snprintf(stub->last, sizeof(stub->last), "%.500s", request);
	stub->count++;
	for (const struct http_route *route = stub->routes; route->request; route++) {
		if (strncmp(request, route->request, strlen(route->request)) != 0)
			continue;
		char head[128];
		int size = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\n\r\n", route->status);
		(void)!send(fd, head, (size_t)size, MSG_NOSIGNAL);
		(void)!send(fd, route->body, strlen(route->body), MSG_NOSIGNAL);
		return;
	}
}

static inline void *http_stub_main(void *argument)
{
	struct http_stub *stub = argument;
	for (;;) {
		int fd = accept(stub->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		http_stub_answer(stub, fd);
		(void)shutdown(fd, SHUT_WR);
		char rest[256];
		while (recv(fd, rest, sizeof(rest), 0) > 0)
			;
		close(fd);
	}
}

static inline void http_stub_start(struct http_stub *stub, const struct http_route *routes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	memset(stub, 0, sizeof(*stub));
	stub->routes = routes;
	stub->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stub->fd < 0 || bind(stub->fd, (struct sockaddr *)&address, size) < 0 || listen(stub->fd, 8) < 0 ||
	    getsockname(stub->fd, (struct sockaddr *)&address, &size) < 0 ||
	    pthread_create(&stub->thread, NULL, http_stub_main, stub) != 0)
		abort();
	snprintf(stub->url, sizeof(stub->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static inline void http_stub_stop(struct http_stub *stub)
{
	(void)shutdown(stub->fd, SHUT_RDWR);
	pthread_join(stub->thread, NULL);
	close(stub->fd);
}
