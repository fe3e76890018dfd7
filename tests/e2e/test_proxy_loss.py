# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: whatever happens to clients, to the proxy, to NATS and to the disk, no change that PowerDNS made is forgotten.

The health-checker is stopped in these tests, so that nothing but the proxy's own notes can have found a change.
"""

import collections
import json
import os
import random
import select
import signal
import socket
import struct
import threading
import time

import kit
import pytest
import requests
from fakeupstream import NO_CONTENT, FakeUpstream
from rawhttp import Connection
from syncfault import SyncFault

BASE = "/api/v1/servers/localhost"
ZONES = f"{BASE}/zones"

CHANGES = 5000       # while the proxy is killed again and again
KILLS = 20           # at least
AWAY_CHANGES = 100000  # while NATS is away
AWAY_ZONES = 25000


def without_checker(make_lab, **settings):
    lab = make_lab(**settings)
    lab.stop("health-checker")
    return lab


def patch_body(zone, address):
    return json.dumps({"rrsets": [{"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE",
                                   "records": [{"content": address, "disabled": False}]}]}).encode()


def request(lab, method, target, body, *fields):
    lines = [f"{method} {target} HTTP/1.1", "Host: primary.example", f"X-API-Key: {lab.api_key('primary')}", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def settled(lab):
    """Until the proxy has nothing left to publish."""
    kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_intents") == 0, kit.LIMIT, "all intents to be published", interval=0.1)


# Clients that hang up


@pytest.fixture(scope="module")
def calm_lab():
    lab = kit.TestLab.make(sets=kit.NO_REPAIR)
    lab.stop("health-checker")
    yield lab
    problems = lab.close()
    assert not problems, problems


def hang_up(client, reset):
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# How much of the request is sent; whether PowerDNS gets it, so that it makes the change.
STAGES = {
    "in the request line": (lambda head, body: head[:20], False), "after the request line": (lambda head, body: head[:head.index(b"\r\n") + 2],
                                                                                             False),
    "in the header": (lambda head, body: head[:-20], False), "after the header": (lambda head, body: head, False),
    "in the body": (lambda head, body: head + body[:len(body) // 2], False), "one octet missing": (lambda head, body: head + body[:-1], False),
    "after the body": (lambda head, body: head + body, True),
}


@pytest.mark.core
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stage", STAGES)
def test_hang_up(calm_lab, zone, stage, reset):
    """Goal: a client that leaves too early changes nothing, one that leaves after its request changes the zone everywhere."""
    lab = calm_lab
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    part, complete = STAGES[stage]
    body = patch_body(zone, "192.0.2.34")
    whole = request(lab, "PATCH", f"{ZONES}/{zone}", body)
    client = socket.create_connection(("127.0.0.1", lab.proxy_port))
    client.sendall(part(whole[:-len(body)], body))
    if complete and reset:
        # A reset throws away what the proxy has not read yet: wait until it has, as its note says.
        kit.wait_until(lambda: kit.rdatas(lab.primary, f"www.{zone}", "A") == {"192.0.2.34"}, kit.LIMIT, "PowerDNS to make the change")
    hang_up(client, reset)
    if complete:
        lab.wait_answer(f"www.{zone}", "A", ["192.0.2.34"])
    settled(lab)
    assert kit.rdatas(lab.primary, f"www.{zone}", "A") == {"192.0.2.34" if complete else "192.0.2.1"}
    lab.wait_same(zone)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.35")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.35"])


@pytest.mark.core
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_hang_up_while_powerdns_works(calm_lab, zone, method, reset):
    """Goal: the client leaves while PowerDNS is at work; what it then does arrives."""
    lab = calm_lab
    if method != "POST":
        lab.api.create(zone, kit.www(zone))
        lab.wait_same(zone)
    body = {"PATCH": patch_body(zone, "192.0.2.36"), "DELETE": b"",
            "POST": json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone, "192.0.2.36")}).encode()}[method]
    before = lab.metric("api-proxy", "pdns_distribute_proxy_requests_total")
    os.kill(lab.pid("primary"), signal.SIGSTOP)
    try:
        client = socket.create_connection(("127.0.0.1", lab.proxy_port))
        client.sendall(request(lab, method, ZONES if method == "POST" else f"{ZONES}/{zone}", body))
        kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_requests_total") > before, kit.LIMIT, "the change to be under way")
        time.sleep(0.3)  # so that it is with PowerDNS, not just on its way to it
        hang_up(client, reset)
        time.sleep(0.2)
    finally:
        os.kill(lab.pid("primary"), signal.SIGCONT)
    if method == "DELETE":
        lab.wait_no_zone(zone)
    else:
        lab.wait_answer(f"www.{zone}", "A", ["192.0.2.36"])
        lab.wait_same(zone)
    settled(lab)


@pytest.mark.core
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_hang_up_in_a_large_answer(calm_lab, zone, reset):
    """Goal: the client leaves in the middle of the large answer to a creation."""
    lab = calm_lab
    rrsets = kit.www(zone) + [{"name": f"n{number}.{zone}", "type": "TXT", "ttl": 300, "records": [{"content": f'"{"x" * 200}"', "disabled": False}]}
                              for number in range(20000)]
    body = json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": [
        {key: value for key, value in rrset.items() if key != "changetype"} for rrset in rrsets]}).encode()
    client = socket.create_connection(("127.0.0.1", lab.proxy_port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(request(lab, "POST", ZONES, body))
    assert client.recv(1000).startswith(b"HTTP/1.1 201 ")
    hang_up(client, reset)
    lab.wait_same(zone, timeout=2 * kit.LIMIT)
    settled(lab)


# A proxy that is killed


class Client(threading.Thread):
    """Makes changes one after the other, whatever happens, and counts those that PowerDNS is known to have made."""

    def __init__(self, lab, number, zones, changes):
        super().__init__(daemon=True)
        self.lab, self.zones, self.changes, self.number = lab, zones, changes, number
        self.random = random.Random(number)
        self.answers = collections.Counter()
        self.there = set(zones)
        self.spare = 0

    def run(self):
        session = requests.Session()
        session.trust_env = False
        session.headers["X-API-Key"] = self.lab.api_key("primary")
        while sum(count for code, count in self.answers.items() if code in (201, 204)) < self.changes:
            method, path, body = self.choose()
            try:
                answer = session.request(method, f"{self.lab.api_url}{ZONES}{path}", data=body, timeout=30)
                self.answers[answer.status_code] += 1
            except requests.exceptions.RequestException:
                self.answers["none"] += 1
                time.sleep(0.01)

    def choose(self):
        dice = self.random.random()
        if dice < 0.03:
            self.spare += 1
            zone = f"new{self.number}-{self.spare}.example."
            return "POST", "", json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone)}).encode()
        if dice < 0.05 and self.spare > 1:
            return "DELETE", f"/new{self.number}-{self.random.randrange(1, self.spare)}.example.", None
        zone = self.random.choice(self.zones)
        return "PATCH", f"/{zone}", patch_body(zone, f"10.{self.number}.{self.random.randrange(256)}.{self.random.randrange(256)}")


def all_same(lab, limit):
    """Every zone of the primary is on every secondary as it is there, and no other zone is."""
    def names(api):
        return {zone["name"] for zone in api.zones()}
    want = names(lab.primary_api)
    kit.wait_until(lambda: all(names(api) == want for api in lab.secondary_apis.values()), limit, lambda: "the same zones everywhere: " + str(
        {number: sorted(names(api) ^ want)[:10] for number, api in lab.secondary_apis.items()}), interval=0.5)
    for zone in sorted(want):
        lab.wait_same(zone, timeout=limit)
    return want


@pytest.mark.slow
def test_killed_again_and_again(make_lab):
    """Goal: kill -9 of the proxy at any moment during thousands of changes loses none of them."""
    # PowerDNS waits for no disk: the test is about us.
    lab = without_checker(make_lab, sets=kit.merge(kit.NO_REPAIR, {"primary": {"gsqlite3-pragma-synchronous": 0}}))
    zones = [f"kill{number}.example." for number in range(120)]
    for zone in zones:
        lab.api.create(zone, kit.www(zone))
    clients = [Client(lab, number, zones[number::4], CHANGES // 4) for number in range(4)]
    for client in clients:
        client.start()
    dice, kills = random.Random(1), 0
    while any(client.is_alive() for client in clients):
        time.sleep(dice.uniform(0.02, 1.5))
        lab.kill("api-proxy")
        kills += 1
        lab.start("api-proxy")
    answers = sum((client.answers for client in clients), collections.Counter())
    assert answers[201] + answers[204] >= CHANGES and kills >= KILLS, (answers, kills)
    settled(lab)
    found = all_same(lab, 4 * kit.LIMIT)
    assert set(zones) <= found
    print(f"{kills} kills, {dict(answers)}, {len(found)} zones")


@pytest.mark.core
@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_killed_before_the_sync(make_lab, zone, method):
    """Goal: killed when PowerDNS has made the change, and the note of it was written but not synced, nor the client answered: it arrives."""
    lab = without_checker(make_lab, sets=kit.NO_REPAIR)
    if method != "POST":
        lab.api.create(zone, kit.www(zone))
        lab.wait_same(zone)
        settled(lab)
    fault = SyncFault(lab, "delay_enter=4000000")
    body = {"PATCH": patch_body(zone, "192.0.2.41"), "DELETE": b"",
            "POST": json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone, "192.0.2.41")}).encode()}[method]
    with Connection(lab.proxy_port) as client:
        client.send(request(lab, method, ZONES if method == "POST" else f"{ZONES}/{zone}", body))
        acted = {"PATCH": lambda: kit.rdatas(lab.primary, f"www.{zone}", "A") == {"192.0.2.41"},
                 "POST": lambda: lab.primary_api.zone(zone), "DELETE": lambda: lab.primary_api.zone(zone) is None}
        kit.wait_until(acted[method], kit.LIMIT, "PowerDNS to act")
        kit.wait_until(lambda: fault.met() == 1, kit.LIMIT, "the sync to be held")
        assert select.select([client.socket], [], [], 0.5)[0] == []  # not answered before the note is on disk
        assert lab.metric("api-proxy", "pdns_distribute_proxy_events_published_total") == 0
        lab.kill("api-proxy")
    fault.end()
    lab.start("api-proxy")
    if method == "DELETE":
        lab.wait_no_zone(zone)
    else:
        lab.wait_answer(f"www.{zone}", "A", ["192.0.2.41"])
        lab.wait_same(zone)
    settled(lab)


# NATS away


def flood(lab, number, zones, turns, answers):
    """A client that sends its changes 50 at a time on one connection."""
    requests_of = [request(lab, "PATCH", f"{ZONES}/{zone}", b"{}") for zone in zones]
    with Connection(lab.proxy_port, timeout=120) as client:
        for _ in range(turns):
            for at in range(0, len(requests_of), 50):
                batch = requests_of[at:at + 50]
                client.send(b"".join(batch))
                for _ in batch:
                    answers[number][client.reply("PATCH").code] += 1


@pytest.mark.slow
def test_nats_away(make_lab):
    """Goal: a hundred thousand changes while NATS is away are answered, cost no memory, and are published afterwards, each zone once."""
    upstream = FakeUpstream(lambda seen: NO_CONTENT, keep_bodies=False)  # the real one would take minutes for as many changes
    lab = without_checker(make_lab, secondaries=0, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"pdns-api-url": upstream.url}}))
    with lab.nats() as nats:
        kit.wait_until(lambda: "PDNS_EVENTS" in nats.api("STREAM.NAMES")["streams"], kit.LIMIT, "the provider to have made the stream")
    lab.stop("zone-provider")  # it would look for these zones
    with lab.nats() as nats:
        before = nats.api("STREAM.INFO.PDNS_EVENTS")["state"]["last_seq"]
    lab.stop("nats")
    quiet = lab.memory("api-proxy")
    clients, answers = 8, [collections.Counter() for _ in range(8)]
    zones = [f"z{number}.away.example." for number in range(AWAY_ZONES)]
    begin = time.monotonic()
    threads = [threading.Thread(target=flood, args=(lab, number, zones[number::clients], AWAY_CHANGES // AWAY_ZONES,
                                                    answers)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begin
    assert sum(answers, collections.Counter()) == {204: AWAY_CHANGES}
    assert lab.metric("api-proxy", "pdns_distribute_proxy_intents") == AWAY_ZONES
    peak = lab.memory("api-proxy")
    lab.start("nats")
    kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_intents") == 0, 4 * kit.LIMIT, "all to be published", interval=0.2)
    with lab.nats() as nats:
        state = nats.api("STREAM.INFO.PDNS_EVENTS", {"subjects_filter": "pdns.event.example.away.>"})["state"]
    print(f"{AWAY_CHANGES} changes in {took:.0f} s; memory {quiet} KiB, then {peak}, at the end {lab.memory('api-proxy')}")
    assert state["num_subjects"] >= AWAY_ZONES and state["messages"] >= AWAY_ZONES
    assert state["last_seq"] - before == AWAY_ZONES  # each once
    assert lab.memory("api-proxy") - quiet < 48 << 10
    upstream.close()


# PowerDNS that acts late


class SlowWay:
    """A fake way to the real PowerDNS: requests reach it after some time, whether or not the proxy still waits for the answers."""

    def __init__(self):
        self.upstream = FakeUpstream(self.answer)
        self.port = None
        self.seconds = 0

    def answer(self, seen):
        method, target, _ = seen.line.split(" ")
        time.sleep(self.seconds)
        reply = requests.request(method, f"http://127.0.0.1:{self.port}{target}", data=seen.body, timeout=30,
                                 headers={"X-API-Key": seen.all("x-api-key")[0], "Connection": "close"})
        return f"HTTP/1.1 {reply.status_code} {reply.reason}\r\nContent-Length: {len(reply.content)}\r\n\r\n".encode() + reply.content


@pytest.mark.parametrize("how", ["killed", "timeout"])
@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_powerdns_acts_late(make_lab, zone, how, method):
    """Goal: PowerDNS makes the change after the proxy has given it up, or was killed, and has had the zone looked at: it arrives all the same."""
    way = SlowWay()
    lab = without_checker(make_lab, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {
        "pdns-api-url": way.upstream.url, "upstream-timeout": "1s" if how == "timeout" else "60s"}}))
    way.port = lab.primary_api_port
    if method != "POST":
        lab.api.create(zone, kit.www(zone))
        lab.wait_same(zone)
    way.seconds = 4
    seen = lab.log_file("zone-provider").stat().st_size
    body = {"PATCH": patch_body(zone, "192.0.2.40"), "DELETE": b"",
            "POST": json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone, "192.0.2.40")}).encode()}[method]
    with Connection(lab.proxy_port) as client:
        client.send(request(lab, method, ZONES if method == "POST" else f"{ZONES}/{zone}", body))
        if how == "killed":
            time.sleep(0.5)
            lab.kill("api-proxy")
            lab.start("api-proxy")
        else:
            assert client.reply(method).code == 504
        lab.wait_log("zone-provider", f"event {'deleted' if method == 'DELETE' else 'check'} .*{zone}", start=seen)
        assert kit.rdatas(lab.primary, f"www.{zone}", "A") == (set() if method == "POST" else {"192.0.2.1"})  # not yet
    if method == "DELETE":
        kit.wait_until(lambda: lab.primary_api.zone(zone) is None, kit.LIMIT, "PowerDNS to act")
        lab.wait_no_zone(zone)
    else:
        lab.wait_answer(f"www.{zone}", "A", ["192.0.2.40"])
        lab.wait_same(zone)
    way.upstream.close()


@pytest.mark.core
def test_retrieved_late(make_lab, zone):
    """Goal: a zone that the primary itself transfers in arrives, although PowerDNS only queues the retrieval, and its primary is slow."""
    origin = make_lab(secondaries=0, daemons=False)
    lab = without_checker(make_lab, sets=kit.merge(kit.NO_REPAIR, {"primary": {"secondary": "yes", "slave-cycle-interval": 3600}}))
    origin.primary_api.create(zone, kit.www(zone, "192.0.2.60"))
    lab.api.ok("POST", "/zones", json={"name": zone, "kind": "Slave", "masters": [f"127.0.0.1:{origin.primary_dns_port}"]})
    settled(lab)
    os.kill(origin.pid("primary"), signal.SIGSTOP)
    begin = lab.log_file("zone-provider").stat().st_size
    try:
        assert lab.api.request("PUT", f"/zones/{zone}/axfr-retrieve").status_code == 200
        lab.wait_log("zone-provider", f"event check .*{zone}", start=begin)
        time.sleep(0.5)
    finally:
        os.kill(origin.pid("primary"), signal.SIGCONT)
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.60"])
    lab.wait_same(zone)
