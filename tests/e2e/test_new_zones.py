# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: zones that come in many at a time are as all others, what was there is left alone, and no catalog is left behind."""

import contextlib
import sqlite3

import kit

LAB = {"sets": kit.NO_REPAIR}
COUNT = 60
CATALOG = ".catalog.pdns-distribute.invalid."


def names(prefix):
    return [f"{prefix}{index}.bootstrap.example." for index in range(COUNT)]


def made_by_catalog(lab):
    """How many zones came in with others on secondary 1: PowerDNS keeps the name of the catalog that brought them."""
    with contextlib.closing(sqlite3.connect(lab.dir / "secondary-1" / "pdns.sqlite3")) as database:
        return database.execute("SELECT count(*) FROM domains WHERE catalog LIKE ?", ["%" + CATALOG.rstrip(".")]).fetchone()[0]


def catalogs(lab):
    return [zone["name"] for number in lab.secondary_numbers() for zone in lab.secondary_apis[number].zones()
            if zone["name"].endswith(CATALOG)]


def test_many_zones(lab):
    """Goal: all zones are the same as on the primary; one that is there under another kind is not touched; no catalog is left."""
    zones = names("many-")
    for zone in zones:
        lab.api.create(zone, kit.www(zone), dnssec=True)
    for zone in zones:
        lab.wait_same(zone)
    for number in lab.secondary_numbers():
        lab.first_day(number)
        lab.secondary_apis[number].create(zones[7], kit.www(zones[7], "203.0.113.7"))
        lab.start(f"syncer-{number}")
    for zone in zones[:7] + zones[8:]:
        lab.wait_same(zone, timeout=2 * kit.LIMIT)
    lab.wait_log("syncer-1", "not made by the suite")
    kit.wait_until(lambda: not catalogs(lab), kit.LIMIT, lambda: f"no catalog to be left, there are {catalogs(lab)}")
    for number in lab.secondary_numbers():
        assert kit.rdatas(lab.secondary_dns(number), f"www.{zones[7]}", "A") == {"203.0.113.7"}
        assert lab.secondary_apis[number].zone(zones[7])["kind"] == "Native"
    assert made_by_catalog(lab) > COUNT / 3, "hardly a zone was made along with others"
    # Zones that came in so change and go like all others.
    lab.api.replace(zones[20], f"www.{zones[20]}", "A", "192.0.2.20")
    lab.wait_answer(f"www.{zones[20]}", "A", ["192.0.2.20"])
    lab.api.delete(zones[21])
    lab.wait_no_zone(zones[21])
    lab.wait_same(zones[22])


def test_book_lost(lab):
    """Goal: a syncer that lost its state-dir finds the zones there, and all come into its book again."""
    zones = names("book-")
    for zone in zones:
        lab.api.create(zone, kit.www(zone), dnssec=True)
    for zone in zones:
        lab.wait_same(zone)
    lab.stop("syncer-1")
    lab.empty("syncer-1")
    lab.distribute("secondary", "remove", "secondary-1")
    lab.enroll(1)
    # A catalog that a killed process left behind is found and removed.
    left = "0123456789abcdef" + CATALOG
    lab.secondary_apis[1].ok("POST", "/zones", json={"name": left, "kind": "Consumer", "nameservers": [],
                                                     "masters": [f"127.0.0.1:{lab.secondary_port(1, 'syncer')}"]})
    lab.start("syncer-1")
    kit.wait_until(lambda: (lab.metric("syncer-1", "pdns_distribute_syncer_zones") or 0) >= COUNT, 3 * kit.LIMIT, "all zones in the book")
    kit.wait_until(lambda: not catalogs(lab), kit.LIMIT, lambda: f"no catalog to be left, there are {catalogs(lab)}")
    for zone in zones:
        lab.wait_same(zone)
