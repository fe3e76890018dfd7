# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: who asks to wait for a change gets its answer when the change is served by all secondaries, or hears who is missing."""

import json
import re
import signal
import socket
import time

import kit
import pytest

LAB = {"rights": True, "sets": kit.NO_REPAIR}

pytestmark = pytest.mark.core

WAIT = {"Prefer": f"wait={20 * kit.SLOWNESS}"}


def sync(answer):
    """The state, done and total of the field, and its text."""
    text = answer.headers["PDNS-Distribute-Sync"]
    match = re.fullmatch(r'(in-sync|pending); secondaries=(\d+)/(\d+); ms=\d+((?:; (?:waiting|away)="[^"]+")*)', text)
    assert match, text
    return match[1], int(match[2]), int(match[3]), match[4]


def replace(lab, zone, address, headers):
    return lab.api.request("PATCH", f"/zones/{kit.zone_id(zone)}", headers=headers, json={"rrsets": [
        {"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE", "records": [{"content": address, "disabled": False}]}]})


def test_served_when_answered(lab, zone):
    """Goal: created, changed, deleted: each is served everywhere when the answer comes."""
    name = f"www.{zone}"
    answer = lab.api.request("POST", "/zones", headers=WAIT, json={"name": zone, "kind": "Native", "rrsets": kit.www(zone), "nameservers": []})
    assert answer.status_code == 201 and answer.json()["name"] == zone
    assert answer.headers["Preference-Applied"] == "wait" and answer.headers["PDNS-Distribute-Change"]
    assert sync(answer) == ("in-sync", 2, 2, "")
    for server in lab.secondaries():
        assert kit.rdatas(server, name, "A") == {"192.0.2.1"}
    for number in range(2, 12):
        answer = replace(lab, zone, f"192.0.2.{number}", WAIT)
        assert answer.status_code == 204 and not answer.content
        assert sync(answer) == ("in-sync", 2, 2, "")
        for server in lab.secondaries():
            assert kit.rdatas(server, name, "A") == {f"192.0.2.{number}"}
    answer = lab.api.request("DELETE", f"/zones/{kit.zone_id(zone)}", headers=WAIT)
    assert answer.status_code == 204 and sync(answer) == ("in-sync", 2, 2, "")
    for server in lab.secondaries():
        assert kit.serial(server, zone) is None


def test_nothing_changed(lab, zone):
    """Goal: a change that alters nothing is in sync at once, although no secondary says anything about it."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    begin = time.monotonic()
    answer = lab.api.request("PUT", f"/zones/{kit.zone_id(zone)}/metadata/X-TEST", headers=WAIT, json={"metadata": ["1"]})
    assert answer.ok and sync(answer) == ("in-sync", 2, 2, "")
    assert time.monotonic() - begin < 5 * kit.SLOWNESS


def test_who_does_not_ask(lab, zone):
    """Goal: without Prefer nothing is added; with respond-async there is no waiting but an id; what PowerDNS refused is not waited for."""
    lab.api.create(zone, kit.www(zone))
    fields = ("Preference-Applied", "PDNS-Distribute-Change", "PDNS-Distribute-Sync")
    answer = replace(lab, zone, "192.0.2.2", {})
    assert answer.status_code == 204 and not [field for field in fields if field in answer.headers]
    answer = replace(lab, zone, "192.0.2.3", {"Prefer": "respond-async"})
    assert answer.headers["Preference-Applied"] == "respond-async" and answer.headers["PDNS-Distribute-Change"]
    assert "PDNS-Distribute-Sync" not in answer.headers
    answer = lab.api.request("GET", f"/zones/{kit.zone_id(zone)}", headers=WAIT)
    assert answer.ok and not [field for field in fields if field in answer.headers]
    begin = time.monotonic()
    answer = lab.api.request("DELETE", "/zones/missing.example.", headers=WAIT)
    assert answer.status_code == 404 and not [field for field in fields if field in answer.headers]
    assert time.monotonic() - begin < 10


def test_many_wait(lab, zone):
    """Goal: changes of one zone collapse into fewer events, and each of those who wait is answered."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)

    def change(number):
        while True:
            answer = lab.api.request("PATCH", f"/zones/{kit.zone_id(zone)}", headers=WAIT, json={"rrsets": [
                {"name": f"n{number}.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE",
                 "records": [{"content": f"192.0.2.{number}", "disabled": False}]}]})
            if answer.status_code != 500:  # sqlite takes one writer at a time
                return sync(answer)
    with kit.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(change, range(40))) == {("in-sync", 2, 2, "")}
    lab.wait_same(zone)


def test_client_leaves(lab, zone):
    """Goal: a client that hangs up while it waits takes nothing with it."""
    lab.api.create(zone, kit.www(zone))
    body = json.dumps({"rrsets": [{"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE",
                                   "records": [{"content": "192.0.2.9", "disabled": False}]}]})
    with socket.create_connection(("127.0.0.1", lab.proxy_port)) as connection:
        connection.sendall((f"PATCH /api/v1/servers/localhost/zones/{zone} HTTP/1.1\r\nHost: a\r\nX-API-Key: {lab.api_key('primary')}\r\n"
                            f"Prefer: wait=10\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.9"])
    assert sync(replace(lab, zone, "192.0.2.10", WAIT))[0] == "in-sync"


def test_secondary_goes_away(make_lab, zone):
    """Goal: a secondary that goes away while it is waited for is named, and waited for no longer; NATS away: the time is kept."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"default-wait": "7s", "default-wait-for": "127.0.0.0/8=15s, 10.0.0.0/8=1s"}}))
    lab.api.create(zone, kit.www(zone))  # waits by default
    lab.wait_same(zone)
    answer = replace(lab, zone, "192.0.2.2", {})
    assert sync(answer) == ("in-sync", 2, 2, "") and "Preference-Applied" not in answer.headers
    lab.end("syncer-2", signal.SIGKILL)
    begin = time.monotonic()
    answer = replace(lab, zone, "192.0.2.3", {})
    assert answer.status_code == 204
    assert sync(answer) == ("pending", 1, 2, '; away="secondary-2"')
    assert time.monotonic() - begin < 14
    answer = replace(lab, zone, "192.0.2.4", {})
    assert sync(answer) == ("in-sync", 1, 1, "")
    lab.start("syncer-2")
    lab.wait_same(zone)
    lab.end("nats", signal.SIGKILL)
    begin = time.monotonic()
    answer = replace(lab, zone, "192.0.2.5", {"Prefer": "wait=1"})
    assert answer.status_code == 204 and sync(answer)[0] == "pending"
    assert 0.9 < time.monotonic() - begin < 6 * kit.SLOWNESS
    lab.start("nats")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.5"])
