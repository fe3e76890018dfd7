# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: a signed zone of 100,000 names, more than NATS takes in one message, arrives, and memory stays bounded."""

import subprocess

import kit
import pytest

NAMES = 100_000
# A rectification takes the primary long; all else with the defaults: a zone of this size is nothing to configure for.
LAB = {"sets": kit.merge(kit.NO_REPAIR, {"api-proxy": {"upstream-timeout": "300s"}})}
# Far below the zone, which has about 45 MB of text.
LIMIT_KIB = {"api-proxy": 64 * 1024, "zone-provider": 64 * 1024, "health-checker": 64 * 1024, "syncer-1": 128 * 1024, "syncer-2": 128 * 1024}


def transfer(server, zone):
    """The lines of a transfer by dig, sorted; far faster than parsing 400,000 records here."""
    result = subprocess.run(["dig", f"@{server[0]}", "-p", str(server[1]), zone, "AXFR", "+nocmd", "+nostats", "+nocomments", "+onesoa"],
                            capture_output=True, text=True, timeout=300, check=True)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines() if line and not line.startswith(";")]
    return sorted(without_signature(line) for line in lines)


def without_signature(line):
    """ECDSA signatures hold a random number; who transfers at the same time may see another one."""
    words = line.split(" ")
    return " ".join(words[:12]) if words[3] == "RRSIG" else line


@pytest.mark.slow
def test_large(lab, zone):
    """Goal: made, changed and deleted, with NSEC3 as the largest form."""
    lines = [f"{zone} 3600 IN SOA ns1.{zone} hostmaster.{zone} 1 10800 3600 604800 3600", f"{zone} 3600 IN NS ns1.{zone}",
             f"ns1.{zone} 3600 IN A 192.0.2.53"]
    lines += [f"host-{index}.{zone} 300 IN A 10.{index >> 16}.{index >> 8 & 255}.{index & 255}" for index in range(NAMES)]
    lab.api.create(zone, kit.www(zone), dnssec=True, nsec3param="1 0 0 -")
    lab.wait_same(zone)
    path = lab.dir / "large.zone"
    path.write_text("\n".join(lines) + "\n")
    kit.Lab.command("pdnsutil", f"--config-dir={lab.dir}/etc/primary", "load-zone", zone, path, timeout=300)
    answer = lab.api.session.put(f"{lab.api_url}/api/v1/servers/localhost/zones/{zone}/rectify", timeout=300)
    assert answer.ok, answer.text
    last = f"host-{NAMES - 1}.{zone}"
    lab.wait_answer(last, "A", [f"10.{NAMES - 1 >> 16}.{NAMES - 1 >> 8 & 255}.{NAMES - 1 & 255}"], timeout=300)
    want = transfer(lab.primary, zone)
    assert len(want) > 4 * NAMES
    for server in lab.secondaries():
        assert transfer(server, zone) == want

    lab.api.replace(zone, last, "A", "192.0.2.200")
    lab.wait_answer(last, "A", ["192.0.2.200"], timeout=300)
    anchor = kit.trust_anchor(lab, zone)
    for server in lab.secondaries():
        kit.assert_secure(server, anchor, zone, last, "A")
        kit.assert_secure(server, anchor, zone, f"missing.{zone}", "A")
    peaks = {name: lab.memory(name) for name in LIMIT_KIB}
    print("peak memory in KiB:", peaks)
    for name, peak in peaks.items():
        assert peak < LIMIT_KIB[name] * kit.SLOWNESS, peaks

    lab.api.delete(zone)
    lab.wait_no_zone(zone, timeout=300)
