# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing changes: what the daemons use, and what PowerDNS alone does meanwhile to find out that nothing changed."""

import json
import time
import urllib.request

import zones
from benchkit import cpu_seconds, memory_mib, primary_api, wait_until
from report import Aim, Case, Result

TITLE = "nothing changes for five minutes"
SECONDARIES = 2


def connections(lab):
    """What nats-server counts for each of its clients: messages and octets in both directions, by the client's name."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{lab.port(39)}/connz?limit=1000", timeout=10) as answer:
        found = json.loads(answer.read())["connections"]
    totals = {}
    for one in found:
        name = one.get("name", "?")
        octets, messages = totals.get(name, (0, 0))
        totals[name] = (octets + one["in_bytes"] + one["out_bytes"], messages + one["in_msgs"] + one["out_msgs"])
    return totals


def queries(lab):
    """Questions that the primary's DNS side got."""
    values = {one["name"]: one["value"] for one in primary_api(lab).call("GET", "/statistics") if one["type"] == "StatisticItem"}
    return int(values["udp-queries"]) + int(values["tcp-queries"])


def snapshot(lab, plain, daemons):
    return {"cpu": {name: cpu_seconds(lab.pid(name)) for name in daemons}, "nats": connections(lab), "queries": queries(plain),
            "plain": {name: cpu_seconds(plain.pid(name)) for name in ("primary", "secondary-1")}}


def quiet(lab, daemons):
    """Whether the daemons had next to nothing to do for five seconds."""
    before = {name: cpu_seconds(lab.pid(name)) for name in daemons}
    time.sleep(5)
    return all(cpu_seconds(lab.pid(name)) - before[name] < 0.05 for name in daemons)


def monitored(lab):
    """For Bench.lab: nats-server tells what each client sends and gets."""
    lab.settings.sets.setdefault("nats", {})["http"] = f'"127.0.0.1:{lab.port(39)}"'
    lab.write_nats()


def run(bench):
    count, seconds = (50, 10) if bench.quick else (10_000, 300)
    wanted = zones.names(count)
    processor, memory = Case("", "% of one core"), Case("", "MiB")
    traffic, messages = Case("", "octets/s on NATS"), Case("", "messages/s")

    def prepare(lab):
        monitored(lab)
        zones.fill(lab, wanted)

    def prepare_plain(lab):
        zones.fill(lab, wanted, "Master", zones.CATALOG)
        zones.add_catalog(lab)
    bench.say(f"starting two labs and filling them with {count:,} zones")
    with bench.lab(secondaries=SECONDARIES, backend="sqlite", prepare=prepare) as lab, \
            bench.lab(secondaries=SECONDARIES, backend="sqlite", daemons=False, prepare=prepare_plain) as plain:
        zones.consume(plain)
        for name, one in (("ours", lab), ("plain", plain)):
            for number in one.secondary_numbers():
                zones.wait_served([one.secondary_dns(number)], wanted, 900, lambda done, total, n=name: bench.progress(done, total, f"{n}: zones there"))
        daemons = ["api-proxy", "zone-provider", "health-checker", "syncer-1", "syncer-2"]
        bench.say("waiting until all is quiet")
        wait_until(lambda: quiet(lab, daemons), 180, "quiet")
        before, start = snapshot(lab, plain, daemons), time.monotonic()
        memory_before = {name: memory_mib(lab.pid(name)) for name in daemons + ["nats"]}
        own = {name: memory_mib(lab.pid(name), "RssAnon") for name in daemons}
        while time.monotonic() - start < seconds:
            time.sleep(1)
            bench.progress(int(time.monotonic() - start), seconds, "seconds")
        after, taken = snapshot(lab, plain, daemons), time.monotonic() - start
        memory_after = {name: memory_mib(lab.pid(name)) for name in daemons + ["nats"]}
    for name in daemons:
        processor.add({name: (after["cpu"][name] - before["cpu"][name]) / taken * 100})
    for name in ("primary", "secondary-1"):
        processor.add({f"PowerDNS alone, {name}": (after["plain"][name] - before["plain"][name]) / taken * 100})
    for name in daemons + ["nats"]:
        memory.add({f"{name} before": memory_before[name], f"{name} after": memory_after[name]})
    for name in daemons:
        memory.add({f"{name}, of that its own": own[name]})
    for name, (octets, count_now) in sorted(after["nats"].items()):
        had = before["nats"].get(name, (0, 0))
        traffic.add({name: (octets - had[0]) / taken})
        messages.add({name: (count_now - had[1]) / taken})
    messages.add({"PowerDNS alone: questions to the primary": (after["queries"] - before["queries"]) / taken})
    for case in (processor, memory, traffic, messages):
        case.arms = {name: [value for value in values if value is not None] for name, values in case.arms.items()}
    aims = [Aim("% of one core, the daemon that uses most", max(processor.median(name) for name in daemons), 0.5),
            Aim("MiB, the daemon that has most", max(memory_after[name] for name in daemons), 20),
            Aim("MiB more after than before, the daemon that grew most", max(memory_after[name] - memory_before[name] for name in daemons), 0.5)]
    notes = [f"{count:,} zones, {SECONDARIES} secondaries, {taken:.0f} s, default intervals. PowerDNS alone asks for each zone's SOA once per its refresh "
             "time (10,800 s here), each secondary by itself; that is what it needs to find out that nothing changed."]
    return Result("steady", TITLE, [processor, memory, traffic, messages], aims, notes, log_scale=False)
