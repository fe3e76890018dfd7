# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays after a removal, and what goes."""

from pathlib import Path

from installation import SOURCE, answer, units

def leftovers(host):
    return host.shell("find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/tmp -o -path /var/log -o "
                      "-path /tmp -o -path /var/lib/apt -o -path /var/cache/apt \\) -prune -o "
                      "\\( -name '*pdns-distribute*' -o -name '*pdns-zone-provider*' -o -name '*pdns-api-proxy*' -o "
                      "-name '*pdns-health-checker*' -o -name '*pdns-secondary-syncer*' \\) -print").split()


def test_remove_and_purge(hosts, primary):
    before = answer(primary)
    for host in hosts.values():
        mine = {name for name in host.shell("find /etc -type f -newer /etc/hostname").split() if "pdns-distribute" in name}
        packages = host.shell("dpkg-query -W -f '${Package}\\n' 'pdns-distribute*' " + " ".join(units(host))).split()
        host.shell("apt-get remove -y " + " ".join(packages))
        for unit in units(host):
            assert host.property(unit, "ActiveState") in ("inactive", "failed")
            assert (host.root / "var/lib" / unit).is_dir()
        assert (host.root / "etc/pdns-distribute/common.conf").exists()
        # The metapackages had no configuration, so they are gone already.
        left = [package for package in packages if host.run("dpkg-query", "-W", "-f", "${db:Status-Status}", package,
                                                            check=False) == "config-files"]
        assert set(units(host)) | {"pdns-distribute"} == set(left)
        host.shell("apt-get purge -y " + " ".join(left))
        own = {"/etc/pdns-distribute", "/etc/powerdns/pdns.d/pdns-distribute.conf",
               "/etc/systemd/system/pdns-zone-provider.service.d"}
        assert set(leftovers(host)) <= own, leftovers(host)
        files = set(host.shell("find /etc/pdns-distribute -type f").split())
        assert files == {name for name in mine if name.startswith("/etc/pdns-distribute/") and Path(name).parent.name != "pdns-distribute"}
        assert not host.shell("getent passwd | grep -E '^pdns-' || true")
        assert not host.shell("getent group | grep -E '^pdns-' || true")
    assert answer(primary) == before  # zones are served on


def test_autopkgtest(primary):
    """What packaging/debian/tests runs, with everything installed on one host: the primary, which has the libraries already."""
    primary.shell("rm -r /etc/pdns-distribute")  # what the administrator made
    primary.shell("apt-get install -y /var/tmp/newer/*.deb")
    primary.write("/var/tmp/smoke", (SOURCE / "packaging/debian/tests/smoke").read_text())
    print("\n" + primary.shell("sh /var/tmp/smoke"))
