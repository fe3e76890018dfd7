# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: many changes of one zone cost few transfers, and the last one arrives."""

import time

import kit

COALESCE = 0.1  # seconds
LAB = {"sets": kit.merge(kit.NO_REPAIR, {"zone-provider": {"coalesce": f"{COALESCE * 1000:.0f}ms"}})}


def test_burst(lab, zone):
    """Goal: 100 changes as fast as the API takes them cost no more transfers than the time they take has room for."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    before = lab.metric("zone-provider", "pdns_distribute_provider_transfers_total")
    begin = time.monotonic()
    for index in range(100):
        lab.api.replace(zone, f"www.{zone}", "A", f"192.0.2.{index + 1}")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.100"])
    room = (time.monotonic() - begin) / COALESCE + 2
    transfers = lab.metric("zone-provider", "pdns_distribute_provider_transfers_total") - before
    assert 1 <= transfers <= min(room, 99)
    lab.wait_same(zone)
