# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone of 100,000 names, signed: its first transfer, and one record changed in it."""

import contextlib
import sqlite3
import time

import zones
from benchkit import (Question, address, at_once, check, cpu_seconds, memory_mib, primary_api, proxy_api, reset_peak, rrset,
                      secondary_api, wait_until)
from report import OURS, Aim, Case, Result

TITLE = "a signed zone of 100,000 names"
RETRIEVE = "axfr-retrieve"
LIMIT = 300      # seconds for one transfer
CACHED = 3       # seconds after which a server that has the new zone still says the old: out of its cache
POLL = 0.01
DAEMONS = ("zone-provider", "api-proxy", "health-checker")
APPLIED, UNPROVEN = "pdns_distribute_syncer_zones_applied_total", "pdns_distribute_syncer_zones_unproven"


def fill(lab, wanted, count):
    """As many zones as there are rounds, each of that many names: the first by pdnsutil, the others copied."""
    template = "template.example."
    lines = [f"{template} 3600 IN SOA ns1.hoster.example. hostmaster.{template} 1 10800 3600 604800 3600",
             f"{template} 3600 IN NS ns1.hoster.example.", f"www.{template} 300 IN A 192.0.2.1"]
    lines += [f"host-{index}.{template} 300 IN A {address(index, 10)}" for index in range(count)]
    path = lab.dir / "large.zone"
    path.write_text("\n".join(lines) + "\n")
    command = ["pdnsutil", f"--config-dir={lab.dir}/etc/primary"]
    # The API gives every zone that it makes SOA-EDIT-API: its changes move the serial.
    for words in (["load-zone", template, path], ["secure-zone", template], ["rectify-zone", template],
                  ["set-meta", template, "SOA-EDIT-API", "DEFAULT"]):
        lab.command(*command, *words, timeout=300)
    with contextlib.closing(sqlite3.connect(lab.dir / "primary" / "pdns.sqlite3")) as database, database:
        zones.copy(database, template.rstrip("."), [zone.rstrip(".") for zone in wanted], None)


def settle(labs):
    """Until nobody in any of the labs has anything to do: what one arm does after its answer would cost the other one time."""
    pids = [lab.pid(path.stem) for lab in labs for path in (lab.dir / "run").glob("*.pid") if lab.pid(path.stem)]

    def idle():
        before = [cpu_seconds(pid) for pid in pids]
        time.sleep(0.5)
        return all(cpu_seconds(pid) - begun <= 0.02 for pid, begun in zip(pids, before))
    wait_until(idle, LIMIT, "that all servers are idle")


class Arm:
    def __init__(self, lab, api):
        self.lab, self.open_api = lab, api
        self.numbers = lab.secondary_numbers()
        self.connect()

    def connect(self):
        """Servers close connections that were idle for long, as these are while it is the other arm's turn."""
        self.api = self.open_api(self.lab)
        self.secondaries = [secondary_api(self.lab, number) for number in self.numbers]

    def before(self, zone):
        """Before a zone's first transfer."""

    def after(self, zone):
        """Right after the PATCH."""

    def serial(self, api, zone):
        return api.call("GET", f"/zones/{zone}?rrsets=false")["edited_serial"]

    def wait_first(self, question, zone):
        check(question.wait_zone(zone, True, LIMIT, POLL), f"{zone} did not arrive within {LIMIT} s")
        question.name(f"www.{zone}")

    def wait_text(self, question, api, zone, text):
        """
        False: PowerDNS has the new zone, and still answers with the old one, which a question that was on its way while it
        committed put back into a cache.
        """
        deadline, serial = time.monotonic() + LIMIT, self.serial(primary_api(self.lab), zone)
        while not question.wait_address(text, CACHED, POLL):
            if self.serial(api, zone) == serial and not question.wait_address(text, CACHED, POLL):
                return False
            check(time.monotonic() < deadline, f"the change of {zone} did not arrive within {LIMIT} s")
        return True

    def change(self, zone, text, first=False):
        """Seconds from the start of the PATCH to the last secondary's answer, or None; and those of the PATCH."""
        questions = [Question(self.lab.secondary_dns(number), f"www.{zone}") for number in self.numbers]
        begin = time.monotonic()
        self.api.call("PATCH", f"/zones/{zone}", {"rrsets": [rrset(f"www.{zone}", "A", text)]})
        patched = time.monotonic()
        self.after(zone)
        if first:
            for question in questions:
                self.wait_first(question, zone)
        seen = all([self.wait_text(question, api, zone, text) for question, api in zip(questions, self.secondaries)])
        end = time.monotonic()
        for question in questions:
            question.close()
        return end - begin if seen else None, patched - begin


class Ours(Arm):
    def __init__(self, lab):
        super().__init__(lab, proxy_api)

    def metrics(self, name):
        return [self.lab.metric(f"syncer-{number}", name) or 0 for number in self.numbers]

    def change(self, zone, text, first=False):
        """And until the last secondary has read the zone back."""
        before, begin = self.metrics(APPLIED), time.monotonic()

        def proven():
            return all(now > then for now, then in zip(self.metrics(APPLIED), before)) and not any(self.metrics(UNPROVEN))
        taken, patch = super().change(zone, text, first)
        wait_until(proven, LIMIT, "that the change is read back", 0.1)
        return taken, patch, time.monotonic() - begin


class Plain(Arm):
    def __init__(self, lab):
        super().__init__(lab, primary_api)

    def before(self, zone):
        at_once(self.secondaries, "POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [],
                                                     "masters": [f"127.0.0.1:{self.lab.primary_dns_port}"]})

    def after(self, zone):
        at_once(self.secondaries, "PUT", f"/zones/{zone}/axfr-retrieve")


def prepare(lab, plain, wanted, count):
    """Both primaries get the zones; the checker has looked at its primary before, so that it is the PATCH that sets off a transfer."""
    scans = "pdns_distribute_checker_scans_total"
    wait_until(lambda: (lab.metric("health-checker", scans) or 0) > 0, 60, "the first scan")
    for one in (lab, plain):
        one.stop("primary")
        fill(one, wanted, count)
        one.start("primary")
    settle((lab, plain))


class Measured:
    """What one number of secondaries gave."""

    def __init__(self, secondaries):
        self.label = f"{secondaries} {'secondary' if secondaries == 1 else 'secondaries'}"
        self.first, self.change = Case(f"first transfer, {self.label}", "s"), Case(f"one record changed, {self.label}", "s")
        self.patch = Case(f"of which the PATCH, {self.label}", "s")
        self.proven = Case(f"until that is also read back, {self.label}", "s")
        self.cached, self.memory = 0, {}

    def round(self, bench, arms, zone, text, first=False):
        """The arms in turn, each while all else is idle."""
        figures, patches, proven = {}, {}, {}
        for name, arm in arms.items():
            arm.connect()
            if first:
                arm.before(zone)
            figures[name], patches[name], *rest = arm.change(zone, text, first)
            self.cached += figures[name] is None
            proven.update({name: taken for taken in rest})
            settle([one.lab for one in arms.values()])
        (self.first if first else self.change).add(figures)
        if not first:
            self.patch.add(patches)
            self.proven.add(proven)
        shown = ", ".join(f"{name} {'cached' if figure is None else f'{figure:.1f} s'}" for name, figure in figures.items())
        bench.say(f"{self.label}: {'first transfer' if first else 'one record'}: {shown}")


def measure(bench, secondaries, count, rounds, changes):
    wanted = zones.names(rounds, "large")
    measured = Measured(secondaries)
    bench.say(f"{measured.label}: starting two labs, filling two primaries")
    # The daemons' defaults, but for a checker that would have transfers of its own.
    sets = {"health-checker": {"scan-interval": "1h"}}
    with bench.lab(sets, secondaries=secondaries, backend="sqlite") as lab, \
            bench.lab(secondaries=secondaries, backend="sqlite", daemons=False) as plain:
        prepare(lab, plain, wanted, count)
        arms = {OURS: Ours(lab), RETRIEVE: Plain(plain)}
        daemons = list(DAEMONS) + [f"syncer-{number}" for number in lab.secondary_numbers()]
        for name in daemons:
            reset_peak(lab.pid(name))
        for index, zone in enumerate(wanted):
            measured.round(bench, arms, zone, "192.0.2.2", first=True)
            for number in range(changes):
                measured.round(bench, arms, zone, address(index * changes + number + 1))
        measured.memory = {name: (memory_mib(lab.pid(name), "VmHWM"), memory_mib(lab.pid(name))) for name in daemons}
    return measured


def run(bench):
    count, plan = (2000, [(1, 1, 1)]) if bench.quick else (100_000, [(1, 2, 2), (4, 1, 2)])
    cases, aims, notes = [], [], []
    for secondaries, rounds, changes in plan:
        measured = measure(bench, secondaries, count, rounds, changes)
        cases += [measured.first, measured.change, measured.patch, measured.proven]
        limit = 1.1 if secondaries == 1 else 0.5
        for case in (measured.first, measured.change):
            ratio = case.ratio(RETRIEVE)
            aims.append(Aim(f"{case.label}: by axfr-retrieve", ratio and ratio[0], limit))
        text = ", ".join(f"{name} {peak:.0f} ({now:.0f})" for name, (peak, now) in measured.memory.items())
        notes.append(f"Memory with {measured.label}, in MiB, peak and (when idle again): {text}.")
        if measured.cached:
            notes.append(f"With {measured.label}, {measured.cached} changes gave no figure: an old answer stayed in a cache of PowerDNS.")
        aims.append(Aim(f"peak memory of a daemon, {measured.label}, MiB", max(peak for peak, _now in measured.memory.values()), 3 * 46))
    return Result("large", TITLE, cases, aims, notes)
