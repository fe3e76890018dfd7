# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of it all: what the journal says, what stays after a removal, and what goes."""

import re
from pathlib import Path

from installation import SOURCE, answer, units

# What the tests before this one made happen on purpose; systemd's own lines begin with the unit's name.
NAME = r"pdns-(zone-provider|api-proxy|health-checker|secondary-syncer)"
EXPECTED = [
    # not configured yet, broken on purpose
    rf"{NAME}: /etc/pdns-distribute/.*(must be set|must be one of)",
    r"the old configuration stays: /etc/.*zz\.conf:2: log-level: must be one of",
    rf"Failed to start {NAME}\.service", rf"Reload failed for {NAME}\.service",
    # killed, hung
    rf"{NAME}\.service: (Watchdog timeout|Killing process|start operation timed out\. Terminating|Job .* timed out)",
    rf"{NAME}\.service: (State 'stop-.*' timed out|Main process exited, code=(killed|dumped)|Failed with result '(watchdog|signal|timeout|core-dump|exit-code)')",
    rf"{NAME}\.service: Control process exited, code=exited, status=2",
    # NATS stopped, the other host rebooted, the local PowerDNS stopped or started with us
    r"NATS cannot be reached yet", r"connection to NATS lost", r"NATS is not connected", r"events cannot be published",
    r"the local PowerDNS does not answer", r"PowerDNS does not answer", r"a secondary has sent no heartbeat|has sent no heartbeat",
    r"cannot compare its zones with the store: Connection timed out",
    # the first of all starts, and a store that moved to other nodes: until the streams are there
    r"cannot look after streams and members: JetStream, a stream or a consumer is missing",
    # a machine under load
    r"per core",
]


def test_journal(hosts):
    for host in hosts.values():
        for unit in units(host):
            lines = [line for line in host.journal("-q", "-o", "cat", "-p", "warning", "-u", unit).splitlines()
                     if not any(re.search(known, line) for known in EXPECTED)]
            assert not lines, "\n".join(lines[:30])


def leftovers(host):
    return host.shell("find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/tmp -o -path /var/log -o "
                      "-path /tmp -o -path /var/lib/apt -o -path /var/cache/apt \\) -prune -o "
                      "\\( -name '*pdns-distribute*' -o -name '*pdns-zone-provider*' -o -name '*pdns-api-proxy*' -o "
                      "-name '*pdns-health-checker*' -o -name '*pdns-secondary-syncer*' \\) -print").split()


def test_remove_and_purge(hosts, primary):
    before = answer(primary)
    for host in hosts.values():
        mine = {name for name in host.shell("find /etc -type f -newer /etc/hostname").split() if "pdns-distribute" in name}
        packages = host.shell("dpkg-query -W -f '${Package}\\n' 'pdns-distribute*' " + " ".join(units(host))).split()
        host.shell("apt-get remove -y " + " ".join(packages))
        for unit in units(host):
            assert host.property(unit, "ActiveState") in ("inactive", "failed")
            assert (host.root / "var/lib" / unit).is_dir()
        assert (host.root / "etc/pdns-distribute/common.conf").exists()
        # The metapackages had no configuration, so they are gone already.
        left = [package for package in packages if host.run("dpkg-query", "-W", "-f", "${db:Status-Status}", package,
                                                            check=False) == "config-files"]
        assert set(units(host)) | {"pdns-distribute"} == set(left)
        host.shell("apt-get purge -y " + " ".join(left))
        own = {"/etc/pdns-distribute", "/etc/powerdns/pdns.d/pdns-distribute.conf",
               "/etc/systemd/system/pdns-zone-provider.service.d"}
        assert set(leftovers(host)) <= own, leftovers(host)
        files = set(host.shell("find /etc/pdns-distribute -type f").split())
        assert files == {name for name in mine if name.startswith("/etc/pdns-distribute/") and Path(name).parent.name != "pdns-distribute"}
        assert not host.shell("getent passwd | grep -E '^pdns-' || true")
        assert not host.shell("getent group | grep -E '^pdns-' || true")
    assert answer(primary) == before  # zones are served on


def test_autopkgtest(ns1):
    """What packaging/debian/tests runs, with everything installed on one host."""
    ns1.shell("apt-get install -y /var/tmp/newer/*.deb")
    ns1.write("/var/tmp/smoke", (SOURCE / "packaging/debian/tests/smoke").read_text())
    print("\n" + ns1.shell("sh /var/tmp/smoke"))
