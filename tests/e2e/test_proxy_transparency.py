# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: no client can tell the proxy from PowerDNS: the same requests to both, octet by octet, have the same answers.

Two primaries begin equal. Every request goes to one through the proxy and to the other directly, so that requests that
change something find the same there; what may differ is said in DIFFERENCES and nowhere else.
"""

import base64
import contextlib
import gzip
import json
import re

import kit
import pytest
from rawhttp import Broken, Reply, exchange

BASE = "/api/v1/servers/localhost"
ZONES = f"{BASE}/zones"
PASSWORD = "webserver-secret"
LIKE = {"primary": {"webserver-password": PASSWORD, "query-cache-ttl": 0}}
LAB = {"secondaries": 1, "backend": "sqlite", "sets": kit.merge(kit.NO_REPAIR, LIKE)}

pytestmark = pytest.mark.core

# What the proxy adds to answers (docs/api.md); a request that has not asked for it does not get it, but Via.
ADDED = ("via",)

# Where answers may differ, and why. Each is a function of the request's name and both answers: True where it explains
# the difference.
DIFFERENCES = {
    # PowerDNS 4.7 sends "0 CR LF CR LF" after the head of an answer to HEAD. There it ends with the connection; on one that is
    # kept the client would take it for the beginning of the next answer (RFC 9112 6.3).
    "the empty chunk after HEAD": lambda case, direct, proxied:
        case.method == "HEAD" and direct.rest == b"0\r\n\r\n" and proxied == same_but(direct, rest=b""),
    # PowerDNS's log and its counters go on between two requests.
    "figures that move": lambda case, direct, proxied:
        case.moves and still(proxied) == still(direct) and bool(proxied.body) == bool(direct.body),
}


class Case:
    def __init__(self, name, method, target, body=None, *fields, key="good", version="1.1", moves=False, same=False, raw_body=None):
        self.name, self.method, self.target, self.version = name, method, target, version
        self.key, self.fields = key, list(fields)
        self.moves = moves   # the body has figures in it that move
        self.same = same     # reads what two servers never have alike: to one server both times
        self.body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.raw_body = raw_body  # with its framing, whatever that is

    def octets(self, key):
        lines = [f"{self.method} {self.target} HTTP/{self.version}", "Host: primary.example"]
        lines += {"good": [f"X-API-Key: {key}"], "none": [], "wrong": ["X-API-Key: wrong"], "empty": ["X-API-Key:"],
                  "basic": [basic("admin", PASSWORD)], "basic wrong": [basic("admin", "wrong")], "basic key": [basic("admin", key)],
                  "lower": [f"x-api-key:{key}"], "tab": [f"X-API-Key:\t {key} \t"]}[self.key]
        if self.body is not None:
            lines += [f"Content-Length: {len(self.body)}"]
            if not any(field.lower().startswith("content-type") for field in self.fields):
                lines += ["Content-Type: application/json"]
        lines += self.fields + ["Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + (self.raw_body or self.body or b"")


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def same_but(reply, **values):
    return Reply(**{**vars(reply), **values})


def plain(reply):
    """The answer without what belongs to one connection only: framing, hop-by-hop fields, what the proxy adds."""
    fields = [(name, value) for name, value in reply.end_to_end() if name.lower() not in ADDED]
    fields.sort(key=lambda field: field[0].lower() == "content-length")  # its place: each connection is framed anew
    return same_but(reply, fields=fields, framing="", interim=[])


def still(reply):
    """An answer without its figures."""
    def names(value):
        if isinstance(value, list):
            return [names(one) for one in value] if all(isinstance(one, dict) and "name" in one for one in value) else "…"
        return {key: names(one) if isinstance(one, (list, dict)) or key == "value" else one for key, one in value.items()} \
            if isinstance(value, dict) else "…"
    text = reply.body.decode()
    with contextlib.suppress(ValueError):
        text = names(json.loads(text))
    if isinstance(text, str):
        text = re.sub(r"\d+(\.\d+)?( (seconds|minutes|hours))?", "N", text)
        text = re.sub(r"(?s)<table.*?</table>|<h2>.*?</h2>", "", text)
    return same_but(reply, body=text, fields=[(name, value) for name, value in reply.fields if name.lower() != "content-length"])


def rrset(name, kind, *contents, ttl=300, changetype="REPLACE", **rest):
    return {"name": name, "type": kind, "ttl": ttl, "changetype": changetype,
            "records": [{"content": content, "disabled": False} for content in contents], **rest}


def zone_body(name, **rest):
    body = {"name": name, "kind": "Native", "nameservers": [], "soa_edit_api": "INCREASE", "rrsets": kit.www(name.lower())}
    if "/" in name:
        body["rrsets"] = [rrset(name, "SOA", "ns1.example. hostmaster.example. 1 10800 3600 604800 3600"), rrset(name, "NS", "ns1.example.")]
    body.update(rest)
    return body


# A key of its own, so that both primaries have the same one.
CSK = "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: " + base64.b64encode(bytes(31) + b"\1").decode() + "\n"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "MKCOL", "get", "Options", "QUERY")

# One of each class of routes; the flags of Case where its answers need one.
ROUTES = {
    "/": {"moves": True, "same": True}, "/style.css": {}, "/metrics": {"moves": True, "same": True}, "/api": {}, "/api/": {}, "/api/v1": {},
    "/api/docs": {},
    "/api/v1/servers": {}, BASE: {}, f"{BASE}/": {}, "/api/v1/servers/other": {}, f"{BASE}/config": {"same": True}, f"{BASE}/config/api": {},
    f"{BASE}/statistics": {"moves": True, "same": True}, f"{BASE}/statistics?statistic=uptime": {"moves": True, "same": True},
    f"{BASE}/statistics?statistic=nothing": {}, f"{BASE}/statistics?includerings=false": {"moves": True, "same": True},
    f"{BASE}/search-data?q=*fixed*&max=10": {}, f"{BASE}/search-data?q=fixed&max=2&object_type=zone": {}, f"{BASE}/search-data?q=": {},
    f"{BASE}/search-data": {},
    f"{BASE}/cache/flush?domain=fixed.example.": {}, f"{BASE}/cache/flush": {}, f"{BASE}/cache/flush?domain=nodot": {},
    f"{BASE}/tsigkeys": {}, f"{BASE}/tsigkeys/nothing.": {}, f"{BASE}/autoprimaries": {}, f"{BASE}/autoprimaries/192.0.2.1/ns1.example": {},
    ZONES: {}, f"{ZONES}/": {}, f"{ZONES}/missing.example.": {}, f"{ZONES}/missing.example./export": {}, f"{ZONES}/missing.example./metadata": {},
    f"{ZONES}/missing.example./metadata/X-A": {}, f"{ZONES}/missing.example./cryptokeys": {}, f"{ZONES}/missing.example./cryptokeys/1": {},
    f"{ZONES}/missing.example./rectify": {}, f"{ZONES}/missing.example./notify": {}, f"{ZONES}/missing.example./axfr-retrieve": {},
    f"{ZONES}/missing.example./nothing": {}, f"{BASE}/views": {}, f"{BASE}/views/inside": {}, f"{BASE}/networks": {},
    f"{BASE}/networks/192.0.2.0/24": {},
    "/nothing": {}, "/distribute": {}, "//api/v1/servers": {}, "/API/v1/servers": {}, "*": {}, "http://primary.example:8081/api/v1/servers": {},
}

# Ways to write fixed.example. and others, below ZONES.
FORMS = ["fixed.example.", "fixed.example", "FIXED.example.", "Fixed.Example", "fixed.example=2E", "fixed=2Eexample.", "fixed=2eexample.",
         "fixed%2eexample.",
         "fixed%2Eexample%2e", "fixed%252eexample.", "%66ixed.example.", "=66ixed.example.", "fixed.example..", ".fixed.example.",
         "fixed..example.", "fixed.example./",
         "/fixed.example.", "./fixed.example.", "x/../fixed.example.", "fixed.example.%00", "fixed.example.%20", "fixed.example.+",
         "fixed%ZZexample.", "=", "=2", "=2F",
         "%", "%2", "a=2Fb.fixed.example.", "a%2Fb.fixed.example.", "a%2fb.fixed.example.", "a/b.fixed.example.", "A=2FB.fixed.example.", ".",
         "=2E", "%2e",
         "fixed.example.?", "fixed.example.??", "fixed.example.?rrsets=false", "fixed.example.?rrsets=true&x=%20+%26",
         "fixed.example.?rrset_name=www.fixed.example.",
         "fixed.example.?rrset_name=www.fixed.example.&rrset_type=A", "fixed.example.?rrset_type=A", "fixed.example.;x", "fixed.example.,",
         "fixed.example.\xe4",
         "x" * 63 + ".fixed.example.", "x" * 64 + ".fixed.example.", "x" * 300, "~fixed.example.", "fixed.example.'", "fixed.example.%27%22",
         "fixed.example.|"]


def reading():
    for target, flags in ROUTES.items():
        for method in METHODS:
            body = b"" if method in ("POST", "PUT", "PATCH") else None
            yield Case(f"{method} {target}", method, target, body, **flags)
    for form in FORMS:
        yield Case(f"GET zones/{form}", "GET", f"{ZONES}/{form}")
        yield Case(f"PUT zones/{form}/rectify", "PUT", f"{ZONES}/{form.partition('?')[0]}/rectify", b"")
    for query in ("zone=fixed.example.", "zone=fixed.example", "zone=FIXED.EXAMPLE.", "zone=fixed%2Eexample%2e", "zone=missing.", "zone=..",
                  "zone=", "dnssec=false",
                  "dnssec=true&zone=signed.example.", "x", "&&&", "zone=fixed.example.&zone=signed.example.", "%zz=%"):
        yield Case(f"GET zones?{query}", "GET", f"{ZONES}?{query}")
    for tail in ("", "/export", "/metadata", "/metadata/X-TEST", "/metadata/NSEC3PARAM", "/metadata/%4eSEC3PARAM", "/metadata/nothing",
                 "/cryptokeys", "/cryptokeys/1",
                 "/cryptokeys/01", "/cryptokeys/9", "/cryptokeys/x", "/cryptokeys/-1", "/cryptokeys/"):
        yield Case(f"GET signed{tail}", "GET", f"{ZONES}/signed.example.{tail}")
        yield Case(f"HEAD signed{tail}", "HEAD", f"{ZONES}/signed.example.{tail}")


def keys_and_fields():
    """Who asks, and what else is in the head."""
    for key in ("none", "wrong", "empty", "basic", "basic wrong", "basic key", "lower", "tab"):
        for target in ("/", "/metrics", "/style.css", BASE, ZONES, f"{ZONES}/fixed.example.", "/nothing"):
            moves = target in ("/", "/metrics")
            yield Case(f"GET {target} with {key}", "GET", target, key=key, moves=moves, same=moves)
        yield Case(f"PATCH with {key}", "PATCH", f"{ZONES}/fixed.example.", {"rrsets": []}, key=key)
        yield Case(f"OPTIONS with {key}", "OPTIONS", ZONES, key=key)
        yield Case(f"HEAD with {key}", "HEAD", ZONES, key=key)
    for field in ("Origin: http://client.example", "Origin: null", "Access-Control-Request-Method: PATCH", "Accept: application/json",
                  "Accept: text/html",
                  "Accept: application/x-yaml", "Accept:", "Accept: */*;q=0.1, text/plain", "Accept-Encoding: gzip",
                  "Accept-Encoding: gzip, deflate, br", "Accept-Encoding: identity;q=0",
                  "Accept-Language: de", "If-None-Match: *", "If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT", "If-Match: \"x\"",
                  "Range: bytes=0-10", "Cookie: a=b; c=d",
                  "Referer: http://x.example/", "User-Agent:", "User-Agent: \xe4", "X-Empty:", "X-Long: " + "x" * 8000, "Cache-Control: no-cache",
                  "Pragma: no-cache",
                  "Content-Type: text/plain", "Expect: something", "Upgrade: h2c", "TE: trailers, deflate;q=0.5", "Via: 1.0 other",
                  "Forwarded: for=192.0.2.1",
                  "X-Forwarded-For: 192.0.2.1", "Date: Sun, 06 Nov 1994 08:49:37 GMT", "X-HTTP-Method-Override: DELETE", "Keep-Alive: timeout=5",
                  "Proxy-Connection: keep-alive",
                  "X-API-Key: second", "Max-Forwards: 0", "Trailer: X-Sum"):
        yield Case(f"GET zone with {field[:30]}", "GET", f"{ZONES}/fixed.example.", None, field)
        yield Case(f"GET style.css with {field[:30]}", "GET", "/style.css", None, field)
        yield Case(f"OPTIONS with {field[:30]}", "OPTIONS", ZONES, None, field)
    for name in ("many fields", "many alike"):
        fields = [f"X-{number if name == 'many fields' else 'Same'}: {number}" for number in range(90)]
        yield Case(name, "GET", ZONES, None, *fields)
    for version in ("1.0", "1.1"):
        for target in (BASE, ZONES, "/style.css", f"{ZONES}/missing.example.", f"{BASE}/statistics?statistic=nothing"):
            for method in ("GET", "HEAD", "OPTIONS"):
                yield Case(f"{method} {target} HTTP/{version}", method, target, version=version)
    yield Case("long target", "GET", f"{BASE}/{'x' * 7000}")
    yield Case("long query", "GET", f"{ZONES}?{'x' * 7000}")
    yield Case("GET with a body", "GET", ZONES, {"name": "x"})
    yield Case("HEAD with a body", "HEAD", ZONES, {"name": "x"})
    yield Case("OPTIONS with a body", "OPTIONS", ZONES, {"name": "x"})


def chunked(body, *sizes, extension="", trailer=""):
    pieces, at = [], 0
    for size in sizes or (len(body),):
        piece = body[at:at + size]
        at += size
        pieces.append(f"{len(piece):X}{extension}\r\n".encode() + piece + b"\r\n")
    return b"".join(pieces) + f"0\r\n{trailer}\r\n".encode()


def creating():
    one = json.dumps(zone_body("chunked.example.")).encode()
    yield Case("chunked", "POST", ZONES, None, "Transfer-Encoding: chunked", "Content-Type: application/json", raw_body=chunked(one))
    yield Case("chunked again", "POST", ZONES, None, "transfer-encoding: chunked", raw_body=chunked(one, 1, 2, 3, 5, 8, 13, len(one)))
    one = json.dumps(zone_body("pieces.example.")).encode()
    yield Case("chunked in pieces", "POST", ZONES, None, "Transfer-Encoding: chunked",
               raw_body=chunked(one, *[7] * (len(one) // 7 + 1), extension=";a=b", trailer="X-Sum: 1\r\n"))
    yield Case("chunked, empty", "POST", ZONES, None, "Transfer-Encoding: chunked", raw_body=b"0\r\n\r\n")
    yield Case("chunked PATCH", "PATCH", f"{ZONES}/fixed.example.", None, "Transfer-Encoding: chunked",
               raw_body=chunked(json.dumps({"rrsets": [rrset("chunked.fixed.example.", "A", "192.0.2.7")]}).encode(), 20, 30, 1000))
    for name, body in {
            "new": zone_body("new.example."), "same again": zone_body("new.example."), "upper": zone_body("UPPER.example."),
            "no dot": zone_body("nodot.example"),
            "kind": zone_body("kind.example.", kind="Nothing"), "no kind": {"name": "nokind.example."}, "no name": {"kind": "Native"},
            "bad name": zone_body("a..example."),
            "number": {"name": 1, "kind": "Native"}, "long name": zone_body("x" * 64 + ".example."), "array": [], "text": "x", "null": b"null",
            "bad json": b"{", "no json": b"name=x", "nothing": b"", "nul": b"\0", "latin-1": b'{"name":"\xe4.example."}', "bom": b"\xef\xbb\xbf{}",
            "escapes": b'{"name":"\\u0065scapes.example.","kind":"Native","soa_edit_api":"INCREASE","rrsets":' +
                       json.dumps(kit.www("escapes.example.")).encode() + b"}",
            "name twice": b'{"name":"first.example.","name":"second.example.","kind":"Native"}', "deep": b"[" * 5000 + b"]" * 5000,
            "slave": {"name": "slave.example.", "kind": "Slave", "masters": ["127.0.0.1:1"]},
            "slave without": {"name": "slave2.example.", "kind": "Slave"},
            "master": zone_body("master.example.", kind="Master"), "slash": zone_body("a/b.new.example."), "comments": zone_body(
                "comments.example.", rrsets=kit.www("comments.example.") + [rrset("c.comments.example.", "TXT", '"x"', comments=[
                    {"content": "a comment", "account": "me", "modified_at": 1000000000}])]),
            "nameservers": {"name": "ns.example.", "kind": "Native", "nameservers": ["ns1.ns.example", "ns2.ns.example."],
                            "soa_edit_api": "INCREASE"},
            "out of zone": zone_body("out.example.", rrsets=kit.www("other.example.")), "bad content": zone_body("bad.example.",
                    rrsets=[rrset("bad.example.", "A", "x")]),
            "bad type": zone_body("bad.example.", rrsets=[rrset("bad.example.", "NOTHING", "x")]), "account": zone_body("account.example.",
                    account="somebody"),
            "a text": {"name": "text.example.", "kind": "Native", "soa_edit_api": "INCREASE", "zone":
                       "text.example. 60 IN SOA a. b. 7 1 1 1 1\ntext.example. 60 IN NS ns1.text.example.\nns1.text.example. 60 IN A 192.0.2.1\n"},
            "bad text": {"name": "badtext.example.", "kind": "Native", "zone": "$GENERATE 1-"}, "text and rrsets": zone_body("both.example.",
                    zone="x"),
            "metadata": zone_body("meta.example.", metadata={"X-A": "1"}), "nsec3param": zone_body("nsec3.example.", nsec3param="1 0 0 -"),
            "large": zone_body("large.example.", rrsets=kit.www("large.example.") + [
                rrset(f"n{number}.large.example.", "TXT", '"' + "x" * 200 + '"') for number in range(1000)])}.items():
        yield Case(f"POST zones: {name}", "POST", ZONES, body)
    yield Case("POST zones without rrsets in the answer", "POST", f"{ZONES}?rrsets=false", zone_body("quiet.example."))
    yield Case("POST zones as text", "POST", ZONES, zone_body("astext.example."), "Content-Type: text/plain")
    yield Case("POST zones gzipped", "POST", ZONES, gzip.compress(b"{}", mtime=0), "Content-Encoding: gzip")
    yield Case("post zones", "post", ZONES, zone_body("lower.example."))
    yield Case("POST zones 1.0", "POST", ZONES, zone_body("old.example."), version="1.0")


def changing():
    zone = f"{ZONES}/fixed.example."

    def patch(*rrsets):
        return {"rrsets": list(rrsets)}
    for name, body in {
            "replace": patch(rrset("a.fixed.example.", "A", "192.0.2.1")), "the same": patch(rrset("a.fixed.example.", "A", "192.0.2.1")),
            "two values": patch(rrset("a.fixed.example.", "A", "192.0.2.1", "192.0.2.2")), "alike": patch(rrset("a.fixed.example.", "A",
                    "192.0.2.1", "192.0.2.1")),
            "delete": patch(rrset("a.fixed.example.", "A", changetype="DELETE")), "delete again": patch(rrset("a.fixed.example.", "A",
                    changetype="DELETE")),
            "two": patch(rrset("b.fixed.example.", "A", "192.0.2.1"), rrset("b.fixed.example.", "TXT", '"text"')), "none": patch(), "no rrsets": {},
            "array": [],
            "bad change": patch(rrset("a.fixed.example.", "A", "192.0.2.1", changetype="NOTHING")),
            "no change": {"rrsets": [{"name": "a.fixed.example.", "type": "A"}]},
            "bad type": patch(rrset("a.fixed.example.", "NOTHING", "x")), "unknown type": patch(rrset("a.fixed.example.", "TYPE65400", "\\# 1 00")),
            "bad content": patch(rrset("a.fixed.example.", "A", "192.0.2.256")), "out of zone": patch(rrset("a.other.example.", "A", "192.0.2.1")),
            "no dot": patch(rrset("a.fixed.example", "A", "192.0.2.1")), "upper": patch(rrset("UP.fixed.example.", "A", "192.0.2.1")),
            "cname beside": patch(rrset("www.fixed.example.", "CNAME", "b.fixed.example.")), "cname at apex": patch(rrset("fixed.example.", "CNAME",
                    "b.fixed.example.")),
            "two cnames": patch(rrset("c.fixed.example.", "CNAME", "a.fixed.example.", "b.fixed.example.")),
            "txt unquoted": patch(rrset("t.fixed.example.", "TXT", "x y")),
            "half": patch(rrset("h.fixed.example.", "A", "192.0.2.1"), rrset("h.fixed.example.", "MX", "nonsense")), "no ttl": {"rrsets": [
                {"name": "n.fixed.example.", "type": "A", "changetype": "REPLACE", "records": [{"content": "192.0.2.1", "disabled": False}]}]},
            "disabled": {"rrsets": [{"name": "d.fixed.example.", "type": "A", "ttl": 1, "changetype": "REPLACE",
                                     "records": [{"content": "192.0.2.1", "disabled": True}]}]},
            "comments": patch(rrset("k.fixed.example.", "A", "192.0.2.1", comments=[{"content": "x", "account": "", "modified_at": 1000000000}])),
            "utf-8": patch(rrset("u.fixed.example.", "TXT", '"\xe4\u2603"')), "wildcard": patch(rrset("*.fixed.example.", "TXT", '"*"')),
            "twice": patch(rrset("tw.fixed.example.", "A", "192.0.2.1"), rrset("tw.fixed.example.", "A", "192.0.2.2")), "soa": patch(
                rrset("fixed.example.", "SOA", "ns1.fixed.example. x.fixed.example. 4000 1 1 1 1")), "bad json": b"{", "nothing": b"",
                "spaces": b"  {}  ", "rest": b"{}{}"}.items():
        yield Case(f"PATCH: {name}", "PATCH", zone, body)
    for form in FORMS:
        yield Case(f"PATCH zones/{form}", "PATCH", f"{ZONES}/{form}", patch(rrset("form.fixed.example.", "TXT", f'"{len(form)}"')))
    for name, body in {"kind": {"kind": "Master"}, "bad kind": {"kind": "x"}, "account": {"account": "me"}, "soa-edit": {"soa_edit": "NONE"},
                       "name": {"name": "other."},
                       "masters": {"masters": ["192.0.2.1"]}, "bad masters": {"masters": ["x"]}, "nsec3": {"nsec3param": "1 0 0 -"},
                       "bad nsec3": {"nsec3param": "x"}, "nothing": {},
                       "array": [], "catalog": {"catalog": "catalog.example."}, "rectify": {"api_rectify": True}, "undo": {"kind": "Native"},
                       "rrsets": zone_body("fixed.example.")}.items():
        yield Case(f"PUT zone: {name}", "PUT", zone, body)
    for name, method, tail, body in [
            ("new", "POST", "metadata", {"kind": "X-TEST", "metadata": ["1", "2"]}), ("again", "POST", "metadata", {"kind": "X-TEST",
                    "metadata": ["3"]}),
            ("no kind", "POST", "metadata", {"metadata": []}), ("forbidden", "POST", "metadata", {"kind": "NSEC3PARAM", "metadata": ["x"]}),
            ("unknown", "POST", "metadata", {"kind": "TEST", "metadata": []}),
            ("put", "PUT", "metadata/X-TEST", {"metadata": ["4"]}), ("other kind", "PUT", "metadata/X-TEST", {"kind": "X-OTHER",
                    "metadata": ["5"]}), ("escaped", "PUT", "metadata/X%2dTEST", {"metadata": ["6"]}),
            ("empty", "PUT", "metadata/X-TEST", {"metadata": []}), ("no list", "PUT", "metadata/X-TEST", {"metadata": "x"}), ("allow", "PUT",
                    "metadata/ALLOW-AXFR-FROM", {"metadata": ["AUTO-NS"]}),
            ("gone", "DELETE", "metadata/X-TEST", None), ("gone again", "DELETE", "metadata/X-TEST", None), ("all", "DELETE", "metadata", None),
            ("key", "POST", "cryptokeys", {"keytype": "csk", "active": True, "content": CSK}),
            ("bad type", "POST", "cryptokeys", {"keytype": "x"}), ("bad key", "POST", "cryptokeys", {"keytype": "csk", "content": "x"}),
            ("bad algorithm", "POST", "cryptokeys", {"keytype": "csk", "algorithm": "x"}),
            ("off", "PUT", "cryptokeys/1", {"active": False}), ("on", "PUT", "cryptokeys/1", {"active": True, "published": True}), ("unpublished",
                    "PUT", "cryptokeys/1", {"active": True, "published": False}),
            ("missing", "PUT", "cryptokeys/9", {"active": True}), ("no id", "PUT", "cryptokeys/x", {"active": True}), ("nothing", "PUT",
                    "cryptokeys/1", {}), ("rectify", "PUT", "rectify", None),
            ("notify", "PUT", "notify", None), ("retrieve", "PUT", "axfr-retrieve", None), ("key gone", "DELETE", "cryptokeys/1", None),
            ("key gone again", "DELETE", "cryptokeys/1", None)]:
        yield Case(f"{method} {tail}: {name}", method, f"{zone}/{tail}", body)
    yield Case("axfr-retrieve of a slave", "PUT", f"{ZONES}/slave.example./axfr-retrieve", b"")
    for name, method, tail, body in [
            ("new", "POST", "", {"name": "key.example", "algorithm": "hmac-sha256", "key": "c2VjcmV0"}), ("again", "POST", "",
                    {"name": "key.example", "algorithm": "hmac-sha256", "key": "c2VjcmV0"}),
            ("algorithm", "POST", "", {"name": "bad", "algorithm": "x", "key": "c2VjcmV0"}), ("get", "GET", "/key.example.", None), ("put", "PUT",
                    "/key.example.", {"key": "b3RoZXI="}),
            ("bad", "PUT", "/key.example.", {"key": "?"}), ("gone", "DELETE", "/key.example.", None), ("gone again", "DELETE", "/key.example.",
                    None)]:
        yield Case(f"{method} tsigkeys: {name}", method, f"{BASE}/tsigkeys{tail}", body)
    for name, method, tail, body in [
            ("new", "POST", "", {"ip": "192.0.2.9", "nameserver": "ns9.example", "account": "x"}), ("again", "POST", "", {"ip": "192.0.2.9",
                    "nameserver": "ns9.example", "account": "x"}),
            ("bad", "POST", "", {"ip": "x"}), ("list", "GET", "", None), ("gone", "DELETE", "/192.0.2.9/ns9.example", None), ("gone again",
                    "DELETE", "/192.0.2.9/ns9.example", None)]:
        yield Case(f"{method} autoprimaries: {name}", method, f"{BASE}/autoprimaries{tail}", body)
    for name in ("chunked.example.", "CHUNKED.example.", "pieces.example", "new=2Eexample.", "upper%2eexample.", "a=2Fb.new.example.",
                 "missing.example.", "=", "..", "", "quiet.example.?x=y", "a/b.new.example."):
        yield Case(f"DELETE zones/{name}", "DELETE", f"{ZONES}/{name}")
        yield Case(f"DELETE zones/{name} again", "DELETE", f"{ZONES}/{name}", b"")


# With the codes that must have been among the answers, so that a test that asks nothing cannot pass.
GROUPS = {"reading": (reading, {200, 204, 400, 401, 404, 405, 422}), "keys and fields": (keys_and_fields, {200, 204, 401, 404, 405, 422}),
          "creating": (creating, {201, 400, 409, 422}), "changing": (changing, {200, 201, 204, 400, 404, 405, 409, 422, 500})}


@pytest.fixture(scope="module")
def twin():
    """A primary of its own, without any of our daemons, that began as the lab's did."""
    made = kit.TestLab.make(secondaries=0, daemons=False, sets=LIKE)
    yield made
    problems = made.close()
    assert not problems, problems


@pytest.fixture(scope="module")
def pair(lab, twin):
    for api in (lab.api, twin.primary_api):
        for name in ("fixed.example.", "a/b.fixed.example."):
            api.ok("POST", "/zones", json=zone_body(name))
        api.ok("POST", "/zones", json=zone_body("signed.example."))
        api.ok("POST", "/zones/signed.example./cryptokeys", json={"keytype": "csk", "active": True, "content": CSK})
        api.ok("POST", "/zones/signed.example./metadata", json={"kind": "X-TEST", "metadata": ["one", "two"]})
    return lab, twin


def explained(case, direct, proxied):
    direct, proxied = plain(direct), plain(proxied)
    return direct == proxied or any(explains(case, direct, proxied) for explains in DIFFERENCES.values())


def shown(reply):
    fields = "".join(f"\n    {name}: {value}" for name, value in reply.fields)
    return f"{reply.version} {reply.code} {reply.reason}{fields}\n    {reply.body[:300]!r} {len(reply.body)}; then {reply.rest[:100]!r}"


@pytest.mark.parametrize("group", GROUPS)
def test_same_answers(pair, group):
    """Goal: status, reason, fields and their order, and body are PowerDNS's own, whatever is asked."""
    lab, twin = pair
    wrong, count, codes = [], 0, set()
    cases, expected = GROUPS[group]
    for case in cases():
        other = lab if case.same else twin
        direct = exchange(other.primary_api_port, case.octets(other.api_key("primary")), case.method)
        try:
            proxied = exchange(lab.proxy_port, case.octets(lab.api_key("primary")), case.method)
        except Broken as error:
            wrong.append(f"{case.name}: {error}\n  direct  {shown(direct)}")
            continue
        count += 1
        codes.add(direct.code)
        if not explained(case, direct, proxied):
            wrong.append(f"{case.name}\n  direct  {shown(direct)}\n  proxied {shown(proxied)}")
    assert not wrong, f"{len(wrong)} of {count} differ, the first of them:\n" + "\n".join(wrong[:10])
    assert expected <= codes, codes


def test_same_content(pair):
    """Goal: what all these requests have left behind is the same with and without the proxy, and it is on the secondary."""
    lab, twin = pair
    mine, other = lab.primary_api.zones(), twin.primary_api.zones()
    assert mine == other and len(mine) > 15
    for zone in mine:
        if kit.serial(lab.primary, zone["name"]) is not None:  # not what PowerDNS made by half before it said no
            lab.wait_same(zone["name"])
        assert lab.primary_api.ok("GET", f"/zones/{zone['id']}") == twin.primary_api.ok("GET", f"/zones/{zone['id']}")
        assert lab.primary_api.ok("GET", f"/zones/{zone['id']}/metadata") == twin.primary_api.ok("GET", f"/zones/{zone['id']}/metadata")
