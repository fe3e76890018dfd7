# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation as docs/install.md describes it, on hosts that boot, and what a client of it sees."""

import json
import re
from pathlib import Path

from hosts import run, wait_until

SOURCE = Path(__file__).resolve().parent.parent.parent
ADDRESSES = {"primary": ("fd4f:7064::1", "10.77.80.1"), "ns1": ("fd4f:7064::2", "10.77.80.2")}
ON_PRIMARY = ("pdns-zone-provider", "pdns-api-proxy", "pdns-health-checker")
SYNCER = "pdns-secondary-syncer"
KEYS = "/etc/pdns-distribute/keys"
CERTIFICATE = "/var/lib/pdns-api-proxy/tls/certificate.pem"


def units(host):
    return ON_PRIMARY if host.name == "primary" else (SYNCER,)


class Guide:
    """
    docs/install.md: blocks to be run, files to be copied, and text to be put into files, in order. A comment before each says where:
    "run: HOST", "run: HOST before boot", "copy: HOST FILE HOST FILE"; and "CHAPTER: HOST" for what not every installation needs.
    """

    def __init__(self, hosts):
        self.hosts = hosts
        text = (SOURCE / "docs/install.md").read_text()
        self.steps = re.findall(r"<!-- (\w+): (.*?) -->(?:\n```\w+\n(.*?)```)?", text, re.S)
        assert len(self.steps) > 8
        self.variables = {"PRIMARY": f"[{ADDRESSES['primary'][0]}]", "NS1": ADDRESSES["ns1"][0]}

    def before_boot(self):
        for kind, where, script in self.steps:
            if kind == "run" and where.endswith(" before boot"):
                self.hosts[where.split()[0]].before_boot(script.replace("apt-get install", "apt-get install -y").replace(
                    "./", "/var/tmp/packages/"))

    def after_boot(self):
        for kind, where, script in self.steps:
            if kind == "copy":
                self.copy(where)
            elif kind == "run" and len(where.split()) == 1:
                self.hosts[where].shell(script, self.variables)

    def copy(self, where):
        source_host, source, target_host, target = where.split()
        data = (self.hosts[source_host].root / source.lstrip("/")).read_bytes()
        (self.hosts[target_host].root / target.lstrip("/")).write_bytes(data)

    def chapter(self, name):
        """The blocks of a chapter that not every installation needs, as [(where, text)]."""
        found = [(where, text) for kind, where, text in self.steps if kind == name]
        assert found and all(text or " " in where for where, text in found), f"docs/install.md: <!-- {name}: … --> without a block"
        return found

    def do(self, name):
        for where, script in self.chapter(name):
            if " " in where:
                self.copy(where)
            else:
                self.hosts[where].shell(script, self.variables)


def give_packages(host, folder, packages):
    target = host.root / "var/tmp" / folder
    target.mkdir()
    for file in packages.glob("*.deb"):
        if "-dbgsym_" not in file.name:
            run("cp", file, target)


def api(primary, method, path, body=None, url="https://localhost"):
    """Through the proxy. The status; 0 when nobody answers."""
    data = f"-d '{json.dumps(body)}'" if body is not None else ""
    answer = primary.shell(f'curl -sS --cacert {CERTIFICATE} -o /dev/null -w "%{{http_code}}" --max-time 10 '
                           f'-H "X-API-Key: $(cat {KEYS}/pdns-api.key)" '
                           f"-X {method} {url}:8082/api/v1/servers/localhost{path} {data}", check=False)
    return int(answer[-3:]) if answer[-3:].isdigit() else 0


def change(primary, text, name="www"):
    return api(primary, "PATCH", "/zones/example.org.", {"rrsets": [
        {"name": f"{name}.example.org.", "type": "TXT", "ttl": 60, "changetype": "REPLACE",
         "records": [{"content": f'"{text}"', "disabled": False}]}]})


def answer(primary, name="www", kind="TXT", address=None):
    return primary.dig("+short", f"@{address or ADDRESSES['ns1'][0]}", f"{name}.example.org", kind).replace('"', "").split("\n")[0]


def assert_follows(primary, text, timeout=30):
    """A change made now is served by the secondary."""
    wait_until(lambda: change(primary, text) == 204, timeout, "the API to take a change")
    wait_until(lambda: answer(primary) == text, timeout, lambda: f"{text} to be served, it is {answer(primary)!r}")


def assert_running(host, *names):
    for unit in names:
        wait_until(lambda: host.property(unit, "ActiveState") == "active", 60,
                   lambda: f"{unit} on {host.name}, {host.property(unit, 'StatusText')}:\n{host.journal('-u', unit, '-n', '20')}")
