/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/un.h>
#include <cmocka.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/daemon_ready.h"
#include "nats-server.h"
#include "pdns-server.h"

#define LONGEST_US UINT64_C(60000000)

/* Where systemd would listen. */
static int notify_fd = -1;
static bool said_ready, prolonged;
static char status[1024];

static void open_notify_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	int length = snprintf(name, sizeof(name), "@test-ready-%d", (int)getpid());
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
	assert_int_equal(bind(notify_fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static void read_notify_socket(void)
{
	char text[1024];
	ssize_t size;
	while ((size = recv(notify_fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[size] = '\0';
		said_ready |= strcmp(text, "READY=1") == 0;
		prolonged |= strncmp(text, "EXTEND_TIMEOUT_USEC=", 20) == 0;
		if (strncmp(text, "STATUS=", 7) == 0)
			strcpy(status, text + 7);
	}
}

static bool stop_here;
static _Atomic(const char *) dns_address = "127.0.0.1:9";

static void say_hello(void *state, char *text, size_t size)
{
	assert_ptr_equal(state, &stop_here);
	snprintf(text, size, "says\nhello");
}

static const char *get_dns_address(const void *configuration)
{
	assert_non_null(configuration);
	return dns_address;
}

static bool status_begins(const char *text) { return strncmp(status, text, strlen(text)) == 0; }

/* Turns the loop until the status line begins so, or for the longest time. */
static void await_status(sd_event *loop, const char *text)
{
	uint64_t end = clock_monotonic_us() + LONGEST_US;
	while (!status_begins(text) && clock_monotonic_us() < end) {
		assert_true(sd_event_run(loop, 100000) >= 0);
		read_notify_socket();
	}
	if (!status_begins(text))
		fail_msg("status is \"%s\", not \"%s\"", status, text);
}

static void make_api(struct pdns_server *pdns, int port)
{
	char script[256];
	snprintf(script, sizeof(script), "printf 'api=yes\\napi-key=key\\nwebserver=yes\\nwebserver-port=%d\\n' >>pdns.conf", port);
	pdns_server_start(pdns, script);
	dns_address = pdns->address;
}

/* Ready is said once, when both answer; what is away is named before and after. */
static void waits_for_both(void **state)
{
	struct nats_server nats;
	struct pdns_server pdns;
	struct bus *bus;
	struct daemon_ready *ready;
	sd_event *loop;
	char api_url[64];
	int api_port = pdns_server_free_port();
	(void)state;
	snprintf(api_url, sizeof(api_url), "http://127.0.0.1:%d", api_port);
	nats_server_init(&nats, NULL);
	nats_server_kill(&nats);

	const struct daemon_program program = { .name = "test", .status = say_hello, .dns_server = get_dns_address };
	const struct daemon_options configuration = {
		.nats = { .urls = nats.url }, .pdns_api_url = api_url, .pdns_api_key = "key", .pdns_api_timeout = 5000000,
	};
	assert_true(sd_event_new(&loop) >= 0);
	assert_int_equal(bus_open(&configuration.nats, "test", NULL, NULL, &bus, NULL), 0);
	const struct daemon_ready_options options = {
		.program = &program, .configuration = &configuration, .bus = bus, .state = &stop_here,
	};
	assert_int_equal(daemon_ready_new(loop, &options, &ready), 0);
	await_status(loop, "waiting for NATS (");
	assert_non_null(strstr(status, ") and PowerDNS (http://127.0.0.1:"));
	assert_non_null(strstr(status, "); says hello"));
	assert_true(prolonged);

	nats_server_start(&nats);
	await_status(loop, "waiting for PowerDNS (http");
	make_api(&pdns, api_port);
	assert_false(said_ready);
	await_status(loop, "says hello");
	assert_true(said_ready);

	said_ready = prolonged = false;
	nats_server_kill(&nats);
	await_status(loop, "does without NATS (");
	nats_server_start(&nats);
	await_status(loop, "says hello");
	pdns_server_stop(&pdns);
	await_status(loop, "does without PowerDNS (");
	assert_false(said_ready);
	assert_false(prolonged);

	daemon_ready_free(ready);
	bus_close(bus);
	sd_event_unref(loop);
	nats_server_end(&nats);
}

int main(void)
{
	if (!pdns_server_available()) {
		fprintf(stderr, "pdns_server, pdnsutil or sqlite3 is not installed\n");
		return 1;
	}
	open_notify_socket();
	static const struct CMUnitTest tests[] = { cmocka_unit_test(waits_for_both) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
