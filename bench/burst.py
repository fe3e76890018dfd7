# SPDX-License-Identifier: GPL-3.0-or-later
"""Many changes as fast as the API takes them: to one zone, and one to each of many zones."""

import contextlib
import time

import zones
from benchkit import Question, address, at_once, check, primary_api, proxy_api, rrset, secondary_api, wait_all
from change import notify_secondaries
from report import OURS, Aim, Case, Result

TITLE = "1,000 changes to one zone, and one change to each of 1,000 zones"
SECONDARIES = 2
LIMIT = 300
BUSY = "busy.example."


def pour(api, requests, progress):
    """
    All requests, one after the other. Over one connection: PowerDNS's sqlite backend answers 500 to one of two writers, and now
    and then while a transfer reads; then the request is repeated. Seconds from the first request to the last answer.
    """
    begin = time.monotonic()
    for done, request in enumerate(requests):
        api.insist(*request)
        progress(done)
    return time.monotonic() - begin


def patch(zone, text):
    return "PATCH", f"/zones/{zone}", {"rrsets": [rrset(f"www.{zone}", "A", text)]}


class Arm:
    """One installation with its zones."""

    def __init__(self, bench, lab, name, api):
        self.bench, self.lab, self.name = bench, lab, name
        self.api = api(lab)
        self.servers = [lab.secondary_dns(number) for number in lab.secondary_numbers()]

    def after(self, zone):
        """Requests that follow a change."""
        return []

    def changes(self, wanted):
        """wanted: pairs of zone and address. Seconds in the API, and from then until the last secondary serves the last."""
        def requests():
            for zone, text in wanted:
                yield patch(zone, text)
                yield from self.after(zone)
        total = len(wanted) * (1 + len(self.after("")))
        taken = pour(self.api, requests(), lambda done: self.bench.progress(done, total, f"{self.name}: requests"))
        begin = time.monotonic()
        last = {zone: text for zone, text in wanted}
        for index, (zone, text) in enumerate(last.items()):
            questions = [Question(server, f"www.{zone}") for server in self.servers]
            check(wait_all(questions, text, LIMIT, 0.005), f"{self.name}: {zone} does not serve its change after {LIMIT} s")
            for question in questions:
                question.close()
            self.bench.progress(index, len(last), f"{self.name}: zones that serve their change")
        return taken, time.monotonic() - begin

    def transfers(self):
        return None


class Ours(Arm):
    def __init__(self, bench, lab):
        super().__init__(bench, lab, OURS, proxy_api)

    def transfers(self):
        return self.lab.metric("zone-provider", "pdns_distribute_provider_transfers_total")


class Notify(Arm):
    def __init__(self, bench, lab):
        super().__init__(bench, lab, "NOTIFY", primary_api)

    def after(self, zone):
        return [("PUT", f"/zones/{zone}/notify")]


def fill_plain(lab, wanted):
    """PowerDNS alone: the primary has the zones, notifies, and the secondaries are told of each zone by hand afterwards."""
    notify_secondaries(lab)
    zones.fill(lab, wanted, "Master")


def tell_secondaries(bench, lab, wanted):
    apis = [secondary_api(lab, number) for number in lab.secondary_numbers()]
    for index, zone in enumerate(wanted):
        at_once(apis, "POST", "/zones", {"name": zone, "kind": "Slave", "nameservers": [], "masters": [f"127.0.0.1:{lab.primary_dns_port}"]})
        at_once(apis, "PUT", f"/zones/{zone}/axfr-retrieve")
        bench.progress(index, len(wanted), "NOTIFY: zones made on the secondaries")


@contextlib.contextmanager
def arms(bench, wanted):
    bench.say("starting two labs and filling them")
    with bench.lab(secondaries=SECONDARIES, backend="sqlite", prepare=lambda lab: zones.fill(lab, wanted)) as lab, \
            bench.lab(secondaries=SECONDARIES, backend="sqlite", daemons=False, prepare=lambda lab: fill_plain(lab, wanted)) as plain:
        made = [Ours(bench, lab), Notify(bench, plain)]
        tell_secondaries(bench, plain, wanted)
        for arm in made:
            zones.wait_served(arm.servers, wanted, LIMIT, lambda done, total, arm=arm: bench.progress(done, total, f"{arm.name}: zones there"))
        # Until nothing is left to do: the checker confirms what the syncers reported.
        time.sleep(2)
        yield made


def run(bench):
    count, many, rounds = (50, 20, 1) if bench.quick else (1000, 1000, 3)
    wanted = [BUSY] + zones.names(many)
    rate = Case(f"{count} changes to one zone: taken by the API", "changes/s")
    late = Case(f"{count} changes to one zone: last one served after the API's last answer", "s")
    transfers = Case(f"{count} changes to one zone: transfers from the primary", "transfers")
    taken = Case(f"one change to each of {many} zones: taken by the API", "zones/s")
    served = Case(f"one change to each of {many} zones: served by all, from the first request on", "zones/s")
    share = Case(f"one change to each of {many} zones: rate served by the rate at which the API took them", "ratio")
    number = 0
    with arms(bench, wanted) as (ours, notify):
        for index in range(rounds):
            figures = {arm.name: {} for arm in (ours, notify)}
            for arm in (ours, notify):
                bench.say(f"round {index + 1} of {rounds}: {arm.name}")
                mine = figures[arm.name]
                before = arm.transfers()
                seconds, mine["late"] = arm.changes([(BUSY, address(number + step + 1)) for step in range(count)])
                mine["rate"] = count / seconds
                time.sleep(1)
                mine["transfers"] = None if before is None else arm.transfers() - before
                seconds, rest = arm.changes([(zone, address(number + step + 1)) for step, zone in enumerate(wanted[1:])])
                mine["taken"], mine["served"], mine["share"] = many / seconds, many / (seconds + rest), seconds / (seconds + rest)
                number += max(count, many)
                time.sleep(1)
            for case, key in ((rate, "rate"), (late, "late"), (transfers, "transfers"), (taken, "taken"), (served, "served"), (share, "share")):
                case.add({name: mine[key] for name, mine in figures.items()})
    transfers.arms.pop("NOTIFY")
    aims = [Aim("changes to one zone: transfers for each change", transfers.median(OURS) / count, 0.5),
            Aim("changes to one zone: seconds until the last one is served", late.median(OURS), 1),
            Aim("changes to many zones: rate served by rate taken", share.median(OURS), 0.8, at_least=True)]
    notes = [f"{SECONDARIES} secondaries on sqlite; one connection to the API. With NOTIFY each change is two requests."]
    return Result("burst", TITLE, [rate, late, transfers, taken, served, share], aims, notes)
