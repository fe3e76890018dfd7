/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/provider.h"
#include "zone-provider/provider_metrics.h"
#include "zone-provider/provider_options.h"

int main(int argc, char **argv)
{
	static const struct option *const options[] = { daemon_option_table, provider_option_table, NULL };
	static struct metric *const metrics[] = { provider_metric_table, NULL };
	static const struct daemon_program program = {
		.name = "pdns-zone-provider",
		.service = "zone-provider",
		.summary = "turns zone events into signed zones in the zone store",
		.options = options,
		.configuration_size = sizeof(struct provider_options),
		.metrics = metrics,
		.check = provider_check,
		.start = provider_start,
		.stop = provider_stop,
		.status = provider_status,
		.dns_server = provider_dns_server,
		.heartbeat = provider_heartbeat,
	};
	return daemon_main(&program, argc, argv);
}
