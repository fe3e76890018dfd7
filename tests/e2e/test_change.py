# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: a zone that is created, changed and deleted through the proxy is served so, signed, by every secondary."""

import time

import dns.rdatatype
import kit
import pytest

pytestmark = pytest.mark.core


def test_create_change_delete(lab, zone):
    """Goal: each of the three changes arrives, signatures included, on a sqlite and on a lmdb secondary."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    anchor = kit.trust_anchor(lab, zone)
    for server in lab.secondaries():
        kit.assert_secure(server, anchor, zone, f"www.{zone}", "A")
        kit.assert_secure(server, anchor, zone, f"missing.{zone}", "A")

    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.99")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.99"])
    for server in lab.secondaries():
        answer = kit.ask(server, f"www.{zone}", "A")
        assert any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in answer.answer)
        kit.assert_secure(server, anchor, zone, f"www.{zone}", "A")
    lab.wait_same(zone)

    lab.api.delete(zone)
    lab.wait_no_zone(zone)


def test_unsigned(lab, zone):
    """Goal: an unsigned zone arrives as it is and stays unsigned."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    for number, api in lab.secondary_apis.items():
        assert api.metadata(zone, "PRESIGNED") == [], f"secondary {number}"


def test_only_the_changed_zone_moves(lab, zone):
    """Goal: a change of one zone leaves the others alone; no secondary transfers them again."""
    others = [f"other{index}.{zone}" for index in range(5)]
    for other in [*others, zone]:
        lab.api.create(other, kit.www(other))
    for other in [*others, zone]:
        lab.wait_same(other)
    before = [lab.metric(f"syncer-{number}", "pdns_distribute_syncer_transfers_served_total") for number in lab.secondary_numbers()]
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.98")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.98"])
    after = [lab.metric(f"syncer-{number}", "pdns_distribute_syncer_transfers_served_total") for number in lab.secondary_numbers()]
    assert [late - early for early, late in zip(before, after)] == [1, 1]


def test_a_change_without_effect(lab, zone):
    """Goal: a request that changes nothing but the serial is carried too, and one that changes nothing at all moves nothing."""
    lab.api.create(zone, kit.www(zone), soa_edit_api="OFF")
    lab.wait_same(zone)
    events = lab.metric("zone-provider", "pdns_distribute_provider_events_total")
    unchanged = lab.metric("zone-provider", "pdns_distribute_provider_zones_unchanged_total")
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.1")
    kit.wait_until(lambda: lab.metric("zone-provider", "pdns_distribute_provider_zones_unchanged_total") > unchanged, kit.LIMIT,
                   "the provider to see that nothing changed")
    assert lab.metric("zone-provider", "pdns_distribute_provider_events_total") > events


def test_many_zones(lab, zone):
    """Goal: 100 zones made one after the other all arrive."""
    zones = [f"z{index}.{zone}" for index in range(100)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in zones:
        lab.wait_same(name)
    for name in zones:
        lab.api.delete(name)
    for name in zones:
        lab.wait_no_zone(name)


def test_what_is_never_served_gives_way(lab, zone):
    """Goal: a state that no PowerDNS serves as it was sent (a stray NSEC) does not hold up the one that mends it."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.api.replace(zone, zone, "NSEC", f"www.{zone} A NSEC")
    time.sleep(1)
    lab.api.patch(zone, {"name": zone, "type": "NSEC", "changetype": "DELETE"})
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.77")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.77"], timeout=15)
    lab.wait_same(zone)
