# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: NATS and AXFR are reached with every sort of credentials, and these stay out of the logs."""

import base64
import binascii
import secrets
import subprocess

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


def nkey():
    """A user's NKEY: seed and public key as nats-server writes them."""
    def written(prefix, data):
        raw = prefix + data
        return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")
    key = nacl.signing.SigningKey.generate()
    user = 20 << 3
    seed = bytes([18 << 3 | user >> 5, (user & 31) << 3])
    return written(seed, bytes(key)), written(bytes([user]), bytes(key.verify_key))


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
    seed, public = nkey()
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {
        "nats": {"authorization": f"{{ users: [ {{ nkey: {public} }} ] }}"}, "common": {"nats-nkey-seed-file": private(tmp_path, "seed", seed)}}))
    arrives(lab, zone)
    assert not [path for path in (lab.dir / "log").iterdir() if seed in path.read_text()]


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
