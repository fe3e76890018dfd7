/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secondary-syncer/syncer_metrics.h"

#include <stddef.h>

#define NAME(name) "pdns_distribute_syncer_" name

struct metric syncer_metric_table[] = {
	[METRIC_HEADS] = { NAME("heads_total"), METRIC_COUNTER, "Heads received from the zone store", NULL, 0 },
	[METRIC_APPLIED] = { NAME("zones_applied_total"), METRIC_COUNTER, "Zones applied and seen to be served", NULL, 0 },
	[METRIC_FAILED] = { NAME("zones_failed_total"), METRIC_COUNTER, "Tries to apply a zone that failed", NULL, 0 },
	[METRIC_REFUSED] = { NAME("heads_refused_total"), METRIC_COUNTER,
	                     "Heads refused: unsigned, not trusted, replayed, or with another body than they say", NULL, 0 },
	[METRIC_CONFLICTS] = { NAME("conflicts_total"), METRIC_COUNTER,
	                       "Heads not applied because the zone here was not made by the suite", NULL, 0 },
	[METRIC_REPAIRS] = { NAME("repairs_total"), METRIC_COUNTER,
	                     "Zones applied again because PowerDNS did not have what was applied", NULL, 0 },
	[METRIC_PROOFS] = { NAME("proofs_total"), METRIC_COUNTER,
	                    "Zones read back after they were confirmed and found to be as they were sent", NULL, 0 },
	[METRIC_PROOFS_FAILED] = { NAME("proofs_failed_total"), METRIC_COUNTER,
	                           "Zones read back after they were confirmed and found to differ, or not to be had; applied again", NULL, 0 },
	[METRIC_TRANSFERS_SERVED] = { NAME("transfers_served_total"), METRIC_COUNTER, "Transfers served to the local PowerDNS", NULL, 0 },
	[METRIC_TRANSFERS_EARLY] = { NAME("transfers_early_total"), METRIC_COUNTER,
	                             "Transfers that PowerDNS was told to begin when a change was announced", NULL, 0 },
	[METRIC_TRANSFERS_EARLY_VAIN] = { NAME("transfers_early_vain_total"), METRIC_COUNTER,
	                                  "Of these, those for which no new head came in time", NULL, 0 },
	[METRIC_QUERIES] = { NAME("queries_total"), METRIC_COUNTER, "DNS queries of the local PowerDNS", NULL, 0 },
	[METRIC_QUERIES_REFUSED] = { NAME("queries_refused_total"), METRIC_COUNTER, "DNS queries refused", NULL, 0 },
	[METRIC_ZONES] = { NAME("zones"), METRIC_GAUGE, "Zones applied", NULL, 0 },
	[METRIC_ZONES_FAILING] = { NAME("zones_failing"), METRIC_GAUGE, "Zones whose newest head could not be applied", NULL, 0 },
	[METRIC_ZONES_WAITING] = { NAME("zones_waiting"), METRIC_GAUGE, "Zones being applied or waiting for it", NULL, 0 },
	[METRIC_ZONES_UNPROVEN] = { NAME("zones_unproven"), METRIC_GAUGE, "Zones confirmed by their serial and not read back yet", NULL, 0 },
	[METRIC_PDNS_UP] = { NAME("powerdns_up"), METRIC_GAUGE, "Whether the local PowerDNS answered last time", NULL, 0 },
	METRIC_END,
};
