# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: odd zones arrive record by record, unsigned, with NSEC and with NSEC3, and a validating client accepts every kind of answer."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import corpus
import kit
import pytest

pytestmark = pytest.mark.core

ZONES = corpus.zones()


def fill(lab):
    """All zones, unsigned, through the proxy."""
    for zone in ZONES:
        if not zone.around:
            lab.api.create(zone.name, zone.rrsets(), soa_edit_api="")
            continue
        lab.api.create(zone.name, kit.www(zone.name), soa_edit_api="")
        lab.api.load(lab.dir, zone.name, zone.records)
        lab.api.ok("PUT", f"/zones/{kit.zone_id(zone.name)}/rectify")


@pytest.fixture(scope="module")
def filled(lab):
    fill(lab)
    return lab


def compare(lab, form):
    wrong = []
    for zone in ZONES:
        try:
            lab.wait_same(zone.name)
        except kit.LabError as error:
            wrong.append(f"{zone.name} ({zone.why}): {error}")
    assert not wrong, f"{form}: {len(wrong)} of {len(ZONES)} zones differ\n" + "\n".join(wrong)


def check_zone(lab, zone):
    """What is wrong with a signed zone on the secondaries."""
    wrong = []
    for number, api in lab.secondary_apis.items():
        if api.metadata(zone.name, "PRESIGNED") != ["1"]:
            wrong.append(f"{zone.name} is not presigned on secondary {number}")
        if api.keys(zone.name):
            wrong.append(f"{zone.name} has keys on secondary {number}")
    questions = zone.positive + zone.wildcard + zone.nodata + [(name, "DS") for name in zone.delegation]
    if zone.nxdomain:
        questions.append((zone.under("nxnxnx"), "A"))
    anchor = kit.trust_anchor(lab, zone.name)
    for server in lab.secondaries():
        for name, kind in questions:
            try:
                kit.assert_secure(server, anchor, zone.name, name, kind)
            except AssertionError as error:
                wrong.append(f"{zone.name} ({zone.why}) on {server}: {error}")
    return wrong


def validate(lab, form):
    with ThreadPoolExecutor(3) as pool:
        wrong = [line for lines in pool.map(lambda zone: check_zone(lab, zone), ZONES) for line in lines]
    assert not wrong, f"{form}: {len(wrong)} wrong\n" + "\n".join(wrong)


def test_size():
    """Goal: the corpus is worth its name."""
    assert len(ZONES) >= 30
    assert len({zone.name.lower() for zone in ZONES}) == len(ZONES)


def test_unsigned(filled):
    """Goal: every zone arrives unsigned."""
    compare(filled, "unsigned")


def test_nsec(filled):
    """Goal: every zone becomes signed with NSEC, is served so, and answers validate."""
    for zone in ZONES:
        if zone.algorithm:
            bits = {"bits": 2048} if zone.algorithm.startswith("rsa") else {}
            filled.api.ok("POST", f"/zones/{kit.zone_id(zone.name)}/cryptokeys",
                          json={"keytype": "csk", "algorithm": zone.algorithm, "active": True, **bits})
        filled.api.put(zone.name, dnssec=True)
    compare(filled, "NSEC")
    validate(filled, "NSEC")


def test_nsec3(filled):
    """Goal: every zone turns from NSEC to NSEC3, is served so, and answers validate."""
    for zone in ZONES:
        if not filled.api.zone(zone.name)["dnssec"]:
            filled.api.put(zone.name, dnssec=True)
        filled.api.put(zone.name, nsec3param=zone.nsec3)
    compare(filled, "NSEC3")
    validate(filled, "NSEC3")


def test_no_private_keys(filled):
    """Goal: after all that, no secondary's database holds a private key."""
    database = filled.dir / "secondary-1" / "pdns.sqlite3"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        assert connection.execute("SELECT count(*) FROM cryptokeys").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM domains WHERE type <> 'SLAVE'").fetchone() == (0,)
    for path in sorted((filled.dir / "secondary-2").glob("pdns.lmdb*")):
        assert b"Private-key-format" not in path.read_bytes()


def test_delete_all(filled):
    """Goal: every odd name can be deleted again."""
    for zone in ZONES:
        filled.api.delete(zone.name)
    for zone in ZONES:
        filled.wait_no_zone(zone.name)
