/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/bus.h"
/*
 * A real nats-server with JetStream for one test program: private folder, free loopback port, ends with the test.
 */
struct nats_server {
	char folder[64];
	char url[64];
	char config[96]; /* "" or a file with more configuration */
	int port;
	pid_t pid;
};

static inline int nats_server_free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

static inline void nats_server_start(struct nats_server *server)
{
	char port[16], log[128], store[128];

	snprintf(port, sizeof(port), "%d", server->port);
	snprintf(log, sizeof(log), "%s/log", server->folder);
	snprintf(store, sizeof(store), "%s/store", server->folder);
	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (server->config[0])
			execlp("nats-server", "nats-server", "-c", server->config, "-a", "127.0.0.1", "-p", port, "-js", "-sd",
			       store, "-l", log, (char *)NULL);
		else
			execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", store, "-l", log,
			       (char *)NULL);
		_exit(127);
	}
}

static inline void nats_server_init(struct nats_server *server, const char *config)
{
	memset(server, 0, sizeof(*server));
	strcpy(server->folder, "/tmp/test-bus-XXXXXX");
	if (!mkdtemp(server->folder))
		abort();
	server->port = nats_server_free_port();
	snprintf(server->url, sizeof(server->url), "nats://127.0.0.1:%d", server->port);
	if (config) {
		snprintf(server->config, sizeof(server->config), "%s/conf", server->folder);

		FILE *file = fopen(server->config, "w");

		if (!file || fputs(config, file) < 0 || fclose(file) != 0)
			abort();
	}
	nats_server_start(server);
}

static inline void nats_server_kill(struct nats_server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	server->pid = 0;
}

static inline void nats_server_wipe(struct nats_server *server)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/store", server->folder);
	if (system(command) != 0)
		abort();
}

static inline void nats_server_end(struct nats_server *server)
{
	char command[128];

	nats_server_kill(server);
	snprintf(command, sizeof(command), "rm -rf %s", server->folder);
	if (system(command) != 0)
		abort();
}

/* A connected bus; user and password may be NULL. */
static inline struct bus *nats_server_bus(const struct nats_server *server, const char *user, const char *password)
{
	struct bus_options options = { .urls = server->url, .user = user, .password = password };
	struct bus *bus = NULL;
	char *reason = NULL;

	if (user) /* as in the permissions of the tests */
		options.inbox_prefix = "_INBOX_user";
	if (bus_open(&options, "test", NULL, NULL, &bus, &reason) < 0 || bus_wait_connected(bus, 10000000) < 0) {
		fprintf(stderr, "cannot connect: %s\n", reason ? reason : "timeout");
		abort();
	}
	return bus;
}
