# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: secondaries come and go as the operator says, or by themselves where auto-enroll is on."""

import json

import kit


def members(lab):
    return {entry["id"] for entry in json.loads(lab.distribute("secondary", "list", "--json").stdout)["secondaries"]}


def test_add_and_remove(make_lab, zone):
    """Goal: a removed secondary gets nothing more, and an added one gets everything."""
    lab = make_lab(sets=kit.NO_REPAIR)
    assert members(lab) == {"secondary-1", "secondary-2"}
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.distribute("secondary", "remove", "secondary-2")
    assert members(lab) == {"secondary-1"}
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"], numbers=[1])
    assert kit.rdatas(lab.secondary_dns(2), f"www.{zone}", "A") == {"192.0.2.1"}
    lab.distribute("secondary", "add", "secondary-2")
    lab.wait_same(zone)
    assert members(lab) == {"secondary-1", "secondary-2"}


def test_not_enrolled(make_lab, zone):
    """Goal: without auto-enroll an unknown secondary stays outside until it is added."""
    lab = make_lab(sets=kit.QUICK, enroll=False, secondaries=1)
    lab.api.create(zone, kit.www(zone))
    with lab.nats() as nats:
        beats = nats.subscribe("pdns.heartbeat.secondary-syncer.secondary-1")
        nats.flush()
        for _ in range(3):
            nats.next(beats, kit.LIMIT)
    assert lab.secondary_apis[1].zone(zone) is None
    assert members(lab) == set()
    lab.distribute("secondary", "add", "secondary-1")
    lab.wait_same(zone)


def test_auto_enroll(make_lab, zone):
    """Goal: with auto-enroll the checker makes a durable for whoever sends heartbeats."""
    lab = make_lab(sets=kit.merge(kit.QUICK, {"health-checker": {"auto-enroll": "yes"}}), enroll=False)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    assert members(lab) == {"secondary-1", "secondary-2"}


def test_two_providers(make_lab, zone):
    """Goal: two providers share the work, do not overwrite each other, and one alone goes on when the other is killed."""
    lab = make_lab(sets=kit.NO_REPAIR)
    lab.add_provider()
    lab.start("zone-provider-2")
    zones = [f"z{index}.{zone}" for index in range(10)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for index in range(60):
        lab.api.replace(zones[index % 10], f"www.{zones[index % 10]}", "A", f"192.0.2.{index + 2}")
    for index, name in enumerate(zones):
        lab.wait_answer(f"www.{name}", "A", [f"192.0.2.{50 + index + 2}"])
        lab.wait_same(name)
    # Who gets how much is up to NATS; the one that had more is killed.
    lab.kill(max(("zone-provider", "zone-provider-2"), key=lambda name: lab.metric(name, "pdns_distribute_provider_events_total")))
    for index, name in enumerate(zones):
        lab.api.replace(name, f"www.{name}", "A", f"192.0.2.{100 + index}")
    for index, name in enumerate(zones):
        lab.wait_answer(f"www.{name}", "A", [f"192.0.2.{100 + index}"], timeout=60 + kit.LIMIT)


def test_two_installations_on_one_nats(make_lab, zone):
    """Goal: the prefix keeps two installations on one nats-server apart."""
    one = make_lab(sets=kit.NO_REPAIR, secondaries=1)
    two = make_lab(sets=kit.merge(kit.NO_REPAIR, {"common": {"prefix": "other", "nats-url": one.nats_url}}), secondaries=1)
    one.api.create(zone, kit.www(zone, "192.0.2.1"))
    two.api.create(zone, kit.www(zone, "192.0.2.2"))
    one.wait_same(zone)
    two.wait_same(zone)
    two.api.delete(zone)
    two.wait_no_zone(zone)
    assert kit.rdatas(one.secondary_dns(1), f"www.{zone}", "A") == {"192.0.2.1"}
