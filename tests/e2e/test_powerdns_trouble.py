# SPDX-License-Identifier: GPL-3.0-or-later
"""A PowerDNS that hangs, stays away, does not let us in, or acts by itself."""

import os
import signal
import time

import kit
import pytest


@pytest.fixture
def lab(make_lab, zone):
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"common": {"pdns-api-timeout": "1s"}, "zone-provider": {"axfr-timeout": "1s"}}))
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    return lab


def change(lab, zone, address):
    lab.api.replace(zone, f"www.{zone}", "A", address)


def log_size(lab, name):
    return len(lab.log_file(name).read_text(errors="replace"))


@pytest.mark.parametrize("number", [1, 2])
def test_secondary_hangs(lab, zone, number):
    """Goal: a change made while a secondary's PowerDNS hangs arrives as soon as it goes on; the syncer can be ended meanwhile."""
    pid = lab.pid(f"secondary-{number}")
    os.kill(pid, signal.SIGSTOP)
    try:
        change(lab, zone, "192.0.2.50")
        lab.wait_log(f"syncer-{number}", "the local PowerDNS does not answer: .*timed out")
        start = log_size(lab, f"syncer-{number}")
        change(lab, zone, "192.0.2.51")
        lab.stop(f"syncer-{number}")
        assert "error:" not in lab.log_file(f"syncer-{number}").read_text()[start:]
        lab.start(f"syncer-{number}", wait=False)
        lab.wait_status(f"syncer-{number}", r"waiting for PowerDNS \(.*timed out")
    finally:
        os.kill(pid, signal.SIGCONT)
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.51"], timeout=15)
    lab.wait_same(zone)


def test_primary_away_for_long(lab, zone):
    """Goal: however long the primary's PowerDNS was away, what waited for it is published soon after it is back."""
    lab.stop("zone-provider")
    change(lab, zone, "192.0.2.52")
    lab.kill("primary")
    lab.start("zone-provider", wait=False)
    lab.wait_status("zone-provider", r"waiting for PowerDNS \(.*Failed to connect")
    lab.wait_log("zone-provider", r"cannot publish \(try 7,")
    lab.start("primary")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.52"], timeout=6 * kit.SLOWNESS)


def test_transfers_not_allowed(lab, zone):
    """Goal: a secondary that serves its zones but refuses us AXFR is reported soon, with what to do about it."""
    path = lab.dir / "etc" / "secondary-1" / "pdns.conf"
    right = path.read_text()
    lab.stop("secondary-1")
    path.write_text(right.replace("allow-axfr-ips=127.0.0.0/8,::1", "allow-axfr-ips=192.0.2.1"))
    lab.start("secondary-1")
    change(lab, zone, "192.0.2.53")
    lab.wait_log("syncer-1", "not applied.*allow this host in allow-axfr-ips", timeout=15)
    lab.stop("secondary-1")
    path.write_text(right)
    lab.start("secondary-1")
    lab.wait_log("syncer-1", f"applied, .*serial={kit.serial(lab.primary, zone)}")


def test_key_wrong(lab, zone):
    """Goal: a false API key is told as such, and nothing is lost while it is false."""
    path = lab.dir / "etc" / "secondary-1" / "api.key"
    right = path.read_text()
    lab.stop("syncer-1")
    path.write_text("not-the-right-key\n")
    lab.start("syncer-1", wait=False)
    change(lab, zone, "192.0.2.54")
    lab.wait_log("syncer-1", "access denied.*401.*pdns-api-key-file")
    lab.wait_status("syncer-1", "waiting for PowerDNS .*401")
    lab.stop("syncer-1")
    path.write_text(right)
    lab.start("syncer-1")
    lab.wait_same(zone)


def test_transfer_that_nobody_asked_for(lab, zone):
    """Goal: a transfer that a secondary starts by itself gives what was applied, and does no harm while NATS is away."""
    for end in (lambda: None, lambda: lab.stop("nats")):
        end()
        start = {number: log_size(lab, f"secondary-{number}") for number in lab.secondary_numbers()}
        for number in lab.secondary_numbers():
            lab.secondary_apis[number].ok("PUT", f"/zones/{kit.zone_id(zone)}/axfr-retrieve")
        for number in lab.secondary_numbers():
            lab.wait_log(f"secondary-{number}", f"XFR-in zone: '{zone.rstrip('.')}'", start=start[number])
        lab.wait_same(zone)
    lab.start("nats")
    change(lab, zone, "192.0.2.55")
    lab.wait_same(zone)


def test_request_refused(lab):
    """Goal: a request that PowerDNS refuses, for a zone that never was, alarms nobody."""
    start = log_size(lab, "zone-provider")
    assert lab.api.request("POST", "/zones", json={"name": "*.never.test.", "kind": "Native", "nameservers": []}).status_code == 422
    lab.api.create("after.test.")
    lab.wait_same("after.test.")
    assert "warning:" not in lab.log_file("zone-provider").read_text()[start:]


def test_large_zone_replaced_quickly(lab, zone):
    """Goal: heads that are replaced while their bodies are being read are passed over, not taken for forgeries."""
    def texts(turn):
        return [{"name": f"t{index}.{zone}", "type": "TXT", "ttl": 300, "changetype": "REPLACE", "records": [
            {"content": f'"{os.urandom(100).hex()} {turn}"', "disabled": False}]} for index in range(2500)]
    lab.api.patch(zone, *texts(0))
    for turn in range(30):
        lab.api.replace(zone, f"turn.{zone}", "TXT", f'"{turn}"')
        time.sleep(0.05)  # so that several of them are published
    lab.wait_answer(f"turn.{zone}", "TXT", ['"29"'])
    lab.wait_same(zone)
    for number in lab.secondary_numbers():
        assert "refused what the zone store holds" not in lab.log_file(f"syncer-{number}").read_text()
