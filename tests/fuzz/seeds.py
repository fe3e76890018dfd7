# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a small seed corpus for each fuzz target: FOLDER/<target>/<number>."""

import json
import struct
import sys
from pathlib import Path

ZONE = ("example.org. 3600 IN SOA ns.example.org. admin.example.org. 1 3600 600 86400 60\n"
        "example.org. 3600 IN NS ns.example.org.\n"
        "ns.example.org. 60 IN AAAA 2001:db8::1\n"
        "*.Example.org. 60 IN TXT \"a b\" \"c\\\"\\\\\\007\"\n"
        "example.org. 60 IN MX 10 mail.example.org.\n"
        "example.org. 60 IN CAA 0 issue \"ca.example\"\n"
        "www.example.org. 60 IN SVCB 1 . alpn=h2\n"
        "u.example.org. 60 IN TYPE65400 \\# 3 010203\n"
        "example.org. 60 IN RRSIG SOA 13 2 60 20260101000000 20250101000000 1 example.org. AAAA\n").encode()


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".") if label) + b"\0"


def query(zone, kind, flags=0, opcode=0, edns=False):
    message = struct.pack(">HHHHHH", 0x1234, flags | opcode << 11, 1, 0, 0, int(edns)) + name(zone) + struct.pack(">HH", kind, 1)
    return message + (b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0) if edns else b"")


def record(owner, kind, rdata):
    return name(owner) + struct.pack(">HHIH", kind, 1, 60, len(rdata)) + rdata


def answer(records, question=True, rcode=0):
    message = struct.pack(">HHHHHH", 0x1234, 0x8400 | rcode, int(question), len(records), 0, 0)
    message += name("example.org") + struct.pack(">HH", 252, 1) if question else b""
    message += b"".join(records)
    return struct.pack(">H", len(message)) + message


def transfers():
    soa = record("example.org", 6, name("ns.example.org") + name("a.example.org") + struct.pack(">IIIII", 1, 2, 3, 4, 5))
    address = record("www.example.org", 1, b"\xc0\0\2\1")
    for flags in (0, 1, 3):
        yield bytes([flags]) + answer([soa, address, soa])
        yield bytes([flags]) + answer([soa, address]) + answer([address, record("t.example.org", 16, b"\1a")], False) + answer([soa], False)
    yield b"\0" + answer([], rcode=9)
    yield b"\0" + answer([], rcode=5, question=False)


def raw_frame(text):
    """A zstd frame of one block that is not compressed."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(text) & 255]) + struct.pack("<I", 1 | len(text) << 3)[:3] + text


def bodies():
    yield b"\0\0" + ZONE
    yield b"\1\0" + raw_frame(ZONE[:200])
    yield b"\1\0" + raw_frame(ZONE[:200]) + raw_frame(ZONE[:80])
    yield b"\2\0" + ZONE[:200]
    yield b"\3\5" + ZONE
    yield b"\4\5" + ZONE


def messages():
    yield {"v": 1, "zone": "example.org.", "result": "applied", "generation": 7, "serial": 1, "sequence": 9, "state": "present",
           "reason": "", "us": 1200, "at": "2026-01-02T03:04:05.678Z"}
    yield {"v": 1, "zone": ".", "result": "refused", "generation": 0, "serial": 0, "sequence": 9, "state": "deleted",
           "reason": "PowerDNS: ü \"x\"", "us": 0, "at": "2024-02-29T23:59:59Z"}
    beat = {"v": 1, "service": "secondary-syncer", "id": "ns1", "version": "0.1.0", "host": "ns1.example", "pid": 7,
            "started": "2026-01-02T03:04:05.678Z", "interval_ms": 2000, "load": 0.25}
    yield beat
    yield {**beat, "zones": 3, "failing": 0, "working": 1, "set_digest": "0f" * 32, "pdns": "up"}


def zone_lists():
    zone = {"name": "example.org.", "kind": "Slave", "serial": 1, "edited_serial": 2, "dnssec": True,
            "masters": ["192.0.2.1:5300", "[2001:db8::1]:53"], "account": "{\"}"}
    yield [zone, {**zone, "name": "a\\.b.example."}, {**zone, "masters": []}]
    yield []
    yield [{**zone, "nested": {"a": [{}]}, "name": "\u00fc."}]


def events():
    for change in ("created", "changed", "deleted", "check", "rewrite"):
        yield {"v": 1, "zone": "example.org.", "change": change, "by": "api-proxy/host1",
               "request": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "at": "2026-01-02T03:04:05.678Z"}


def options():
    yield (b"# comment\ntext = a b;c#d ; comment\nnumber = 64\nunbounded = -5\nduration = 90s\nsize = 64K\n"
           b"choice = debug\nflag = yes\n")
    yield b"; other\r\n\ttext=\r\ndefault-text =\nduration=7d\nsize = 1G\nflag=off"
    yield b"number = 65\n"


def requests():
    path = b"/api/v1/servers/localhost/zones"
    yield b"\0GET " + path + b"/example.org.?rrsets=false HTTP/1.1\r\nHost: a\r\nX-API-Key: b\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    yield b"\3POST " + path + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;x=y\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\nT: u\r\n\r\n"
    yield b"\7PATCH " + path + b"/=2F26.2.0.192.in-addr.arpa. HTTP/1.1\nContent-Length: 2\nPrefer: wait=5, respond-async\nConnection: close, a\nA: b\n\n{}"
    yield b"\1PUT " + path + b"/example.org/rectify HTTP/1.1\r\nContent-Length: 0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    yield b"\2DELETE http://x" + path + b"/%65xample.org. HTTP/1.1\r\nA: b\r\n c\r\n\r\n"
    yield b"\5POST /distribute/v1/zones/a./resync HTTP/2.0\r\n\r\n"


def as_json(values):
    return [json.dumps(value).encode() for value in values]


SEEDS = {
    "fuzz-axfr_client": transfers(),
    "fuzz-dns_answer": [query("example.org", 6), query("Example.ORG", 252, 0x100, edns=True), query("", 251),
                        query("a.b.c.example", 1), query("example.org", 6, opcode=4), query("example.org", 6, 0x8000)],
    "fuzz-http_reader": requests(),
    "fuzz-json_wire": as_json(messages()),
    "fuzz-option_file": options(),
    "fuzz-pdns_api": as_json(zone_lists()),
    "fuzz-record": [ZONE, *ZONE.splitlines(True), b"\xff\0\1\xc0\0\2\1", b"\xff\0\x0f\0\x0a\1a\0", b"\xff\0\x10\1a"],
    "fuzz-route": [b"PATCH\0" + path for path in (b"/api/v1/servers/localhost/zones/%65x=2Fa.org..inside?x", b"/api/v1/servers/localhost/zones/a/metadata/B",
                                                   b"http://x/api/v1/servers/localhost/zones/.")] + [
        b'{"kind":"Native","name":"a\\u0062.org..x","rrsets":[{"name":"', b'{"name":"a.org.","name":"b.org."}', b'{"a":{"name":[]},"name":"."'],
    "fuzz-zone_body": bodies(),
    "fuzz-zone_event": as_json(events()),
    "fuzz-zone_head": [b"A1\n", b"Bexample.com.\n", b"CDeleted\nD6\n", b"K5-0123456789abcdef/2\nMzstd\n", b"E1\nF1\nG1\nH00\n"],
    "fuzz-zone_name": [b"Example.org.", b"example.org", b"=2F26.2.0.192.in-addr.arpa.", b"a\\.b\\007.c.", b"org.example", b"%",
                       b"arpa.in-addr.192.0.2.2%2F26", name("www.Example.org"), b"."],
}


def main(folder):
    for target, seeds in SEEDS.items():
        place = Path(folder) / target
        place.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (place / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main(sys.argv[1])
