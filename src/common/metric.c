/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/metric.h"
#include <inttypes.h>
#include <stdbool.h>
#include "common/cleanup.h"

static bool same_family(const struct metric *a, const struct metric *b)
{
	return strcmp(a->name, b->name) == 0;
}

/* Help and type stand once above all lines of one name, so the rows of a name follow each other in its table. */
static void print_table(const struct metric *table, FILE *out)
{
	for (const struct metric *metric = table; metric->name; metric++) {
		if (metric == table || !same_family(metric, metric - 1)) {
			fprintf(out, "# HELP %s %s\n", metric->name, metric->help);
			fprintf(out, "# TYPE %s %s\n", metric->name, metric->type == METRIC_COUNTER ? "counter" : "gauge");
		}
		fputs(metric->name, out);
		if (metric->labels)
			fprintf(out, "{%s}", metric->labels);
		fprintf(out, " %" PRId64 "\n", metric_get(metric));
	}
}

char *metric_text(struct metric *const *tables)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (; tables && *tables; tables++)
		print_table(*tables, out);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
