# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian hosts that boot: a folder with Debian 12 in it, systemd as its first process, a network of its own.

debootstrap makes the folder once and keeps it in a cache; systemd-nspawn boots copies of it. Nothing here needs a systemd on
the machine itself.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

SUITE = "bookworm"
MIRROR = os.environ.get("PDNS_DISTRIBUTE_MIRROR", "http://deb.debian.org/debian")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pdns-distribute" / "packages-test"


def run(*command, check=True, timeout=300, **options):
    """Output of a command; on failure what it said is in the exception."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))[:200]}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def wait_until(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s for {what() if callable(what) else what}")
        time.sleep(0.2)


def base_image():
    archive = CACHE / f"{SUITE}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        work = CACHE / f"{SUITE}.{os.getpid()}"
        try:
            run("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,iproute2", SUITE, work, MIRROR, timeout=900)
            run("tar", "-C", work, "-cf", f"{archive}.new", ".")
            os.rename(f"{archive}.new", archive)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return archive


class Bridge:
    """A link between hosts; goes with the last one that uses it at the latest."""

    def __init__(self):
        self.name = f"pdt{secrets.token_hex(4)}"
        run("ip", "link", "add", self.name, "type", "bridge")
        run("ip", "link", "set", self.name, "up")

    def close(self):
        run("ip", "link", "delete", self.name, check=False)


class Host:
    def __init__(self, folder, name, bridge, addresses):
        self.root = Path(folder) / name
        self.name = name
        self.bridge = bridge
        self.addresses = addresses
        self.process = None
        self.machine = f"{bridge.name}-{name}"  # two runs at once do not meet
        self.root.mkdir()
        run("tar", "-C", self.root, "-xf", base_image())
        self.write("/etc/hostname", name + "\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")  # as the installer does
        self.write("/etc/machine-id", "")
        self.write("/etc/apt/apt.conf.d/90test", 'APT::Keep-Downloaded-Packages "true";\nAPT::Install-Recommends "false";\n')
        network = "[Match]\nName=host0\n[Network]\nIPv6AcceptRA=no\n" + "".join(f"Address={address}\n" for address in addresses)
        self.write("/etc/systemd/network/10-host0.network", network)
        # No other link is to be waited for.
        self.write("/etc/systemd/journald.conf.d/test.conf", "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n")
        run("systemctl", f"--root={self.root}", "enable", "systemd-networkd.service")

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def nspawn(self, *arguments):
        return ["systemd-nspawn", "-q", "-D", str(self.root), f"--machine={self.machine}", f"--hostname={self.name}",
                "--register=no", "--keep-unit", "--timezone=off", *arguments]

    def before_boot(self, script, timeout=600):
        """A script on the host while it is not booted, with the machine's own network: for apt."""
        archives = CACHE / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        return run(*self.nspawn(f"--bind={archives}:/var/cache/apt/archives", "--pipe", "--setenv=DEBIAN_FRONTEND=noninteractive",
                                "/bin/bash", "-c", f"set -e\ncd /root\n{script}"), timeout=timeout)

    def boot(self):
        self.log = open(self.root.parent / f"{self.name}.console", "a")
        self.process = subprocess.Popen(self.nspawn(f"--network-bridge={self.bridge.name}", "--resolv-conf=off", "--boot"),
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.wait_booted()

    def leader(self):
        """Process id of the host's systemd, seen from outside; None while there is none."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} has ended, see {self.log.name}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):
                if os.path.realpath(f"/proc/{child}/exe").endswith("/systemd"):
                    return int(child)
        return None

    def command(self, *command):
        leader = wait_until(self.leader, 30, f"{self.name} to boot")
        return ["nsenter", "-t", str(leader), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "HOME=/root", "DEBIAN_FRONTEND=noninteractive", *command]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def shell(self, script, variables=None, **options):
        assignments = [f"{name}={value}" for name, value in (variables or {}).items()]
        return self.run(*assignments, "/bin/bash", "-c", f"set -e\ncd /root\n{script}", **options)

    def state(self):
        return self.run("systemctl", "is-system-running", check=False).strip()

    def wait_booted(self):
        wait_until(lambda: self.leader() and self.state() in ("running", "degraded"), 120,
                   lambda: f"{self.name} to be up, it is {self.state()}")

    def reboot(self):
        """With --keep-unit, systemd-nspawn leaves it to us to start it again, and says so with its status."""
        self.run("systemctl", "reboot", check=False)
        status = self.process.wait(120)
        assert status == 133, f"{self.name} did not reboot, but ended with status {status}"
        self.log.close()
        self.boot()

    def dig(self, *arguments):
        """The machine's own dig, in the network of this host."""
        leader = wait_until(self.leader, 30, f"{self.name} to boot")
        return run("nsenter", "-t", leader, "-n", "dig", "+time=1", "+tries=1", *arguments, check=False)

    def property(self, unit, name):
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def journal(self, *arguments):
        return self.run("journalctl", "--no-pager", "-o", "short-precise", *arguments)

    def close(self):
        """Ends the host, politely at first; its links, mounts and namespaces end with its processes."""
        if self.process and self.process.poll() is None:
            with contextlib.suppress(AssertionError, OSError, subprocess.TimeoutExpired):
                leader = self.leader()
                if leader:
                    os.kill(leader, 38)  # SIGRTMIN+4: power off
                    self.process.wait(30)
            if self.process.poll() is None:
                with contextlib.suppress(AssertionError, OSError):
                    leader = self.leader()
                    if leader:
                        os.kill(leader, 9)
                self.process.kill()
                self.process.wait()
        if self.process:
            self.log.close()
        with contextlib.suppress(OSError):  # where /run is no tmpfs, systemd-nspawn leaves it
            Path(f"/run/systemd/nspawn/propagate/{self.machine}").rmdir()
