/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/syncer.h"
#include "secondary-syncer/syncer_metrics.h"
#include "secondary-syncer/syncer_options.h"

int main(int argc, char **argv)
{
	static const struct option *const options[] = { daemon_option_table, syncer_option_table, NULL };
	static struct metric *const metrics[] = { syncer_metric_table, NULL };
	static const struct daemon_program program = {
		.name = "pdns-secondary-syncer",
		.service = "secondary-syncer",
		.summary = "applies the zones of the zone store to the local PowerDNS",
		.options = options,
		.configuration_size = sizeof(struct syncer_options),
		.metrics = metrics,
		.check = syncer_check,
		.start = syncer_start,
		.reload = syncer_reload,
		.stop = syncer_stop,
		.status = syncer_status,
		.dns_server = syncer_dns_server,
		.heartbeat = syncer_heartbeat,
	};
	return daemon_main(&program, argc, argv);
}
