# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: whatever happens to a zone's keys on the primary, secondaries serve it correctly signed, or unsigned."""

import kit
import pytest

pytestmark = pytest.mark.core


def secure(lab, zone):
    lab.wait_same(zone)
    anchor = kit.trust_anchor(lab, zone)
    for server in lab.secondaries():
        for name, kind in ((f"www.{zone}", "A"), (f"missing.{zone}", "A"), (f"www.{zone}", "TXT")):
            kit.assert_secure(server, anchor, zone, name, kind)


def test_signed_and_unsigned(lab, zone):
    """Goal: a zone becomes signed, then unsigned, then signed again."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.api.put(zone, dnssec=True)
    secure(lab, zone)
    lab.api.put(zone, dnssec=False)
    lab.wait_same(zone)
    for number, server in enumerate(lab.secondaries(), 1):
        assert not kit.ask(server, zone, "DNSKEY").answer, "an unsigned zone has no keys"
        assert lab.secondary_apis[number].metadata(zone, "PRESIGNED") == []
    lab.api.put(zone, dnssec=True)
    secure(lab, zone)


def test_nsec_and_nsec3(lab, zone):
    """Goal: NSEC to NSEC3, other NSEC3 parameters, and back to NSEC."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    secure(lab, zone)
    for parameters in ("1 0 0 -", "1 0 3 aabb"):
        lab.api.put(zone, nsec3param=parameters)
        secure(lab, zone)
        for server in lab.secondaries():
            assert kit.rdatas(server, zone, "NSEC3PARAM") == {parameters}
    lab.api.put(zone, nsec3param="")
    secure(lab, zone)


def test_rollover(lab, zone):
    """Goal: a second key, then the first one away: every step arrives."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    secure(lab, zone)
    old = lab.api.keys(zone)[0]["id"]
    path = f"/zones/{kit.zone_id(zone)}/cryptokeys"
    new = lab.api.ok("POST", path, json={"keytype": "csk", "algorithm": "ecdsa256", "active": False, "published": True})["id"]
    secure(lab, zone)
    lab.api.ok("PUT", f"{path}/{new}", json={"active": True})
    secure(lab, zone)
    lab.api.ok("PUT", f"{path}/{old}", json={"active": False})
    secure(lab, zone)
    lab.api.ok("DELETE", f"{path}/{old}")
    lab.wait_same(zone)
    kit.wait_until(lambda: all(len(kit.rdatas(server, zone, "DNSKEY")) == 1 for server in lab.secondaries()), kit.LIMIT, "one key")
    secure(lab, zone)


def test_algorithm_rollover(lab, zone):
    """Goal: from RSA with KSK and ZSK to one Ed25519 key."""
    lab.api.create(zone, kit.www(zone))
    path = f"/zones/{kit.zone_id(zone)}/cryptokeys"
    old = [lab.api.ok("POST", path, json={"keytype": kind, "algorithm": "rsasha256", "bits": 2048, "active": True})["id"]
           for kind in ("ksk", "zsk")]
    lab.api.put(zone, dnssec=True)
    secure(lab, zone)
    lab.api.ok("POST", path, json={"keytype": "csk", "algorithm": "ed25519", "active": True})
    secure(lab, zone)
    for number in old:
        lab.api.ok("DELETE", f"{path}/{number}")
    kit.wait_until(lambda: all({rdata.split()[2] for rdata in kit.rdatas(server, zone, "DNSKEY")} == {"15"}
                               for server in lab.secondaries()), kit.LIMIT, "algorithm 15 alone")
    secure(lab, zone)
