# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: NATS and AXFR are reached with every sort of credentials, and these stay out of the logs."""

import base64
import binascii
import json
import secrets
import subprocess
import time

import kit
import nacl.signing


def arrives(lab, zone):
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"])


def private(folder, name, text):
    path = folder / name
    kit.labkit.write_private(path, text + "\n")
    return str(path)


OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3  # what the first letter of an NKEY says


class Nkey:
    """An NKEY: seed and public key as nats-server writes them, and what it signs."""

    def __init__(self, kind):
        def written(prefix, data):
            raw = prefix + data
            return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")
        self.key = nacl.signing.SigningKey.generate()
        self.seed = written(bytes([18 << 3 | kind >> 5, (kind & 31) << 3]), bytes(self.key))
        self.public = written(bytes([kind]), bytes(self.key.verify_key))

    def token(self, subject, name, **nats):
        """A JWT by this key about another one."""
        def part(data):
            return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")
        claims = {"jti": secrets.token_hex(16), "iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": name,
                  "nats": {**nats, "version": 2}}
        text = part({"typ": "JWT", "alg": "ed25519-nkey"}) + "." + part(claims)
        return text + "." + part(self.key.sign(text.encode()).signature)


def test_user_and_password(make_lab, zone, tmp_path):
    """Goal: user and password."""
    password = secrets.token_urlsafe(20)
    arrives(make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"authorization": f'{{ user: "suite", password: "{password}" }}'},
        "common": {"nats-user": "suite", "nats-password-file": private(tmp_path, "password", password)}})), zone)


def test_token(make_lab, zone, tmp_path):
    """Goal: a token."""
    token = secrets.token_urlsafe(20)
    arrives(make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"authorization": f'{{ token: "{token}" }}'}, "common": {"nats-token-file": private(tmp_path, "token", token)}})), zone)


def test_nkey(make_lab, zone, tmp_path):
    """Goal: an NKEY seed."""
    user = Nkey(USER)
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"authorization": f"{{ users: [ {{ nkey: {user.public} }} ] }}"},
        "common": {"nats-nkey-seed-file": private(tmp_path, "seed", user.seed)}}))
    arrives(lab, zone)
    assert not [path for path in (lab.dir / "log").iterdir() if user.seed in path.read_text()]


def test_credentials_file(make_lab, zone, tmp_path):
    """Goal: a credentials file, as operators of NATS with JWTs give them out."""
    operator, system, account, user = Nkey(OPERATOR), Nkey(ACCOUNT), Nkey(ACCOUNT), Nkey(USER)
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams", "consumer"), -1)
    account_token = operator.token(account, "lab", type="account", limits={**limits, "wildcards": True})
    system_token = operator.token(system, "system", type="account", limits={**limits, "mem_storage": 0, "disk_storage": 0, "wildcards": True})
    token = account.token(user, "lab", type="user", subs=-1, data=-1, payload=-1)
    credentials = private(tmp_path, "lab.creds", f"""-----BEGIN NATS USER JWT-----
{token}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{user.seed}
------END USER NKEY SEED------
""")
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"operator": operator.token(operator, "lab", type="operator"), "resolver": "MEMORY",
                 "system_account": system.public,
                 "resolver_preload": f"{{ {account.public}: {account_token}, {system.public}: {system_token} }}"},
        "common": {"nats-credentials-file": credentials}}))
    arrives(lab, zone)
    assert not [path for path in (lab.dir / "log").iterdir() if user.seed in path.read_text()]


def test_tls(make_lab, zone, tmp_path):
    """Goal: TLS with a CA of one's own and client certificates that the server demands."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=test CA")
    for name in ("server", "client"):
        (tmp_path / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
                "-extfile", f"{name}.ext")
        (tmp_path / f"{name}.key").chmod(0o600)
    arrives(make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"tls": f'{{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key", ca_file: "{tmp_path}/ca.pem", verify: true }}'},
        "common": {"nats-tls": "required", "nats-tls-ca": f"{tmp_path}/ca.pem", "nats-tls-certificate": f"{tmp_path}/client.pem",
                   "nats-tls-key": f"{tmp_path}/client.key"}})), zone)


def test_several_servers(make_lab, zone):
    """Goal: of several URLs one that is dead does not matter."""
    lab = make_lab(sets=kit.NO_REPAIR, secondaries=1)
    dead = f"nats://127.0.0.1:{lab.port(90)}"
    for name in ("common",):
        path = lab.dir / "etc" / "secondary-1" / f"{name}.conf"
        path.write_text(path.read_text() + f"nats-url = {dead},{lab.nats_url}\n")
    path = lab.dir / "etc" / "secondary-1" / "secondary-syncer.conf"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines() if not line.startswith("nats-url")))
    lab.restart("syncer-1")
    arrives(lab, zone)


def test_tsig(make_lab, zone, tmp_path):
    """Goal: the primary gives zones only to who has the TSIG key; the provider has it."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"primary": {"allow-axfr-ips": ""}}))
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    lab.primary_api.ok("POST", "/tsigkeys", json={"name": "transfer", "algorithm": "hmac-sha256", "key": key})
    path = lab.dir / "etc" / "primary" / "transfer.tsig"
    kit.labkit.write_private(path, f"hmac-sha256:transfer:{key}\n")
    configuration = lab.dir / "etc" / "primary" / "zone-provider.conf"
    configuration.write_text(configuration.read_text() + f"axfr-tsig-file = {path}\n")
    lab.restart("zone-provider")
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.command("pdnsutil", f"--config-dir={lab.dir}/etc/primary", "activate-tsig-key", zone, "transfer", "primary")
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.2")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.2"])
    anchor = kit.trust_anchor(lab, zone)
    for server in lab.secondaries():
        kit.assert_secure(server, anchor, zone, f"www.{zone}", "A")


def test_transfer_refused(make_lab, zone):
    """Goal: a primary that refuses transfers is reported with what to set in pdns.conf, and needs nothing but that."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"primary": {"allow-axfr-ips": "192.0.2.1"}}))
    lab.api.create(zone, kit.www(zone))
    lab.wait_log("zone-provider", "allow-axfr-ips")
    configuration = lab.dir / "etc" / "primary" / "pdns.conf"
    configuration.write_text(configuration.read_text().replace("allow-axfr-ips=192.0.2.1\n", "allow-axfr-ips=127.0.0.0/8\n"))
    lab.restart("primary")
    lab.wait_same(zone)
