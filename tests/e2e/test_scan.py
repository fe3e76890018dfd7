# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: what changes on the primary around the proxy is found and distributed."""

import kit

LAB = {"sets": kit.QUICK}


def test_made_changed_deleted(lab, zone):
    """Goal: a zone made, changed and deleted straight on the primary's API follows everywhere."""
    lab.primary_api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.primary_api.replace(zone, f"www.{zone}", "A", "192.0.2.8")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.8"])
    lab.primary_api.delete(zone)
    lab.wait_no_zone(zone)


def test_signed_around_the_proxy(lab, zone):
    """Goal: a zone signed and unsigned again on the primary itself, with its serial as it was, follows everywhere."""
    lab.primary_api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    serial = kit.serial(lab.primary, zone)
    for command in ("secure-zone", "disable-dnssec"):
        lab.command("pdnsutil", f"--config-dir={lab.dir}/etc/primary", command, zone)
        lab.wait_same(zone)
    assert kit.serial(lab.primary, zone) == serial


def test_before_the_suite(make_lab, zone):
    """Goal: zones that the primary had before the suite came are distributed."""
    lab = make_lab(sets=kit.QUICK)
    for name in ("health-checker", "api-proxy", "zone-provider"):
        lab.stop(name)
    zones = [f"z{index}.{zone}" for index in range(20)]
    for name in zones:
        lab.primary_api.create(name, kit.www(name), dnssec=True)
    for name in ("zone-provider", "api-proxy", "health-checker"):
        lab.start(name)
    for name in zones:
        lab.wait_same(name)


def test_zone_lost_on_a_secondary(lab, zone):
    """Goal: a zone that somebody deleted on a secondary comes back."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.secondary_apis[1].delete(zone)
    lab.secondary_apis[2].delete(zone)
    lab.distribute("resync", zone)
    lab.wait_same(zone)
