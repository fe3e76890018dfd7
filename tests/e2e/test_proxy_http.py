# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the proxy is a good server and a good intermediary: connections, framing, what is malformed, what PowerDNS of today never says."""

import gzip
import json
import socket
import ssl
import subprocess
import threading

import kit
import pytest
from fakeupstream import FakeUpstream
from rawhttp import Broken, Connection, exchange

pytestmark = pytest.mark.core

BASE = "/api/v1/servers/localhost"
ZONES = f"{BASE}/zones"


def octets(method, target, *fields, key=None, body=b"", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", "Host: primary.example", *([f"X-API-Key: {key}"] if key else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def patch_body(zone, address):
    return json.dumps({"rrsets": [{"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE",
                                   "records": [{"content": address, "disabled": False}]}]}).encode()


# Connections


def test_kept(lab):
    """Goal: one connection carries one request after the other, answers of every kind of framing among them."""
    key = lab.api_key("primary")
    with Connection(lab.proxy_port) as client:
        for _ in range(3):
            for method, target, code in [("GET", BASE, 200), ("HEAD", BASE, 405), ("GET", "/nothing", 404), ("OPTIONS", ZONES, 200), ("HEAD", "/",
                    200),
                                         ("POST", ZONES, 400), ("PUT", f"{BASE}/cache/flush?domain=a.", 200), ("DELETE", f"{ZONES}/missing.", 404),
                                         ("HEAD", "/nothing", 404)]:
                client.send(octets(method, target, "Content-Length: 0", key=key))
                reply = client.reply(method)
                assert reply.code == code and client.buffer == b"", (method, target, reply)
                assert "close" not in (reply.get("connection") or "")


@pytest.mark.parametrize("version,asked,kept", [("1.1", None, True), ("1.1", "keep-alive", True), ("1.1", "close", False), ("1.1", "Close, X-Other",
        False),
                                                ("1.0", None, False), ("1.0", "Keep-Alive", True), ("1.0", "close", False)])
def test_who_is_kept(lab, version, asked, kept):
    """Goal: a connection stays where the client can use it again and wants to."""
    request = octets("GET", BASE, *([f"Connection: {asked}"] if asked else []), key=lab.api_key("primary"), version=version)
    with Connection(lab.proxy_port, timeout=5) as client:
        client.send(request)
        reply = client.reply()
        assert reply.code == 200
        said = (reply.get("connection") or "").lower()
        assert said == ("keep-alive" if kept and version == "1.0" else "" if kept else "close") or (kept and version == "1.1" and said == "keep-alive")
        if kept:
            client.send(request)
            assert client.reply().code == 200
        else:
            assert client.end() == b""


def test_pipelined(lab, zone):
    """Goal: requests sent without waiting are answered one by one, in their order, changes included."""
    key = lab.api_key("primary")
    lab.api.create(zone, kit.www(zone))
    requests, codes = [], []
    for turn in range(20):
        body = patch_body(zone, f"192.0.2.{turn + 10}")
        requests += [octets("PATCH", f"{ZONES}/{zone}", f"Content-Length: {len(body)}", key=key, body=body), octets("GET", f"{ZONES}/{zone}",
                key=key),
                     octets("HEAD", "/nothing", key=key), octets("GET", "/nothing", key=key)]
        codes += [204, 200, 404, 404]
    with Connection(lab.proxy_port) as client:
        client.send(b"".join(requests))
        for number, code in enumerate(codes):
            reply = client.reply("HEAD" if number % 4 == 2 else "GET")
            assert reply.code == code, (number, reply)
            if number % 4 == 1:
                assert f"192.0.2.{number // 4 + 10}".encode() in reply.body
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.29"])


def test_octet_by_octet(lab, zone):
    """Goal: a request that comes in the smallest pieces is the same request."""
    key = lab.api_key("primary")
    lab.api.create(zone, kit.www(zone))
    body = patch_body(zone, "192.0.2.77")
    whole = octets("PATCH", f"{ZONES}/{zone}", "Transfer-Encoding: chunked", key=key,
                   body=b"".join(f"{len(body[at:at + 9]):x}\r\n".encode() + body[at:at + 9] + b"\r\n" for at in range(0, len(body),
                           9)) + b"0\r\n\r\n")
    with Connection(lab.proxy_port) as client:
        for at in range(len(whole)):
            client.send(whole[at:at + 1])
        assert client.reply("PATCH").code == 204
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.77"])


def test_expect(lab, zone):
    """Goal: who waits for 100 gets it, or the refusal instead of it; who does not wait is served too."""
    key = lab.api_key("primary")
    body = json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone)}).encode()
    head = octets("POST", ZONES, "Expect: 100-continue", f"Content-Length: {len(body)}", key=key)
    with Connection(lab.proxy_port) as client:
        client.send(head)
        while b"\r\n\r\n" not in client.buffer:
            assert client._more()
        assert client.buffer == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        reply = client.reply("POST")
        assert reply.code == 201 and reply.interim == [100]
    with Connection(lab.proxy_port) as client:
        client.send(octets("POST", ZONES, "Expect: 100-continue", f"Content-Length: {10 ** 11}", key=key))
        reply = client.reply("POST")
        assert reply.code == 413 and not reply.interim
    body = patch_body(zone, "192.0.2.78")
    with Connection(lab.proxy_port) as client:
        client.send(octets("PATCH", f"{ZONES}/{zone}", "Expect: 100-Continue", f"Content-Length: {len(body)}", key=key, body=body))
        assert client.reply("PATCH").code == 204
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.78"])


# What is malformed: what two servers could read in two ways is not passed on


MALFORMED = {
    "no request": b"GARBAGE\r\n\r\n", "nul": b"\0\r\n\r\n", "no version": f"GET {BASE}\r\n\r\n".encode(), "space in the target": octets("GET",
            f"{BASE} x"), "tab in the target": octets("GET", f"{BASE}\tx"),
    "bad method": octets("G(T", BASE), "version 2": octets("GET", BASE, version="2.0"), "version": octets("GET", BASE, version="x"),
    "lower case http": octets("GET", BASE).replace(b"HTTP/1", b"http/1"),
    "no colon": octets("GET", BASE, "Field"), "space before the colon": octets("GET", BASE, "Field : x"), "bad name": octets("GET", BASE,
            "Fi(ld: x"), "no name": octets("GET", BASE, ": x"),
    "folded": octets("GET", BASE, "Field: x", " more"), "folded at once": f"GET {BASE} HTTP/1.1\r\n Host: a\r\n\r\n".encode(),
    "cr in a value": octets("GET", BASE, "Field: a\rb"), "nul in a value": octets("GET", BASE, "Field: a\0b"),
    "no length": octets("POST", ZONES, "Content-Length: x", body=b"{}"), "negative": octets("POST", ZONES, "Content-Length: -1", body=b"{}"),
    "plus": octets("POST", ZONES, "Content-Length: +2", body=b"{}"),
    "hex": octets("POST", ZONES, "Content-Length: 0x2", body=b"{}"), "huge": octets("POST", ZONES, "Content-Length: 99999999999999999999",
                                                                                    body=b"{}"), "empty length": octets("POST", ZONES,
                                                                                            "Content-Length:", body=b"{}"),
    "two lengths": octets("POST", ZONES, "Content-Length: 2", "Content-Length: 3", body=b"{}"), "list of lengths": octets("POST", ZONES,
            "Content-Length: 2, 3", body=b"{}"),
    "length and chunked": octets("POST", ZONES, "Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), "coding": octets("POST",
            ZONES, "Transfer-Encoding: gzip", body=b"{}"),
    "chunked not last": octets("POST", ZONES, "Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), "chunked twice": octets("POST", ZONES,
            "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "xchunked": octets("POST", ZONES, "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), "chunk size": octets("POST", ZONES,
            "Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk end": octets("POST", ZONES, "Transfer-Encoding: chunked", body=b"2\r\n{}}}\r\n0\r\n\r\n"), "chunk huge": octets("POST", ZONES,
            "Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "space after the length": octets("POST", ZONES, "Content-Length : 2", body=b"{}"), "space after the coding": octets("POST", ZONES,
            "Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "two hosts": octets("GET", BASE, "Host: other.example"), "chunked 1.0": octets("POST", ZONES, "Transfer-Encoding: chunked", body=b"0\r\n\r\n",
                                                                                   version="1.0"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(lab, name):
    """Goal: it is refused in PowerDNS's error shape, nothing that follows on that connection is taken for a request, and others are served."""
    before = lab.metric("api-proxy", "pdns_distribute_proxy_malformed_total")
    smuggled = octets("DELETE", f"{ZONES}/smuggled.example.", key=lab.api_key("primary"))
    reply = exchange(lab.proxy_port, MALFORMED[name] + smuggled, half_close=True)
    assert reply.code in (400, 501, 505), reply
    assert reply.get("content-type") == "application/json" and list(json.loads(reply.body)) == ["error"]
    assert reply.get("connection") == "close" and reply.rest == b""
    assert lab.metric("api-proxy", "pdns_distribute_proxy_malformed_total") == before + 1
    assert lab.api.zones() is not None


def test_half_a_request(lab, zone):
    """Goal: a body that ends before its length changes nothing, and the client is told so if it still listens."""
    lab.api.create(zone, kit.www(zone))
    body = patch_body(zone, "192.0.2.9")
    for framing in (f"Content-Length: {len(body) + 1}", f"Content-Length: {len(body) * 2}"):
        try:
            reply = exchange(lab.proxy_port, octets("PATCH", f"{ZONES}/{zone}", framing, key=lab.api_key("primary"), body=body), half_close=True)
            assert reply.code == 400, reply
        except Broken:
            pass  # the connection was ended: it says as much
    assert b"192.0.2.9" not in lab.api.request("GET", f"/zones/{zone}").content


# What PowerDNS does not do today: a fake in its place


@pytest.fixture(scope="module")
def fake_lab():
    upstream = FakeUpstream()
    lab = kit.TestLab.make(secondaries=0, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"pdns-api-url": upstream.url, "upstream-timeout": "2s"}}))
    yield lab, upstream
    problems = lab.close()
    upstream.close()
    assert not problems, problems


ANSWERS = {
    "304": b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nCache-Control: no-cache\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n\r\n",
    "reason": b"HTTP/1.1 200 Gewi\xdf doch, ja\r\nContent-Length: 2\r\n\r\n{}", "no reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}",
    "unknown code": b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "high code": b"HTTP/1.1 599 Higher\r\nContent-Length: 2\r\n\r\n{}",
    "order": b"HTTP/1.1 200 OK\r\nZ: 1\r\nA: 2\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nM: 3\r\nContent-Length: 0\r\n\r\n",
    "empty value": b"HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Next: 1\r\nContent-Length: 0\r\n\r\n",
    "hop by hop": b"HTTP/1.1 200 OK\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=1\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n",
    "latin-1": b"HTTP/1.1 200 OK\r\nX-A: \xe4\xf6\r\nContent-Length: 0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: %d\r\n\r\n" % len(
        gzip.compress(b"[]" * 999, mtime=0)) + gzip.compress(b"[]" * 999, mtime=0),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
    "chunked, empty": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    "1.0": b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nold",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
    "date and server": b"HTTP/1.1 200 OK\r\nServer: PowerDNS/9\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}",
    "via": b"HTTP/1.1 200 OK\r\nVia: 1.1 somebody\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_answers_pass(fake_lab, name, version):
    """Goal: whatever PowerDNS answers comes through: code, reason, fields in their order, body, as another client sees it directly."""
    lab, upstream = fake_lab
    upstream.answer = lambda seen: ANSWERS[name]
    request = octets("GET", ZONES, "Connection: close", version=version)
    with Connection(upstream.port) as client:
        client.send(request)
        direct = client.reply()
    proxied = exchange(lab.proxy_port, request)
    hidden = ("content-length", "via")
    assert (proxied.code, proxied.reason, proxied.body, proxied.rest) == (direct.code, direct.reason, direct.body, b"")
    assert [field for field in proxied.end_to_end() if field[0].lower() not in hidden] == [field for field in direct.end_to_end() if field[0].lower() not in hidden]
    assert direct.all("via") == [value for value in proxied.all("via") if "pdns-api-proxy" not in value]
    if proxied.framing == "chunked":
        assert version == "1.1"


@pytest.mark.parametrize("code,reason", [(200, "OK"), (404, "Not Found")])
def test_head(fake_lab, code, reason):
    """Goal: an answer to HEAD has the fields of GET, the length included, and no body."""
    lab, upstream = fake_lab
    upstream.answer = lambda seen: f"HTTP/1.1 {code} {reason}\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n".encode()
    with Connection(lab.proxy_port) as client:
        for _ in range(3):
            client.send(octets("HEAD", ZONES))
            reply = client.reply("HEAD")
            assert (reply.code, reply.get("content-length"), reply.get("etag")) == (code, "1234", '"x"') and client.buffer == b""


def test_requests_pass(fake_lab):
    """Goal: PowerDNS gets what the client sent: method, target and fields octet by octet and in their order; hop-by-hop ones are the proxy's."""
    lab, upstream = fake_lab
    upstream.answer = lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    end_to_end = ["Z-Last: 1", "Accept: a, b;q=0.5", "accept-encoding: gzip, br", "User-Agent: tester/1", "X-API-Key: \xe4secret", "Cookie: a=b",
                  "Cookie: c=d", "X-Empty:", "A-First: \"q, x\"",
                  "Authorization: Basic eDp5", "Origin: http://o.example", "If-None-Match: \"e\"", "Range: bytes=0-1",
                  "Content-Type: application/json; charset=utf-8", "Content-Encoding: gzip",
                  "Prefer: return=minimal", "Referer: http://r.example/?%zz", "X-Forwarded-For: 192.0.2.1"]
    for method, target in [("PATCH", f"{ZONES}/a=2Fb.example.%2e//x/../y?q=%20+&&z=%zz;#"), ("get", "//double//slash//?"), ("M-SEARCH",
            "/%41%00%ff"), ("POST", f"{ZONES}/x/metadata?a=b?c=d"),
                           ("PUT", f"{BASE}/~!$&'()*+,;=:@"), ("GET", "http://other.example:99/path?query"), ("OPTIONS", "*"), ("DELETE",
                                   f"{ZONES}/\xe4.example.")]:
        upstream.forget()
        fields = [*end_to_end, "Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "TE: trailers", "Content-Length: 5"]
        assert exchange(lab.proxy_port, octets(method, target, *fields, body=b"hello"), method).code == 200
        seen, = upstream.forget()
        assert seen.line == f"{method} {target} HTTP/1.1" and seen.body == b"hello"
        kept = [f"{name}:{' ' if value else ''}{value}" for name, value in seen.fields if name.lower() not in ("host", "via", "connection",
                "content-length", "transfer-encoding", "te")]
        assert kept == end_to_end
        assert len(seen.all("host")) == 1 and len(seen.all("via")) <= 1 and not seen.all("x-hop")
        assert seen.all("content-length") == ["5"] and not seen.all("transfer-encoding")


def test_bodies_keep_their_framing(fake_lab):
    """Goal: a body of unknown length stays chunked; no body stays none; an empty one stays empty."""
    lab, upstream = fake_lab
    upstream.answer = lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    for fields, body, want in [(["Transfer-Encoding: chunked"], b"3\r\nabc\r\n0\r\n\r\n", (["chunked"], [], b"abc")), ([], b"", ([], [], b"")),
                               (["Content-Length: 0"], b"", ([], ["0"], b"")), (["Content-Length: 3"], b"abc", ([], ["3"], b"abc"))]:
        upstream.forget()
        assert exchange(lab.proxy_port, octets("PUT", "/any", "Connection: close", *fields, body=body), "PUT").code == 200
        seen, = upstream.forget()
        assert (seen.all("transfer-encoding"), seen.all("content-length"), seen.body) == want


def test_upstream_reused(fake_lab):
    """Goal: where PowerDNS keeps its connections, requests of one client after the other go over the same one; a stale one does no harm."""
    lab, upstream = fake_lab
    upstream.answer = lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    upstream.forget()
    before = upstream.connections
    for _ in range(50):
        assert exchange(lab.proxy_port, octets("GET", ZONES, "Connection: close")).code == 200
    assert upstream.connections - before <= 2 and len(upstream.forget()) == 50
    with upstream.lock:
        for connection in upstream.open:
            connection.shutdown(socket.SHUT_RDWR)
    assert exchange(lab.proxy_port, octets("GET", ZONES, "Connection: close")).code == 200
    assert exchange(lab.proxy_port, octets("PATCH", f"{ZONES}/a.example.", "Connection: close", "Content-Length: 2", body=b"{}"), "PATCH").code == 200


@pytest.mark.parametrize("name,answer,code", [
    ("nothing", None, 502), ("no http", b"SSH-2.0-x\r\n\r\n", 502), ("half a head", [b"HTTP/1.1 200 OK\r\nContent-Le", b"connection: close"], 502),
    ("short body", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort"], 502), ("silence", "sleep", 504)])
def test_upstream_broken(fake_lab, name, answer, code):
    """Goal: what PowerDNS leaves unsaid is a 502 or 504 in its error shape, and counted."""
    lab, upstream = fake_lab
    before = lab.metric("api-proxy", "pdns_distribute_proxy_upstream_failures_total")
    end = threading.Event()
    upstream.answer = (lambda seen: end.wait(60) and None) if answer == "sleep" else lambda seen: answer
    reply = exchange(lab.proxy_port, octets("GET", ZONES, "Connection: close"))
    end.set()
    assert reply.code == code and reply.get("content-type") == "application/json" and list(json.loads(reply.body)) == ["error"], reply
    assert lab.metric("api-proxy", "pdns_distribute_proxy_upstream_failures_total") == before + 1


# With the clients that people use


@pytest.fixture(scope="module")
def tls_lab():
    lab = kit.TestLab.make(secondaries=0, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"plain-http": "no"}}))
    yield lab
    problems = lab.close()
    assert not problems, problems


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_curl(lab, tls_lab, zone, tls, version):
    """Goal: curl reads, creates, changes and deletes over every version, with and without TLS, and verifies the certificate."""
    which = tls_lab if tls else lab
    url = f"{'https' if tls else 'http'}://localhost:{which.proxy_port}"
    authority = ["--cacert", which.dir / "api-proxy" / "tls" / "certificate.pem"] if tls else []

    def curl(*words):
        result = subprocess.run(["curl", "-sS", "--noproxy", "*", "-4", version, *authority, "-H", f"X-API-Key: {which.api_key('primary')}", "-w",
                                 "\n%{http_code} %{http_version} %{num_connects}", *words],
                                capture_output=True, text=True, timeout=60, check=True)
        return result.stdout.rpartition("\n")
    create = json.dumps({"name": zone, "kind": "Native", "nameservers": [], "rrsets": kit.www(zone)})
    assert curl("-X", "POST", "-d", create, f"{url}{ZONES}")[2].split()[0] == "201"
    assert curl("-X", "PATCH", "-d", patch_body(zone, "192.0.2.9").decode(), f"{url}{ZONES}/{zone}")[2].split()[0] == "204"
    body, _, state = curl(f"{url}{ZONES}/{zone}")
    assert "192.0.2.9" in body and state.split()[0] == "200"
    assert curl("-I", f"{url}{ZONES}")[2].split()[0] == "405"
    assert curl("-X", "DELETE", f"{url}{ZONES}/{zone}")[2].split()[0] == "204"
    if version == "--http1.1":
        states = curl(f"{url}{BASE}", f"{url}{BASE}", f"{url}{BASE}")
        assert states[2].split() == ["200", "1.1", "0"]  # the last went over the first one's connection


def test_certificate_shown(tls_lab):
    """Goal: openssl s_client shows the certificate and that it verifies."""
    certificate = tls_lab.dir / "api-proxy" / "tls" / "certificate.pem"
    result = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{tls_lab.proxy_port}", "-CAfile", certificate, "-verify_hostname",
                             "localhost", "-verify_return_error"],
                            input="", capture_output=True, text=True, timeout=60, check=True)
    assert "Verify return code: 0 (ok)" in result.stdout and "-----BEGIN CERTIFICATE-----" in result.stdout
    shown = result.stdout[result.stdout.index("-----BEGIN"):result.stdout.index("-----END")]
    assert shown in certificate.read_text()


def test_pipelined_over_tls(tls_lab):
    """Goal: TLS changes nothing about keeping and pipelining."""
    context = ssl.create_default_context(cafile=str(tls_lab.dir / "api-proxy" / "tls" / "certificate.pem"))
    with Connection(tls_lab.proxy_port, context=context) as client:
        client.send(octets("GET", BASE, key=tls_lab.api_key("primary")) * 10)
        for _ in range(10):
            assert client.reply().code == 200
