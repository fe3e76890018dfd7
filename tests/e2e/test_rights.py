# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the whole installation works on a nats-server that grants each program just its rights, and those rights hold."""

import json
import re

import kit
import pytest

LAB = {"rights": True, "ipv6_last": True, "sets": kit.QUICK}

pytestmark = pytest.mark.core


def secondary(lab, number):
    name = f"secondary-{number}"
    password = (lab.dir / "etc" / name / f"nats-{name}.password").read_text().strip()
    return kit.Nats("127.0.0.1", lab.nats_port, name, password, inbox_prefix=f"_INBOX_{name}")


def test_changes_arrive(lab, zone):
    """Goal: created, changed, found by the scan, repaired and deleted."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"])
    lab.primary_api.replace(zone, f"www.{zone}", "A", "192.0.2.3")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.3"])
    lab.secondary_apis[1].delete(zone)
    lab.distribute("resync", zone)
    lab.wait_same(zone)
    lab.api.delete(zone)
    lab.wait_no_zone(zone)


def test_large_body(lab, zone):
    """Goal: a zone in several messages is readable for a secondary, with its own rights."""
    lab.api.create(zone, kit.www(zone))
    rrsets = [{"name": f"t{index}.{zone}", "type": "TXT", "ttl": 300, "changetype": "REPLACE",
               "records": [{"content": " ".join(f'"{kit.secrets.token_hex(120)}"' for _ in range(2)), "disabled": False}]} for index in range(2000)]
    for start in range(0, len(rrsets), 500):
        lab.api.patch(zone, *rrsets[start:start + 500])
    lab.wait_same(zone)


def test_operator(lab, zone):
    """Goal: the operator's command has what it needs."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)

    def in_sync():
        status = json.loads(lab.distribute("status", "--json", check=False).stdout or "{}")
        return status.get("in_sync")
    kit.wait_until(in_sync, kit.LIMIT, "status to be in sync")
    lab.distribute("secondary", "add", "secondary-9")
    lab.distribute("secondary", "remove", "secondary-9")
    assert {entry["id"] for entry in json.loads(lab.distribute("secondary", "list", "--json").stdout)["secondaries"]} == \
        {"secondary-1", "secondary-2"}


def test_nothing_is_denied(lab, zone):
    """Goal: no program asks for a right that it does not have."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.api.delete(zone)
    lab.wait_no_zone(zone)
    denied = re.findall(r".*(?:Permissions Violation|Authorization Violation).*", lab.log_file("nats").read_text())
    assert not [line for line in denied if "tests" not in line], denied[:5]


def test_a_secondary_cannot_write(make_lab, zone):
    """Goal: with a secondary's credentials nobody can put a head, an event, a heartbeat of another, or a durable anywhere."""
    lab = make_lab(rights=True, sets=kit.NO_REPAIR)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    subject = "pdns.zone." + ".".join(reversed(zone.rstrip(".").split(".")))
    with lab.nats() as nats, secondary(lab, 2) as thief:
        def sequence():
            return dict(nats.last("PDNS_ZONES", subject).headers)["Nats-Sequence"]
        before = sequence()
        forbidden = [subject, subject.replace(".zone.", ".event."), "pdns.heartbeat.secondary-syncer.secondary-1", "pdns.applied.secondary-1",
                     "pdns.heartbeat.zone-provider.primary", "pdns.ask.secondary-syncer.secondary-1.apply", "pdns.ask.health-checker.any.resync",
                     "$JS.API.STREAM.PURGE.PDNS_ZONES", "$JS.API.STREAM.DELETE.PDNS_ZONES", "$KV.PDNS_STATE.leader",
                     "$JS.API.CONSUMER.MSG.NEXT.PDNS_ZONES.secondary-secondary-1", "$JS.API.CONSUMER.DELETE.PDNS_ZONES.secondary-secondary-1",
                     "$JS.API.CONSUMER.DURABLE.CREATE.PDNS_ZONES.mine"]
        for one in forbidden:
            thief.errors.clear()
            thief.publish(one, b"{}")
            thief.flush()
            assert thief.errors, f"may publish on {one}"
        # A reply subject is not checked by publish permissions: it must stay within the secondary's own account.
        pull = "$JS.API.CONSUMER.MSG.NEXT.PDNS_ZONES.secondary-secondary-2"
        thief.publish(pull, b'{"batch":1,"no_wait":true}', reply=subject)
        thief.publish(f"$JS.API.DIRECT.GET.PDNS_ZONES.{subject}", b"", reply=subject)
        thief.flush()
        thief.errors.clear()
        for one in ("pdns.>", "_INBOX.>", "_INBOX_secondary-1.>", "pdns.heartbeat.>", "$JS.EVENT.>"):
            thief.subscribe(one)
            thief.flush()
        assert len(thief.errors) == 5, thief.errors
        lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.9")
        lab.wait_answer(f"www.{zone}", "A", ["192.0.2.9"])
        headers = dict(nats.last("PDNS_ZONES", subject).headers)
        assert int(headers["Nats-Sequence"]) == int(before) + 1, "one head was stored, ours"
