# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: many changes of one zone cost few transfers, and the last one arrives."""

import kit


def test_burst(lab, zone):
    """Goal: 100 changes as fast as the API takes them lead to far fewer than 100 transfers of the primary."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    before = lab.metric("zone-provider", "pdns_distribute_provider_transfers_total")
    for index in range(100):
        lab.api.replace(zone, f"www.{zone}", "A", f"192.0.2.{index + 1}")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.100"])
    transfers = lab.metric("zone-provider", "pdns_distribute_provider_transfers_total") - before
    assert 1 <= transfers <= 50
    lab.wait_same(zone)
