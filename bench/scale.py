# SPDX-License-Identifier: GPL-3.0-or-later
"""100 simulated secondaries and 100,000 zones: one change, one secondary that was lost coming back, a new one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import benchkit
from benchkit import check, memory_mib, proxy_api, small_zone, wait_until
from report import Aim, Case, Result
from steady import connections, monitored

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from natswire import Nats  # noqa: E402

TITLE = "100 simulated secondaries, 100,000 zones"
ZONE = "changed.example."
SIZE = 5000
PROVIDER, NATS, CHECKER = "zone-provider", "nats", "health-checker"
THREADS = len(os.sched_getaffinity(0))  # that verify, in all simulated secondaries together
READ = f"read, verified, confirmed and acknowledged, {THREADS} threads verify"


def process_cpu_ms(pid):
    """CPU time of all threads of a process so far, exactly."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(path.read_text().split()[0])
    return total / 1e6


def cpu_ms(lab, name):
    return process_cpu_ms(lab.pid(name))


class Members:
    """Simulated secondaries in a process of their own."""

    def __init__(self, bench, lab, first, count):
        self.process = subprocess.Popen([simulator(bench), "members", lab.nats_url, lab.dir / "etc" / "primary" / "trusted.keys", str(first), str(count),
                                         str(THREADS)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline() == "ready\n", "the simulated secondaries did not start")

    def heads(self):
        """Of all, and of the one that has least."""
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()]

    def wait(self, least, limit, progress=None):
        def there():
            heads = self.heads()[1]
            if progress:
                progress(heads, least)
            return heads >= least
        wait_until(there, limit, lambda: f"{least} heads, there are {self.heads()[1]}", interval=0.001)

    def close(self):
        self.process.kill()
        self.process.wait()


def simulator(bench):
    return Path(bench.build_dir) / "bench" / "simulate"


def enrol(lab, nats, identity, new_only):
    """
    Makes a secondary known. new_only: as one that has everything already, since 100 of them reading 100,000 zones first would
    take longer than what is to be measured.
    """
    if new_only:
        nats.api(f"CONSUMER.DURABLE.CREATE.PDNS_ZONES.secondary-{identity}", {"stream_name": "PDNS_ZONES", "config": {
            "durable_name": f"secondary-{identity}", "deliver_policy": "new", "ack_policy": "explicit", "ack_wait": 5_000_000_000,
            "max_ack_pending": 256, "filter_subject": "pdns.zone.>", "replay_policy": "instant"}})
    lab.distribute("secondary", "add", identity)


def fill(bench, lab, count):
    with subprocess.Popen([simulator(bench), "fill", lab.nats_url, lab.dir / "etc" / "primary" / "signing.key", str(count), str(SIZE),
                           str(THREADS)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            bench.progress(int(line), count, "zones put into the store")
    check(process.returncode == 0, "the store could not be filled")


def verify(bench, lab, count, threads):
    """Seconds, and seconds of CPU, that so many heads in memory take to verify: no NATS, no other program of ours."""
    words = subprocess.run([simulator(bench), "verify", lab.dir / "etc" / "primary" / "signing.key", str(count), str(SIZE), str(threads)],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return float(words[0]), float(words[1])


class Usage:
    """What the primary's side uses between two moments."""

    def __init__(self, lab, names=(PROVIDER, NATS, CHECKER)):
        self.lab, self.names = lab, names
        self.cpu = {name: cpu_ms(lab, name) for name in names}
        self.octets = connections(lab)

    def since(self):
        cpu = {name: cpu_ms(self.lab, name) - self.cpu[name] for name in self.names}
        octets = {name: now[0] - self.octets.get(name, (0, 0))[0] for name, now in connections(self.lab).items()}
        return cpu, octets


def one_change(bench, lab, api, members, changes):
    """CPU milliseconds a change of each process, KiB a change that the provider sends and gets and that the members get, ms until the last."""
    taken, before, have = [], Usage(lab), members.heads()[1]
    for index in range(changes):
        begin = time.monotonic()
        api.replace(ZONE, f"www.{ZONE}", "A", benchkit.address(int(time.time() * 1000) + index & 0xffffff))
        members.wait(have + index + 1, 30)
        taken.append((time.monotonic() - begin) * 1000)
        time.sleep(0.03)
        bench.progress(index + 1, changes, "changes")
    cpu, octets = before.since()
    provider = sum(value for name, value in octets.items() if name.startswith("pdns-zone-provider"))
    listeners = sum(value for name, value in octets.items() if name.startswith("sim-"))
    return {name: value / changes for name, value in cpu.items()}, provider / changes / 1024, listeners / changes / 1024, taken


def changes_by_members(bench, lab, nats, api, plan, changes, cases):
    """The same change with ever more secondaries."""
    processor, traffic, latency = cases
    enrolled = 0
    for count in plan:
        label = f"{count} secondaries"
        while enrolled < count:
            enrol(lab, nats, f"sim-{enrolled}", True)
            enrolled += 1
            bench.progress(enrolled, count, "secondaries enrolled")
        members = Members(bench, lab, 0, count)
        time.sleep(2)
        cpu, provider, listeners, taken = one_change(bench, lab, api, members, changes)
        members.close()
        for name, value in cpu.items():
            processor.add({f"{name}, {label}": value})
        traffic.add({f"zone-provider, {label}": provider})
        traffic.add({f"all secondaries, {label}": listeners})
        for value in taken:
            latency.add({label: value})
        bench.say(f"{label}: provider {cpu[PROVIDER]:.2f} ms CPU a change, nats-server {cpu[NATS]:.2f} ms")


def lost(bench, lab, api, count):
    """A member is away while zones change, and comes back: seconds."""
    have = proxy_zones(count)
    bench.say(f"{count} zones change while one secondary is away")
    for index, zone in enumerate(have):
        api.call("POST", "/zones", small_zone(zone))
        bench.progress(index, count, "zones changed")
    wait_until(lambda: lab.metric(PROVIDER, "pdns_distribute_provider_zones_published_total") >= count, 60, "the zones to be stored")
    time.sleep(1)
    return read(bench, lab, "0", count)


def proxy_zones(count):
    return [f"while-away-{index}.example." for index in range(count)]


def read(bench, lab, number, least):
    """A member reads so many heads. Seconds, CPU ms of each process, MiB."""
    members, begin, usage = Members(bench, lab, number, 1), time.monotonic(), Usage(lab, (NATS, PROVIDER))
    own = process_cpu_ms(members.process.pid)
    members.wait(least, 300, lambda done, total: bench.progress(done, total, "heads read"))
    seconds = time.monotonic() - begin
    cpu, octets = usage.since()
    cpu["the secondary"] = process_cpu_ms(members.process.pid) - own
    members.close()
    return seconds, cpu, octets.get(f"sim-{number}", 0) / 2 ** 20


def run(bench):
    count, plan, changes, away = (2000, (1, 5), 5, 20) if bench.quick else (100_000, (1, 10, 100), 100, 500)
    processor, traffic, latency = (Case("one change", "ms of CPU"), Case("one change", "KiB on NATS"), Case("one change, PATCH to the last secondary", "ms"))
    back, new = Case(f"a secondary comes back, {away} zones changed", "s"), Case(f"a new secondary reads {count:,} zones", "s")
    work = Case(f"a new secondary reads {count:,} zones", "s of CPU")
    memory = Case("afterwards", "MiB")
    sets = {"health-checker": {"scan-interval": "1h", "recheck-interval": "720h"}}
    bench.say("starting a lab")
    with bench.lab(sets, secondaries=0, prepare=monitored) as lab, Nats("127.0.0.1", lab.nats_port) as nats:
        api = proxy_api(lab)
        api.call("POST", "/zones", small_zone(ZONE))
        time.sleep(3)  # the checker's first scan of the primary, which knows nothing of what follows
        begin = time.monotonic()
        fill(bench, lab, count)
        bench.say(f"the store has {count:,} zones after {time.monotonic() - begin:.1f} s")
        changes_by_members(bench, lab, nats, api, plan, changes, (processor, traffic, latency))
        seconds, cpu, _ = lost(bench, lab, api, away)
        back.add({READ: seconds})
        enrol(lab, nats, "sim-1000", False)
        seconds, cpu, octets = read(bench, lab, "1000", count)
        new.add({READ: seconds})
        work.add({NATS: cpu[NATS] / 1000})
        work.add({"the secondary": cpu["the secondary"] / 1000})
        for threads in sorted({1, THREADS}):
            bench.say(f"verifying {count:,} heads in memory, {threads} thread{'s' * (threads > 1)}")
            alone, alone_cpu = verify(bench, lab, count, threads)
            new.add({f"of that, the signatures alone, {threads} thread{'s' * (threads > 1)}": alone})
        work.add({"of that, the signatures alone": alone_cpu})
        for name in (PROVIDER, NATS, CHECKER, "api-proxy"):
            memory.add({name: memory_mib(lab.pid(name))})
    for case in (processor, traffic, latency, memory):
        case.arms = {name: [value for value in values if value is not None] for name, values in case.arms.items()}
    few, many = (processor.median(f"{PROVIDER}, {number} secondaries") for number in (plan[0], plan[-1]))
    aims = [Aim(f"provider's CPU for one change with {plan[-1]} secondaries by that with {plan[0]}", many / few, 1.25),
            Aim(f"seconds in which a new secondary reads {count:,} zones", new.median(READ), 5)]
    notes = [f"A request of each secondary instead, computed: {plan[-1]} transfers and signings a change, {few * plan[-1]:.0f} ms of the provider's CPU "
             f"instead of {many:.1f}, besides PowerDNS's own for as many transfers.",
             f"The new secondary got {octets:.0f} MiB, for which nats-server used {cpu[NATS]:.0f} ms of CPU and the provider {cpu[PROVIDER]:.1f} ms.",
             f"{SIZE} octets of text a zone; every head's signature is verified, every head confirmed and acknowledged. The simulated secondaries run in "
             f"one process on the same machine, with {THREADS} threads that verify. The signatures alone: {count:,} heads in memory, no NATS."]
    return Result("scale", TITLE, [latency, processor, traffic, back, new, work, memory], aims, notes)
