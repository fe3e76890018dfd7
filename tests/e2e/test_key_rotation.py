# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: the provider's key is replaced while everything runs, as docs/install.md says."""

import os
import signal

import kit


def reload(lab, name):
    begin = lab.log_file(name).stat().st_size
    os.kill(lab.pid(name), signal.SIGHUP)
    lab.wait_log(name, "configuration read again", start=begin)


def readers(lab):
    return {"health-checker": lab.dir / "etc" / "primary" / "trusted.keys",
            **{f"syncer-{number}": lab.dir / "etc" / f"secondary-{number}" / "trusted.keys" for number in lab.secondary_numbers()}}


def trust(lab, text):
    for name, path in readers(lab).items():
        path.write_text(text)
        reload(lab, name)


def test_rotation(make_lab, zone):
    """Goal: trust both keys, sign with the new one, have all zones signed anew, trust the new one alone; nothing is refused."""
    lab = make_lab(sets=kit.QUICK)
    folder = lab.dir / "etc" / "primary"
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    old = (folder / "trusted.keys").read_text()
    lab.distribute("keys", "generate", "--private", folder / "new.key", "--public", folder / "new.keys")
    new = (folder / "new.keys").read_text()
    trust(lab, old + new)
    lab.end("zone-provider")
    (folder / "new.key").rename(folder / "signing.key")
    lab.start("zone-provider")
    lab.distribute("resync")
    with lab.nats() as nats:
        def is_signed_anew():
            head = nats.last("PDNS_ZONES", "pdns.zone." + ".".join(reversed(zone.rstrip(".").split("."))))
            return dict(head.headers)["Key"] in new
        kit.wait_until(is_signed_anew, kit.LIMIT, "the head to be signed with the new key")
    trust(lab, new)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.88")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.88"])
    lab.wait_same(zone)
    for number in lab.secondary_numbers():
        assert lab.metric(f"syncer-{number}", "pdns_distribute_syncer_heads_refused_total") == 0


def test_too_late(make_lab, zone):
    """Goal: who signs before the others know the key is refused; once they know it, all is well without a restart."""
    lab = make_lab(sets=kit.QUICK)
    folder = lab.dir / "etc" / "primary"
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.distribute("keys", "generate", "--private", folder / "new.key", "--public", folder / "new.keys")
    lab.end("zone-provider")
    (folder / "new.key").rename(folder / "signing.key")
    lab.start("zone-provider")
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.89")
    for number in lab.secondary_numbers():
        lab.wait_log(f"syncer-{number}", "refused what the zone store holds")
        assert kit.rdatas(lab.secondary_dns(number), f"www.{zone}", "A") == {"192.0.2.1"}
    begin = lab.log_file("syncer-1").stat().st_size
    good = readers(lab)["syncer-1"].read_text()
    readers(lab)["syncer-1"].write_text("nonsense\n")
    os.kill(lab.pid("syncer-1"), signal.SIGHUP)
    lab.wait_log("syncer-1", "the old configuration stays", start=begin)
    readers(lab)["syncer-1"].write_text(good)
    trust(lab, (folder / "new.keys").read_text())
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.89"])
    lab.wait_same(zone)
