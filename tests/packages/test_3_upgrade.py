# SPDX-License-Identifier: GPL-3.0-or-later
"""A higher version comes; and what the journals say of everything so far."""

import re
import threading
import time

from hosts import wait_until
from installation import SYNCER, answer, assert_running, change, units


def upgrade(host, folder):
    names = host.shell("dpkg-query -W -f '${Package}\\n' 'pdns-distribute*' " + " ".join(units(host))).split()
    host.shell("apt-get install -y --allow-downgrades " + " ".join(f"/var/tmp/{folder}/{name}_*.deb" for name in names))


def test_upgrade_while_changes_flow(hosts, primary):
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
        for host in hosts.values():
            before = {unit: host.property(unit, "MainPID") for unit in units(host)}
            upgrade(host, "newer")
            assert_running(host, *units(host))
            assert all(host.property(unit, "MainPID") != before[unit] for unit in units(host))
            time.sleep(1)
    finally:
        done.set()
        writer.join()
    assert "+newer" in primary.shell("dpkg-query -W -f '${Version}' pdns-zone-provider")
    for number in taken:
        wait_until(lambda: answer(primary, f"up{number}") == f"value-{number}", 30, f"change {number} of {len(taken)} to be served")
    print(f"\n{len(taken)} changes taken during the upgrade, all served")


def test_upgrade_while_nats_is_away(primary, ns1):
    """dpkg does not wait for what the daemon waits for."""
    primary.run("systemctl", "stop", "nats-server")
    begun = time.monotonic()
    upgrade(ns1, "packages")
    assert time.monotonic() - begun < 60
    assert ns1.property(SYNCER, "ActiveState") == "activating"
    primary.run("systemctl", "start", "nats-server")
    assert_running(ns1, SYNCER)
    upgrade(ns1, "newer")
    assert_running(ns1, SYNCER)


def test_stopped_stays_stopped(ns1):
    ns1.run("systemctl", "stop", SYNCER)
    ns1.shell(f"apt-get install -y --reinstall /var/tmp/newer/{SYNCER}_*.deb")
    assert ns1.property(SYNCER, "ActiveState") == "inactive"
    ns1.run("systemctl", "start", SYNCER)
    assert_running(ns1, SYNCER)


# What the tests before this one made happen on purpose; systemd's own lines begin with the unit's name.
NAME = r"pdns-(zone-provider|api-proxy|health-checker|secondary-syncer)"
EXPECTED = [
    # not configured yet, broken on purpose
    rf"{NAME}: /etc/pdns-distribute/.*(must be set|must be one of)",
    r"the old configuration stays: /etc/.*zz\.conf:2: log-level: must be one of",
    rf"(Failed to start|Timed out starting) {NAME}\.service", rf"Reload failed for {NAME}\.service",
    # killed, hung
    rf"{NAME}\.service: (Watchdog timeout|Killing process|start operation timed out\. Terminating|Job .* timed out)",
    rf"{NAME}\.service: (State 'stop-.*' timed out|Main process exited, code=(killed|dumped)|Failed with result '(watchdog|signal|timeout|core-dump|exit-code)')",
    rf"{NAME}\.service: Control process exited, code=exited, status=2",
    # NATS stopped, the other host rebooted, the local PowerDNS stopped or started with us
    r"NATS cannot be reached yet", r"connection to NATS lost", r"NATS is not connected", r"events cannot be published",
    r"the local PowerDNS does not answer", r"PowerDNS does not answer", r"a secondary has sent no heartbeat|has sent no heartbeat",
    r"cannot compare its zones with the store: Connection timed out",
    # the first of all starts, until one of the programs has made the streams
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
