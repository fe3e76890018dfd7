# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: content is what counts: it arrives when the serial stands still and when it goes down."""

import kit
import pytest

pytestmark = pytest.mark.core


def soa(zone, serial):
    return {"name": zone, "type": "SOA", "ttl": 300, "changetype": "REPLACE",
            "records": [{"content": f"ns1.{zone} hostmaster.{zone} {serial} 10800 3600 604800 3600", "disabled": False}]}


@pytest.mark.parametrize("signed", [False, True])
def test_unchanged_serial(lab, zone, signed):
    """Goal: a change under an unchanged serial is served, and not from a cache."""
    lab.api.create(zone, kit.www(zone), dnssec=signed, soa_edit_api="OFF")
    lab.wait_same(zone)
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.1"])
    serial = kit.serial(lab.primary, zone)
    for address in ("192.0.2.2", "192.0.2.3"):
        lab.api.replace(zone, f"www.{zone}", "A", address)
        lab.wait_answer(f"www.{zone}", "A", [address])
    assert [kit.serial(server, zone) for server in [lab.primary, *lab.secondaries()]] == [serial] * 3
    lab.wait_same(zone)


def test_made_again(lab, zone):
    """Goal: a zone deleted and made again, with a lower serial and other keys, replaces the old one wherever it had been served."""
    first = kit.www(zone)
    first[0] = soa(zone, 2026010199)
    lab.api.create(zone, first, dnssec=True, soa_edit_api="OFF")
    lab.wait_same(zone)
    lab.api.delete(zone)
    second = kit.www(zone, "192.0.2.77")
    second[0] = soa(zone, 5)
    lab.api.create(zone, second, dnssec=True, soa_edit_api="OFF")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.77"])
    lab.wait_same(zone)
    anchor = kit.trust_anchor(lab, zone)
    for server in lab.secondaries():
        assert kit.serial(server, zone) == 5
        kit.assert_secure(server, anchor, zone, f"www.{zone}", "A")


def test_serial_goes_back(lab, zone):
    """Goal: a serial set back by hand is taken over."""
    lab.api.create(zone, kit.www(zone), soa_edit_api="OFF")
    lab.api.patch(zone, soa(zone, 100))
    lab.wait_same(zone)
    lab.api.patch(zone, soa(zone, 7))
    kit.wait_until(lambda: [kit.serial(server, zone) for server in lab.secondaries()] == [7, 7], kit.LIMIT, "serial 7")
    lab.wait_same(zone)


def test_delete_and_create_many_times(lab, zone):
    """Goal: however often a zone comes and goes, the last state stays."""
    for index in range(10):
        lab.api.create(zone, kit.www(zone, f"192.0.2.{index + 1}"), dnssec=index % 2 == 0)
        if index < 9:
            lab.api.delete(zone)
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.10"])
    lab.wait_same(zone)
    lab.api.delete(zone)
    lab.wait_no_zone(zone)
