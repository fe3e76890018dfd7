# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole installation on one machine: nats-server, PowerDNS primary and secondaries, and all daemons, on loopback.

scripts/lab is the command, the end-to-end tests and the benchmarks import this module. Everything lives in one folder:
lab.json (what was asked for), lab.env (where to find what), etc/ (configurations), log/ and run/ (a file per process)
and one folder per process for its data.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
SQLITE_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
PREFIX = "pdns"
DAEMONS = ("zone-provider", "api-proxy", "health-checker", "secondary-syncer")

# Ports come in blocks, outside the range from which the kernel takes ports for outgoing connections.
PORT_BLOCK = 100
PORT_RANGE = (11000, 31000)

# Names of processes: how each is marked in its own environment, so that a recycled process id is never taken for it.
MARK = "PDNS_DISTRIBUTE_LAB"


class LabError(Exception):
    """Something that the user of the lab should read; the text says what and where."""


@dataclasses.dataclass
class Settings:
    """What was asked for; kept in lab.json. Ports are filled in by Lab.create."""
    secondaries: int = 2
    backend: str = "mixed"          # sqlite, lmdb, or mixed: odd ones sqlite, even ones lmdb
    base_port: int = 0              # 0: a free block
    rights: bool = False
    ipv6_last: bool = False
    daemons: bool = True
    enroll: bool = True             # make the secondaries known with pdns-distribute secondary add
    build_dir: str = ""
    sets: dict = dataclasses.field(default_factory=dict)  # "health-checker": {"scan-interval": "2s"}


@dataclasses.dataclass
class Process:
    name: str
    argv: list
    environment: dict
    is_daemon: bool       # one of ours: reports readiness to NOTIFY_SOCKET
    ready: object = None  # function: True when it serves


def wait_until(condition, timeout, what, interval=0.02):
    """Waits for a condition; its last value, or LabError. what: text, or a function that gives the text."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"waited {timeout:g} s for {what() if callable(what) else what}")
        time.sleep(interval)


def write_private(path, text):
    """Writes a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)


def host_port(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def default_build_dir():
    return os.environ.get("PDNS_DISTRIBUTE_BUILD") or str(SOURCE / "build" / "release")


# Ports


def port_is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with contextlib.closing(socket.socket(family, kind)) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as error:
                    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                        continue  # no IPv6 here
                    return False
    return True


def reservations():
    folder = Path(f"/tmp/pdns-distribute-lab-ports.{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def reserve_ports(folder):
    """A block of free ports that no other lab of this user has, even one whose processes are stopped just now."""
    book = reservations()
    with open(book / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        blocks = list(range(PORT_RANGE[0], PORT_RANGE[1], PORT_BLOCK))
        random.shuffle(blocks)
        for base in blocks:
            claim = book / str(base)
            if claim.exists() and (Path(claim.read_text()) / "lab.json").exists():
                continue
            if all(port_is_free(base + offset) for offset in range(40)):
                claim.write_text(str(folder))
                return base
    raise LabError("no block of free ports is left")


def release_ports(folder, base):
    claim = reservations() / str(base)
    with contextlib.suppress(FileNotFoundError):
        if claim.read_text() == str(folder):
            claim.unlink()


# Processes


def read_pid(path):
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def process_is(pid, mark):
    """Whether this process id still is the process that was started with that mark, and it has not ended."""
    try:
        if f"{MARK}={mark}".encode() not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return False
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


class Readiness:
    """The socket on which a daemon tells that it is ready, as it would tell systemd, and what it does or waits for."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"pdns-distribute-lab-{os.getpid()}-{secrets.token_hex(4)}"
        self.socket.bind("\0" + name)
        self.address = "@" + name
        self.ready = False
        self.status = ""
        # Always read, as systemd does: a daemon would stop at a full socket.
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            lines = self.socket.recv(4096).decode("utf-8", "replace").split("\n")
            if lines == [""]:
                return
            for line in lines:
                if line.startswith("STATUS="):
                    self.status = line.removeprefix("STATUS=")
            self.ready = self.ready or "READY=1" in lines

    def seen(self):
        return self.ready

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", "\0" + self.address[1:])
        self.reader.join()
        self.socket.close()


class Lab:
    def __init__(self, folder, settings):
        self.dir = Path(folder).resolve()
        self.settings = settings
        self.children = {}   # processes that this very program started: their exit status can be asked for
        self.readiness = {}

    # Making and finding a lab

    @classmethod
    def create(cls, folder, settings):
        lab = cls(folder, settings)
        if (lab.dir / "lab.json").exists():
            raise LabError(f"{lab.dir} has a lab already; end it with: scripts/lab down --dir {lab.dir}")
        if len(str(lab.dir)) > 70:
            raise LabError(f"{lab.dir}: too long for the control sockets of PowerDNS; take a shorter path")
        settings.build_dir = str(Path(settings.build_dir or default_build_dir()).resolve())
        if settings.daemons and not lab.program("pdns-distribute").exists():
            raise LabError(f"{lab.program('pdns-distribute')} is missing; build first: cmake --preset release && cmake --build --preset release")
        if (lab.dir / "lab.ended").exists():  # a lab that was here before: the new one begins anew
            shutil.rmtree(lab.dir)
        elif (lab.dir / "etc").exists():
            raise LabError(f"{lab.dir}/etc is not of a lab; take another folder")
        lab.dir.mkdir(parents=True, exist_ok=True)
        if settings.base_port == 0:
            settings.base_port = reserve_ports(lab.dir)
        write_private(lab.dir / "lab.json", json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
        for name in ("log", "run", "etc"):
            (lab.dir / name).mkdir(exist_ok=True)
        lab.write_everything()
        return lab

    @classmethod
    def open(cls, folder):
        folder = Path(folder).resolve()
        try:
            settings = Settings(**json.loads((folder / "lab.json").read_text()))
        except FileNotFoundError:
            raise LabError(f"{folder} has no lab") from None
        except (ValueError, TypeError) as error:
            raise LabError(f"{folder}/lab.json cannot be read: {error}") from None
        return cls(folder, settings)

    # Where is what

    def program(self, name):
        folder = Path(self.settings.build_dir)
        return folder / "src" / name if (folder / "src").is_dir() else folder / name

    def port(self, offset):
        return self.settings.base_port + offset

    nats_port = property(lambda self: self.port(0))
    primary_dns_port = property(lambda self: self.port(1))
    primary_api_port = property(lambda self: self.port(2))
    proxy_port = property(lambda self: self.port(3))

    def metrics_port(self, name):
        fixed = {"api-proxy": 4, "zone-provider": 5, "health-checker": 6, "zone-provider-2": 7}
        if name in fixed:
            return self.port(fixed[name])
        return self.port(10 + (int(name.rpartition("-")[2]) - 1) * 4 + 3)

    def secondary_port(self, number, what):
        return self.port(10 + (number - 1) * 4 + ("dns", "api", "syncer").index(what))

    def secondary_address(self, number):
        return "::1" if self.settings.ipv6_last and number == self.settings.secondaries else "127.0.0.1"

    def secondary_dns(self, number):
        return self.secondary_address(number), self.secondary_port(number, "dns")

    def secondary_backend(self, number):
        if self.settings.backend == "mixed":
            return "sqlite" if number % 2 else "lmdb"
        return self.settings.backend

    def secondary_numbers(self):
        return range(1, self.settings.secondaries + 1)

    def secondary_api_url(self, number):
        return "http://" + host_port(self.secondary_address(number), self.secondary_port(number, "api"))

    def api_key(self, where):
        """where: primary or secondary-N"""
        return (self.dir / "etc" / where / "api.key").read_text().strip()

    api_url = property(lambda self: f"http://127.0.0.1:{self.proxy_port}")
    primary_api_url = property(lambda self: f"http://127.0.0.1:{self.primary_api_port}")
    nats_url = property(lambda self: f"nats://127.0.0.1:{self.nats_port}")

    def log_file(self, name):
        return self.dir / "log" / f"{name}.log"

    # Configurations

    def write_everything(self):
        for where in ["primary"] + [f"secondary-{number}" for number in self.secondary_numbers()]:
            write_private(self.dir / "etc" / where / "api.key", secrets.token_urlsafe(24) + "\n")
        self.write_nats()
        self.write_primary_pdns()
        for number in self.secondary_numbers():
            self.write_secondary_pdns(number)
        if self.settings.daemons:
            self.make_keys()
            self.write_primary_daemons()
            for number in self.secondary_numbers():
                self.write_syncer(number)
        self.write_environment()

    def configuration(self, values, *targets):
        """Lines of a configuration file; what --set says for one of the targets goes before."""
        values = dict(values)
        for target in targets:
            values.update(self.settings.sets.get(target, {}))
        return "".join(f"{name} = {value}\n" for name, value in values.items())

    def nats_users(self):
        return ["zone-provider", "api-proxy", "health-checker", "distribute"] + \
            [f"secondary-{number}" for number in self.secondary_numbers()]

    def write_nats(self):
        text = (f'listen: "127.0.0.1:{self.nats_port}"\nserver_name: lab\n'
                f'jetstream {{ store_dir: {json.dumps(str(self.dir / "nats"))} }}\n')
        if self.settings.rights:
            passwords = {user: secrets.token_urlsafe(18) for user in self.nats_users()}
            for user, password in passwords.items():
                where = user if user.startswith("secondary-") else "primary"
                write_private(self.dir / "etc" / where / f"nats-{user}.password", password + "\n")
            text += self.nats_accounts(passwords)
        for name, value in self.settings.sets.get("nats", {}).items():
            text += f"{name}: {value}\n"
        write_private(self.dir / "etc" / "nats" / "nats.conf", text)

    def nats_accounts(self, passwords):
        """
        Each program gets its own rights and no more. A secondary has an account of its own: it imports the next message
        of its own durable, the acknowledgements of that, and reading heads and bodies; it exports its heartbeats, what it
        applied and what it answers. What it names as a reply subject stays in its own account, so it cannot have the server
        write into somebody else's subject.
        """
        stream = PREFIX.upper().replace("-", "_")
        numbers = list(self.secondary_numbers())

        def user(name, publish, subscribe):
            publish = publish + [f"{PREFIX}.heartbeat.>"]
            return {"user": name, "password": passwords[name],
                    "permissions": {"publish": publish, "subscribe": [f"_INBOX_{name}.>"] + subscribe, "allow_responses": True}}

        def pull(name):
            return [f"$JS.API.CONSUMER.MSG.NEXT.{stream}_{name}", f"$JS.ACK.{stream}_{name}.>"]

        rebuild = [f"$JS.API.STREAM.{verb}.{stream}_{name}" for verb in ("INFO", "CREATE")
                   for name in ("EVENTS", "ZONES", "BODIES")] + \
            ["$JS.API.INFO", f"$JS.API.STREAM.INFO.KV_{stream}_STATE", f"$JS.API.STREAM.CREATE.KV_{stream}_STATE",
             f"$JS.API.CONSUMER.INFO.{stream}_EVENTS.zone-provider", f"$JS.API.CONSUMER.CREATE.{stream}_EVENTS.zone-provider",
             f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}_EVENTS.zone-provider"]
        read = [f"$JS.API.DIRECT.GET.{stream}_ZONES.>", f"$JS.API.DIRECT.GET.{stream}_BODIES.>",
                f"$JS.API.DIRECT.GET.{stream}_ZONES", f"$JS.API.DIRECT.GET.{stream}_BODIES"]
        state = [f"$KV.{stream}_STATE.>"] + [f"$JS.API.{verb}.KV_{stream}_STATE{rest}" for verb, rest in (
            ("STREAM.MSG.GET", ""), ("DIRECT.GET", ""), ("DIRECT.GET", ".>"), ("CONSUMER.CREATE", ""), ("CONSUMER.CREATE", ".>"),
            ("CONSUMER.INFO", ".>"), ("CONSUMER.DELETE", ".>"), ("STREAM.PURGE", ""))]
        # The members' durables are made and removed by the command and the checker alone.
        enroll = [f"$JS.API.CONSUMER.{verb}.{stream}_ZONES{rest}" for verb, rest in (
            ("CREATE", ""), ("CREATE", ".>"), ("DURABLE.CREATE", ".>"), ("INFO", ".>"), ("DELETE", ".>"), ("LIST", ""), ("NAMES", ""))]
        users = [
            user("api-proxy", [f"{PREFIX}.event.>", f"{PREFIX}.ask.secondary-syncer.*.zone", f"{PREFIX}.ask.health-checker.>"],
                 [f"{PREFIX}.heartbeat.secondary-syncer.*", f"{PREFIX}.covered.*", f"{PREFIX}.applied.*"]),
            user("zone-provider", rebuild + read + pull("EVENTS.zone-provider") + [
                f"{PREFIX}.zone.>", f"{PREFIX}.body.>", f"{PREFIX}.covered.>", f"{PREFIX}.coming.>", f"$JS.API.STREAM.PURGE.{stream}_BODIES"],
                [f"{PREFIX}.ask.zone-provider.>"]),
            user("health-checker", rebuild + read + state + enroll + [
                f"{PREFIX}.event.>", f"{PREFIX}.ask.secondary-syncer.>", f"{PREFIX}.ask.zone-provider.>",
                f"$JS.API.STREAM.PURGE.{stream}_BODIES", f"$JS.API.CONSUMER.MSG.NEXT.{stream}_ZONES.>", f"$JS.ACK.{stream}_ZONES.>"],
                [f"{PREFIX}.heartbeat.>", f"{PREFIX}.applied.>", f"{PREFIX}.covered.>", f"{PREFIX}.ask.health-checker.>"]),
            user("distribute", rebuild + read + state + enroll + [f"$JS.API.CONSUMER.LIST.{stream}_EVENTS", f"{PREFIX}.ask.>"],
                 [f"{PREFIX}.heartbeat.>", f"{PREFIX}.applied.>"]),
        ]
        own = {"jetstream": "enabled", "users": users, "exports": [], "imports": []}
        accounts = {"PRIMARY": own}
        everybody = [f"SECONDARY_{number}" for number in numbers]
        for subject in read:
            own["exports"].append({"service": subject, "accounts": everybody})
        coming = f"{PREFIX}.coming.*"
        own["exports"].append({"stream": coming, "accounts": everybody})
        for number in numbers:
            name, account = f"secondary-{number}", f"SECONDARY_{number}"
            next_message, acknowledge = pull(f"ZONES.secondary-{name}")
            told = [f"{PREFIX}.heartbeat.secondary-syncer.{name}", f"{PREFIX}.applied.{name}"]
            asked = f"{PREFIX}.ask.secondary-syncer.{name}.>"
            own["exports"].append({"service": next_message, "accounts": [account], "response_type": "Stream"})
            own["exports"].append({"service": acknowledge, "accounts": [account]})
            own["imports"] += [{"stream": {"account": account, "subject": subject}} for subject in told]
            own["imports"].append({"service": {"account": account, "subject": asked}})
            accounts[account] = {
                "users": [{"user": name, "password": passwords[name], "permissions": {
                    "publish": told + [next_message, acknowledge] + read,
                    "subscribe": [f"_INBOX_{name}.>", asked, coming], "allow_responses": True}}],
                "exports": [{"stream": subject, "accounts": ["PRIMARY"]} for subject in told] +
                           [{"service": asked, "accounts": ["PRIMARY"]}],
                "imports": [{"service": {"account": "PRIMARY", "subject": subject}}
                            for subject in [next_message, acknowledge] + read] +
                           [{"stream": {"account": "PRIMARY", "subject": coming}}],
            }
        return "accounts " + json.dumps(accounts, indent=1) + "\n"

    def pdns_values(self, name, address, dns_port, api_port, key):
        """What primary and secondaries have in common; durable defaults are kept."""
        return {
            "daemon": "no", "guardian": "no", "disable-syslog": "yes", "write-pid": "no", "log-timestamp": "yes", "loglevel": "4",
            "socket-dir": self.dir / "run" / f"{name}.control",
            "local-address": address, "local-port": dns_port,
            "allow-axfr-ips": "127.0.0.0/8,::1",
            "security-poll-suffix": "",   # else each start asks the resolver of the machine
            "only-notify": "",            # else it looks up and notifies the name servers that test zones name
            "api": "yes", "api-key": key, "webserver": "yes", "webserver-address": address, "webserver-port": api_port,
            "webserver-allow-from": "127.0.0.0/8,::1", "webserver-loglevel": "none",
        }

    def write_pdns(self, name, values, *targets):
        values.update({key: value for target in targets for key, value in self.settings.sets.get(target, {}).items()})
        (self.dir / "run" / f"{name}.control").mkdir(exist_ok=True)
        (self.dir / name).mkdir(exist_ok=True)
        write_private(self.dir / "etc" / name / "pdns.conf", "".join(f"{key}={value}\n" for key, value in values.items()))

    def make_sqlite(self, name):
        file = self.dir / name / "pdns.sqlite3"
        if not file.exists():
            with contextlib.closing(sqlite3.connect(file)) as database:
                database.executescript(SQLITE_SCHEMA.read_text())
        return {"launch": "gsqlite3", "gsqlite3-database": file, "gsqlite3-dnssec": "yes"}

    def write_primary_pdns(self):
        (self.dir / "primary").mkdir(exist_ok=True)
        values = self.pdns_values("primary", "127.0.0.1", self.primary_dns_port, self.primary_api_port, self.api_key("primary"))
        values.update(self.make_sqlite("primary"))
        values.update({"primary": "yes", "enable-lua-records": "yes", "webserver-max-bodysize": 64})
        self.write_pdns("primary", values, "primary")

    def write_secondary_pdns(self, number):
        name = f"secondary-{number}"
        (self.dir / name).mkdir(exist_ok=True)
        address, port = self.secondary_dns(number)
        values = self.pdns_values(name, address, port, self.secondary_port(number, "api"), self.api_key(name))
        if self.secondary_backend(number) == "sqlite":
            values.update(self.make_sqlite(name))
        else:
            values.update({"launch": "lmdb", "lmdb-filename": self.dir / name / "pdns.lmdb"})
        values["secondary"] = "yes"
        self.write_pdns(name, values, "secondary", name)

    def make_keys(self):
        etc = self.dir / "etc" / "primary"
        self.command(self.program("pdns-distribute"), "keys", "generate",
                     "--private", etc / "signing.key", "--public", etc / "trusted.keys")
        for number in self.secondary_numbers():
            (self.dir / "etc" / f"secondary-{number}" / "trusted.keys").write_text((etc / "trusted.keys").read_text())

    def nats_values(self, user):
        values = {"nats-url": self.nats_url}
        if self.settings.rights:
            where = user if user.startswith("secondary-") else "primary"
            values.update({"nats-user": user, "nats-password-file": self.dir / "etc" / where / f"nats-{user}.password",
                           "nats-inbox-prefix": f"_INBOX_{user}"})
        return values

    def common_values(self, where, address, api_port):
        return {"id": where, "prefix": PREFIX, "log-level": "debug", "heartbeat-interval": "1s",
                "pdns-api-url": "http://" + host_port(address, api_port),
                "pdns-api-key-file": self.dir / "etc" / where / "api.key"}

    def write_primary_daemons(self):
        etc = self.dir / "etc" / "primary"
        common = self.common_values("primary", "127.0.0.1", self.primary_api_port)
        write_private(etc / "common.conf", self.configuration(common, "common"))
        own = {
            "zone-provider": {"primary-dns": f"127.0.0.1:{self.primary_dns_port}", "signing-key-file": etc / "signing.key"},
            "api-proxy": {"listen": f"127.0.0.1:{self.proxy_port}", "plain-http": "yes", "body-max": "64M"},
            "health-checker": {"trusted-keys": etc / "trusted.keys"},
            "distribute": {"trusted-keys": etc / "trusted.keys"},
        }
        for name, values in own.items():
            values.update(self.nats_values(name))
            if name != "distribute":
                values["state-dir"] = self.dir / name
                values["metrics-listen"] = f"127.0.0.1:{self.metrics_port(name)}"
                (self.dir / name).mkdir(exist_ok=True)
            write_private(etc / f"{name}.conf", self.configuration(values, name))

    def write_syncer(self, number):
        name = f"secondary-{number}"
        etc = self.dir / "etc" / name
        address, port = self.secondary_dns(number)
        (self.dir / f"syncer-{number}").mkdir(exist_ok=True)
        common = self.common_values(name, address, self.secondary_port(number, "api"))
        write_private(etc / "common.conf", self.configuration(common, "common"))
        values = {
            "state-dir": self.dir / f"syncer-{number}",
            "metrics-listen": f"127.0.0.1:{self.metrics_port(f'syncer-{number}')}",
            "trusted-keys": etc / "trusted.keys",
            "dns-listen": host_port(address, self.secondary_port(number, "syncer")),
            "secondary-dns": host_port(address, port),
        }
        values.update(self.nats_values(name))
        write_private(etc / "secondary-syncer.conf", self.configuration(values, "secondary-syncer", f"syncer-{number}"))

    def write_environment(self):
        values = {
            "LAB_DIR": self.dir,
            "LAB_API_URL": self.api_url if self.settings.daemons else self.primary_api_url,
            "LAB_API_KEY": self.api_key("primary"),
            "LAB_PRIMARY_API_URL": self.primary_api_url,
            "LAB_PRIMARY_DNS": f"127.0.0.1:{self.primary_dns_port}",
            "LAB_NATS_URL": self.nats_url,
            "LAB_CONFIG_DIR": self.dir / "etc" / "primary",
            "LAB_SECONDARIES": self.settings.secondaries,
        }
        for number in self.secondary_numbers():
            values[f"LAB_SECONDARY_{number}_DNS"] = host_port(*self.secondary_dns(number))
            values[f"LAB_SECONDARY_{number}_API_URL"] = self.secondary_api_url(number)
            values[f"LAB_SECONDARY_{number}_API_KEY"] = self.api_key(f"secondary-{number}")
            values[f"LAB_SECONDARY_{number}_BACKEND"] = self.secondary_backend(number)
            values[f"LAB_SYNCER_{number}_DNS"] = host_port(self.secondary_address(number), self.secondary_port(number, "syncer"))
        if self.settings.daemons:
            for name in ["api-proxy", "zone-provider", "health-checker"] + [f"syncer-{number}" for number in self.secondary_numbers()]:
                shell_name = name.upper().replace("-", "_")
                values[f"LAB_{shell_name}_METRICS"] = f"http://127.0.0.1:{self.metrics_port(name)}/metrics"
        write_private(self.dir / "lab.env", "".join(f"{name}='{value}'\n" for name, value in values.items()))

    # Processes

    def process_names(self):
        """All, in the order in which they are started."""
        numbers = self.secondary_numbers()
        names = ["nats", "primary"] + [f"secondary-{number}" for number in numbers]
        if self.settings.daemons:
            names += ["zone-provider", "api-proxy", "health-checker"] + [f"syncer-{number}" for number in numbers]
        return names

    def process(self, name):
        etc = self.dir / "etc"
        if name == "nats":
            return Process(name, ["nats-server", "-c", etc / "nats" / "nats.conf"], {}, False, self.nats_answers)
        if name == "primary" or (name.startswith("secondary-") and name in self.process_names()):
            return Process(name, ["pdns_server", f"--config-dir={etc / name}"], {}, False, lambda: self.pdns_answers(name))
        if name not in self.process_names() and name != "zone-provider-2":
            raise LabError(f"no process {name}; there are: {' '.join(self.process_names())}")
        if name.startswith("syncer-"):
            number = name.rpartition("-")[2]
            return Process(name, [self.program("pdns-secondary-syncer"), "--config-dir", etc / f"secondary-{number}"], {}, True)
        if name == "zone-provider-2":
            return Process(name, [self.program("pdns-zone-provider"), "--config-dir", etc / "primary-2"], {}, True)
        return Process(name, [self.program(f"pdns-{name}"), "--config-dir", etc / "primary"], {}, True)

    def nats_answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.nats_port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False

    def pdns_answers(self, name):
        url = self.primary_api_url if name == "primary" else self.secondary_api_url(int(name.rpartition("-")[2]))
        try:
            self.http("GET", url + "/api/v1/servers/localhost", self.api_key(name))
            return True
        except OSError:
            return False

    @staticmethod
    def http(method, url, key, body=None, timeout=30):
        """A request to a PowerDNS API: the answer's JSON or None. OSError."""
        request = urllib.request.Request(url, method=method, headers={"X-API-Key": key, "Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def mark(self, name):
        return f"{self.dir}:{name}"

    def pid(self, name):
        """Process id of a running process of this lab, else None."""
        pid = read_pid(self.dir / "run" / f"{name}.pid")
        return pid if pid and process_is(pid, self.mark(name)) else None

    def launch(self, name):
        """Starts a process without waiting until it is ready."""
        process = self.process(name)
        if self.pid(name):
            raise LabError(f"{name} runs already (process {self.pid(name)})")
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and key != "NOTIFY_SOCKET"}
        environment.update(process.environment)
        environment[MARK] = self.mark(name)
        if process.is_daemon:
            self.close_readiness(name)
            self.readiness[name] = Readiness()
            environment["NOTIFY_SOCKET"] = self.readiness[name].address
            environment.update(sanitizer_options())
        with open(self.log_file(name), "ab") as log:
            try:
                child = subprocess.Popen([str(word) for word in process.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env=environment, cwd=self.dir, start_new_session=True)
            except FileNotFoundError as error:
                raise LabError(f"{name}: {error.filename} is missing") from None
        self.children[name] = child
        write_private(self.dir / "run" / f"{name}.pid", f"{child.pid}\n")

    def wait_ready(self, name, timeout=30):
        process = self.process(name)
        ready = process.ready or self.readiness[name].seen
        child = self.children[name]

        def ready_or_gone():
            if child.poll() is not None:
                raise LabError(f"{name} ended with status {child.returncode}:\n{self.log_tail(name)}")
            return ready()
        wait_until(ready_or_gone, timeout, lambda: f"{name} to become ready, {self.status_line(name)}:\n{self.log_tail(name)}")

    def status_line(self, name):
        """The status line of a daemon that this very program started."""
        return self.readiness[name].status if name in self.readiness else ""

    def start(self, name, wait=True, timeout=30):
        self.launch(name)
        if wait:
            self.wait_ready(name, timeout)

    def close_readiness(self, name):
        if name in self.readiness:
            self.readiness.pop(name).close()

    def end(self, name, sig=signal.SIGTERM, timeout=20):
        """
        Ends one process and waits until it is gone; one that does not go within the time is killed. Its exit status
        (negative: the signal), or None if another program started it or it did not run.
        """
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
            try:
                self.wait_gone(name, pid, timeout)
            except LabError:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGABRT if sig == signal.SIGTERM and self.process(name).is_daemon else signal.SIGKILL)
                self.wait_gone(name, pid, timeout)
        (self.dir / "run" / f"{name}.pid").unlink(missing_ok=True)
        self.close_readiness(name)
        child = self.children.pop(name, None)
        return child.wait() if child else None

    def wait_gone(self, name, pid, timeout):
        child = self.children.get(name)

        def gone():
            if child and child.pid == pid:
                return child.poll() is not None
            return not process_is(pid, self.mark(name))
        wait_until(gone, timeout, f"{name} (process {pid}) to end", interval=0.01)

    def stop(self, name):
        return self.end(name, signal.SIGTERM)

    def kill(self, name):
        return self.end(name, signal.SIGKILL)

    def restart(self, name):
        self.stop(name)
        self.start(name)

    def enroll(self, number, timeout=30):
        """Makes a secondary known; tried again while the provider is still making the streams."""
        last = []

        def done():
            result = self.distribute("secondary", "add", f"secondary-{number}", check=False)
            last[:] = [result.stderr.strip() or result.stdout.strip()]
            return result.returncode == 0
        wait_until(done, timeout, lambda: f"secondary add secondary-{number}: {' '.join(last)}", interval=0.2)

    def distribute(self, *arguments, check=True):
        """Runs pdns-distribute as the primary's operator."""
        return self.command(self.program("pdns-distribute"), "--config-dir", self.dir / "etc" / "primary", *arguments, check=check)

    @staticmethod
    def command(*words, check=True, timeout=60):
        environment = {**os.environ, **sanitizer_options()}
        result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout, env=environment,
                                stdin=subprocess.DEVNULL, check=False)
        if check and result.returncode:
            raise LabError(f"{' '.join(str(word) for word in words)}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def empty(self, name):
        """Takes a stopped process back to its first day: its data are gone, its configuration stays."""
        if self.pid(name):
            raise LabError(f"{name} runs; stop it before it is emptied")
        shutil.rmtree(self.dir / name, ignore_errors=True)
        if name == "nats":
            return
        (self.dir / name).mkdir()
        if name == "primary" or (name.startswith("secondary-") and self.secondary_backend(int(name.rpartition("-")[2])) == "sqlite"):
            self.make_sqlite(name)

    def add_provider(self):
        """A second zone provider on the primary, zone-provider-2, with an id of its own; not started."""
        etc, copy = self.dir / "etc" / "primary", self.dir / "etc" / "primary-2"
        copy.mkdir(exist_ok=True)
        write_private(copy / "common.conf", (etc / "common.conf").read_text().replace("id = primary\n", "id = primary-2\n"))
        write_private(copy / "zone-provider.conf", (etc / "zone-provider.conf").read_text()
                      .replace(str(self.dir / "zone-provider"), str(self.dir / "zone-provider-2"))
                      .replace(f":{self.metrics_port('zone-provider')}\n", f":{self.metrics_port('zone-provider-2')}\n"))
        (self.dir / "zone-provider-2").mkdir(exist_ok=True)

    # The whole

    def up(self):
        servers = [name for name in self.process_names() if not self.process(name).is_daemon]
        for name in servers:
            self.launch(name)
        for name in servers:
            self.wait_ready(name)
        daemons = [name for name in self.process_names() if name not in servers]
        for name in daemons:
            if name.startswith("syncer-") and self.settings.enroll:
                self.enroll(int(name.rpartition("-")[2]))
            self.launch(name)
        for name in daemons:
            self.wait_ready(name, timeout=60)
        if "health-checker" in daemons:
            with contextlib.suppress(LabError, OSError):  # one that does not is up to whoever uses the lab
                wait_until(lambda: self.metric("health-checker", "pdns_distribute_checker_leader"), 10, "the health-checker to lead")

    def down(self):
        """Ends all processes of this lab, also of one that did not come up; the files stay."""
        return end_all(self.dir, self)

    def close(self):
        """After down: the files stay to be looked at, until a new lab is made here."""
        with contextlib.suppress(FileNotFoundError):
            (self.dir / "lab.json").rename(self.dir / "lab.ended")

    def remove(self):
        """After down."""
        shutil.rmtree(self.dir)

    def status(self):
        return {name: self.pid(name) for name in self.process_names()}

    def log_tail(self, name, lines=30):
        try:
            return "\n".join(self.log_file(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def metric(self, name, metric):
        """Value of a metric of one of the daemons, summed over its labels; None when it has none of that name."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.metrics_port(name)}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        values = [float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == metric]
        return sum(values) if values else None


def end_all(folder, lab=None):
    """
    Ends what runs under DIR/run, daemons before the servers they use. Works without lab.json too. Exit statuses by name,
    where this program started the process.
    """
    folder = Path(folder).resolve()
    with contextlib.suppress(LabError):
        lab = lab or Lab.open(folder)
    lab = lab or Lab(folder, Settings())
    names = [path.stem for path in (folder / "run").glob("*.pid")]
    names.sort(key=lambda name: (name == "nats", name == "primary", name.startswith("secondary-"), name))
    statuses = {}
    for name in names:
        pid = lab.pid(name)
        if pid and not (name == "nats" or name == "primary" or name.startswith("secondary-")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)  # all daemons at once, then one is waited for after the other
    for name in names:
        statuses[name] = lab.end(name)
    release_ports(folder, lab.settings.base_port)
    return statuses


def sanitizer_options():
    """For sanitizer builds: reports go to the log, with stacks, and nothing is passed over."""
    suppressions = SOURCE / "tests" / "tsan.supp"
    options = {
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
        "TSAN_OPTIONS": "halt_on_error=0:exitcode=99:second_deadlock_stack=1" +
                        (f":suppressions={suppressions}" if suppressions.exists() else ""),
    }
    if (SOURCE / "tests" / "lsan.supp").exists():
        options["LSAN_OPTIONS"] = f"suppressions={SOURCE / 'tests' / 'lsan.supp'}"
    return {name: os.environ.get(name, value) for name, value in options.items()}
