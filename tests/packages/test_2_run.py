# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd does with the daemons: readiness, reloads, processes that are killed or hang, hosts that boot again."""

import re
import time

import pytest

from hosts import wait_until
from installation import ON_PRIMARY, SYNCER, answer, assert_follows, assert_running, change, units

EVERY = (*ON_PRIMARY, SYNCER)


def host_of(hosts, unit):
    return hosts["ns1" if unit == SYNCER else "primary"]


def assert_waits(host, unit, what):
    wait_until(lambda: re.match(what, host.property(unit, "StatusText")), 20,
               lambda: f"{unit} to say {what}, it says {host.property(unit, 'StatusText')!r}")
    assert host.property(unit, "ActiveState") == "activating"


def test_ready_when_nats_and_powerdns_answer(hosts, primary, ns1):
    """Without NATS the daemons start and say what they wait for; nobody has to wait with them; the API takes changes already."""
    limit = "/etc/systemd/system/pdns-zone-provider.service.d/limit.conf"
    primary.write(limit, "[Service]\nTimeoutStartSec=5s\n")
    primary.run("systemctl", "daemon-reload")
    primary.run("systemctl", "stop", "nats-server")
    for host in hosts.values():
        host.run("systemctl", "restart", "--no-block", *units(host))
        for unit in units(host):
            assert_waits(host, unit, r"waiting for NATS \(.+\)")
    begun = time.monotonic()
    said = primary.run("systemctl", "start", "pdns-zone-provider", check=False)
    assert "timed out" in said and time.monotonic() - begun < 25, said
    assert change(primary, "not-ready") == 204
    # Longer than it had to start, and yet the same process: it prolongs its time. One that hangs cannot.
    process = primary.property("pdns-zone-provider", "MainPID")
    time.sleep(max(0, 12 - (time.monotonic() - begun)))
    assert_waits(primary, "pdns-zone-provider", "waiting for NATS")
    assert primary.property("pdns-zone-provider", "MainPID") == process
    primary.run("systemctl", "kill", "-s", "STOP", "pdns-zone-provider")
    wait_until(lambda: primary.property("pdns-zone-provider", "MainPID") not in (process, "0"), 60, "one that hangs to be ended")

    ns1.run("systemctl", "stop", "pdns")
    ns1.run("systemctl", "restart", "--no-block", SYNCER)
    assert_waits(ns1, SYNCER, r"waiting for NATS \(.+\) and PowerDNS \(http://127\.0\.0\.1:8081: .+\)")
    primary.run("systemctl", "start", "nats-server")
    assert_waits(ns1, SYNCER, r"waiting for PowerDNS \(http://127\.0\.0\.1:8081: .+\)")
    ns1.run("systemctl", "start", "pdns")
    for host in hosts.values():
        assert_running(host, *units(host))
        for unit in units(host):
            assert "waiting" not in host.property(unit, "StatusText")
    wait_until(lambda: answer(primary) == "not-ready", 30, "the change to be served")
    primary.shell(f"rm {limit}; systemctl daemon-reload")


def test_kill(hosts, primary):
    for unit in EVERY:
        host = host_of(hosts, unit)
        before = host.property(unit, "MainPID")
        host.run("systemctl", "kill", "-s", "KILL", unit)
        wait_until(lambda: host.property(unit, "MainPID") not in (before, "0"), 30, f"{unit} to be started again")
        assert_running(host, unit)
    assert_follows(primary, "killed")


def test_watchdog(hosts, primary):
    """All four are stopped, and each is ended and started again."""
    before = {unit: host_of(hosts, unit).property(unit, "MainPID") for unit in EVERY}
    for unit in EVERY:
        host_of(hosts, unit).run("systemctl", "kill", "-s", "STOP", unit)
    for unit in EVERY:
        host = host_of(hosts, unit)
        wait_until(lambda: host.property(unit, "MainPID") not in (before[unit], "0"), 90, f"the watchdog of {unit} to fire")
        assert "Watchdog timeout" in host.journal("-u", unit)
        assert_running(host, unit)
    assert_follows(primary, "watchdog")


@pytest.mark.parametrize("unit", EVERY)
def test_reload(hosts, primary, unit):
    """A good configuration is taken over, a broken one is refused with file and line, and the process stays."""
    host = host_of(hosts, unit)
    file = f"/etc/pdns-distribute/{unit.removeprefix('pdns-')}.conf.d/zz.conf"
    process = host.property(unit, "MainPID")

    def said(text):
        return len(re.findall(text, host.journal("-o", "cat", "-u", unit)))
    times = said("configuration read again")
    host.write(file, "log-level = debug\n")
    host.run("systemctl", "reload", unit)  # the provider's with a credential, as test_credential has left it
    wait_until(lambda: said("configuration read again") == times + 1, 10, "the configuration to be read")
    host.write(file, "\nlog-level = loud\n")
    assert "failed" in host.run("systemctl", "reload", unit, check=False)
    assert said(rf"{unit}: {file}:2: log-level: must be one of")
    host.run("systemctl", "kill", "-s", "HUP", "--kill-who=main", unit)  # not by way of systemctl reload, which looks first
    wait_until(lambda: said(rf"the old configuration stays: {file}:2: log-level: must be one of"), 10, "it to be refused")
    host.run("rm", file)
    host.run("systemctl", "reload", unit)
    wait_until(lambda: said("configuration read again") == times + 2, 10, "the configuration to be read")
    assert host.property(unit, "ActiveState") == "active"
    assert host.property(unit, "MainPID") == process
    assert_follows(primary, f"reload-{unit}")


def test_reboot(hosts, primary):
    for name, host in hosts.items():
        host.reboot()
        assert_running(host, *units(host))
        assert_follows(primary, f"reboot-{name}", 60)


def test_reboot_while_nats_is_away(primary, ns1):
    """The secondary boots and answers with what it had; what it missed comes when NATS is back."""
    primary.run("systemctl", "stop", "nats-server")
    assert change(primary, "while-away") == 204
    ns1.reboot()
    assert answer(primary) == "reboot-ns1"
    assert_waits(ns1, SYNCER, "waiting for NATS")
    primary.run("systemctl", "start", "nats-server")
    assert_running(ns1, SYNCER)
    wait_until(lambda: answer(primary) == "while-away", 30, "the change to be served")
