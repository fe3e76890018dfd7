# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: a secondary of which every part listens on ::1 alone gets its zones as the others do."""

import kit
import pytest

LAB = {"secondaries": 2, "ipv6_last": True, "sets": kit.NO_REPAIR}

pytestmark = pytest.mark.core


def test_ipv6(lab, zone):
    """Goal: a signed zone, a change and a deletion on ::1, over UDP and TCP."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    assert lab.secondary_dns(2)[0] == "::1"
    assert lab.secondary_apis[2].zone(zone)["masters"] == [f"[::1]:{lab.secondary_port(2, 'syncer')}"]
    anchor = kit.trust_anchor(lab, zone)
    kit.assert_secure(lab.secondary_dns(2), anchor, zone, f"www.{zone}", "A")
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.66")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.66"])
    assert kit.ask(lab.secondary_dns(2), f"www.{zone}", "A", tcp=True).answer
    lab.api.delete(zone)
    lab.wait_no_zone(zone)
