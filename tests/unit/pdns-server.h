/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/*
 * A real pdns_server with an SQLite database for one test program: private folder, free loopback port, ends with the test.
 */
struct pdns_server {
	char folder[64];
	char address[32]; /* "127.0.0.1:PORT" */
	int port;
	pid_t pid;
};

static inline int pdns_server_free_port(void)
{
	for (;;) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t size = sizeof(address);
		int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (tcp < 0 || udp < 0 || bind(tcp, (struct sockaddr *)&address, size) < 0
		    || getsockname(tcp, (struct sockaddr *)&address, &size) < 0)
			abort();
		int taken = bind(udp, (struct sockaddr *)&address, size);
		close(tcp);
		close(udp);
		if (taken == 0)
			return ntohs(address.sin_port);
	}
}

/* Runs a shell script in the server's folder, where $util is pdnsutil; its output goes to a file. */
static inline void pdns_server_script(const struct pdns_server *server, const char *script)
{
	size_t size = strlen(script) + 256;
	char *command = malloc(size);

	if (!command)
		abort();
	snprintf(command, size, "cd %s && exec >>log 2>&1 && util='pdnsutil --config-dir=%s' && set -ex\n%s", server->folder,
	         server->folder, script);
	int status = system(command);
	free(command);
	if (status != 0) {
		fprintf(stderr, "a script for pdns_server failed, see %s/log\n", server->folder);
		abort();
	}
}

/* True if the programs are there. */
static inline bool pdns_server_available(void)
{
	return system("command -v pdns_server pdnsutil sqlite3 >/dev/null && test -d /usr/share/pdns-backend-sqlite3") == 0;
}

/* Makes the folder and the database, and runs the script that fills it, before the server starts. */
static inline void pdns_server_start(struct pdns_server *server, const char *script)
{
	char path[128];

	memset(server, 0, sizeof(*server));
	strcpy(server->folder, "/tmp/test-pdns-XXXXXX");
	if (!mkdtemp(server->folder))
		abort();
	server->port = pdns_server_free_port();
	snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", server->port);
	snprintf(path, sizeof(path), "%s/pdns.conf", server->folder);
	FILE *file = fopen(path, "w");
	if (!file)
		abort();
	fprintf(file,
	        "launch=gsqlite3\ngsqlite3-database=%s/db\ngsqlite3-dnssec=yes\nlocal-address=127.0.0.1\nlocal-port=%d\n"
	        "socket-dir=%s\nsecurity-poll-suffix=\nallow-axfr-ips=\nguardian=no\ndaemon=no\nwrite-pid=no\n"
	        "disable-syslog=yes\nreceiver-threads=1\ndistributor-threads=1\ndefault-ttl=60\n",
	        server->folder, server->port, server->folder);
	if (fclose(file) != 0)
		abort();
	pdns_server_script(server, "sqlite3 db < /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql");
	pdns_server_script(server, script);

	server->pid = fork();
	if (server->pid == 0) {
		char config[128];
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(path, sizeof(path), "%s/server-log", server->folder);
		snprintf(config, sizeof(config), "--config-dir=%s", server->folder);
		if (!freopen(path, "w", stdout) || !freopen(path, "a", stderr))
			_exit(127);
		execlp("pdns_server", "pdns_server", config, (char *)NULL);
		_exit(127);
	}
}

static inline void pdns_server_stop(struct pdns_server *server)
{
	char command[128];

	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", server->folder);
	if (system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", server->folder);
}
