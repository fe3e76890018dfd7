/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include "common/daemon.h"

/* Without the headers: the enums beside the tables bear the same names in several daemons. */
extern struct metric proxy_metric_table[], provider_metric_table[], checker_metric_table[], syncer_metric_table[];

static const struct { const char *program; const struct metric *table; } tables[] = {
	{ "all daemons", daemon_metric_table },
	{ "pdns-api-proxy", proxy_metric_table },
	{ "pdns-zone-provider", provider_metric_table },
	{ "pdns-health-checker", checker_metric_table },
	{ "pdns-secondary-syncer", syncer_metric_table },
};

/* Every row of every metric table, for scripts/make-docs: program, name, type, labels, help, with tabs between. */
int main(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct metric *metric = tables[i].table; metric->name; metric++)
			printf("%s\t%s\t%s\t%s\t%s\n", tables[i].program, metric->name,
			       metric->type == METRIC_COUNTER ? "counter" : "gauge", metric->labels ? metric->labels : "", metric->help);
	return 0;
}
