# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: ACME clients, which cannot ask to wait, get their challenge answered everywhere when their API call returns.

The clients are lego with its provider for PowerDNS, and certbot with hooks; the authority is Pebble: all as Debian has them. Pebble
looks the moment that the client says it may, and asks a resolver that knows all secondaries.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import kit
import requests

WAIT = f"{20 * kit.SLOWNESS}s"


class Resolver:
    """Asks every secondary, notes what each says, and answers as they do where they agree, else SERVFAIL."""

    def __init__(self, port, servers):
        self.servers = servers
        self.noted = []  # (question, type, [set of rdata per secondary])
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                data, client = self.socket.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(data)
            answers = [dns.query.udp(query, address, timeout=5, port=port) for address, port in self.servers]
            texts = [{rdata.to_text() for rrset in answer.answer for rdata in rrset} for answer in answers]
            self.noted.append((query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype), texts))
            reply = answers[0]
            if any((text, answer.rcode()) != (texts[0], reply.rcode()) for text, answer in zip(texts, answers)):
                reply = dns.message.make_response(query)
                reply.set_rcode(dns.rcode.SERVFAIL)
            reply.flags |= dns.flags.RA
            self.socket.sendto(reply.to_wire(), client)


class Pebble:
    """The ACME server of the people who run Let's Encrypt, made for tests; validates at once."""

    def __init__(self, folder, port, resolver_port):
        self.certificate = folder / "pebble.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "pebble.key", "-out", self.certificate,
                        "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        (folder / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{port + 1}", "certificate": str(self.certificate),
            "privateKey": str(folder / "pebble.key"), "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "",
            "externalAccountBindingRequired": False}}))
        self.directory = f"https://localhost:{port}/dir"
        self.log = folder / "log" / "pebble-server.txt"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(["pebble", "-strict", "-config", folder / "pebble.json", "-dnsserver", f"127.0.0.1:{resolver_port}"],
                                          stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL, env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
        kit.wait_until(self.answers, kit.LIMIT, lambda: f"Pebble to answer: {self.log.read_text()}")

    def answers(self):
        assert self.child.poll() is None, self.log.read_text()
        try:
            return requests.get(self.directory, verify=str(self.certificate), timeout=5).ok
        except requests.exceptions.ConnectionError:
            return False

    def close(self):
        self.child.terminate()
        self.child.wait()


def authorities(lab, pebble):
    """A file with both certificates that the client has to trust: the authority's server and the proxy, which made its own."""
    path = lab.dir / "trusted.pem"
    path.write_text(pebble.certificate.read_text() + (lab.dir / "api-proxy" / "tls" / "certificate.pem").read_text())
    return path


def start(make_lab, request, **sets):
    # A secondary that is held back must not count as away before the client has come to its first change.
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"common": {"heartbeat-interval": "10s"}, "api-proxy": {"plain-http": "no", **sets}}))
    resolver = Resolver(lab.port(36), lab.secondaries())
    request.addfinalizer(resolver.close)
    pebble = Pebble(lab.dir, lab.port(37), lab.port(36))
    request.addfinalizer(pebble.close)
    return lab, resolver, pebble


def create(lab, zone):
    answer = requests.post(f"https://localhost:{lab.proxy_port}/api/v1/servers/localhost/zones",
                           verify=str(lab.dir / "api-proxy" / "tls" / "certificate.pem"), timeout=60,
                           headers={"X-API-Key": lab.api_key("primary"), "Prefer": "wait=20"}, json={"name": zone, "kind": "Native",
                                   "nameservers": [], "rrsets": kit.www(zone)})
    assert answer.status_code == 201 and answer.headers["PDNS-Distribute-Sync"].startswith("in-sync"), answer.text


def lego(lab, pebble, *domains):
    environment = {**os.environ, "PDNS_API_URL": f"https://localhost:{lab.proxy_port}", "PDNS_API_KEY": lab.api_key("primary"), "PDNS_TTL": "60",
                   "PDNS_HTTP_TIMEOUT": "60", "PDNS_POLLING_INTERVAL": "0",
                   "SSL_CERT_FILE": str(authorities(lab, pebble))}
    words = ["lego", "--path", lab.dir / "lego", "--server", pebble.directory, "--accept-tos", "--email", "hostmaster@example.org", "--dns", "pdns",
             "--dns.disable-cp",
             "--dns.resolvers", f"127.0.0.1:{lab.port(36)}"]
    for domain in domains:
        words += ["--domains", domain]
    return subprocess.run([str(word) for word in [*words, "run"]], env=environment, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, check=False)


class Laggard(threading.Thread):
    """Holds a syncer until the record has been on the primary for a while: a secondary that is late."""

    def __init__(self, lab, name, number, seconds):
        super().__init__(daemon=True)
        self.lab, self.name_asked, self.number, self.seconds = lab, name, number, seconds
        os.kill(lab.pid(f"syncer-{number}"), signal.SIGSTOP)
        self.start()

    def run(self):
        try:
            kit.wait_until(lambda: kit.rdatas(self.lab.primary, self.name_asked, "TXT"), 60, "the challenge on the primary")
            time.sleep(self.seconds)
        finally:
            os.kill(self.lab.pid(f"syncer-{self.number}"), signal.SIGCONT)


def challenges(resolver, name):
    return [texts for asked, kind, texts in resolver.noted if asked.lower() == name and kind == "TXT"]


def test_lego(make_lab, request, zone):
    """Goal: the TXT record is on every secondary when lego's call returns, although one is late, and gone from all when its cleanup returns."""
    lab, resolver, pebble = start(make_lab, request, **{"default-wait": WAIT})
    create(lab, zone)
    name = f"_acme-challenge.www.{zone}"
    laggard = Laggard(lab, name, 2, 1.5)
    result = lego(lab, pebble, f"www.{zone}".rstrip("."))
    ended = [kit.rdatas(server, name, "TXT") for server in lab.secondaries()]
    laggard.join()
    assert result.returncode == 0, result.stderr + result.stdout
    assert ended == [set(), set()], ended
    asked = challenges(resolver, name)
    assert asked and all(texts[0] and texts[0] == texts[1] for texts in asked), asked
    assert list((lab.dir / "lego" / "certificates").glob("www.*.crt"))


def test_lego_wildcard(make_lab, request, zone):
    """Goal: the same with the wait that a network has, for a name and its wildcard, which share one name for their records."""
    lab, resolver, pebble = start(make_lab, request, **{"default-wait-for": f"127.0.0.0/8={WAIT}"})
    create(lab, zone)
    bare = zone.rstrip(".")
    result = lego(lab, pebble, bare, f"*.{bare}")
    ended = [kit.rdatas(server, f"_acme-challenge.{zone}", "TXT") for server in lab.secondaries()]
    assert result.returncode == 0, result.stderr + result.stdout
    assert ended == [set(), set()], ended
    asked = challenges(resolver, f"_acme-challenge.{zone}")
    assert asked and all(texts[0] and texts[0] == texts[1] for texts in asked), asked


HOOK = """#!/bin/sh
# What certbot is told to run: puts the challenge into the zone, or takes it away, with curl.
set -e
[ "$1" = present ] && change=REPLACE || change=DELETE
curl -sSf --cacert "$CA" -H "X-API-Key: $KEY" -X PATCH "$API/zones/$ZONE" -d '{"rrsets": [{"name": "_acme-challenge.'"$CERTBOT_DOMAIN"'.", "type": "TXT",
  "ttl": 60, "changetype": "'$change'", "records": [{"content": "\\"'"$CERTBOT_VALIDATION"'\\"", "disabled": false}]}]}'
"""


def test_certbot(make_lab, request, zone):
    """Goal: certbot, whose hooks are curl commands that know nothing of waiting."""
    lab, resolver, pebble = start(make_lab, request, **{"default-wait": WAIT})
    create(lab, zone)
    name = f"_acme-challenge.www.{zone}"
    hook = lab.dir / "hook"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    folders = [word for option in ("config", "work", "logs") for word in (f"--{option}-dir", lab.dir / "certbot" / option)]
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(pebble.certificate), "CA": str(lab.dir / "api-proxy" / "tls" / "certificate.pem"),
                   "KEY": lab.api_key("primary"),
                   "API": f"https://localhost:{lab.proxy_port}/api/v1/servers/localhost", "ZONE": zone}
    laggard = Laggard(lab, name, 1, 1.5)
    words = ["certbot", "certonly", "--manual", "--preferred-challenges", "dns", "--manual-auth-hook", f"{hook} present", "--manual-cleanup-hook",
             f"{hook} cleanup", "--non-interactive",
             "--agree-tos", "--email", "hostmaster@example.org", "--no-eff-email", "--server", pebble.directory, "--domain",
             f"www.{zone}".rstrip("."), *folders]
    result = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                            check=False)
    ended = [kit.rdatas(server, name, "TXT") for server in lab.secondaries()]
    laggard.join()
    assert result.returncode == 0, result.stderr + result.stdout
    assert ended == [set(), set()], ended
    asked = challenges(resolver, name)
    assert asked and all(texts[0] and texts[0] == texts[1] for texts in asked), asked


def test_lego_without_waiting(make_lab, request, zone):
    """Goal: the two tests above show what they say: without a wait the authority asks while the late secondary has nothing, and refuses."""
    lab, resolver, pebble = start(make_lab, request)
    create(lab, zone)
    name = f"_acme-challenge.www.{zone}"
    laggard = Laggard(lab, name, 2, 1.5)
    result = lego(lab, pebble, f"www.{zone}".rstrip("."))
    laggard.join()
    assert result.returncode != 0
    asked = challenges(resolver, name)
    assert asked and not any(texts[1] for texts in asked), asked
    lab.wait_answer(name, "TXT", [])
