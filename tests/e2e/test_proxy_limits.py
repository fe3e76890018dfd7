# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: no client can take more of the proxy than the limits give it, each limit says so, and others are served meanwhile."""

import contextlib
import json
import re
import resource
import selectors
import socket
import ssl
import threading
import time
import urllib.request

import kit
import pytest
from fakeupstream import FakeUpstream
from rawhttp import Broken, Connection, exchange

BASE = "/api/v1/servers/localhost"
ZONES = f"{BASE}/zones"
OTHER = "127.0.0.2"  # another client

SLOWLORIS_CONNECTIONS = 1000
SLOWLORIS_SECONDS = 60
LARGE = 200 << 20


def octets(lab, method, target, *fields, body=b""):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: primary.example", f"X-API-Key: {lab.api_key('primary')}", *fields, "",
                        ""]).encode() + body


def limited(lab, limit):
    """How often a limit was met."""
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.metrics_port('api-proxy')}/metrics", timeout=10) as answer:
        return float(re.search(rf'^pdns_distribute_proxy_limited_total{{limit="{limit}"}} (\S+)$', answer.read().decode(), re.MULTILINE).group(1))


def assert_refused(reply, code):
    """A refusal in PowerDNS's error shape, after which the connection ends."""
    assert reply.code == code and reply.get("content-type") == "application/json" and list(json.loads(reply.body)) == ["error"], reply
    assert reply.get("connection") == "close"


def make(make_lab, **settings):
    return make_lab(secondaries=0, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {name.replace("_", "-"): value for name, value in settings.items()}}))


def served(lab, source=None):
    return exchange(lab.proxy_port, octets(lab, "GET", BASE, "Connection: close"), source=source).code == 200


@pytest.mark.core
def test_networks(make_lab):
    """Goal: who is not of an allowed network gets 403, whatever is asked."""
    lab = make(make_lab, allow_from="127.0.0.1, ::1")
    assert served(lab)
    for source in (OTHER, "127.9.9.9"):
        with Connection(lab.proxy_port, source=source) as client:
            assert_refused(client.reply(), 403)
            assert client.end() == b""
    assert limited(lab, "allow-from") == 2 and served(lab)


@pytest.mark.core
def test_connections(make_lab):
    """Goal: 503 when too many are connected, 429 when too many of them are one client's; room again when one leaves."""
    lab = make(make_lab, connections_max=12, connections_per_client=8)
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(Connection(lab.proxy_port)) for _ in range(8)]
        kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 8, kit.LIMIT, "the connections to be seen")
        with Connection(lab.proxy_port) as client:
            assert_refused(client.reply(), 429)
        assert served(lab, OTHER)
        others = [stack.enter_context(Connection(lab.proxy_port, source=OTHER)) for _ in range(4)]
        kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 12, kit.LIMIT, "the connections to be seen")
        with Connection(lab.proxy_port, source="127.0.0.3") as client:
            assert_refused(client.reply(), 503)
        assert limited(lab, "connections-per-client") == 1 and limited(lab, "connections-max") == 1
        for client in mine + others:  # those that were let in are as good as ever
            client.send(octets(lab, "GET", BASE))
            assert client.reply().code == 200
        mine[0].socket.close()
        kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 11, kit.LIMIT, "the connection to be gone")
        assert served(lab)


@pytest.mark.core
def test_header_size(make_lab):
    """Goal: 431 for too much header, 414 for a too long request line, however they come."""
    lab = make(make_lab, header_max="4K")
    assert exchange(lab.proxy_port, octets(lab, "GET", BASE, "X-A: " + "x" * 3500, "Connection: close")).code == 200
    for fields in (["X-A: " + "x" * 5000], [f"X-{number}: {'x' * 80}" for number in range(100)], ["x" * 5000 + ": a"]):
        assert_refused(exchange(lab.proxy_port, octets(lab, "GET", BASE, *fields)), 431)
    assert_refused(exchange(lab.proxy_port, octets(lab, "GET", BASE + "?" + "x" * 5000)), 414)
    assert_refused(exchange(lab.proxy_port, b"x" * 5000), 414)
    assert limited(lab, "header-max") == 5 and served(lab)


@pytest.mark.core
def test_header_time(make_lab):
    """Goal: a header that does not come to its end is cut off with 408, however busily it is sent."""
    lab = make(make_lab, header_timeout="1s")
    head = octets(lab, "GET", BASE)
    begin = time.monotonic()
    with Connection(lab.proxy_port) as silent, Connection(lab.proxy_port) as half, Connection(lab.proxy_port) as drip:
        half.send(head[:-2])
        with contextlib.suppress(OSError):
            for at in range(len(head) - 2):
                drip.send(head[at:at + 1])
                time.sleep(0.1)
                if time.monotonic() - begin > 2.5:
                    break
        assert_refused(half.reply(), 408)
        assert_refused(drip.reply(), 408)
        with contextlib.suppress(Broken):  # nothing was asked: nothing need be said
            assert_refused(silent.reply(), 408)
    assert time.monotonic() - begin < 5 * kit.SLOWNESS
    assert limited(lab, "header-timeout") >= 2 and served(lab)
    with Connection(lab.proxy_port) as client:  # between two requests there is more time
        client.send(head)
        assert client.reply().code == 200
        time.sleep(2)
        client.send(head)
        assert client.reply().code == 200
        client.send(head[:30])
        assert_refused(client.reply(), 408)


@pytest.mark.core
def test_handshake_time(make_lab):
    """Goal: nor does a TLS handshake that is not gone through with hold a connection."""
    lab = make(make_lab, header_timeout="1s", plain_http="no")
    begin = time.monotonic()
    with Connection(lab.proxy_port) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01")
        with contextlib.suppress(ConnectionError):
            client.end()
    assert 0.9 < time.monotonic() - begin < 5 * kit.SLOWNESS
    assert limited(lab, "header-timeout") == 1
    context = ssl.create_default_context(cafile=str(lab.dir / "api-proxy" / "tls" / "certificate.pem"))
    assert exchange(lab.proxy_port, octets(lab, "GET", BASE, "Connection: close"), context=context).code == 200


@pytest.mark.core
def test_body_size(make_lab):
    """Goal: 413 for a body that is said to be too large, before it is sent, and for one that turns out to be."""
    lab = make(make_lab, body_max="10K")
    with Connection(lab.proxy_port) as client:
        client.send(octets(lab, "POST", ZONES, "Content-Length: 10241"))
        assert_refused(client.reply(), 413)
    piece = b"1000\r\n" + b" " * 4096 + b"\r\n"
    for target in (ZONES, f"{BASE}/tsigkeys", f"{ZONES}/x.example."):
        with Connection(lab.proxy_port) as client:
            client.send(octets(lab, "PATCH" if target.endswith(".") else "POST", target, "Transfer-Encoding: chunked", body=piece * 3))
            assert_refused(client.reply(), 413)
    assert limited(lab, "body-max") == 4
    reply = exchange(lab.proxy_port, octets(lab, "POST", ZONES, "Content-Length: 10240", "Connection: close", body=b" " * 10240))
    assert reply.code == 400 and reply.body == b"Bad Request"  # PowerDNS has had it


@pytest.mark.core
def test_body_time(make_lab, zone):
    """Goal: 408 for a body that stalls or creeps; one that is slow but goes on is taken."""
    lab = make(make_lab, body_timeout="1s")
    lab.primary_api.create(zone, kit.www(zone))
    body = json.dumps({"rrsets": [{"name": f"www.{zone}", "type": "TXT", "ttl": 300, "changetype": "REPLACE", "records": [
        {"content": f'"{"x" * 250}"', "disabled": False}]}], "padding": "x" * 20000}).encode()
    head = octets(lab, "PATCH", f"{ZONES}/{zone}", f"Content-Length: {len(body)}")
    with Connection(lab.proxy_port) as stalled:
        stalled.send(head + body[:100])
        assert_refused(stalled.reply(), 408)
    with Connection(lab.proxy_port) as creeping:
        creeping.send(head)
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begin < 3:
                creeping.send(b" ")
                time.sleep(0.1)
        assert_refused(creeping.reply(), 408)
    assert limited(lab, "body-timeout") == 2
    assert kit.rdatas(lab.primary, f"www.{zone}", "TXT") == set()
    with Connection(lab.proxy_port) as slow:
        slow.send(head)
        for at in range(0, len(body), 700):
            slow.send(body[at:at + 700])
            time.sleep(0.1)
        assert slow.reply("PATCH").code == 204
    assert limited(lab, "body-timeout") == 2


# Large bodies


@pytest.fixture(scope="module")
def large_lab():
    upstream = FakeUpstream(keep_bodies=False)  # the real PowerDNS of this distribution takes 64 MB at most, and holds all of it
    lab = kit.TestLab.make(secondaries=0, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {
        "pdns-api-url": upstream.url, "body-max": "1G", "body-timeout": "2s", "plain-http": "no"}}))
    yield lab, upstream
    problems = lab.close()
    upstream.close()
    assert not problems, problems


def context_of(lab):
    return ssl.create_default_context(cafile=str(lab.dir / "api-proxy" / "tls" / "certificate.pem"))


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method,target", [("POST", ZONES), ("PATCH", f"{ZONES}/large.example."), ("PUT", "/other")])
def test_large_upload(large_lab, method, target, framing):
    """Goal: an upload of 200 MB passes, whole, in bounded memory, over TLS."""
    lab, upstream = large_lab
    upstream.answer = lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    upstream.forget()
    before = lab.memory("api-proxy")
    piece = b"x" * (1 << 20)
    with Connection(lab.proxy_port, context=context_of(lab), timeout=120) as client:
        client.send(octets(lab, method, target, f"Content-Length: {LARGE}" if framing == "length" else "Transfer-Encoding: chunked"))
        for _ in range(LARGE // len(piece)):
            client.send(piece if framing == "length" else b"100000\r\n" + piece + b"\r\n")
        client.send(b"" if framing == "length" else b"0\r\n\r\n")
        assert client.reply(method).code == 200
    seen, = upstream.forget()
    assert seen.size == LARGE
    assert lab.memory("api-proxy") - before < 24 << 10, (before, lab.memory("api-proxy"))


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_answer(large_lab, framing):
    """Goal: an answer of 200 MB passes, whole, in bounded memory, also when the client is slower than PowerDNS."""
    lab, upstream = large_lab
    piece = bytes(range(256)) * 4096

    def answer(seen):
        yield b"HTTP/1.1 200 OK\r\n" + (f"Content-Length: {LARGE}".encode() if framing == "length" else b"Transfer-Encoding: chunked") + b"\r\n\r\n"
        for _ in range(LARGE // len(piece)):
            yield piece if framing == "length" else b"100000\r\n" + piece + b"\r\n"
        yield b"" if framing == "length" else b"0\r\n\r\n"
    upstream.answer = answer
    before = lab.memory("api-proxy")
    with Connection(lab.proxy_port, context=context_of(lab), timeout=120) as client:
        client.send(octets(lab, "GET", ZONES))
        time.sleep(1)
        reply = client.reply()
        assert reply.code == 200 and reply.framing == framing and len(reply.body) == LARGE
        assert reply.body[:1 << 20] == piece == reply.body[-(1 << 20):]
    assert lab.memory("api-proxy") - before < 24 << 10, (before, lab.memory("api-proxy"))


def test_answer_not_taken(large_lab):
    """Goal: a client that asks for much and takes nothing is cut off."""
    lab, upstream = large_lab
    upstream.answer = lambda seen: (piece for piece in [f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode()] + [b"x" * (1 << 20)] * 200)
    with socket.create_connection(("127.0.0.1", lab.proxy_port)) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with context_of(lab).wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(octets(lab, "GET", ZONES))
            kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 1, kit.LIMIT, "the connection to be there")
            kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 0, kit.LIMIT, "the connection to be cut off")


# Slowloris


class Slowloris(threading.Thread):
    """Holds many connections, each sending its header octet by octet, and opens a new one for each that is ended."""

    def __init__(self, lab, count):
        super().__init__(daemon=True)
        self.port, self.count = lab.proxy_port, count
        self.head = octets(lab, "GET", BASE, *[f"X-{number}: {number}" for number in range(100)])
        self.stop = threading.Event()
        self.answers = {}
        self.opened = self.most = 0

    def open(self, selector):
        client = socket.socket()
        client.bind((OTHER, 0))
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", self.port))
        selector.register(client, selectors.EVENT_READ, [0])
        self.opened += 1

    def run(self):
        selector = selectors.DefaultSelector()
        for _ in range(self.count):
            self.open(selector)
        while not self.stop.wait(0.2):
            for key, _ in selector.select(0):
                try:
                    data = key.fileobj.recv(4096)
                except OSError:
                    data = b""
                code = data.split(b" ")[1].decode() if data.startswith(b"HTTP/") else "closed"
                self.answers[code] = self.answers.get(code, 0) + 1
                selector.unregister(key.fileobj)
                key.fileobj.close()
                self.open(selector)
            for key in list(selector.get_map().values()):
                with contextlib.suppress(OSError):
                    key.fileobj.send(self.head[key.data[0]:key.data[0] + 1])
                    key.data[0] += 1
        for key in list(selector.get_map().values()):
            key.fileobj.close()


@pytest.mark.slow
@pytest.mark.parametrize("limits,seconds", [({"connections_max": 2000, "connections_per_client": 0}, SLOWLORIS_SECONDS), ({}, 12)],
                         ids=["all let in", "defaults"])
def test_slowloris(make_lab, limits, seconds):
    """Goal: a thousand connections that only pretend to ask something harm nobody else, with all of them let in and with the defaults."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lab = make(make_lab, **limits)
    request = octets(lab, "GET", BASE, "Connection: close")
    quiet = lab.memory("api-proxy")
    attack = Slowloris(lab, SLOWLORIS_CONNECTIONS)
    attack.start()
    latencies, most, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        assert exchange(lab.proxy_port, request).code == 200
        latencies.append(time.monotonic() - begin)
        if len(latencies) % 20 == 0:
            most = max(most, lab.metric("api-proxy", "pdns_distribute_proxy_connections"))
        time.sleep(0.05)
    attack.stop.set()
    attack.join()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    latencies.sort()
    median, worst = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    print(f"{len(latencies)} requests, median {median * 1000:.1f} ms, p99 {worst * 1000:.1f} ms; {attack.opened} hostile connections, {most:.0f} at a time, "
          f"{attack.answers}; memory {quiet} KiB, then {lab.memory('api-proxy')}")
    assert median < 0.1 * kit.SLOWNESS and worst < 0.5 * kit.SLOWNESS
    assert lab.memory("api-proxy") - quiet < 200 << 10
    if limits:
        assert most >= SLOWLORIS_CONNECTIONS and attack.answers.get("408", 0) >= SLOWLORIS_CONNECTIONS * (seconds // 15)
        assert limited(lab, "header-timeout") >= attack.answers["408"]
    else:  # 200, those that are just being told, and the one that is served
        assert most <= 240 and attack.answers.get("429", 0) > 0
        assert limited(lab, "connections-per-client") >= attack.answers["429"]
    kit.wait_until(lambda: lab.metric("api-proxy", "pdns_distribute_proxy_connections") == 0, 2 * kit.LIMIT, "all to be gone")
    assert served(lab)
