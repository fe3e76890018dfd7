/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <curl/curl.h>
#include "common/cleanup.h"
#include "common/error.h"
#include "common/metric.h"

static struct metric table[] = {
	{ .name = "zones_total", .type = METRIC_COUNTER, .help = "Zones", .labels = "result=\"applied\"" },
	{ .name = "zones_total", .type = METRIC_COUNTER, .help = "Zones", .labels = "result=\"failed\"" },
	METRIC_END
};
static struct metric more[] = { { .name = "load", .type = METRIC_GAUGE, .help = "Load" }, METRIC_END };
static struct metric *const tables[] = { table, more, NULL };

static const char want[] = "# HELP zones_total Zones\n# TYPE zones_total counter\n"
                           "zones_total{result=\"applied\"} 5\nzones_total{result=\"failed\"} 0\n"
                           "# HELP load Load\n# TYPE load gauge\nload -3\n";

static void texts(void **state)
{
	(void)state;
	metric_set(&table[0], 0);
	metric_add(&table[0], 2);
	metric_add(&table[0], 3);
	metric_set(&more[0], -3);
	assert_int_equal(metric_get(&table[0]), 5);
	CLEANUP(free) char *text = metric_text(tables);
	assert_string_equal(text, want);
}

static size_t collect(char *data, size_t size, size_t count, void *userdata)
{
	return fwrite(data, size, count, userdata) * size;
}

static long fetch(const char *url, const char *method, char **ret_text, char *ret_type)
{
	size_t size;
	long status = 0;
	char *type = NULL;
	FILE *out = open_memstream(ret_text, &size);
	CURL *curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	assert_int_equal(curl_easy_perform(curl), CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	snprintf(ret_type, 64, "%s", type ? type : "");
	curl_easy_cleanup(curl);
	fclose(out);
	return status;
}

/* A port that was free a moment ago; whoever takes it in between makes the caller try again. */
static unsigned free_port(int family)
{
	struct sockaddr_storage address = { .ss_family = (sa_family_t)family };
	socklen_t length = sizeof(address);
	CLEANUP(close) int fd = socket(family, SOCK_STREAM, 0);
	if (family == AF_INET6)
		((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                                       : sizeof(struct sockaddr_in)) < 0)
		return 0;
	getsockname(fd, (struct sockaddr *)&address, &length);
	return ntohs(family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
	                                : ((struct sockaddr_in *)&address)->sin_port);
}

static void serve(int family, const char *form)
{
	struct metric_server *server = NULL, *second = NULL;
	char listen[64], url[128], type[64];
	int error = -EADDRINUSE;
	for (int i = 0; i < 20 && error == -EADDRINUSE; i++) {
		unsigned port = free_port(family);
		if (port == 0)
			skip(); /* this machine has no such addresses */
		snprintf(listen, sizeof(listen), form, port);
		error = metric_server_start(listen, tables, &server);
	}
	assert_int_equal(error, 0);
	assert_int_equal(metric_server_start(listen, tables, &second), -EADDRINUSE);

	static const struct { const char *method, *path; long want; } cases[] = {
		{ "GET", "/metrics", 200 }, { "GET", "/metrics?x=1", 200 }, { "GET", "/", 404 }, { "GET", "/metrics/x", 404 },
		{ "POST", "/metrics", 405 }, { "DELETE", "/x", 405 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *text = NULL;
		snprintf(url, sizeof(url), "http://%s%s", listen, cases[i].path);
		assert_int_equal(fetch(url, cases[i].method, &text, type), cases[i].want);
		if (cases[i].want == 200) {
			assert_string_equal(text, want);
			assert_string_equal(type, "text/plain; version=0.0.4");
		}
	}
	metric_server_stop(server);
	metric_server_stop(NULL);
}

static void serves(void **state)
{
	(void)state;
	serve(AF_INET, "127.0.0.1:%u");
}

static void serves_ipv6(void **state)
{
	(void)state;
	serve(AF_INET6, "[::1]:%u");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts), cmocka_unit_test(serves), cmocka_unit_test(serves_ipv6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
