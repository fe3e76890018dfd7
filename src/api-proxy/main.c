/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api-proxy/proxy.h"
#include "api-proxy/proxy_metrics.h"
#include "api-proxy/proxy_options.h"

int main(int argc, char **argv)
{
	static const struct option *const options[] = { daemon_option_table, proxy_option_table, NULL };
	static struct metric *const metrics[] = { proxy_metric_table, NULL };
	static const struct daemon_program program = {
		.name = "pdns-api-proxy",
		.service = "api-proxy",
		.summary = "stands before the PowerDNS API and makes a zone event of each change",
		.options = options,
		.configuration_size = sizeof(struct proxy_options),
		.metrics = metrics,
		.check = proxy_check,
		.start = proxy_start,
		.reload = proxy_reload,
		.stop = proxy_stop,
		.status = proxy_status,
		.heartbeat = proxy_heartbeat,
	};
	return daemon_main(&program, argc, argv);
}
