# SPDX-License-Identifier: GPL-3.0-or-later
"""What end-to-end tests are made of: labs that check themselves when they end, the API, DNS questions, comparing zones."""

import collections
import os
import re
import secrets  # noqa: F401
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor  # noqa: F401
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import labkit  # noqa: E402
from labkit import Lab, LabError, Settings, wait_until  # noqa: E402,F401
from natswire import Nats, NatsError  # noqa: E402,F401

# Sanitizer builds are several times slower; a limit is there to end a test that hangs, not to measure.
SLOWNESS = 4 if re.search("asan|tsan", labkit.default_build_dir()) else 1
LIMIT = 30 if SLOWNESS == 1 else 60

REPORTS = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer", "FATAL: ThreadSanitizer", "ERROR: LeakSanitizer",
           "LeakSanitizer: detected", "UndefinedBehaviorSanitizer:")

# The checker's intervals for tests in which repair is wanted within seconds ...
QUICK = {"health-checker": {"confirm-timeout": "1s", "check-interval": "1s", "scan-interval": "1s"}}
# ... and for those that must do without it, so that it does not hide what the way of a change lost.
NO_REPAIR = {"health-checker": {"confirm-timeout": "1h", "check-interval": "1h", "scan-interval": "1h", "recheck-interval": "1h"}}


def merge(*sets):
    merged = {}
    for one in sets:
        for target, values in one.items():
            merged.setdefault(target, {}).update(values)
    return merged


class TestLab(Lab):
    """A lab in a folder of its own, which looks for reports and false exits when it is closed."""
    __test__ = False
    alive = []

    @classmethod
    def make(cls, **settings):
        folder = tempfile.mkdtemp(prefix="pdns-lab-", dir="/tmp")
        lab = cls.create(folder, Settings(**settings))
        lab.api = Api(lab.api_url if lab.settings.daemons else lab.primary_api_url, lab.api_key("primary"))
        lab.primary_api = Api(lab.primary_api_url, lab.api_key("primary"))
        lab.secondary_apis = {number: Api(lab.secondary_api_url(number), lab.api_key(f"secondary-{number}"))
                              for number in lab.secondary_numbers()}
        lab.problems = []
        lab.closing = False
        cls.alive.append(lab)
        try:
            lab.up()
        except BaseException:
            lab.down()
            raise
        return lab

    primary = property(lambda self: ("127.0.0.1", self.primary_dns_port))

    def secondaries(self):
        return [self.secondary_dns(number) for number in self.secondary_numbers()]

    def nats(self):
        if self.settings.rights:
            password = (self.dir / "etc" / "primary" / "nats-distribute.password").read_text().strip()
            return Nats("127.0.0.1", self.nats_port, "distribute", password, inbox_prefix="_INBOX_distribute")
        return Nats("127.0.0.1", self.nats_port)

    def end(self, name, sig=labkit.signal.SIGTERM, timeout=20):
        """As for every lab, and one of our daemons that does not end as it should is noted as a problem."""
        child = self.children.get(name)
        ended_before = child is not None and child.poll() is not None and not self.closing
        status = super().end(name, sig, timeout * SLOWNESS)
        if self.process(name).is_daemon and status is not None:
            if ended_before:
                self.problems.append(f"{name} had ended by itself with status {status}")
            elif status != (0 if sig == labkit.signal.SIGTERM else -sig):
                self.problems.append(f"{name} ended with status {status} after signal {int(sig)}")
        return status

    def wait_ready(self, name, timeout=30):
        super().wait_ready(name, timeout * SLOWNESS)

    def close(self):
        """Ends all; the problems that were seen, as text."""
        if self in self.alive:
            self.alive.remove(self)
        secrets_of_lab = self.secrets()
        for name, child in self.children.items():
            if child.poll() is not None:
                self.problems.append(f"{name} had ended by itself with status {child.returncode}")
        self.closing = True
        self.down()
        for path in sorted((self.dir / "log").glob("*.log")):
            text = path.read_text(errors="replace")
            found = [report for report in REPORTS if report in text]
            if found:
                self.problems.append(f"{path.name}: {', '.join(found)}\n{excerpt(text, found[0])}")
            if path.stem not in ("nats", "primary") and not path.stem.startswith("secondary-"):
                self.problems += [f"{path.name} shows {what}" for what, secret in secrets_of_lab.items() if secret in text]
        if not os.environ.get("KEEP_LAB"):
            shutil.rmtree(self.dir, ignore_errors=True)
        return "\n".join(self.problems)

    def secrets(self):
        """What no log may show."""
        found = {}
        for path in (self.dir / "etc").rglob("*"):
            if path.suffix in (".key", ".password", ".tsig"):
                found[str(path.relative_to(self.dir))] = path.read_text().strip().split()[-1].split(":")[-1]
        return found

    def logs(self, lines=60):
        names = [path.stem for path in sorted((self.dir / "log").glob("*.log"))]
        return [(f"{self.dir.name}/{name}.log", self.log_tail(name, lines)) for name in names]

    def first_day(self, number):
        """Takes a secondary and its syncer back to their first day: PowerDNS runs without a zone, the syncer is stopped, and known."""
        for name in (f"syncer-{number}", f"secondary-{number}"):
            self.stop(name)
            self.empty(name)
        self.distribute("secondary", "remove", f"secondary-{number}")
        self.start(f"secondary-{number}")
        self.enroll(number)

    # What tests wait for

    def wait_same(self, zone, numbers=None, timeout=LIMIT):
        """Until each secondary serves exactly what the primary serves, record by record."""
        last = {}

        def same():
            try:
                want = axfr(self.primary, zone)
            except (dns.exception.DNSException, OSError, EOFError) as error:
                last["primary"] = repr(error)
                return False
            for number in numbers or self.secondary_numbers():
                try:
                    have = axfr(self.secondary_dns(number), zone)
                except (dns.exception.DNSException, OSError, EOFError) as error:
                    last[number] = repr(error)
                    return False
                if have != want and not differ_in_signatures_only(want, have, zone):
                    last[number] = difference(want, have)
                    return False
            return True
        wait_until(same, timeout, lambda: f"{zone} to be the same everywhere: {last}", interval=0.05)

    def wait_no_zone(self, zone, numbers=None, timeout=LIMIT):
        """Until the secondaries neither have the zone nor answer for it."""
        def gone():
            for number in numbers or self.secondary_numbers():
                if self.secondary_apis[number].zone(zone) is not None:
                    return False
                answer = ask(self.secondary_dns(number), zone, "SOA")
                if any(rrset.name == dns.name.from_text(zone) for rrset in answer.answer):
                    return False
            return True
        wait_until(gone, timeout, f"{zone} to be gone from the secondaries", interval=0.05)

    def wait_answer(self, name, kind, want, numbers=None, timeout=LIMIT):
        """Until each secondary answers with exactly this set of rdata."""
        last = {}

        def right():
            for number in numbers or self.secondary_numbers():
                last[number] = rdatas(self.secondary_dns(number), name, kind)
                if last[number] != set(want):
                    return False
            return True
        wait_until(right, timeout, lambda: f"{name} {kind} to be {want}; it is {last}")

    def wait_status(self, name, pattern, timeout=20):
        """Until the line that systemctl status would show matches."""
        wait_until(lambda: re.search(pattern, self.status_line(name)), timeout * SLOWNESS,
                   lambda: f"{pattern} in the status of {name}, which is {self.status_line(name)!r}")

    def wait_log(self, name, pattern, timeout=LIMIT, start=0):
        """Until a log has a line that matches, after so many characters of it."""
        return wait_until(lambda: re.search(pattern, self.log_file(name).read_text(errors="replace")[start:]), timeout,
                          lambda: f"{pattern!r} in {name}.log:\n{self.log_tail(name)}")

    def memory(self, name, field="VmHWM"):
        """In KiB."""
        text = Path(f"/proc/{self.pid(name)}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE).group(1))

    def cpu_ticks(self, name):
        fields = Path(f"/proc/{self.pid(name)}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def excerpt(text, word):
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if word in line)
    return "\n".join(lines[max(0, first - 2):first + 60])


# The API


def zone_id(zone):
    """As PowerDNS writes it."""
    if zone == ".":
        return "=2E"
    return "".join(letter if letter.isalnum() or letter in ".-" else f"={ord(letter):02X}" for letter in zone)


class Api:
    def __init__(self, url, key):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = key
        self.session.verify = False

    def request(self, method, path, **rest):
        return self.session.request(method, f"{self.url}/api/v1/servers/localhost{path}", timeout=60, **rest)

    def ok(self, method, path, **rest):
        answer = self.request(method, path, **rest)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def zone(self, zone, rrsets=False):
        """None when there is none."""
        answer = self.request("GET", f"/zones/{zone_id(zone)}?rrsets={str(rrsets).lower()}")
        return None if answer.status_code == 404 else answer.json()

    def zones(self):
        return self.ok("GET", "/zones")

    def create(self, zone, rrsets=None, **rest):
        """A zone; dnssec=True signs it."""
        body = {"name": zone, "kind": "Native", "nameservers": [] if rrsets else [f"ns1.{zone.lstrip('.')}"], **rest}
        if rrsets:
            body["rrsets"] = [{key: value for key, value in rrset.items() if key != "changetype"} for rrset in rrsets]
        return self.ok("POST", "/zones", json=body)

    def patch(self, zone, *rrsets):
        return self.ok("PATCH", f"/zones/{zone_id(zone)}", json={"rrsets": list(rrsets)})

    def replace(self, zone, name, kind, *contents, ttl=300):
        return self.patch(zone, {"name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE",
                                 "records": [{"content": content, "disabled": False} for content in contents]})

    def put(self, zone, **values):
        return self.ok("PUT", f"/zones/{zone_id(zone)}", json=values)

    def delete(self, zone):
        return self.ok("DELETE", f"/zones/{zone_id(zone)}")

    def metadata(self, zone, kind):
        return self.ok("GET", f"/zones/{zone_id(zone)}/metadata/{kind}")["metadata"]

    def keys(self, zone):
        return self.ok("GET", f"/zones/{zone_id(zone)}/cryptokeys")


    def load(self, folder, zone, records):
        """Gives a zone of the primary records that the API refuses; pdnsutil is for a sqlite backend alone."""
        path = Path(folder) / "load.zone"
        path.write_text("".join(f"{owner} {ttl} IN {kind} {content}\n" for owner, ttl, kind, content in records))
        Lab.command("pdnsutil", f"--config-dir={folder}/etc/primary", "load-zone", zone, path)


# DNS


def ask(server, name, kind, tcp=False, timeout=3):
    """A question with the DO bit; asked again when no answer comes."""
    query = dns.message.make_query(name, kind, want_dnssec=True, payload=1232)
    for attempt in range(3):
        try:
            if tcp:
                return dns.query.tcp(query, server[0], timeout=timeout, port=server[1])
            answer = dns.query.udp(query, server[0], timeout=timeout, port=server[1])
            return ask(server, name, kind, True, timeout) if answer.flags & dns.flags.TC else answer
        except (dns.exception.Timeout, OSError):
            if attempt == 2:
                raise
    return None


def rdatas(server, name, kind):
    """The rdata of the answer as a set of texts; RRSIGs aside."""
    answer = ask(server, name, kind)
    owner = dns.name.from_text(name)
    return {rdata.to_text() for rrset in answer.answer if rrset.name == owner and rrset.rdtype == dns.rdatatype.from_text(kind)
            for rdata in rrset}


def serial(server, zone):
    """None when the server has no such zone."""
    answer = ask(server, zone, "SOA")
    for rrset in answer.answer:
        if rrset.rdtype == dns.rdatatype.SOA and rrset.name == dns.name.from_text(zone):
            return rrset[0].serial
    return None


def axfr(server, zone, keyring=None):
    """All records as a multiset of (owner, TTL, type, rdata in canonical wire form)."""
    origin = dns.name.from_text(zone)
    records = collections.Counter()
    for message in dns.query.xfr(server[0], zone, port=server[1], timeout=10 * SLOWNESS, lifetime=120 * SLOWNESS, relativize=False,
                                 keyring=keyring):
        for rrset in message.answer:
            for rdata in rrset:
                wire = rdata.to_wire() if rrset.rdtype in (dns.rdatatype.RRSIG,) else rdata.to_digestable(origin)
                records[(rrset.name.to_text().lower(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), wire)] += 1
    for key in records:
        if key[2] == "SOA":
            records[key] = 1  # it opens and closes the transfer
    return records


def differ_in_signatures_only(want, have, zone):
    """
    ECDSA signatures hold a random number, and two transfers at the same time make PowerDNS sign anew for each: what the
    secondary has is as good as what the primary answers now if the signatures differ alone, and are valid.
    """
    def split(records):
        texts = collections.Counter()
        for (owner, ttl, kind, wire), count in records.items():
            cut = dns.name.from_wire(wire, 18)[1] + 18 if kind == "RRSIG" else len(wire)
            texts[(owner, ttl, kind, wire[:cut])] += count
        return texts
    if split(want) != split(have):
        return False
    return signatures_are_valid(have, zone, [key for key in have - want if key[2] == "RRSIG"])


def signatures_are_valid(records, zone, signatures):
    """Whether these RRSIGs of a transfer are true signatures by the zone's keys in it."""
    def rdata(key):
        return dns.rdata.from_wire("IN", key[2], key[3], 0, len(key[3]))
    origin = dns.name.from_text(zone)
    sets = collections.defaultdict(list)
    for key in records:
        sets[(key[0], key[2])].append(key)
    apex = origin.to_text().lower()
    keys = {origin: dns.rdataset.from_rdata_list(3600, [rdata(key) for key in sets[(apex, "DNSKEY")]])}
    for key in signatures:
        signature = rdata(key)
        covered = sets[(key[0], dns.rdatatype.to_text(signature.type_covered))]
        rrset = dns.rrset.from_rdata_list(dns.name.from_text(key[0]), key[1], [rdata(one) for one in covered])
        try:
            dns.dnssec.validate_rrsig(rrset, signature, keys, origin)
        except dns.dnssec.ValidationFailure:
            return False
    return True


def difference(want, have):
    def few(records):
        return [f"{owner} {ttl} {kind} {rdata.hex()[:80]}" for owner, ttl, kind, rdata in list(records)[:5]]
    return f"missing {few(want - have)}, too many {few(have - want)}"


# Validation


def trust_anchor(lab, zone):
    """
    A file for delv with the zone's own keys as trust anchors, as the primary's API knows them: what its DNS side answers
    may come from a cache.
    """
    keys = [key for key in lab.primary_api.keys(zone) if key["active"] and key["keytype"] in ("csk", "ksk")]
    assert keys, f"{zone} has no keys"
    lines = []
    for key in keys:
        flags, protocol, algorithm, text = key["dnskey"].split(None, 3)
        lines.append(f'"{zone}" static-key {flags} {protocol} {algorithm} "{text.replace(" ", "")}";')
    path = lab.dir / f"anchor-{zone_id(zone)}"
    path.write_text("trust-anchors {\n" + "\n".join(lines) + "\n};\n")
    return path


def validate(server, anchor, zone, name, kind):
    """What delv, a validating client, says of an answer: its whole text, with "fully validated" in it if it is secure."""
    # A name may be so long that only the file form of arguments is safe; -q takes it as it is.
    result = subprocess.run(["delv", f"@{server[0]}", "-p", str(server[1]), "-a", str(anchor), f"+root={zone}", "+nomultiline",
                             "-q", name, "-t", kind], capture_output=True, text=True, timeout=60, check=False)
    return result.stdout + result.stderr


def assert_secure(server, anchor, zone, name, kind):
    text = validate(server, anchor, zone, name, kind)
    assert "fully validated" in text and "failed" not in text.replace("resolution failed: ncache", ""), f"{name} {kind}: {text}"


def www(zone, address="192.0.2.1"):
    """The RRsets of a small zone."""
    def rrset(name, kind, content):
        return {"name": name, "type": kind, "ttl": 300, "changetype": "REPLACE", "records": [{"content": content, "disabled": False}]}
    return [rrset(zone, "SOA", f"ns1.{zone} hostmaster.{zone} 1 10800 3600 604800 3600"), rrset(zone, "NS", f"ns1.{zone}"),
            rrset(f"ns1.{zone}", "A", "192.0.2.53"), rrset(f"www.{zone}", "A", address)]
