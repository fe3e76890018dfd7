# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages on two hosts that boot, installed as docs/install.md says: its blocks are executed as they stand there."""

import re

import pytest

from hosts import run, wait_until
from installation import (ADDRESSES, CERTIFICATE, KEYS, ON_PRIMARY, SYNCER, Guide, answer, api, assert_follows, assert_running, units)


def test_installed_but_not_started(hosts):
    Guide(hosts).before_boot()
    for host in hosts.values():
        host.boot()
        assert not re.search(r"Unknown key|Failed to parse", host.journal("-p", "warning", "-b"))
        for unit in units(host):
            assert host.property(unit, "UnitFileState") == "disabled"
            assert host.property(unit, "ActiveState") == "inactive"


@pytest.mark.parametrize("unit, missing", [
    ("pdns-zone-provider", r"common\.conf: pdns-api-key-file: must be set .*; /etc/pdns-distribute/zone-provider\.conf: signing-key-file: must"),
    ("pdns-api-proxy", r"common\.conf: pdns-api-key-file: must be set"),
    ("pdns-health-checker", r"common\.conf: pdns-api-key-file: must be set"),
    (SYNCER, r"common\.conf: pdns-api-key-file: must be set"),
], ids=[*ON_PRIMARY, SYNCER])
def test_not_configured_does_not_start(hosts, unit, missing):
    """It ends, and one line says what misses where."""
    host = hosts["ns1" if unit == SYNCER else "primary"]
    assert "failed" in host.run("systemctl", "start", unit, check=False)
    lines = [line for line in host.journal("-o", "cat", "-u", unit).splitlines() if line.startswith(f"{unit}: ")]
    assert lines and all(re.match(rf"{unit}: /etc/pdns-distribute/{missing}", line) for line in lines), lines
    host.run("systemctl", "stop", unit)


def test_file_that_an_option_names(ns1):
    """The same with a file that is not there: the line of the configuration that names it."""
    file = "/etc/pdns-distribute/secondary-syncer.conf.d/test.conf"
    ns1.shell("umask 027; echo key >/root/api.key")
    ns1.write("/etc/pdns-distribute/common.conf.d/test.conf", "pdns-api-key-file = /root/api.key\n")
    checked = ns1.run(SYNCER, "--check-config", check=False)
    assert checked.startswith(f"{SYNCER}: /etc/pdns-distribute/secondary-syncer.conf: trusted-keys: {KEYS}/trusted.keys: No such"), checked
    ns1.write(file, "# a comment\ntrusted-keys = /nowhere\n")
    assert ns1.run(SYNCER, "--check-config", check=False).startswith(f"{SYNCER}: {file}:2: trusted-keys: /nowhere: No such file")
    ns1.shell(f"rm {file} /etc/pdns-distribute/common.conf.d/test.conf /root/api.key")


def test_first_change(hosts, primary, ns1):
    Guide(hosts).after_boot()
    for host in hosts.values():
        assert_running(host, *units(host))
    for address in ADDRESSES["ns1"]:
        wait_until(lambda: answer(primary, kind="AAAA", address=address) == "2001:db8::80", 30, f"the first change at {address}")
    assert "RRSIG" in primary.dig("+dnssec", f"@{ADDRESSES['ns1'][0]}", "www.example.org", "AAAA")
    wait_until(lambda: "in sync" in primary.run("pdns-distribute", "status", check=False), 30,
               lambda: primary.run("pdns-distribute", "status", check=False))
    for host in hosts.values():
        for unit in units(host):
            print(f"{unit}: {host.property(unit, 'StatusText')}")


# The load of this machine is no fault of ours; and the first of all starts finds no streams, until one of the programs has made them.
BENIGN = "per core", "cannot look after streams and members: JetStream, a stream or a consumer is missing"


def test_nothing_to_complain_of(hosts):
    """An installation that was made as the guide says, and whose first change is served, has no warning in any journal."""
    for host in hosts.values():
        for unit in units(host):
            started = host.property(unit, "InvocationID")
            lines = host.run("journalctl", "-q", "--no-pager", "-o", "cat", "-p", "warning", f"_SYSTEMD_INVOCATION_ID={started}")
            lines = [line for line in lines.splitlines() if not any(known in line for known in BENIGN)]
            assert not lines, lines


def test_https(primary):
    """The certificate that the proxy made for itself stands for the name and the addresses of its host; nobody speaks plain HTTP."""
    made = run("openssl", "x509", "-in", primary.root / CERTIFICATE.lstrip("/"), "-noout", "-text")
    for name in ("DNS:localhost", "DNS:primary", "IP Address:127.0.0.1", "IP Address:10.77.80.1", "IP Address:FD4F:7064:0:0:0:0:0:1"):
        assert name in made, made
    for host in ("localhost", "127.0.0.1"):
        assert api(primary, "GET", "/zones/example.org.", url=f"https://{host}") == 200
    assert api(primary, "GET", "/zones/example.org.", url="http://localhost") in (0, 400)


def test_secrets(hosts, primary):
    for host in hosts.values():
        for secret in host.shell(f"ls {KEYS}").split():
            if secret != "trusted.keys":
                assert host.shell(f"stat -c %a {KEYS}/{secret}").strip()[-1] == "0", secret
    primary.run("chmod", "644", f"{KEYS}/signing.key")
    assert re.search(r"local\.conf:1: signing-key-file: .*signing\.key is open to all users",
                     primary.run("pdns-zone-provider", "--check-config", check=False))
    primary.run("chmod", "640", f"{KEYS}/signing.key")


def test_credential(primary):
    """The signing key as a systemd credential, with the line from the unit."""
    unit = (primary.root / "lib/systemd/system/pdns-zone-provider.service").read_text()
    line = re.search(r"(?m)^#(LoadCredential=signing-key:.*)$", unit)[1]
    primary.write("/etc/systemd/system/pdns-zone-provider.service.d/key.conf", f"[Service]\n{line}\n")
    primary.write("/etc/pdns-distribute/zone-provider.conf.d/local.conf", "signing-key-file = credential:signing-key\n")
    primary.run("chown", "root:root", f"{KEYS}/signing.key")
    primary.run("chmod", "600", f"{KEYS}/signing.key")
    primary.run("systemctl", "daemon-reload")
    primary.run("systemctl", "restart", "pdns-zone-provider")
    assert_running(primary, *ON_PRIMARY)
    assert_follows(primary, "credential")
