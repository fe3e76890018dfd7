# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: requests of PowerDNS 5 that may change what a zone answers have that zone looked at.

The primary of this distribution is older: a fake stands before it that says yes to what only the newer one knows, and passes on
the rest.
"""

import re

import kit
import pytest
import requests
from fakeupstream import NO_CONTENT, FakeUpstream

pytestmark = pytest.mark.core


def as_version_5(lab):
    def answer(seen):
        method, target, _ = seen.line.split(" ")
        if re.search(r"/(views|networks)/|\.\.", target):
            return NO_CONTENT
        reply = requests.request(method, f"http://127.0.0.1:{lab[0].primary_api_port}{target}", data=seen.body, timeout=30,
                                 headers={"X-API-Key": seen.all("x-api-key")[0], "Connection": "close"})
        return f"HTTP/1.1 {reply.status_code} {reply.reason}\r\nContent-Length: {len(reply.content)}\r\n\r\n".encode() + reply.content
    return answer


@pytest.fixture(scope="module")
def newer():
    where = []
    upstream = FakeUpstream(as_version_5(where))
    lab = kit.TestLab.make(secondaries=1, backend="sqlite", sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"pdns-api-url": upstream.url}}))
    where.append(lab)
    yield lab, upstream
    problems = lab.close()
    upstream.close()
    assert not problems, problems


@pytest.mark.parametrize("method,path,body", [
    ("POST", "/views/inside", {"name": "{zone}.inside"}), ("POST", "/views/inside", {"name": "{upper}.a_variant-1"}), ("POST", "/views/inside",
            {"name": "{zone}"}),
    ("DELETE", "/views/inside/{zone}.inside", None), ("DELETE", "/views/inside/{zone}", None), ("PATCH", "/zones/{zone}.inside", {"rrsets": []}),
    ("DELETE", "/zones/{zone}.inside", None), ("PUT", "/zones/{zone}.inside/rectify", None)])
def test_looked_at(newer, zone, method, path, body):
    """Goal: an event "check" for the zone itself, which finds what changed, and which can be waited for."""
    lab, upstream = newer
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.primary_api.replace(zone, f"www.{zone}", "A", "192.0.2.44")  # unseen: as another variant would make it
    begin = lab.log_file("zone-provider").stat().st_size
    upstream.forget()
    path = path.format(zone=zone)
    answer = lab.api.request(method, path, json=body and {key: value.format(zone=zone, upper=zone.upper()) if key == "name" else value for key,
                                                          value in body.items()},
                             headers={"Prefer": "wait=20"})
    assert answer.status_code == 204 and answer.headers["PDNS-Distribute-Sync"].startswith("in-sync; secondaries=1/1"), answer.headers
    assert [seen.line for seen in upstream.forget()] == [f"{method} /api/v1/servers/localhost{path} HTTP/1.1"]
    assert kit.rdatas(lab.secondary_dns(1), f"www.{zone}", "A") == {"192.0.2.44"}
    assert lab.wait_log("zone-provider", f"event check .*{re.escape(zone)}", start=begin)


def test_networks_pass(newer):
    """Goal: which network sees which view changes no zone: it passes, and makes no event."""
    lab, upstream = newer
    changes = lab.metric("api-proxy", "pdns_distribute_proxy_events_published_total")
    assert lab.api.request("PUT", "/networks/192.0.2.0/24", json={"view": "inside"}).status_code == 204
    assert lab.api.request("GET", "/networks/192.0.2.0/24").status_code == 204
    assert lab.metric("api-proxy", "pdns_distribute_proxy_events_published_total") == changes
