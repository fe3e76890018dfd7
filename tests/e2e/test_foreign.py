# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: zones on a secondary that the suite did not create are never touched, unless adopt says so."""

import json

import kit
import pytest

LAB = {"sets": kit.merge(kit.QUICK, {"secondary-syncer": {"local-check-interval": "1s"}})}


@pytest.mark.parametrize("kind", ["Native", "Slave"])
def test_left_alone(lab, zone, kind):
    """Goal: a zone of the same name is reported as a conflict and stays as it is, through changes and the zone's deletion."""
    foreign = lab.secondary_apis[1]
    if kind == "Native":
        foreign.create(zone, kit.www(zone, "203.0.113.1"))
    else:
        foreign.ok("POST", "/zones", json={"name": zone, "kind": "Slave", "masters": ["127.0.0.1:9"], "nameservers": []})
    before = foreign.zone(zone, rrsets=True)
    with lab.nats() as nats:
        told = nats.subscribe("pdns.applied.secondary-1")
        nats.flush()
        lab.api.create(zone, kit.www(zone), dnssec=True)
        while True:
            message = json.loads(nats.next(told, kit.LIMIT).payload)
            if message["zone"] == zone and message["result"] == "conflict":
                assert message["reason"]
                break
    lab.wait_same(zone, numbers=[2])
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.5")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.5"], numbers=[2])
    state = json.loads(lab.distribute("zone", zone, "--json", check=False).stdout)
    assert "conflict" in json.dumps(state)
    lab.api.delete(zone)
    lab.wait_no_zone(zone, numbers=[2])
    after = foreign.zone(zone, rrsets=True)
    for one in (before, after):
        for ours_alone in ("last_check", "notified_serial"):
            one.pop(ours_alone, None)
    assert after == before


def test_strangers_stay(lab, zone):
    """Goal: a zone that the suite knows nothing of outlives everything that it does."""
    stranger = f"stranger.{zone}"
    lab.secondary_apis[2].create(stranger, kit.www(stranger, "203.0.113.2"))
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.distribute("resync")
    lab.api.delete(zone)
    lab.wait_no_zone(zone)
    assert kit.rdatas(lab.secondary_dns(2), f"www.{stranger}", "A") == {"203.0.113.2"}


def test_adopt(make_lab, zone):
    """Goal: with adopt, a zone of another origin is taken over."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"syncer-1": {"adopt": "yes"}}))
    lab.secondary_apis[1].create(zone, kit.www(zone, "203.0.113.3"))
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    assert lab.secondary_apis[1].zone(zone)["kind"] in ("Slave", "Secondary")
