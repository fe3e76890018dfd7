/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include <stdint.h>
/*
 * Counters and gauges: one table per program, exposed in Prometheus text format on "metrics-listen" under /metrics.
 * Updates are lock-free from any thread.
 */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name;  /* "pdns_distribute_zones_published_total" */
	enum metric_type type;
	const char *help;
	const char *labels; /* fixed label text such as "result=\"applied\"", or NULL */
	_Atomic int64_t value;
};
#define METRIC_END { .name = NULL }

static inline void metric_add(struct metric *metric, int64_t n) { __atomic_fetch_add((int64_t *)&metric->value, n, __ATOMIC_RELAXED); }
static inline void metric_set(struct metric *metric, int64_t n) { __atomic_store_n((int64_t *)&metric->value, n, __ATOMIC_RELAXED); }
static inline int64_t metric_get(const struct metric *metric) { return __atomic_load_n((const int64_t *)&metric->value, __ATOMIC_RELAXED); }

/* The tables as text; malloc'ed, caller frees; NULL when out of memory. `tables` is a NULL-terminated array. */
char *metric_text(struct metric *const *tables);

/*
 * Serves /metrics on "ADDRESS:PORT" or "[ADDRESS]:PORT" in threads of its own until metric_server_stop.
 * 0, or a negative errno (-EADDRINUSE …).
 */
struct metric_server;
int metric_server_start(const char *listen, struct metric *const *tables, struct metric_server **ret);
void metric_server_stop(struct metric_server *server);
