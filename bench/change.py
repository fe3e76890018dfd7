# SPDX-License-Identifier: GPL-3.0-or-later
"""One record changed, until all secondaries serve it: ours, the floor and PowerDNS's NOTIFY in turn."""

import contextlib
import random
import time

from benchkit import (POLL, STUCK, Question, address, at_once, check, primary_api, proxy_api, secondary_api, small_zone, wait_all)
from report import OURS, Aim, Case, Result

TITLE = "one record changed, until every secondary serves it"
PAUSE = 0.4       # between changes, so that each one finds everything idle: a zone is read back a tenth of a second after it was applied
NOTIFY_LIMIT = 30
NOTIFY_PHASE = 2  # seconds over which the changes are spread that meet PowerDNS's two loops of a second each
WARM_UP = 2


class Arm:
    """One zone on one lab; a change is timed from the start of the PATCH to the last secondary's answer."""
    poll = POLL
    patch_ms = None  # the last one's

    def __init__(self, lab, zone, api):
        self.zone = zone
        self.api = api
        self.lab = lab
        self.questions = [Question(lab.secondary_dns(number), f"www.{zone}") for number in lab.secondary_numbers()]

    def after(self):
        """What follows the PATCH."""

    def limit(self):
        return STUCK

    def change(self, number):
        """Milliseconds; None when an old answer got stuck in a cache."""
        want = address(number)
        begin = time.monotonic()
        self.api.replace(self.zone, f"www.{self.zone}", "A", want)
        self.patch_ms = (time.monotonic() - begin) * 1000
        self.after()
        if not wait_all(self.questions, want, self.limit(), self.poll):
            return None
        return (time.monotonic() - begin) * 1000

    def ready(self):
        check(wait_all(self.questions, "192.0.2.1", 30), f"{self.zone} did not arrive at all secondaries")

    def close(self):
        for question in self.questions:
            question.close()


class Ours(Arm):
    def __init__(self, lab):
        super().__init__(lab, "ours.example.", proxy_api(lab))
        self.api.call("POST", "/zones", small_zone(self.zone))
        self.ready()


class Plain(Arm):
    """PowerDNS alone; the secondaries are told of the zone by hand."""

    def __init__(self, lab, zone, kind):
        super().__init__(lab, zone, primary_api(lab))
        self.secondaries = [secondary_api(lab, number) for number in lab.secondary_numbers()]
        self.api.call("POST", "/zones", small_zone(zone, kind))
        at_once(self.secondaries, "POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [],
                                                     "masters": [f"127.0.0.1:{lab.primary_dns_port}"]})
        self.retrieve()
        self.ready()

    def retrieve(self):
        at_once(self.secondaries, "PUT", f"/zones/{self.zone}/axfr-retrieve")


class Floor(Plain):
    def __init__(self, lab):
        super().__init__(lab, "floor.example.", "Native")

    def after(self):
        self.retrieve()


class Notify(Plain):
    poll = 0.002

    def __init__(self, lab):
        super().__init__(lab, "notify.example.", "Master")

    def after(self):
        self.api.call("PUT", f"/zones/{self.zone}/notify")

    def limit(self):
        return NOTIFY_LIMIT


def notify_secondaries(lab):
    """For Bench.lab: the primary notifies the secondaries, whose ports no NS record can tell."""
    lab.settings.sets.setdefault("primary", {})["also-notify"] = ",".join(
        f"127.0.0.1:{lab.secondary_port(number, 'dns')}" for number in lab.secondary_numbers())
    lab.write_primary_pdns()


@contextlib.contextmanager
def arms(bench, secondaries, backend):
    """Ours, the floor and NOTIFY, each with as many secondaries."""
    with bench.lab(secondaries=secondaries, backend=backend) as lab, \
            bench.lab(secondaries=secondaries, backend=backend, daemons=False, prepare=notify_secondaries) as plain:
        made = [Ours(lab), Floor(plain), Notify(plain)]
        yield made
        for arm in made:
            arm.close()


def measure(bench, secondaries, backend, rounds, notify_every):
    """Two cases: the whole change, and its PATCH; and how many changes gave no figure."""
    label = f"{secondaries} {'secondary' if secondaries == 1 else 'secondaries'}, {backend}"
    whole, patch, stuck, number = Case(label, "ms"), Case(f"of which the PATCH, {label}", "ms"), 0, 0
    bench.say(f"{label}: starting two labs")
    with arms(bench, secondaries, backend) as (ours, floor, notify):
        for index in range(-WARM_UP, rounds):
            taken = {}
            for arm in (ours, floor) if index % 2 else (floor, ours):
                time.sleep(PAUSE)
                number += 1
                taken[arm] = arm.change(number)
                stuck += taken[arm] is None
            bench.progress(index + 1, rounds, label)
            if index < 0:
                continue
            number += 1
            told = None
            if index % notify_every == 0:
                time.sleep(random.uniform(0, NOTIFY_PHASE))
                told = notify.change(number)
            whole.add({OURS: taken[ours], "floor": taken[floor], "NOTIFY": told})
            patch.add({OURS: ours.patch_ms, "floor": floor.patch_ms})
    return whole, patch, stuck


def aims(whole, secondaries):
    def ratio(arm, turned=False):
        found = whole.ratio(arm)
        return None if not found else 1 / found[0] if turned else found[0]
    if secondaries == 2:
        return []
    limit = 1.15 if secondaries == 1 else 1.0
    return [Aim(f"{whole.label}: by the floor", ratio("floor"), limit),
            Aim(f"{whole.label}: times faster than NOTIFY", ratio("NOTIFY", True), 50, at_least=True)]


def run(bench):
    plan = [(1, "sqlite", 6, 3)] if bench.quick else \
        [(1, "sqlite", 60, 3), (1, "lmdb", 40, 2), (2, "sqlite", 40, 2), (4, "sqlite", 40, 2), (8, "sqlite", 40, 2)]
    cases, found, stuck, changes = [], [], 0, 0
    for secondaries, backend, rounds, notify_every in plan:
        whole, patch, without = measure(bench, secondaries, backend, rounds, notify_every)
        cases += [whole, patch]
        found += aims(whole, secondaries)
        stuck += without
        changes += 2 * (rounds + WARM_UP)
    notes = [f"Of {changes} changes of the first two arms, {stuck} gave no figure: for over {STUCK:g} s a server answered out of a cache "
             "into which a question that was in flight during the commit had put the old record."]
    return Result("change", TITLE, cases, found, notes)
