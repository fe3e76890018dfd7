/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/metric.h"

extern struct metric syncer_metric_table[];

enum syncer_metric {
	METRIC_HEADS,
	METRIC_APPLIED,
	METRIC_FAILED,
	METRIC_REFUSED,
	METRIC_CONFLICTS,
	METRIC_REPAIRS,
	METRIC_TRANSFERS_SERVED,
	METRIC_TRANSFERS_EARLY,
	METRIC_TRANSFERS_EARLY_VAIN,
	METRIC_QUERIES,
	METRIC_QUERIES_REFUSED,
	METRIC_ZONES,
	METRIC_ZONES_FAILING,
	METRIC_ZONES_WAITING,
	METRIC_PDNS_UP,
};

#define COUNT(which) metric_add(&syncer_metric_table[which], 1)
