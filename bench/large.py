# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone of 100,000 names, signed: its first transfer, and one record changed in it."""

import contextlib
import sqlite3
import time

import zones
from benchkit import (Question, address, at_once, check, memory_mib, primary_api, proxy_api, reset_peak, rrset, secondary_api,
                      wait_all)
from report import OURS, Aim, Case, Result

TITLE = "a signed zone of 100,000 names"
RETRIEVE = "axfr-retrieve"
LIMIT = 600
DAEMONS = ("zone-provider", "api-proxy", "health-checker")


def fill(lab, wanted, count):
    """As many zones as there are rounds, each of that many names: the first by pdnsutil, the others copied."""
    template = "template.example."
    lines = [f"{template} 3600 IN SOA ns1.hoster.example. hostmaster.{template} 1 10800 3600 604800 3600",
             f"{template} 3600 IN NS ns1.hoster.example.", f"www.{template} 300 IN A 192.0.2.1"]
    lines += [f"host-{index}.{template} 300 IN A {address(index, 10)}" for index in range(count)]
    path = lab.dir / "large.zone"
    path.write_text("\n".join(lines) + "\n")
    command = ["pdnsutil", f"--config-dir={lab.dir}/etc/primary"]
    for words in (["load-zone", template, path], ["secure-zone", template], ["rectify-zone", template]):
        lab.command(*command, *words, timeout=300)
    with contextlib.closing(sqlite3.connect(lab.dir / "primary" / "pdns.sqlite3")) as database, database:
        zones.copy(database, template.rstrip("."), [zone.rstrip(".") for zone in wanted], None)


class Arm:
    def __init__(self, lab, api):
        self.lab, self.api = lab, api(lab)
        self.servers = [lab.secondary_dns(number) for number in lab.secondary_numbers()]

    def before(self, zone):
        """Before a zone's first transfer."""

    def after(self, zone):
        """Right after the PATCH."""

    def change(self, zone, text):
        """Seconds from the start of the PATCH to the last secondary's answer; and those of the PATCH."""
        questions = [Question(server, f"www.{zone}") for server in self.servers]
        begin = time.monotonic()
        self.api.call("PATCH", f"/zones/{zone}", {"rrsets": [rrset(f"www.{zone}", "A", text)]})
        patched = time.monotonic()
        self.after(zone)
        for question in questions:
            check(question.wait_zone(zone, True, LIMIT, 0.01), f"{zone} did not arrive within {LIMIT} s")
            question.name(f"www.{zone}")
        check(wait_all(questions, text, LIMIT, 0.01), f"{zone} did not arrive within {LIMIT} s")
        for question in questions:
            question.close()
        return time.monotonic() - begin, patched - begin


class Plain(Arm):
    def __init__(self, lab):
        super().__init__(lab, primary_api)
        self.secondaries = [secondary_api(lab, number) for number in lab.secondary_numbers()]

    def before(self, zone):
        at_once(self.secondaries, "POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [],
                                                     "masters": [f"127.0.0.1:{self.lab.primary_dns_port}"]})

    def after(self, zone):
        at_once(self.secondaries, "PUT", f"/zones/{zone}/axfr-retrieve")


def measure(bench, secondaries, count, rounds, changes):
    wanted = zones.names(rounds, "large")
    text = f"{secondaries} {'secondary' if secondaries == 1 else 'secondaries'}"
    first, change, patch = Case(f"first transfer, {text}", "s"), Case(f"one record changed, {text}", "s"), Case(f"of which the PATCH, {text}", "s")
    bench.say(f"{text}: filling two primaries, starting two labs")
    sets = {"zone-provider": {"axfr-timeout": "120s"}, "api-proxy": {"upstream-timeout": "300s"},
            "health-checker": {"scan-interval": "1h", "confirm-timeout": "1h"}}
    with bench.lab(sets, secondaries=secondaries, backend="sqlite") as lab, \
            bench.lab(secondaries=secondaries, backend="sqlite", daemons=False) as plain:
        for one in (lab, plain):
            one.stop("primary")
            fill(one, wanted, count)
            one.start("primary")
        arms = {OURS: Arm(lab, proxy_api), RETRIEVE: Plain(plain)}
        daemons = list(DAEMONS) + [f"syncer-{number}" for number in lab.secondary_numbers()]
        for name in daemons:
            reset_peak(lab.pid(name))
        for index, zone in enumerate(wanted):
            figures = {}
            for name, arm in arms.items():
                arm.before(zone)
                figures[name] = arm.change(zone, "192.0.2.2")[0]
                bench.say(f"{text}, round {index + 1} of {rounds}: first transfer, {name}: {figures[name]:.1f} s")
            first.add(figures)
            for number in range(changes):
                figures = {name: arm.change(zone, address(index * changes + number + 1)) for name, arm in arms.items()}
                change.add({name: figure[0] for name, figure in figures.items()})
                patch.add({name: figure[1] for name, figure in figures.items()})
                bench.say(f"{text}: change {number + 1} of {changes}: " + ", ".join(f"{name} {figure[0]:.1f} s" for name, figure in figures.items()))
        time.sleep(2)
        memory = {name: (memory_mib(lab.pid(name), "VmHWM"), memory_mib(lab.pid(name))) for name in daemons}
    return [first, change, patch], memory


def run(bench):
    count, plan = (2000, [(1, 1, 1)]) if bench.quick else (100_000, [(1, 2, 2), (4, 2, 1)])
    cases, aims, notes = [], [], []
    for secondaries, rounds, changes in plan:
        (first, change, patch), memory = measure(bench, secondaries, count, rounds, changes)
        cases += [first, change, patch]
        limit = 1.1 if secondaries == 1 else 0.5
        aims += [Aim(f"{case.label}: by axfr-retrieve", case.ratio(RETRIEVE)[0], limit) for case in (first, change)]
        text = ", ".join(f"{name} {peak:.0f} ({now:.0f})" for name, (peak, now) in memory.items())
        notes.append(f"Memory with {secondaries} of them, in MiB, peak and (two seconds after the last transfer): {text}.")
        if secondaries == 1:
            aims.append(Aim("peak memory of a daemon, MiB", max(peak for peak, _now in memory.values()), 3 * 46))
    return Result("large", TITLE, cases, aims, notes)
