# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the proxy tells who has the PowerDNS API key how far changes, zones and secondaries are."""

import json

import kit
import pytest
import requests

LAB = {"rights": True, "sets": kit.QUICK}

pytestmark = pytest.mark.core


def own(lab, method, path, key=None, **rest):
    return requests.request(method, f"{lab.api_url}/distribute/v1{path}", timeout=60,
                            headers={"X-API-Key": lab.api_key("primary") if key is None else key}, **rest)


def change(lab, zone, address):
    answer = lab.api.request("PATCH", f"/zones/{kit.zone_id(zone)}", headers={"Prefer": "respond-async"}, json={"rrsets": [
        {"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE", "records": [{"content": address, "disabled": False}]}]})
    assert answer.status_code == 204
    return answer.headers["PDNS-Distribute-Change"]


def test_change(lab, zone):
    """Goal: a change can be waited for by its id, also after the proxy was started again."""
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    identity = change(lab, zone, "192.0.2.2")
    answer = own(lab, "GET", f"/changes/{identity}?wait=20").json()
    assert answer["state"] == "in-sync" and answer["zone"] == zone and answer["done"] == answer["total"] == 2, answer
    for server in lab.secondaries():
        assert kit.rdatas(server, f"www.{zone}", "A") == {"192.0.2.2"}
    assert own(lab, "GET", f"/changes/{identity}").json()["generation"] == answer["generation"]
    identity = change(lab, zone, "192.0.2.3")
    lab.end("api-proxy")
    lab.start("api-proxy")
    answer = own(lab, "GET", f"/changes/{identity}?wait=20").json()
    assert answer["state"] == "in-sync" and answer["total"] == 2, answer
    for server in lab.secondaries():
        assert kit.rdatas(server, f"www.{zone}", "A") == {"192.0.2.3"}
    lab.end("api-proxy", kit.labkit.signal.SIGKILL)
    lab.start("api-proxy")
    assert own(lab, "GET", f"/changes/{identity}?wait=20").json()["state"] == "in-sync"


def test_zone(lab, zone):
    """Goal: a zone's serial, digest and generation, and what each secondary has of it; resync puts it right."""
    assert own(lab, "GET", f"/zones/{zone}").status_code == 404
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    kit.wait_until(lambda: own(lab, "GET", f"/zones/{zone}").json().get("in_sync"), kit.LIMIT, "the zone to be in sync")
    answer = own(lab, "GET", f"/zones/{zone.rstrip('.').upper()}").json()
    assert answer["store"]["serial"] == kit.serial(lab.primary, zone) and answer["store"]["digest"]
    assert [(entry["id"], entry["in_sync"]) for entry in answer["secondaries"]] == [("secondary-1", True), ("secondary-2", True)]
    lab.secondary_apis[1].delete(zone)
    assert own(lab, "POST", f"/zones/{zone}/resync").status_code == 202
    lab.wait_same(zone)


def test_secondaries(lab):
    """Goal: who is there."""
    found = own(lab, "GET", "/secondaries").json()["secondaries"]
    assert [(entry["id"], entry["active"], entry["pdns"]) for entry in found] == [("secondary-1", True, "up"), ("secondary-2", True, "up")]


def test_key_and_description(lab):
    """Goal: nobody is let in without the key; the description is the one in the repository; PowerDNS's own paths are left alone."""
    for key in ("", "wrong"):
        assert own(lab, "GET", "/secondaries", key).status_code == 401
        assert own(lab, "POST", "/zones/example.org./resync", key).status_code == 401
    answer = own(lab, "GET", "/openapi.json", "")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == json.loads((kit.labkit.SOURCE / "docs" / "openapi.json").read_text())
    assert requests.get(f"{lab.api_url}/distribute", timeout=60).status_code == requests.get(f"{lab.primary_api_url}/distribute", timeout=60).status_code
