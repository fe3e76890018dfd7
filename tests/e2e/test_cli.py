# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the operator's command says how things are, in words and in JSON, and does what it is told."""

import json
import stat

import kit
import pytest

LAB = {"sets": kit.QUICK}


def as_json(lab, *words, check=True):
    return json.loads(lab.distribute(*words, "--json", check=check).stdout)


def test_status(lab, zone):
    """Goal: status shows every daemon and both secondaries, in sync once a zone has arrived."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    kit.wait_until(lambda: as_json(lab, "status", check=False).get("in_sync"), kit.LIMIT, "status to be in sync")
    kit.wait_until(lambda: {"api-proxy", "zone-provider", "health-checker"} <= {entry["service"] for entry in as_json(lab, "status")["services"]},
                   kit.LIMIT, "everybody's first heartbeat to be heard")
    status = as_json(lab, "status")
    assert {entry["id"] for entry in status["secondaries"]} == {"secondary-1", "secondary-2"}
    text = lab.distribute("status").stdout
    for word in ("secondary-1", "secondary-2", "zone-provider", "api-proxy", "health-checker"):
        assert word in text


def test_zones_and_zone(lab, zone):
    """Goal: zones lists it, zone tells its state on every secondary."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    kit.wait_until(lambda: any(entry["zone"] == zone for entry in as_json(lab, "zones", check=False)["zones"]), kit.LIMIT, "it to be listed")
    kit.wait_until(lambda: as_json(lab, "zone", zone, check=False).get("in_sync"), kit.LIMIT, "the zone to be in sync")
    state = as_json(lab, "zone", zone)
    assert {entry["id"] for entry in state["secondaries"]} == {"secondary-1", "secondary-2"}
    assert all(entry["in_sync"] for entry in state["secondaries"])
    assert zone in lab.distribute("zones").stdout
    # Without its final dot and in upper case it is the same zone.
    assert as_json(lab, "zone", zone.rstrip(".").upper())["in_sync"]


def test_out_of_sync_is_told(make_lab, zone):
    """Goal: while a secondary is behind, status and zone say so, and their exit status too."""
    lab = make_lab(sets=kit.QUICK)
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.kill("secondary-2")
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"], numbers=[1])
    kit.wait_until(lambda: lab.distribute("zone", zone, check=False).returncode != 0, kit.LIMIT, "zone to say that it is behind")
    state = as_json(lab, "zone", zone, check=False)
    assert {entry["id"]: entry["in_sync"] for entry in state["secondaries"]} == {"secondary-1": True, "secondary-2": False}
    kit.wait_until(lambda: lab.distribute("status", check=False).returncode != 0, kit.LIMIT, "status to say that it is behind")
    lab.start("secondary-2")
    lab.wait_same(zone)
    kit.wait_until(lambda: as_json(lab, "status", check=False).get("in_sync"), kit.LIMIT, "status to be in sync")


def test_resync_everything(make_lab, zone):
    """Goal: resync without arguments looks at every zone of the primary again and finds what no event told of."""
    lab = make_lab(sets=kit.NO_REPAIR)
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.primary_api.replace(zone, f"www.{zone}", "A", "192.0.2.12")
    as_json(lab, "resync")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.12"])


@pytest.mark.parametrize("words", [["ZONE"], ["--secondary", "secondary-1"], ["ZONE", "--secondary", "secondary-2"]])
def test_resync(lab, zone, words):
    """Goal: resync of a zone, of a secondary, and of one zone there, brings back what was lost."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    number = 1 if "secondary-1" in words else 2
    lab.secondary_apis[number].delete(zone)
    as_json(lab, "resync", *[zone if word == "ZONE" else word for word in words])
    lab.wait_same(zone)


def test_keys(lab, tmp_path):
    """Goal: keys are made once, private for their owner alone, never overwritten, and listed."""
    private, public = tmp_path / "private", tmp_path / "public"
    made = json.loads(lab.command(lab.program("pdns-distribute"), "keys", "generate", "--private", private, "--public", public, "--json").stdout)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "private" in private.read_text() and "private" not in public.read_text()
    before = private.read_bytes()
    again = lab.command(lab.program("pdns-distribute"), "keys", "generate", "--private", private, "--public", public, check=False)
    assert again.returncode != 0 and private.read_bytes() == before
    listed = lab.command(lab.program("pdns-distribute"), "keys", "list", "--public", public).stdout
    assert any(str(value) in listed for value in made.values())


def test_secondary(lab):
    """Goal: add twice, list, remove twice."""
    assert as_json(lab, "secondary", "add", "ns7") == {"id": "ns7", "added": True}
    assert as_json(lab, "secondary", "add", "ns7") == {"id": "ns7", "added": False}
    assert "ns7" in {entry["id"] for entry in as_json(lab, "secondary", "list")["secondaries"]}
    as_json(lab, "secondary", "remove", "ns7")
    assert "ns7" not in {entry["id"] for entry in as_json(lab, "secondary", "list")["secondaries"]}


@pytest.mark.parametrize("words", [["nonsense"], ["zone"], ["zone", "a..b"], ["secondary", "add"], ["secondary", "add", "no dots.here"],
                                   ["resync", "--secondary", "no.such"], ["--nonsense"]])
def test_wrong_words(lab, words):
    """Goal: what makes no sense is refused with words, not with a crash."""
    result = lab.distribute(*words, check=False)
    assert 0 < result.returncode < 64
    assert result.stderr.strip()


def test_zone_that_is_not_there(lab):
    """Goal: an unknown zone is said to be unknown."""
    result = lab.distribute("zone", "never.example.", check=False)
    assert result.returncode != 0


def test_nats_down(make_lab):
    """Goal: without NATS the command says so soon."""
    lab = make_lab(secondaries=1)
    lab.stop("nats")
    result = lab.distribute("status", check=False)
    assert result.returncode != 0
    assert "NATS" in result.stderr + result.stdout or "nats" in result.stderr + result.stdout


@pytest.mark.parametrize("name", ["pdns-api-proxy", "pdns-zone-provider", "pdns-health-checker", "pdns-secondary-syncer"])
def test_daemon_options(lab, tmp_path, name):
    """Goal: each daemon has help, a version, a sample file, and refuses a wrong configuration with file and line."""
    program = lab.program(name)
    assert "--config-dir" in lab.command(program, "--help").stdout
    assert lab.command(program, "--version").stdout.strip()
    assert "nats-url" in lab.command(program, "--print-sample").stdout
    where = lab.dir / "etc" / ("secondary-1" if "syncer" in name else "primary")
    assert lab.command(program, "--config-dir", where, "--check-config", check=False).returncode == 0
    service = name.removeprefix("pdns-")
    (tmp_path / f"{service}.conf").write_text("log-level = debug\nnonsense = 1\n")
    result = lab.command(program, "--config-dir", tmp_path, "--check-config", check=False)
    assert result.returncode == 2
    assert f"{service}.conf:2" in result.stderr
