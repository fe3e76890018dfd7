# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty secondary gets many small signed zones: ours, autosecondary, catalog zones, and a loop over the API."""

import contextlib
import random
import sqlite3
import time

import zones
from benchkit import Question, primary_api, secondary_api, wait_until
from report import OURS, Aim, Case, Result

TITLE = "an empty secondary gets many small signed zones"
CATALOGS, AUTO, LOOP = "catalog zones", "autosecondary", "POST and axfr-retrieve, 4 connections"
PROVEN = "pdns-distribute, until the last zone is proven"
CONNECTIONS = 4
LIMIT = 900


def zones_per_second(bench, lab, wanted, name, begin):
    """Since begin, once the secondary serves every zone."""
    zones.wait_served([lab.secondary_dns(1)], wanted, LIMIT, lambda done, total: bench.progress(done, total, f"{name}: zones there"))
    return len(wanted) / (time.monotonic() - begin)


class Ours:
    """The store has all zones; the secondary is made known, and both its PowerDNS and its syncer begin with nothing."""
    name = OURS

    def __init__(self, bench, lab, wanted):
        self.bench, self.lab, self.wanted = bench, lab, wanted

    def once(self):
        lab = self.lab
        for name in ("syncer-1", "secondary-1"):
            lab.stop(name)
            lab.empty(name)
        lab.distribute("secondary", "remove", "secondary-1")
        lab.start("secondary-1")
        begin = time.monotonic()
        lab.enroll(1)
        lab.launch("syncer-1")
        rate = zones_per_second(self.bench, lab, self.wanted, self.name, begin)
        self.proven = self.zones_proven_per_second(begin)
        return rate

    def zones_proven_per_second(self, begin):
        """Since begin, once every zone has been read back."""
        def proven():
            done = self.lab.metric("syncer-1", "pdns_distribute_syncer_proofs_total") or 0
            self.bench.progress(int(done), len(self.wanted), f"{self.name}: zones proven")
            return self.lab.metric("syncer-1", "pdns_distribute_syncer_zones") == len(self.wanted) and \
                self.lab.metric("syncer-1", "pdns_distribute_syncer_zones_unproven") == 0
        wait_until(proven, LIMIT, "every zone to be proven", interval=0.1)
        return len(self.wanted) / (time.monotonic() - begin)


class Plain:
    """PowerDNS alone, with the secondary emptied before each round."""

    def __init__(self, bench, lab, wanted):
        self.bench, self.lab, self.wanted = bench, lab, wanted

    def once(self):
        self.lab.stop("secondary-1")
        self.lab.empty("secondary-1")
        self.prepare()
        self.lab.start("secondary-1")
        begin = time.monotonic()
        self.ask()
        return zones_per_second(self.bench, self.lab, self.wanted, self.name, begin)

    def prepare(self):
        """Before the secondary starts."""

    def master(self):
        return f"127.0.0.1:{self.lab.primary_dns_port}"


class Catalogs(Plain):
    name = CATALOGS

    def ask(self):
        zones.consume(self.lab)


class Loop(Plain):
    name = LOOP

    def ask(self):
        apis = [secondary_api(self.lab, 1) for _ in range(CONNECTIONS)]
        for start in range(0, len(self.wanted), CONNECTIONS):
            some = list(zip(apis, self.wanted[start:start + CONNECTIONS]))
            for api, zone in some:
                api.send("POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [], "masters": [self.master()]})
            for api, zone in some:
                while not self.made(api):  # sqlite: another one wrote just now
                    api.send("POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [], "masters": [self.master()]})
                api.send("PUT", f"/zones/{zone}/axfr-retrieve")
            for api, _zone in some:
                api.finish()
            self.bench.progress(start, len(self.wanted), f"{self.name}: zones made")

    @staticmethod
    def made(api):
        answer = api.connection.getresponse()
        answer.read()
        return answer.status != 500


class Auto(Plain):
    """The primary's NOTIFY of an unknown zone makes it. The master is then the NOTIFY's address at port 53, which must be ours."""
    name = AUTO

    def prepare(self):
        with contextlib.closing(sqlite3.connect(self.lab.dir / "secondary-1" / "pdns.sqlite3")) as database, database:
            database.execute("INSERT INTO supermasters VALUES (?, 'ns1.hoster.example', 'bench')", [self.address])

    def ask(self):
        api = primary_api(self.lab)
        for index, zone in enumerate(self.wanted):
            api.call("PUT", f"/zones/{zone}/notify")
            self.bench.progress(index, len(self.wanted), f"{self.name}: zones notified")
        # NOTIFYs that got lost in the crowd are said again, as an operator would have to.
        question, missing = Question(self.lab.secondary_dns(1), "."), list(self.wanted)
        deadline = time.monotonic() + LIMIT
        while missing and time.monotonic() < deadline:
            before = len(missing)
            time.sleep(5)
            missing = [zone for zone in missing if not question.wait_zone(zone, True, 0)]
            self.bench.progress(len(self.wanted) - len(missing), len(self.wanted), f"{self.name}: zones there")
            if missing and len(missing) == before:
                for zone in missing:
                    api.call("PUT", f"/zones/{zone}/notify")


def prepare_plain(wanted, address):
    """For Bench.lab: the primary with all zones in a catalog, which also answers at port 53 of an address of its own."""
    def prepare(lab):
        port = lab.primary_dns_port
        lab.settings.sets.setdefault("primary", {}).update({"also-notify": f"127.0.0.1:{lab.secondary_port(1, 'dns')}"})
        lab.settings.sets.setdefault("secondary", {})["autosecondary"] = "yes"
        if address:
            lab.settings.sets["primary"].update({"local-address": f"127.0.0.1:{port},{address}:53", "query-local-address": address})
        lab.write_primary_pdns()
        lab.write_secondary_pdns(1)
        zones.fill(lab, wanted, "Master", zones.CATALOG)
        zones.add_catalog(lab)
    return prepare


def measure(bench, backend, count, rounds, autos):
    wanted = zones.names(count)
    case = Case(f"{count:,} zones, {backend}", "zones/s")
    address = f"127.{random.randint(1, 250)}.{random.randint(0, 255)}.{random.randint(2, 250)}" if autos else None
    bench.say(f"{case.label}: starting two labs and filling them")
    with bench.lab(secondaries=1, backend=backend, prepare=lambda lab: zones.fill(lab, wanted)) as lab, \
            bench.lab(secondaries=1, backend=backend, daemons=False, prepare=prepare_plain(wanted, address)) as plain:
        zones.wait_stored(lab, count, LIMIT, lambda done, total: bench.progress(done, total, "zones in the store"))
        zones.wait_served([lab.secondary_dns(1)], wanted, LIMIT, lambda done, total: bench.progress(done, total, "zones there"))
        arms = [Ours(bench, lab, wanted), Catalogs(bench, plain, wanted), Loop(bench, plain, wanted)]
        Catalogs(bench, plain, wanted).once()  # so that the primary has signed every zone, as it has for ours
        for index in range(rounds):
            samples = {}
            for arm in arms:
                samples[arm.name] = arm.once()
                if isinstance(arm, Ours):
                    samples[PROVEN] = arm.proven
                bench.say(f"{case.label}, round {index + 1} of {rounds}: {arm.name}: {samples[arm.name]:.0f} zones/s")
            if index < autos:
                auto = Auto(bench, plain, wanted)
                auto.address = address
                samples[AUTO] = auto.once()
                bench.say(f"{case.label}: {AUTO}: {samples[AUTO]:.0f} zones/s")
            case.add(samples)
    return case


def run(bench):
    plan = [("sqlite", 50, 1, 0)] if bench.quick else \
        [("sqlite", 2000, 2, 1), ("lmdb", 2000, 2, 0), ("sqlite", 10000, 1, 0), ("lmdb", 10000, 1, 0)]
    cases = [measure(bench, *one) for one in plan]
    aims = [Aim(f"{case.label}: by catalog zones", case.ratio(CATALOGS) and case.ratio(CATALOGS)[0], 1.5, at_least=True) for case in cases]
    aims += [Aim(f"{case.label}: by autosecondary", case.ratio(AUTO)[0], 4, at_least=True) for case in cases if case.ratio(AUTO)]
    return Result("bootstrap", TITLE, cases, aims,
                  ["The primary has signed every zone before; ours begins with the secondary's enrolment, whose syncer and PowerDNS have nothing.",
                   "Autosecondary does not work with lmdb in 4.7."])
