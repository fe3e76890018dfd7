# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: a proxy whose disk is full says so, and changes nothing that it could not keep; or it goes on, if it was told to.

The disk is a small tmpfs that only the proxy sees, in a mount namespace of its own.
"""

import errno
import os

import kit
import pytest
from syncfault import SyncFault

pytestmark = pytest.mark.core

ZONES = 150


class SmallDisk:
    """Gives the proxy of a lab a state-dir of this size, and fills it."""

    def __init__(self, lab, size):
        self.lab = lab
        lab.stop("api-proxy")
        plain = lab.process

        def process(name):
            made = plain(name)
            if name == "api-proxy":
                made.argv = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--propagation", "private", "sh", "-c",
                             f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"', lab.dir / "api-proxy", *made.argv]
            return made
        lab.process = process
        lab.start("api-proxy")
        self.filler = f"/proc/{lab.pid('api-proxy')}/root{lab.dir}/api-proxy/filler"

    def fill(self):
        fd = os.open(self.filler, os.O_WRONLY | os.O_CREAT, 0o600)
        written = 0
        for size in (65536, 4096):
            try:
                while True:
                    written += os.write(fd, b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
        os.close(fd)
        assert 0 < written < 64 << 20  # it was the small one

    def free(self):
        os.unlink(self.filler)


def change(lab, zone, address):
    return lab.api.request("PATCH", f"/zones/{kit.zone_id(zone)}", json={"rrsets": [
        {"name": f"www.{zone}", "type": "A", "ttl": 300, "changetype": "REPLACE", "records": [{"content": address, "disabled": False}]}]})


@pytest.fixture
def make_full(make_lab, zone):
    """A lab whose proxy has no space left, NATS away, so that no note goes; and zones."""
    def make(**settings):
        lab = make_lab(secondaries=1, backend="sqlite", sets=kit.merge(kit.NO_REPAIR, {"primary": {"gsqlite3-pragma-synchronous": 0},
                                                                                       "api-proxy": settings}))
        lab.stop("health-checker")
        names = [f"z{number}.{zone}" for number in range(ZONES)]
        for name in names:
            lab.api.create(name, kit.www(name))
        lab.wait_same(names[-1])
        disk = SmallDisk(lab, "1m")
        lab.stop("nats")
        disk.fill()
        return lab, disk, names
    return make


def test_refused(make_full):
    """Goal: 507 and why; PowerDNS never sees the change; what was accepted before arrives; with space again all is as before."""
    lab, disk, names = make_full()
    answers = {name: change(lab, name, "192.0.2.50") for name in names}
    refused = [name for name, answer in answers.items() if answer.status_code == 507]
    accepted = [name for name, answer in answers.items() if answer.status_code == 204]
    assert len(refused) + len(accepted) == ZONES and len(refused) > ZONES / 2, (len(refused), len(accepted))
    answer = answers[refused[0]]
    assert answer.reason == "Insufficient Storage" and answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"] and "not made" in answer.json()["error"] and "state directory" in answer.json()["error"]
    assert lab.metric("api-proxy", "pdns_distribute_proxy_changes_refused_total") == len(refused)
    assert lab.log_file("api-proxy").read_text().count("change refused, as it cannot be noted on disk: No space left on device") > 0
    for method, path in (("POST", "/zones"), ("DELETE", f"/zones/{refused[0]}"), ("PUT", f"/zones/{refused[0]}/rectify")):
        body = {"name": f"new.{refused[0]}", "kind": "Native", "nameservers": [],
                "rrsets": kit.www(f"new.{refused[0]}")} if method == "POST" else None
        assert lab.api.request(method, path, json=body).status_code == 507
    assert lab.primary_api.zone(f"new.{refused[0]}") is None
    for name in names:
        assert kit.rdatas(lab.primary, f"www.{name}", "A") == {"192.0.2.1" if name in refused else "192.0.2.50"}
    assert lab.api.request("GET", f"/zones/{refused[0]}").status_code == 200 and lab.api.request("PUT", "/cache/flush?domain=x.").status_code == 200
    lab.start("nats")
    for name in accepted:
        lab.wait_answer(f"www.{name}", "A", ["192.0.2.50"])
    disk.free()
    kit.wait_until(lambda: change(lab, refused[0], "192.0.2.51").status_code == 204, kit.LIMIT, "changes to be taken again")
    lab.wait_answer(f"www.{refused[0]}", "A", ["192.0.2.51"])
    lab.wait_same(refused[1])


def test_let_through(make_full):
    """Goal: with refuse-unwritten = no every change is made, counted, and arrives although the disk never took a note of it."""
    lab, _, names = make_full(**{"refuse-unwritten": "no"})
    for name in names:
        assert change(lab, name, "192.0.2.52").status_code == 204
    unwritten = lab.metric("api-proxy", "pdns_distribute_proxy_changes_unwritten_total")
    assert unwritten > ZONES / 2 and lab.metric("api-proxy", "pdns_distribute_proxy_changes_refused_total") == 0
    lab.start("nats")
    for name in names:
        lab.wait_answer(f"www.{name}", "A", ["192.0.2.52"])
        lab.wait_same(name)


@pytest.mark.parametrize("refuse", ["yes", "no"])
def test_syncs_fail(make_lab, zone, refuse):
    """Goal: a disk that fails to sync is found out too late for one change, which arrives all the same; later ones are refused, or let through."""
    lab = make_lab(secondaries=1, sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"refuse-unwritten": refuse}}))
    lab.stop("health-checker")
    names = [f"z{number}.{zone}" for number in range(3)]
    for name in names:
        lab.api.create(name, kit.www(name))
        lab.wait_same(name)
    fault = SyncFault(lab, "error=EIO")
    assert change(lab, names[0], "192.0.2.53").status_code == 204
    assert lab.metric("api-proxy", "pdns_distribute_proxy_changes_unwritten_total") == 1
    assert "cannot be synced to disk (Input/output error)" in lab.log_file("api-proxy").read_text()
    lab.wait_answer(f"www.{names[0]}", "A", ["192.0.2.53"])
    for name in names[1:]:
        assert change(lab, name, "192.0.2.54").status_code == (507 if refuse == "yes" else 204)
        assert kit.rdatas(lab.primary, f"www.{name}", "A") == {"192.0.2.1" if refuse == "yes" else "192.0.2.54"}
        lab.wait_answer(f"www.{name}", "A", ["192.0.2.1" if refuse == "yes" else "192.0.2.54"])
    assert lab.metric("api-proxy", "pdns_distribute_proxy_changes_refused_total") == (2 if refuse == "yes" else 0)
    assert lab.api.request("GET", f"/zones/{names[0]}").status_code == 200 and fault.met() > 1
    fault.end()
    lab.stop("api-proxy")
    lab.start("api-proxy")
    assert change(lab, names[1], "192.0.2.55").status_code == 204
    lab.wait_answer(f"www.{names[1]}", "A", ["192.0.2.55"])
    for name in names:
        lab.wait_same(name)
