# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: whatever is off, killed, restarted or wiped, secondaries end up with what the primary has."""

import random
import shutil
import threading
import time

import kit
import pytest
import requests


def change(lab, zone, address):
    lab.api.replace(zone, f"www.{zone}", "A", address)


def test_secondary_off(make_lab, zone):
    """Goal: a secondary that was off during 50 changes gets each zone's newest state, and the other one never waited for it."""
    lab = make_lab(sets=kit.NO_REPAIR)
    zones = [f"z{index}.{zone}" for index in range(10)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in zones:
        lab.wait_same(name)
    lab.stop("syncer-2")
    lab.stop("secondary-2")
    lab.api.delete(zones[0])
    lab.api.create(f"new.{zone}", kit.www(f"new.{zone}"), dnssec=True)
    for index in range(50):
        change(lab, zones[1 + index % 9], f"192.0.2.{index + 100}")
    for name in [*zones[1:], f"new.{zone}"]:
        lab.wait_same(name, numbers=[1])
    lab.start("secondary-2")
    lab.start("syncer-2")
    for name in [*zones[1:], f"new.{zone}"]:
        lab.wait_same(name)
    lab.wait_no_zone(zones[0])


def test_new_secondary_without_primary(make_lab, zone):
    """Goal: a new, empty secondary fills itself from the store while the primary's PowerDNS and the provider are stopped."""
    lab = make_lab(sets=kit.NO_REPAIR)
    zones = [f"z{index}.{zone}" for index in range(20)]
    lab.distribute("secondary", "remove", "secondary-2")
    for name in ("syncer-2", "secondary-2"):
        lab.stop(name)
        lab.empty(name)
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in zones:
        lab.wait_same(name, numbers=[1])
    lab.api.delete(zones[-1])
    lab.wait_no_zone(zones[-1], numbers=[1])
    for name in ("zone-provider", "api-proxy", "primary"):
        lab.stop(name)
    lab.enroll(2)
    lab.start("secondary-2")
    lab.start("syncer-2")
    for name in zones[:-1]:
        want = kit.axfr(lab.secondary_dns(1), name)
        kit.wait_until(lambda: lab.secondary_apis[2].zone(name) and kit.serial(lab.secondary_dns(2), name) is not None
                       and kit.axfr(lab.secondary_dns(2), name) == want, kit.LIMIT, f"{name} on the new secondary")
    assert lab.secondary_apis[2].zone(zones[-1]) is None


@pytest.mark.core
@pytest.mark.parametrize("name", ["zone-provider", "api-proxy", "health-checker", "syncer-1", "syncer-2"])
def test_kill(make_lab, zone, name):
    """Goal: a daemon is killed at any moment, again and again, during changes; every change that was answered arrives, without repair."""
    lab = make_lab(sets=kit.NO_REPAIR)
    zones = [f"z{index}.{zone}" for index in range(3)]
    for one in zones:
        lab.api.create(one, kit.www(one), dnssec=True)
    answered = {}
    randomly = random.Random(7)
    for turn in range(8):
        killer = threading.Timer(randomly.uniform(0, 0.05), lab.kill, [name])
        killer.start()
        for index, one in enumerate(zones):
            address = f"192.0.{turn + 2}.{index + 1}"
            try:
                change(lab, one, address)
                answered[one] = address
            except (requests.ConnectionError, AssertionError):
                answered.pop(one, None)  # nobody said that it was done; what the primary has is what counts
        # Deleted and made again under fire as well.
        comes_and_goes = f"t{turn}.{zone}"
        try:
            lab.api.create(comes_and_goes, kit.www(comes_and_goes))
            if turn % 2:
                lab.api.delete(comes_and_goes)
        except (requests.ConnectionError, AssertionError):
            pass
        killer.join()
        lab.start(name)
    # What NATS had handed to the killed one is handed out again after the consumer's acknowledgement time.
    for one, address in answered.items():
        lab.wait_answer(f"www.{one}", "A", [address], timeout=30 + kit.LIMIT)
    for one in zones:
        lab.wait_same(one)
    on_primary = {entry["name"] for entry in lab.primary_api.zones()}
    for turn in range(8):
        one = f"t{turn}.{zone}"
        if one in on_primary:
            lab.wait_same(one)
        else:
            lab.wait_no_zone(one)


def test_nats_restarted(make_lab, zone):
    """Goal: nats-server is stopped, and killed, during changes; nothing is lost, and the API answers all the time."""
    lab = make_lab(sets=kit.NO_REPAIR)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    for turn, end in enumerate((lab.stop, lab.kill)):
        end("nats")
        lab.api.create(f"offline{turn}.{zone}", kit.www(f"offline{turn}.{zone}"))
        for index in range(5):
            change(lab, zone, f"192.0.2.{10 * turn + index + 10}")
        lab.start("nats")
        lab.wait_answer(f"www.{zone}", "A", [f"192.0.2.{10 * turn + 14}"])
        lab.wait_same(f"offline{turn}.{zone}")
    lab.wait_same(zone)


def test_nats_wiped(make_lab, zone):
    """Goal: the whole store is lost; it is rebuilt from the primary, deletions included, and changes flow again."""
    lab = make_lab(sets=kit.QUICK)
    zones = [f"z{index}.{zone}" for index in range(10)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in zones:
        lab.wait_same(name)
    # Who is a member comes back from the checker's copy, which it makes once it leads.
    copy = lab.dir / "health-checker" / "members" / "data.mdb"
    kit.wait_until(lambda: all(f"member.secondary-{index}".encode() in copy.read_bytes() for index in (1, 2)), kit.LIMIT,
                   "the checker to have noted the members")
    lab.kill("nats")
    shutil.rmtree(lab.dir / "nats")
    change(lab, zones[0], "192.0.2.200")
    lab.api.delete(zones[1])
    lab.start("nats")
    lab.wait_answer(f"www.{zones[0]}", "A", ["192.0.2.200"])
    lab.wait_no_zone(zones[1])

    def complete():
        with lab.nats() as nats:
            try:
                return all(nats.last("PDNS_ZONES", "pdns.zone." + ".".join(reversed(name.rstrip(".").split("."))))
                           for name in [zones[0], *zones[2:]])
            except kit.NatsError:
                return False
    kit.wait_until(complete, kit.LIMIT, "the store to have all zones again")
    change(lab, zones[2], "192.0.2.201")
    lab.wait_answer(f"www.{zones[2]}", "A", ["192.0.2.201"])
    lab.api.delete(zones[3])
    lab.wait_no_zone(zones[3])
    for name in [zones[0], zones[2], *zones[4:]]:
        lab.wait_same(name)


def test_primary_down(make_lab, zone):
    """Goal: the primary's PowerDNS dies right after a change; the change arrives once it is back."""
    lab = make_lab(sets=kit.NO_REPAIR)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.stop("zone-provider")
    change(lab, zone, "192.0.2.44")
    lab.kill("primary")
    lab.start("zone-provider", wait=False)
    lab.wait_log("zone-provider", f"cannot publish.*zone={zone}")
    answer = lab.api.request("GET", "/zones")
    assert answer.status_code in (502, 503, 504)
    for server in lab.secondaries():
        assert kit.rdatas(server, f"www.{zone}", "A") == {"192.0.2.1"}
    lab.start("primary")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.44"])
    lab.wait_same(zone)


@pytest.mark.parametrize("number", [1, 2])
def test_secondary_powerdns_down(make_lab, zone, number):
    """Goal: changes made while a secondary's PowerDNS is down (its syncer runs on) arrive once it is back."""
    lab = make_lab(sets=kit.NO_REPAIR)
    for name in (zone, f"deleted.{zone}"):
        lab.api.create(name, kit.www(name), dnssec=True)
        lab.wait_same(name)
    lab.kill(f"secondary-{number}")
    change(lab, zone, "192.0.2.45")
    lab.api.create(f"new.{zone}", kit.www(f"new.{zone}"))
    lab.api.delete(f"deleted.{zone}")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.45"], numbers=[3 - number])
    lab.start(f"secondary-{number}")
    lab.wait_same(zone)
    lab.wait_same(f"new.{zone}")
    lab.wait_no_zone(f"deleted.{zone}")


@pytest.mark.parametrize("number", [1, 2])
def test_secondary_database_lost(make_lab, zone, number):
    """Goal: a secondary's PowerDNS comes back empty; its syncer notices and fills it again, though nothing changed."""
    lab = make_lab(sets=kit.merge(kit.QUICK, {"secondary-syncer": {"local-check-interval": "1s"}}))
    zones = [f"z{index}.{zone}" for index in range(5)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in zones:
        lab.wait_same(name)
    lab.stop(f"secondary-{number}")
    lab.empty(f"secondary-{number}")
    lab.start(f"secondary-{number}")
    for name in zones:
        lab.wait_same(name)


def test_syncer_record_lost(make_lab, zone):
    """Goal: a syncer that lost its own record ends up in sync again, and zones deleted meanwhile do not come back."""
    lab = make_lab(sets=kit.QUICK)
    for name in (zone, f"deleted.{zone}"):
        lab.api.create(name, kit.www(name), dnssec=True)
        lab.wait_same(name)
    lab.api.delete(f"deleted.{zone}")
    lab.wait_no_zone(f"deleted.{zone}")
    lab.stop("syncer-1")
    lab.empty("syncer-1")
    lab.start("syncer-1")
    change(lab, zone, "192.0.2.46")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.46"])
    lab.wait_same(zone)
    lab.wait_no_zone(f"deleted.{zone}")


def test_everything_killed_at_once(make_lab, zone):
    """Goal: a power cut of the whole primary host and one secondary, changes unfinished; all come back in any order."""
    lab = make_lab(sets=kit.NO_REPAIR)
    zones = [f"z{index}.{zone}" for index in range(10)]
    for name in zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    names = lab.process_names()
    for name in ("syncer-1", "zone-provider", "api-proxy", "health-checker", "nats", "primary", "secondary-1"):
        lab.kill(name)
    back = [name for name in names if lab.pid(name) is None]
    random.Random(3).shuffle(back)
    for name in back:
        lab.launch(name)
    for name in back:
        lab.wait_ready(name)
    for name in zones:
        lab.wait_same(name)
    change(lab, zones[0], "192.0.2.47")
    lab.wait_answer(f"www.{zones[0]}", "A", ["192.0.2.47"])


@pytest.mark.parametrize("number", [1, 2])
def test_no_gap_and_no_mixture(make_lab, zone, number):
    """Goal: during changes a secondary answers every question, and each answer holds one state of the zone, not two."""
    lab = make_lab(sets=kit.NO_REPAIR)

    def state(index):
        return [{"name": f"{label}.{zone}", "type": "TXT", "ttl": 300, "changetype": "REPLACE",
                 "records": [{"content": f'"{index}"', "disabled": False}]} for label in ("a", "b")]
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.api.patch(zone, *state(0))
    lab.wait_same(zone)
    lab.wait_answer(f"a.{zone}", "TXT", ['"0"'])
    problems, done, seen = [], threading.Event(), set()

    def look():
        server = lab.secondary_dns(number)
        while not done.is_set():
            records = kit.axfr(server, zone)
            texts = {key[3] for key in records if key[2] == "TXT"}
            if len(texts) != 1:
                problems.append(texts)
            seen.update(texts)
            if not kit.ask(server, f"www.{zone}", "A").answer:
                problems.append("no answer")
    looker = threading.Thread(target=look)
    looker.start()
    for index in range(1, 30):
        lab.api.patch(zone, *state(index))
        time.sleep(0.02)  # spreads the changes, so that several states are to be seen
    lab.wait_answer(f"b.{zone}", "TXT", ['"29"'])
    done.set()
    looker.join()
    assert not problems, problems[:5]
    assert len(seen) > 1
