# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo itself; started by scripts/demo, which installs and builds first."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import labkit  # noqa: E402

ZONE = "demo.example."
CHANGES = 20


class DemoError(Exception):
    pass


class PdnsApi:
    """One kept connection to a PowerDNS API, or to the proxy in front of it."""

    def __init__(self, url, key):
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)
        self.key = key

    def call(self, method, path, body=None):
        self.connection.request(method, "/api/v1/servers/localhost" + path, None if body is None else json.dumps(body),
                                {"X-API-Key": self.key, "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise DemoError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None

    def set_address(self, name, address):
        self.call("PATCH", f"/zones/{ZONE}", {"rrsets": [rrset(name, "A", address)]})


def rrset(name, kind, content):
    return {"name": name, "type": kind, "ttl": 300, "changetype": "REPLACE", "records": [{"content": content, "disabled": False}]}


def new_zone():
    return {"name": ZONE, "kind": "Native", "dnssec": True, "nameservers": [f"ns1.{ZONE}", f"ns2.{ZONE}"],
            "rrsets": [rrset(f"www.{ZONE}", "A", "192.0.2.1")]}


class Question:
    """Asks one server for an A record as fast as it answers."""

    def __init__(self, server, name):
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(server)
        self.socket.settimeout(0.5)
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
        self.query = struct.pack(">HHHHHH", 4711, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)

    def answer(self):
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            self.socket.send(self.query)
            return self.socket.recv(4096)
        return b""

    def wait(self, address, limit):
        """Asks until the answer holds the address; False when that takes longer than the limit in seconds."""
        want = socket.inet_aton(address)
        deadline = time.monotonic() + limit
        while want not in self.answer():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.0003)
        return True


def say(text):
    print(text, flush=True)


def check(condition, what):
    if not condition:
        raise DemoError(what)


def dig(server, name, kind):
    result = subprocess.run(["dig", f"@{server[0]}", "-p", str(server[1]), name, kind, "+dnssec", "+norecurse", "+noall", "+answer", "+comments"],
                            capture_output=True, text=True, timeout=30, check=False)
    return result.stdout


def show_answer(text):
    for line in text.splitlines():
        if line and not line.startswith(";"):
            say("    " + (line if len(line) < 110 else line[:107] + "..."))


def serves(server, address):
    """Whether a server answers with that address, signed."""
    text = dig(server, f"www.{ZONE}", "A")
    return text if address in text and "RRSIG" in text else None


def both_serve(lab, address, what):
    for number in lab.secondary_numbers():
        server = lab.secondary_dns(number)
        text = labkit.wait_until(lambda: serves(server, address), 10, f"{what} on secondary {number}")
        say(f"  dig at secondary {number} ({lab.secondary_backend(number)}):")
        show_answer(text)


def timed_change(api, questions, address, start=lambda: None):
    """Milliseconds from the API's answer to the last secondary serving the change; None: one took over half a second."""
    api.set_address(f"www.{ZONE}", address)
    begin = time.monotonic()
    start()
    if not all(question.wait(address, 0.5) for question in questions):
        return None
    return (time.monotonic() - begin) * 1000


class Floor:
    """The same PowerDNS servers without the suite, told to transfer at once: what a change takes at the least."""

    def __init__(self, lab):
        self.lab = lab
        self.api = PdnsApi(lab.primary_api_url, lab.api_key("primary"))
        self.secondaries = [PdnsApi(lab.secondary_api_url(number), lab.api_key(f"secondary-{number}")) for number in lab.secondary_numbers()]
        self.questions = [Question(lab.secondary_dns(number), f"www.{ZONE}") for number in lab.secondary_numbers()]
        self.api.call("POST", "/zones", new_zone())
        for secondary in self.secondaries:
            secondary.call("POST", "/zones", {"name": ZONE, "kind": "Slave", "nameservers": [], "masters": [f"127.0.0.1:{lab.primary_dns_port}"]})
        self.retrieve()
        check(all(question.wait("192.0.2.1", 10) for question in self.questions), "the servers without the suite do not work")

    def retrieve(self):
        threads = [threading.Thread(target=secondary.call, args=("PUT", f"/zones/{ZONE}/axfr-retrieve")) for secondary in self.secondaries]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def change(self, address):
        return timed_change(self.api, self.questions, address, self.retrieve)


def measure(lab, api, floor):
    questions = [Question(lab.secondary_dns(number), f"www.{ZONE}") for number in lab.secondary_numbers()]
    ours, least = [], []
    for index in range(CHANGES):
        address = f"198.51.100.{index + 1}"
        taken = timed_change(api, questions, address)
        check(taken is not None, f"change {index + 1} took over half a second")
        ours.append(taken)
        # An old answer that a question put back into PowerDNS's cache just then says nothing about the transfer.
        taken = floor.change(address)
        if taken is not None:
            least.append(taken)
    check(least, "the servers without the suite did not answer in time")
    median, floor_median = statistics.median(ours), statistics.median(least)
    say(f"  from the API's answer to the last of {len(questions)} secondaries, {CHANGES} changes: median {median:.1f} ms, "
        f"slowest {max(ours):.1f} ms")
    say(f"  in turn, the same servers without the suite and axfr-retrieve at once:  median {floor_median:.1f} ms "
        f"(ours is {median / floor_median:.2f} times that)")


def walk(lab, floor):
    api = PdnsApi(lab.api_url, lab.api_key("primary"))
    say(f"== A signed zone is made through the proxy ({lab.api_url})")
    api.call("POST", "/zones", new_zone())
    both_serve(lab, "192.0.2.1", "the new zone")
    say("== A record is changed")
    api.set_address(f"www.{ZONE}", "192.0.2.2")
    both_serve(lab, "192.0.2.2", "the change")
    say("== How long a change takes")
    measure(lab, api, floor)
    say("== pdns-distribute status")
    result = labkit.wait_until(lambda: (lambda done: done if done.returncode == 0 else None)(lab.distribute("status", check=False)), 20,
                               lambda: "everything to be in sync:\n" + lab.distribute("status", check=False).stdout)
    say("\n".join("    " + line for line in result.stdout.splitlines()))
    say("== The zone is deleted")
    api.call("DELETE", f"/zones/{ZONE}")
    for number in lab.secondary_numbers():
        server = lab.secondary_dns(number)
        labkit.wait_until(lambda: "REFUSED" in dig(server, f"www.{ZONE}", "A"), 10, f"the zone to be gone from secondary {number}")
        say(f"  secondary {number}: gone")


def wait_for_the_end(lab):
    say("\nEverything keeps running until Ctrl-C. Try, in another shell:\n"
        f"    . {lab.dir}/lab.env\n"
        "    curl -H \"X-API-Key: $LAB_API_KEY\" $LAB_API_URL/api/v1/servers/localhost/zones\n"
        f"    dig @127.0.0.1 -p {lab.secondary_port(1, 'dns')} ...\n"
        f"    {lab.program('pdns-distribute')} --config-dir $LAB_CONFIG_DIR status")
    signal.pause()


def stop(_signal, _frame):
    raise KeyboardInterrupt


def main():
    once = sys.argv[1:] == ["--once"]
    signal.signal(signal.SIGTERM, stop)
    folder = tempfile.mkdtemp(prefix="pdns-demo-", dir="/tmp")
    labs = []
    status = 1
    try:
        say("== A lab on loopback: nats-server, a primary and two secondaries, and the daemons")
        labs.append(labkit.Lab.create(os.path.join(folder, "lab"), labkit.Settings(build_dir=str(labkit.SOURCE / "build" / "release"))))
        labs[0].up()
        labs.append(labkit.Lab.create(os.path.join(folder, "floor"), labkit.Settings(daemons=False)))
        labs[1].up()
        walk(labs[0], Floor(labs[1]))
        labs[1].down()
        say("== Every step was seen to work")
        status = 0
        if not once:
            wait_for_the_end(labs[0])
    except KeyboardInterrupt:
        status = 0 if status == 0 else 130
    except (labkit.LabError, DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for lab in labs:
            if status not in (0, 130):
                for path in sorted((lab.dir / "log").glob("*.log")):
                    print(f"--- {path.name}\n{lab.log_tail(path.stem, 20)}", file=sys.stderr)
            lab.down()
        shutil.rmtree(folder, ignore_errors=True)
        say("== Cleaned up")
    return status


if __name__ == "__main__":
    sys.exit(main())
