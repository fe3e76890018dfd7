# SPDX-License-Identifier: GPL-3.0-or-later
"""A higher version comes."""

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
