# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: PowerDNS is told to fetch a zone as soon as its change is announced, and gets only what was signed, whatever becomes of the head."""

import json
import signal
import time

import kit
import pytest

LAB = {"rights": True, "sets": kit.NO_REPAIR}
EARLY = "pdns_distribute_syncer_transfers_early_total"
VAIN = "pdns_distribute_syncer_transfers_early_vain_total"

pytestmark = pytest.mark.core


def early(lab, number=1, which=EARLY):
    return lab.metric(f"syncer-{number}", which)


def generation(lab, zone):
    """Once the checker knows that all have it."""
    def found():
        answer = json.loads(lab.distribute("zone", zone, "--json", check=False).stdout or "{}")
        return answer.get("in_sync") and answer["store"]["generation"]
    return kit.wait_until(found, kit.LIMIT, f"{zone} to be in sync")


def announce(lab, zone, follows):
    with provider(lab) as nats:
        nats.publish("pdns.coming.primary", json.dumps({"v": 1, "zone": zone, "follows": follows}).encode())
        nats.flush()
        assert not nats.errors


def provider(lab):
    password = (lab.dir / "etc" / "primary" / "nats-zone-provider.password").read_text().strip()
    return kit.Nats("127.0.0.1", lab.nats_port, "zone-provider", password, inbox_prefix="_INBOX_zone-provider")


def test_changes_are_fetched_early(lab, zone):
    """Goal: of changes one after the other most are announced in time, on sqlite and lmdb, and each arrives as it is."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    before = [early(lab, number) for number in lab.secondary_numbers()]
    for turn in range(10):
        lab.api.replace(zone, f"www.{zone}", "A", f"192.0.2.{turn + 10}")
        lab.wait_answer(f"www.{zone}", "A", [f"192.0.2.{turn + 10}"])
        lab.wait_same(zone)
    assert all(early(lab, number) >= had + 5 for number, had in zip(lab.secondary_numbers(), before))


def test_an_announcement_without_a_head(lab, zone):
    """Goal: when no head follows PowerDNS gets the zone as it was, soon, and the next change comes as ever."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    vain = early(lab, which=VAIN)
    served = lab.metric("syncer-1", "pdns_distribute_syncer_transfers_served_total")
    announce(lab, zone, generation(lab, zone))
    kit.wait_until(lambda: early(lab, which=VAIN) > vain, kit.LIMIT, "the wait to be given up")
    kit.wait_until(lambda: lab.metric("syncer-1", "pdns_distribute_syncer_transfers_served_total") > served, kit.LIMIT, "the zone to be served")
    lab.wait_same(zone)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"])
    lab.wait_same(zone)


def test_what_is_announced_must_fit(lab, zone):
    """Goal: of an unknown zone, of another state than the one that is here, and of no zone at all nothing is fetched."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    before = early(lab)
    now = generation(lab, zone)
    announce(lab, f"unknown.{zone}", now)
    announce(lab, zone, now - 1)
    announce(lab, zone, now + 1)
    with provider(lab) as nats:
        for payload in (b"", b"{", b"[]", b'{"v":2,"zone":"a.","follows":1}', b'{"v":1,"zone":"A..","follows":1}', b"\0" * 5000):
            nats.publish("pdns.coming.primary", payload)
        nats.flush()
    lab.api.create(f"last.{zone}", kit.www(f"last.{zone}"))
    lab.wait_same(f"last.{zone}")
    assert early(lab) == before


def test_a_flood_of_announcements(lab, zone):
    """Goal: many announcements of zones that do not change hold up none that does for more than a moment."""
    zones = [f"f{index}.{zone}" for index in range(20)]
    for name in zones:
        lab.api.create(name, kit.www(name))
    for name in zones:
        lab.wait_same(name)
    generations = {name: generation(lab, name) for name in zones}
    for _ in range(5):
        for name in zones[1:]:
            announce(lab, name, generations[name])
    lab.api.replace(zones[0], f"www.{zones[0]}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zones[0]}", "A", ["192.0.2.2"], timeout=10)
    for name in zones:
        lab.wait_same(name)


def test_killed_while_powerdns_waits(make_lab, zone):
    """Goal: a syncer that is killed while PowerDNS waits for an announced zone loses nothing."""
    lab = make_lab(secondaries=1, sets=kit.NO_REPAIR)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    for turn in range(5):
        lab.end("zone-provider", signal.SIGTERM)
        before = early(lab)
        with lab.nats() as nats:
            nats.publish("pdns.coming.primary", json.dumps({"v": 1, "zone": zone, "follows": generation(lab, zone)}).encode())
            nats.flush()
        kit.wait_until(lambda: early(lab) > before, kit.LIMIT, "the announcement to be heard")  # noqa: B023 - called at once
        lab.end("syncer-1", signal.SIGKILL)
        lab.api.replace(zone, f"www.{zone}", "A", f"192.0.2.{turn + 10}")
        lab.start("syncer-1")
        lab.start("zone-provider")
        lab.wait_answer(f"www.{zone}", "A", [f"192.0.2.{turn + 10}"])
        lab.wait_same(zone)


def test_without_the_right_to_hear(make_lab, zone):
    """Goal: a nats-server that does not let a secondary hear announcements costs time and nothing else, and nobody is told again and again."""
    lab = make_lab(secondaries=1, rights=True, sets=kit.NO_REPAIR)
    path = lab.dir / "etc" / "nats" / "nats.conf"
    assert "pdns.coming.*" in path.read_text()
    path.write_text(path.read_text().replace("pdns.coming.*", "pdns.nothing.*"))
    lab.stop("nats")
    lab.start("nats")
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    for turn in range(3):
        lab.api.replace(zone, f"www.{zone}", "A", f"192.0.2.{turn + 10}")
        lab.wait_answer(f"www.{zone}", "A", [f"192.0.2.{turn + 10}"])
    time.sleep(2)
    assert early(lab) == 0
    assert lab.log_file("syncer-1").read_text().count("coming") < 5
