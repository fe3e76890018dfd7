# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: what was confirmed is read back afterwards; what is not as it was sent is found and repaired, whatever happens in between."""

import contextlib
import re
import sqlite3

import kit
import pytest

LATE = {"secondary-syncer": {"proof-interval": "1h", "local-check-interval": "1h"}}
UNPROVEN, PROVEN, DISPROVEN = (f"pdns_distribute_syncer_{what}" for what in ("zones_unproven", "proofs_total", "proofs_failed_total"))
COUNT = 12


@pytest.fixture
def lab(make_lab, zone):
    """Zones that were all confirmed, and of which none is read back for an hour."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, LATE))
    lab.zones = [f"z{index}.{zone}" for index in range(COUNT)]
    for name in lab.zones:
        lab.api.create(name, kit.www(name), dnssec=True)
    for name in lab.zones:
        lab.wait_same(name)
    for number in lab.secondary_numbers():
        wait_metric(lab, number, UNPROVEN, COUNT)
        assert lab.metric(f"syncer-{number}", PROVEN) == 0
    return lab


def wait_metric(lab, number, name, want):
    kit.wait_until(lambda: lab.metric(f"syncer-{number}", name) == want, kit.LIMIT,
                   lambda: f"{name} of syncer-{number} to be {want}; it is {lab.metric(f'syncer-{number}', name)}")


def soon(lab, number):
    """From its next start on, a syncer reads back soon."""
    path = lab.dir / "etc" / f"secondary-{number}" / "secondary-syncer.conf"
    path.write_text(re.sub("proof-interval = .*", "proof-interval = 100ms", path.read_text()))


def tamper(lab, zone):
    """Gives PowerDNS of secondary 1, which runs on sqlite, a record that nobody signed, below the same serial."""
    with contextlib.closing(sqlite3.connect(lab.dir / "secondary-1" / "pdns.sqlite3", timeout=10)) as database, database:
        done = database.execute("UPDATE records SET content = '203.0.113.66' WHERE name = ? AND type = 'A'", [f"www.{zone.rstrip('.')}"])
        assert done.rowcount == 1


@pytest.mark.core
@pytest.mark.parametrize("number", [1, 2])
def test_killed_before_the_proof(lab, number):
    """Goal: a syncer that is killed after it confirmed zones and before it read them back does so when it is back."""
    lab.kill(f"syncer-{number}")
    soon(lab, number)
    lab.start(f"syncer-{number}")
    wait_metric(lab, number, UNPROVEN, 0)
    assert lab.metric(f"syncer-{number}", PROVEN) >= COUNT
    assert lab.metric(f"syncer-{number}", DISPROVEN) == 0
    lab.restart(f"syncer-{number}")
    wait_metric(lab, number, UNPROVEN, 0)
    assert lab.metric(f"syncer-{number}", PROVEN) == 0, "what was proven is proven again"


def test_tampered(lab):
    """Goal: content that PowerDNS was not sent is found though serial and syncer's record say that all is well; other zones are left alone."""
    lab.kill("syncer-1")
    for name in lab.zones[3:5]:
        tamper(lab, name)
    soon(lab, 1)
    lab.start("syncer-1")
    for name in lab.zones[3:5]:
        lab.wait_log("syncer-1", rf"does not stand the proof: PowerDNS serves serial \d+ with other content.*zone={name}")
    wait_metric(lab, 1, UNPROVEN, 0)
    for name in lab.zones:
        lab.wait_same(name)
    assert lab.metric("syncer-1", DISPROVEN) == 2
    assert lab.metric("syncer-1", PROVEN) == COUNT - 2
    kit.wait_until(lambda: lab.metric("syncer-1", "pdns_distribute_syncer_zones_failing") == 0, kit.LIMIT, "no zone to be failing")


def test_nats_and_powerdns_away(lab):
    """Goal: while PowerDNS is away nothing is taken for disproven; while NATS is, what is found is noted and repaired once it is back."""
    lab.kill("syncer-1")
    tamper(lab, lab.zones[0])
    soon(lab, 1)
    lab.stop("secondary-1")
    lab.start("syncer-1", wait=False)
    lab.wait_log("syncer-1", "the local PowerDNS does not answer")
    lab.stop("nats")
    lab.start("secondary-1")
    lab.wait_log("syncer-1", f"does not stand the proof.*zone={lab.zones[0]}")
    kit.wait_until(lambda: lab.metric("syncer-1", UNPROVEN) == 0, kit.LIMIT, "all others to be proven without NATS")
    assert lab.metric("syncer-1", DISPROVEN) == 1
    lab.kill("syncer-1")  # it has noted what failed
    lab.start("syncer-1", wait=False)
    lab.start("nats")
    for name in lab.zones:
        lab.wait_same(name)


def test_deleted_and_changed_before_the_proof(lab):
    """Goal: a zone that was deleted before it was read back is forgotten, and of one that was changed the newest state is proven."""
    lab.api.delete(lab.zones[0])
    lab.api.replace(lab.zones[1], f"www.{lab.zones[1]}", "A", "192.0.2.9")
    lab.wait_no_zone(lab.zones[0])
    lab.wait_answer(f"www.{lab.zones[1]}", "A", ["192.0.2.9"])
    for number in lab.secondary_numbers():
        wait_metric(lab, number, UNPROVEN, COUNT - 1)
        lab.kill(f"syncer-{number}")
        soon(lab, number)
        lab.start(f"syncer-{number}")
    for number in lab.secondary_numbers():
        wait_metric(lab, number, UNPROVEN, 0)
        assert lab.metric(f"syncer-{number}", DISPROVEN) == 0
        assert lab.metric(f"syncer-{number}", PROVEN) == COUNT - 1
