/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once
#include "common/metric.h"

extern struct metric provider_metric_table[];

enum provider_metric {
	METRIC_EVENTS,
	METRIC_EVENTS_MALFORMED,
	METRIC_TRANSFERS,
	METRIC_TRANSFERS_FAILED,
	METRIC_PUBLISHED,
	METRIC_UNCHANGED,
	METRIC_DELETED,
	METRIC_GONE_UNASKED,
	METRIC_CONFLICTS,
	METRIC_HEADS_REPLACED,
	METRIC_STORE_FAILED,
	METRIC_ZONES_WAITING,
};

#define COUNT(which) metric_add(&provider_metric_table[which], 1)
