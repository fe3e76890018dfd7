# SPDX-License-Identifier: GPL-3.0-or-later
"""
The packages on two hosts that boot, installed as docs/install.md says: its blocks are executed as they stand there.
Run by scripts/test-packages. The tests build on each other, in the order of this file.
"""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from hosts import Bridge, Host, run, wait_until

SOURCE = Path(__file__).resolve().parent.parent.parent
PACKAGES = Path(os.environ["PDNS_DISTRIBUTE_PACKAGES"])
NEWER_PACKAGES = Path(os.environ["PDNS_DISTRIBUTE_NEWER_PACKAGES"])
ADDRESSES = {"primary": ("fd4f:7064::1", "10.77.80.1"), "ns1": ("fd4f:7064::2", "10.77.80.2")}
ON_PRIMARY = ("pdns-zone-provider", "pdns-api-proxy", "pdns-health-checker")
SYNCER = "pdns-secondary-syncer"


class Guide:
    """docs/install.md: blocks to be run, and files to be copied, in order."""

    def __init__(self, hosts):
        self.hosts = hosts
        text = (SOURCE / "docs/install.md").read_text()
        self.steps = re.findall(r"<!-- (run|copy): (.*?) -->(?:\n```sh\n(.*?)```)?", text, re.S)
        assert len(self.steps) > 8
        self.variables = {"PRIMARY": f"[{ADDRESSES['primary'][0]}]", "NS1": ADDRESSES["ns1"][0]}

    def before_boot(self):
        for kind, where, script in self.steps:
            if kind == "run" and where.endswith(" before boot"):
                self.hosts[where.split()[0]].before_boot(script.replace("apt-get install", "apt-get install -y").replace(
                    "./", "/var/tmp/packages/"))

    def after_boot(self):
        for kind, where, script in self.steps:
            words = where.split()
            if kind == "copy":
                source, target = self.hosts[words[0]], self.hosts[words[2]]
                data = (source.root / words[1].lstrip("/")).read_bytes()
                (target.root / words[3].lstrip("/")).write_bytes(data)
            elif len(words) == 1:
                self.hosts[where].shell(script, self.variables)


def on_term(*_):
    """Ends the tests as Ctrl-C does, so that the hosts are ended, too."""
    raise KeyboardInterrupt


def give_packages(host, folder, packages):
    target = host.root / "var/tmp" / folder
    target.mkdir()
    for file in packages.glob("*.deb"):
        if "-dbgsym_" not in file.name:
            run("cp", file, target)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    signal.signal(signal.SIGTERM, on_term)
    folder = tmp_path_factory.mktemp("hosts")
    bridge, made = Bridge(), {}
    try:
        for name, (six, four) in ADDRESSES.items():
            made[name] = Host(folder, name, bridge, (f"{six}/64", f"{four}/24"))
            give_packages(made[name], "packages", PACKAGES)
            give_packages(made[name], "newer", NEWER_PACKAGES)
        yield made
    finally:
        for host in made.values():
            host.close()
        bridge.close()
        run("rm", "-rf", "--one-file-system", folder)


@pytest.fixture(scope="module")
def primary(hosts):
    return hosts["primary"]


@pytest.fixture(scope="module")
def ns1(hosts):
    return hosts["ns1"]


def api(primary, method, path, body=None, url="https://localhost"):
    """Through the proxy. The status; 0 when nobody answers."""
    data = f"-d '{json.dumps(body)}'" if body is not None else ""
    answer = primary.shell('curl -sS --cacert /var/lib/pdns-api-proxy/tls/certificate.pem -o /dev/null -w "%{http_code}" --max-time 10 '
                           '-H "X-API-Key: $(cat /etc/pdns-distribute/keys/pdns-api.key)" '
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


def assert_running(host, *units):
    for unit in units:
        wait_until(lambda: host.property(unit, "ActiveState") == "active", 60,
                   lambda: f"{unit} on {host.name}:\n{host.journal('-u', unit, '-n', '20')}")


def test_installed_but_not_started(hosts, primary, ns1):
    Guide(hosts).before_boot()
    for host in hosts.values():
        host.boot()
        assert not re.search(r"Unknown key|Failed to parse", host.journal("-p", "warning", "-b"))
    for host, units in ((primary, ON_PRIMARY), (ns1, (SYNCER,))):
        for unit in units:
            assert host.property(unit, "UnitFileState") == "disabled"
            assert host.property(unit, "ActiveState") == "inactive"


def test_not_configured_does_not_start(primary, ns1):
    started = primary.run("systemctl", "start", "pdns-zone-provider", check=False)
    assert "failed" in started, started
    log = primary.journal("-u", "pdns-zone-provider")
    assert re.search(r"/etc/pdns-distribute/zone-provider\.conf: signing-key-file: must be set", log), log
    primary.run("systemctl", "stop", "pdns-zone-provider")
    ns1.run("systemctl", "start", SYNCER, check=False)
    assert "trusted-keys" in ns1.journal("-u", SYNCER)
    ns1.run("systemctl", "stop", SYNCER)


def test_first_change(hosts, primary, ns1):
    Guide(hosts).after_boot()
    assert_running(primary, *ON_PRIMARY)
    assert_running(ns1, SYNCER)
    for address in ADDRESSES["ns1"]:
        wait_until(lambda: answer(primary, kind="AAAA", address=address) == "2001:db8::80", 30, f"the first change at {address}")
    assert "RRSIG" in primary.dig("+dnssec", f"@{ADDRESSES['ns1'][0]}", "www.example.org", "AAAA")
    wait_until(lambda: "in sync" in primary.run("pdns-distribute", "status", check=False), 30,
               lambda: primary.run("pdns-distribute", "status", check=False))


def test_https(primary):
    """The certificate that the proxy made for itself stands for the name and the addresses of its host; nobody speaks plain HTTP."""
    made = run("openssl", "x509", "-in", primary.root / "var/lib/pdns-api-proxy/tls/certificate.pem", "-noout", "-text")
    for name in ("DNS:localhost", "DNS:primary", "IP Address:127.0.0.1", "IP Address:10.77.80.1", "IP Address:FD4F:7064:0:0:0:0:0:1"):
        assert name in made, made
    for host in ("localhost", "127.0.0.1"):
        assert api(primary, "GET", "/zones/example.org.", url=f"https://{host}") == 200
    assert api(primary, "GET", "/zones/example.org.", url="http://localhost") == 0


def test_secrets(primary, ns1):
    for host in (primary, ns1):
        for secret in host.shell("ls /etc/pdns-distribute/keys").split():
            if secret != "trusted.keys":
                assert host.shell(f"stat -c %a /etc/pdns-distribute/keys/{secret}").strip()[-1] == "0", secret
    primary.run("chmod", "644", "/etc/pdns-distribute/keys/signing.key")
    assert "signing.key is open to all users" in primary.run("pdns-zone-provider", "--check-config", check=False)
    primary.run("chmod", "640", "/etc/pdns-distribute/keys/signing.key")


def test_credential(primary):
    """The signing key as a systemd credential, with the line from the unit."""
    unit = (primary.root / "lib/systemd/system/pdns-zone-provider.service").read_text()
    line = re.search(r"(?m)^#(LoadCredential=signing-key:.*)$", unit)[1]
    primary.write("/etc/systemd/system/pdns-zone-provider.service.d/key.conf", f"[Service]\n{line}\n")
    primary.write("/etc/pdns-distribute/zone-provider.conf.d/local.conf", "signing-key-file = credential:signing-key\n")
    primary.run("chown", "root:root", "/etc/pdns-distribute/keys/signing.key")
    primary.run("chmod", "600", "/etc/pdns-distribute/keys/signing.key")
    primary.run("systemctl", "daemon-reload")
    primary.run("systemctl", "restart", "pdns-zone-provider")
    assert_follows(primary, "credential")


def test_kill(primary, ns1):
    for host, units in ((primary, ON_PRIMARY), (ns1, (SYNCER,))):
        for unit in units:
            before = host.property(unit, "MainPID")
            host.run("systemctl", "kill", "-s", "KILL", unit)
            wait_until(lambda: host.property(unit, "MainPID") not in (before, "0"), 30, f"{unit} to be started again")
            assert_running(host, unit)
    assert_follows(primary, "killed")


def test_watchdog(ns1, primary):
    before = ns1.property(SYNCER, "MainPID")
    ns1.run("systemctl", "kill", "-s", "STOP", SYNCER)
    wait_until(lambda: ns1.property(SYNCER, "MainPID") not in (before, "0"), 90, "the watchdog to fire")
    assert "Watchdog timeout" in ns1.journal("-u", SYNCER)
    assert_running(ns1, SYNCER)
    assert_follows(primary, "watchdog")


def test_reload(primary):
    unit, file = "pdns-health-checker", "/etc/pdns-distribute/health-checker.conf.d/log.conf"
    process = primary.property(unit, "MainPID")
    primary.write(file, "log-level = debug\n")
    primary.run("systemctl", "reload", unit)
    wait_until(lambda: "configuration read again" in primary.journal("-u", unit), 10, "the configuration to be read")
    primary.write(file, "log-level = loud\n")
    assert "failed" in primary.run("systemctl", "reload", unit, check=False)
    assert re.search(r"log\.conf:1: log-level: must be one of", primary.journal("-u", unit))
    assert primary.property(unit, "ActiveState") == "active"
    primary.write(file, "")
    primary.run("systemctl", "reload", unit)
    assert primary.property(unit, "MainPID") == process


def test_reboot(hosts, primary, ns1):
    for name, host in hosts.items():
        host.reboot()
        assert_running(host, *(ON_PRIMARY if host is primary else (SYNCER,)))
        assert_follows(primary, f"reboot-{name}", 60)


def test_upgrade_while_changes_flow(hosts, primary, ns1):
    """What the API took with success while both hosts were upgraded is served in the end, each of it."""
    taken, done = [], threading.Event()

    def write():
        number = 0
        while not done.is_set():
            number += 1
            if change(primary, f"value-{number}", f"up{number}") == 204:
                taken.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: len(taken) >= 3, 20, "changes to flow")
        for host in (primary, ns1):
            units = ON_PRIMARY if host is primary else (SYNCER,)
            before = {unit: host.property(unit, "MainPID") for unit in units}
            installed = host.shell("dpkg-query -W -f '${Package}\\n' 'pdns-distribute*' " + " ".join(units)).split()
            files = " ".join(f"/var/tmp/newer/{package}_*.deb" for package in installed)
            host.shell(f"apt-get install -y {files}")
            assert_running(host, *units)
            assert all(host.property(unit, "MainPID") != before[unit] for unit in units)
            time.sleep(1)
    finally:
        done.set()
        writer.join()
    assert "+newer" in primary.shell("dpkg-query -W -f '${Version}' pdns-zone-provider")
    for number in taken:
        wait_until(lambda: answer(primary, f"up{number}") == f"value-{number}", 30, f"change {number} of {len(taken)} to be served")
    print(f"\n{len(taken)} changes taken during the upgrade, all served")


def test_stopped_stays_stopped(ns1):
    ns1.run("systemctl", "stop", SYNCER)
    ns1.shell(f"apt-get install -y --reinstall /var/tmp/newer/{SYNCER}_*.deb")
    assert ns1.property(SYNCER, "ActiveState") == "inactive"
    ns1.run("systemctl", "start", SYNCER)
    assert_running(ns1, SYNCER)


# What the tests above made happen on purpose.
EXPECTED_WARNINGS = (
    "trusted-keys", "must be set",                                       # not configured yet
    "Watchdog timeout", "Killing process", "code=dumped", "core-dump", "Failed with result", "code=killed", "signal",
    "Failed to start", "Main process exited", "Control process exited",
    "cannot be reached yet", "connection to NATS lost", "NATS is not connected",  # the other host reboots, or is not there yet
    "not enrolled, or the zone store is not there yet",
    "has sent no heartbeat", "cannot compare its zones with the store: Connection timed out",
    "Reload failed",
    "per core",                                                          # a busy machine: no fault of the packages
    "PowerDNS does not answer", "does not answer;",                      # at the boot of a host
)


def test_journal(primary, ns1):
    for host, units in ((ns1, (SYNCER,)), (primary, ON_PRIMARY)):
        for unit in units:
            lines = [line for line in host.journal("-p", "warning", "-u", unit).splitlines()
                     if not line.startswith("--") and not any(known in line for known in EXPECTED_WARNINGS)]
            assert not lines, "\n".join(lines[:30])


def leftovers(host):
    return host.shell("find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/tmp -o -path /var/log -o "
                      "-path /tmp -o -path /var/lib/apt -o -path /var/cache/apt \\) -prune -o "
                      "\\( -name '*pdns-distribute*' -o -name '*pdns-zone-provider*' -o -name '*pdns-api-proxy*' -o "
                      "-name '*pdns-health-checker*' -o -name '*pdns-secondary-syncer*' \\) -print").split()


def test_remove_and_purge(primary, ns1):
    for host, units in ((primary, ON_PRIMARY), (ns1, (SYNCER,))):
        packages = host.shell("dpkg-query -W -f '${Package}\\n' 'pdns-distribute*' " + " ".join(units)).split()
        host.shell("apt-get remove -y " + " ".join(packages))
        for unit in units:
            assert host.property(unit, "ActiveState") in ("inactive", "failed")
            assert (host.root / "var/lib" / unit).is_dir()
        assert (host.root / "etc/pdns-distribute/common.conf").exists()
        # The metapackages had no configuration, so they are gone already.
        left = [package for package in packages if host.run("dpkg-query", "-W", "-f", "${db:Status-Status}", package,
                                                            check=False) == "config-files"]
        assert set(units) | {"pdns-distribute"} == set(left)
        host.shell("apt-get purge -y " + " ".join(left))
        own = {"/etc/pdns-distribute", "/etc/powerdns/pdns.d/pdns-distribute.conf",
               "/etc/systemd/system/pdns-zone-provider.service.d"}
        assert set(leftovers(host)) <= own, leftovers(host)
        kept = {Path(name).parent.name for name in host.shell("find /etc/pdns-distribute -type f").split()}
        assert kept <= {"keys"} | {f"{name}.conf.d" for name in ("common", "zone-provider", "health-checker")}, kept
        assert not host.shell("getent passwd | grep -E '^pdns-' || true")
        assert not host.shell("getent group | grep -E '^pdns-' || true")
    assert answer(primary) == "reboot-ns1"  # zones are served on


def test_autopkgtest(ns1):
    """What packaging/debian/tests runs, with everything installed on one host."""
    ns1.shell("apt-get install -y /var/tmp/newer/*.deb")
    ns1.write("/var/tmp/smoke", (SOURCE / "packaging/debian/tests/smoke").read_text())
    print("\n" + ns1.shell("sh /var/tmp/smoke"))
