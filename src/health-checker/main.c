/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health-checker/checker.h"

int main(int argc, char **argv)
{
	static const struct option *const options[] = { daemon_option_table, checker_option_table, NULL };
	static struct metric *const metrics[] = { checker_metric_table, NULL };
	static const struct daemon_program program = {
		.name = "pdns-health-checker",
		.service = SERVICE_CHECKER,
		.summary = "knows which secondary has which zone, and has repaired what was missed",
		.options = options,
		.configuration_size = sizeof(struct checker_options),
		.metrics = metrics,
		.check = checker_check,
		.start = checker_start,
		.reload = checker_reload,
		.stop = checker_stop,
		.status = checker_status,
		.heartbeat = checker_heartbeat,
	};
	return daemon_main(&program, argc, argv);
}
