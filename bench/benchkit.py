# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks are made of: labs, connections to APIs, questions, what processes use, progress."""

import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import labkit  # noqa: E402

POLL = 0.0005   # seconds between two questions to a server that does not serve the change yet
STUCK = 3.0     # an old answer that a question put back into a cache of PowerDNS stays there for 20 s: no figure, counted apart

# The lab shortens and talks more than an installation does; benchmarks run with the defaults.
DEFAULTS = {"common": {"log-level": "info", "heartbeat-interval": "5s"}}


class BenchError(Exception):
    """Something that the user should read."""


def check(condition, what):
    if not condition:
        raise BenchError(what)


class Bench:
    """One run of the command."""

    def __init__(self, quick, build_dir):
        self.quick = quick
        self.build_dir = build_dir
        self.name = ""
        self.started = time.monotonic()
        self.folder = tempfile.mkdtemp(prefix="pdns-bench-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.shown = 0.0
        self.interactive = sys.stderr.isatty()

    def say(self, text):
        end = "\x1b[K\n" if self.interactive else "\n"
        print(f"{time.monotonic() - self.started:6.1f} s  {self.name}: {text}", end=end, file=sys.stderr, flush=True)

    def progress(self, done, total, text=""):
        """Shown now and then; on a terminal in place."""
        now = time.monotonic()
        if now - self.shown < (0.2 if self.interactive else 5):
            return
        self.shown = now
        line = f"{now - self.started:6.1f} s  {self.name}: {text} {done}/{total}"
        print(line, end="\x1b[K\r" if self.interactive else "\n", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def lab(self, sets=None, prepare=None, **settings):
        """A lab of its own that is gone afterwards. prepare: called with it before anything starts."""
        merged = {}
        for one in (DEFAULTS, sets or {}):
            for target, values in one.items():
                merged.setdefault(target, {}).update(values)
        folder = tempfile.mkdtemp(prefix="lab-", dir=self.folder)
        lab = labkit.Lab.create(folder, labkit.Settings(build_dir=self.build_dir, sets=merged, **settings))
        try:
            if prepare:
                prepare(lab)
            lab.up()
            yield lab
        except (BenchError, labkit.LabError, OSError):
            for path in sorted((lab.dir / "log").glob("*.log")):
                print(f"--- {path.name}\n{lab.log_tail(path.stem, 8)}", file=sys.stderr)
            raise
        finally:
            lab.down()
            shutil.rmtree(folder, ignore_errors=True)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Api:
    """One kept connection to a PowerDNS API, or to the proxy in front of it."""

    def __init__(self, url, key):
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=300)
        self.headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def send(self, method, path, body=None):
        """Asks without waiting for the answer, which finish() reads: so that several servers work at once."""
        self.connection.request(method, "/api/v1/servers/localhost" + path, None if body is None else json.dumps(body), self.headers)

    def finish(self, allowed=()):
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300 and answer.status not in allowed:
            raise BenchError(f"the API answered {answer.status}: {content.decode(errors='replace')}")
        return json.loads(content) if content and answer.status < 300 else None

    def call(self, method, path, body=None, allowed=()):
        self.send(method, path, body)
        return self.finish(allowed)

    def insist(self, method, path, body=None):
        """As call, and asks again where PowerDNS says that its database was locked. Not for what must not be done twice."""
        for _attempt in range(200):
            self.send(method, path, body)
            answer = self.connection.getresponse()
            content = answer.read()
            if answer.status < 300:
                return
            if answer.status != 500:
                break
            time.sleep(0.002)
        raise BenchError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")

    def replace(self, zone, name, kind, content):
        self.call("PATCH", f"/zones/{zone}", {"rrsets": [rrset(name, kind, content)]})


def at_once(apis, method, path, body=None):
    """The same request on all connections, whose servers work on it at the same time."""
    for api in apis:
        api.send(method, path, body)
    for api in apis:
        api.finish()


def proxy_api(lab):
    return Api(lab.api_url, lab.api_key("primary"))


def primary_api(lab):
    return Api(lab.primary_api_url, lab.api_key("primary"))


def secondary_api(lab, number):
    return Api(lab.secondary_api_url(number), lab.api_key(f"secondary-{number}"))


def rrset(name, kind, content, ttl=300):
    return {"name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE", "records": [{"content": content, "disabled": False}]}


def small_zone(zone, kind="Native", address="192.0.2.1", **rest):
    """A small signed zone, about 4 KB of text: what most zones of a hosting company look like."""
    rrsets = [rrset(f"www.{zone}", "A", address), rrset(f"www.{zone}", "AAAA", "2001:db8::1"), rrset(f"mail.{zone}", "A", "192.0.2.25"),
              rrset(zone, "MX", f"10 mail.{zone}"), rrset(zone, "TXT", '"v=spf1 mx -all"')]
    return {"name": zone, "kind": kind, "dnssec": True, "nameservers": ["ns1.hoster.example.", "ns2.hoster.example."],
            "rrsets": rrsets, **rest}


# DNS: nothing but a socket and a comparison of octets, since whoever asks takes time from the servers.


class Question:
    fresh = itertools.count()

    def __init__(self, server, name, kind=1):
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self.server = server
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(server)
        self.socket.settimeout(0.5)
        self.name(name, kind)

    def name(self, name, kind=1):
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
        self.query = struct.pack(">HHHHHH", 4711, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
        return self

    def answer(self):
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            self.socket.send(self.query)
            return self.socket.recv(4096)
        return b""

    def wait(self, seen, limit, poll=POLL):
        """Asks until seen(answer); False when that takes longer than the limit in seconds."""
        deadline = time.monotonic() + limit
        while not seen(self.answer()):
            if time.monotonic() > deadline:
                return False
            time.sleep(poll)
        return True

    def wait_address(self, address, limit, poll=POLL):
        want = socket.inet_aton(address)
        return self.wait(lambda answer: want in answer, limit, poll)

    def wait_zone(self, zone, there, limit, poll=POLL):
        """
        Until a server answers for a zone, or refuses to. Another name is asked for each time: an answer that was on its way while
        the zone came or went can stay in a cache of PowerDNS for 20 s.
        """
        deadline = time.monotonic() + limit
        while is_there(self.name(f"n{next(self.fresh)}.{zone}").answer()) != there:
            if time.monotonic() > deadline:
                return False
            time.sleep(poll)
        return True

    def close(self):
        self.socket.close()


def rcode(answer):
    return answer[3] & 15 if len(answer) > 3 else -1


def is_there(answer):
    """True: answers for the zone, be it that there is no such name; False: refuses to; None: no answer, or a failure."""
    return {0: True, 3: True, 5: False}.get(rcode(answer))


def wait_all(questions, address, limit=STUCK, poll=POLL):
    """
    Until the last of the servers serves the address. One is asked at a time: those that are asked later are not disturbed before,
    and the moment at which the last one is seen is the same.
    """
    deadline = time.monotonic() + limit
    return all(question.wait_address(address, deadline - time.monotonic(), poll) for question in questions)


def address(number, network=198):
    """Addresses that differ, for as many changes as are wanted."""
    return f"{network}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def wait_until(condition, limit, what, interval=0.05):
    return labkit.wait_until(condition, limit, what, interval)


# Processes


def ticks(lab, names):
    """CPU seconds used so far, by process."""
    return {name: cpu_seconds(lab.pid(name)) for name in names}


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid, field="VmRSS"):
    """VmRSS: now; VmHWM: at most since the start, or since reset_peak."""
    return int(re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE).group(1)) / 1024


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")
