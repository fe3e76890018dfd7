# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones deleted, until the last secondary refuses to answer: ours and catalog zones."""

import time

import zones
from benchkit import Question, at_once, check, primary_api, proxy_api, secondary_api
from burst import pour
from change import notify_secondaries
from report import OURS, Aim, Case, Result

TITLE = "zones deleted, until every secondary refuses to answer for them"
SECONDARIES = 2
LIMIT = 300
CATALOGS = "catalog zones, read again at once"
NOTIFIED = "catalog zones, NOTIFY"


class Arm:
    def __init__(self, bench, lab, name, api):
        self.bench, self.lab, self.name, self.api = bench, lab, name, api(lab)
        self.servers = [lab.secondary_dns(number) for number in lab.secondary_numbers()]

    def after(self):
        """What makes the deletion known, once for all zones deleted."""

    def one(self, zone):
        """Milliseconds from the API's answer to the last secondary refusing."""
        self.api.call("DELETE", f"/zones/{zone}")
        begin = time.monotonic()
        self.after()
        self.wait_gone([zone], 0.0005)
        return (time.monotonic() - begin) * 1000

    def many(self, wanted):
        """Seconds from the first request to the last refusal."""
        begin = time.monotonic()
        pour(self.api, [("DELETE", f"/zones/{zone}") for zone in wanted],
             lambda done: self.bench.progress(done, len(wanted), f"{self.name}: requests"))
        self.after()
        self.wait_gone(wanted, 0.005)
        return time.monotonic() - begin

    def wait_gone(self, wanted, poll):
        for zone in wanted:
            for server in self.servers:
                question = Question(server, zone)
                check(question.wait_zone(zone, False, LIMIT, poll), f"{self.name}: {zone} is still there after {LIMIT} s")
                question.close()


class Catalogs(Arm):
    """Members of a catalog zone; the secondaries are told by NOTIFY, or to read the catalog again at once."""

    def __init__(self, bench, lab):
        super().__init__(bench, lab, CATALOGS, primary_api)
        self.secondaries = [secondary_api(lab, number) for number in lab.secondary_numbers()]
        self.patient = False

    def after(self):
        if self.patient:
            self.api.call("PUT", f"/zones/{zones.CATALOG}/notify")
        else:
            at_once(self.secondaries, "PUT", f"/zones/{zones.CATALOG}/axfr-retrieve")


def run(bench):
    single, few, many = (10, 2, 20) if bench.quick else (100, 20, 1000)
    wanted = zones.names(single + many + 1)
    one, all_of_them = Case("one zone, from the API's answer on", "ms"), Case(f"{many} zones, from the first request on", "s")

    def fill_catalog(lab):
        notify_secondaries(lab)
        zones.fill(lab, wanted, "Master", zones.CATALOG)
        zones.add_catalog(lab)
    bench.say("starting two labs and filling them")
    with bench.lab(secondaries=SECONDARIES, backend="sqlite", prepare=lambda lab: zones.fill(lab, wanted)) as lab, \
            bench.lab(secondaries=SECONDARIES, backend="sqlite", daemons=False, prepare=fill_catalog) as plain:
        zones.consume(plain)
        ours, catalogs = Arm(bench, lab, OURS, proxy_api), Catalogs(bench, plain)
        for arm in (ours, catalogs):
            zones.wait_served(arm.servers, wanted, LIMIT, lambda done, total, arm=arm: bench.progress(done, total, f"{arm.name}: zones there"))
        time.sleep(3)
        every = single // few
        for index in range(single):
            taken = ours.one(wanted[index])
            one.add({OURS: taken, CATALOGS: catalogs.one(wanted[index // every]) if index % every == 0 else None})
            bench.progress(index + 1, single, "one zone at a time")
            time.sleep(0.03)
        rest = wanted[single:single + many]
        catalogs.patient = True
        if not bench.quick:  # takes up to a minute
            bench.say("catalog zones, NOTIFY")
            one.add({NOTIFIED: catalogs.one(wanted[-1])})
        catalogs.patient = False
        for arm in (ours, catalogs):
            bench.say(f"{arm.name}: {many} zones at once")
            all_of_them.add({arm.name: arm.many(rest)})
    all_of_them.arms = {name: [value for value in values if value is not None] for name, values in all_of_them.arms.items()}
    return Result("delete", TITLE, [one, all_of_them], [Aim("one zone, ms from the API's answer to the last refusal", one.median(OURS), 10)],
                  [f"{SECONDARIES} secondaries on sqlite. Catalog zones: the secondaries' `axfr-retrieve` of the catalog zone right after the "
                   "deletion, or, once, `notify` of the catalog zone on the primary."])
