/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "zone-provider/provider_metrics.h"

#include <stddef.h>

#define NAME(name) "pdns_distribute_provider_" name

struct metric provider_metric_table[] = {
	[METRIC_EVENTS] = { NAME("events_total"), METRIC_COUNTER, "Zone events received", NULL, 0 },
	[METRIC_EVENTS_MALFORMED] = { NAME("events_malformed_total"), METRIC_COUNTER,
	                              "Zone events dropped because they could not be read", NULL, 0 },
	[METRIC_TRANSFERS] = { NAME("transfers_total"), METRIC_COUNTER, "Zone transfers begun", NULL, 0 },
	[METRIC_TRANSFERS_FAILED] = { NAME("transfers_failed_total"), METRIC_COUNTER, "Zone transfers that failed", NULL, 0 },
	[METRIC_PUBLISHED] = { NAME("zones_published_total"), METRIC_COUNTER, "Zones put into the store", NULL, 0 },
	[METRIC_UNCHANGED] = { NAME("zones_unchanged_total"), METRIC_COUNTER,
	                       "Zones looked at whose content was in the store already", NULL, 0 },
	[METRIC_DELETED] = { NAME("zones_deleted_total"), METRIC_COUNTER, "Signed deletions put into the store", NULL, 0 },
	[METRIC_GONE_UNASKED] = { NAME("zones_gone_unasked_total"), METRIC_COUNTER,
	                          "Zones found gone from the primary without a deletion asked for; left to the health-checker", NULL, 0 },
	[METRIC_CONFLICTS] = { NAME("store_conflicts_total"), METRIC_COUNTER,
	                       "Heads that another provider replaced meanwhile; done again", NULL, 0 },
	[METRIC_HEADS_REPLACED] = { NAME("heads_replaced_total"), METRIC_COUNTER,
	                            "Heads in the store that did not verify and were written anew", NULL, 0 },
	[METRIC_STORE_FAILED] = { NAME("store_failed_total"), METRIC_COUNTER, "Failures to read or write the zone store", NULL, 0 },
	[METRIC_ZONES_WAITING] = { NAME("zones_waiting"), METRIC_GAUGE, "Zones with events not yet done", NULL, 0 },
	METRIC_END,
};
