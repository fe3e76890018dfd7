# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: HTTPS without any configuration, with a configured certificate, changed while clients are connected."""

import http.client
import os
import signal
import socket
import ssl
import subprocess

import kit
import pytest
import requests

pytestmark = pytest.mark.core

BASE = "/api/v1/servers/localhost"


def get(lab, authority, name="localhost", path=BASE):
    """One request over TLS to a server that this authority vouches for."""
    context = ssl.create_default_context(cafile=str(authority))
    context.check_hostname = True
    with socket.create_connection(("127.0.0.1", lab.proxy_port), timeout=30) as plain, \
            context.wrap_socket(plain, server_hostname=name) as tls:
        tls.sendall(f"GET {path} HTTP/1.0\r\nX-API-Key: {lab.api_key('primary')}\r\n\r\n".encode())
        answer = b""
        while piece := tls.recv(65536):
            answer += piece
        return int(answer.split(None, 2)[1]), tls.version()


def make_certificate(folder, name, days=90):
    """A certificate of its own for a name, as PEM files; the path of the certificate."""
    certificate, key = folder / "proxy.pem", folder / "proxy.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", str(days),
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    key.chmod(0o600)
    return certificate


def test_self_signed(make_lab, zone):
    """Goal: without configuration there is a certificate for the host's names and addresses, which stays; HTTP is not spoken."""
    lab = make_lab(sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"plain-http": "no"}}))
    own = lab.dir / "api-proxy" / "tls" / "certificate.pem"
    before = own.read_text()
    assert get(lab, own) == (200, "TLSv1.3")
    assert get(lab, own, "127.0.0.1")[0] == 200
    assert get(lab, own, socket.gethostname())[0] == 200
    assert (own.parent / "key.pem").stat().st_mode & 0o777 == 0o600
    plain = requests.get(f"http://127.0.0.1:{lab.proxy_port}{BASE}", timeout=30)
    assert plain.status_code == 400 and plain.json() == {"error": "HTTP was sent to an HTTPS port"}
    answer = requests.post(f"https://localhost:{lab.proxy_port}{BASE}/zones", verify=str(own), timeout=60, json={
        "name": zone, "kind": "Native", "rrsets": kit.www(zone), "nameservers": []}, headers={"X-API-Key": lab.api_key("primary"), "Prefer": "wait=20"})
    assert answer.status_code == 201 and answer.headers["PDNS-Distribute-Sync"].startswith("in-sync")
    lab.end("api-proxy")
    lab.start("api-proxy")
    assert own.read_text() == before
    assert get(lab, own)[0] == 200


@pytest.mark.parametrize("version,served", [("TLSv1", False), ("TLSv1.1", False), ("TLSv1.2", True), ("TLSv1.3", True)])
def test_versions(tls_lab, version, served):
    """Goal: TLS 1.2 is the least."""
    option = "-" + version.replace("TLSv", "tls").replace(".", "_")
    result = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{tls_lab.proxy_port}", option, "-cipher", "ALL:@SECLEVEL=0"],
                            input="", capture_output=True, text=True, timeout=60, check=False)
    assert ("Cipher is (NONE)" not in result.stdout) == served, result.stdout + result.stderr


@pytest.fixture(scope="module")
def tls_lab():
    lab = kit.TestLab.make(sets=kit.merge(kit.NO_REPAIR, {"api-proxy": {"plain-http": "no"}}))
    yield lab
    problems = lab.close()
    assert not problems, problems


def test_reload(tls_lab):
    """Goal: SIGHUP takes a new certificate for new connections and leaves open ones alone; a broken one is refused."""
    lab = tls_lab
    configuration = lab.dir / "etc" / "primary" / "api-proxy.conf"
    own = lab.dir / "api-proxy" / "tls" / "certificate.pem"
    context = ssl.create_default_context(cafile=str(own))
    client = http.client.HTTPSConnection("localhost", lab.proxy_port, context=context, timeout=30)

    def still_served():
        client.request("GET", BASE, headers={"X-API-Key": lab.api_key("primary")})
        answer = client.getresponse()
        answer.read()
        return answer.status

    def reload(said):
        begin = lab.log_file("api-proxy").stat().st_size
        os.kill(lab.pid("api-proxy"), signal.SIGHUP)
        lab.wait_log("api-proxy", said, start=begin)

    assert still_served() == 200
    sock = client.sock
    certificate = make_certificate(lab.dir, "first.example")
    with open(configuration, "a") as file:
        file.write(f"tls-certificate = {certificate}\ntls-key = {lab.dir / 'proxy.key'}\n")
    reload("configuration read again")
    assert get(lab, certificate, "first.example")[0] == 200
    first = certificate.read_text()
    make_certificate(lab.dir, "second.example")
    reload("configuration read again")
    assert get(lab, certificate, "second.example")[0] == 200
    second = lab.dir / "second.pem"
    second.write_text(certificate.read_text())
    certificate.write_text(first)  # not of this key
    reload("the old configuration stays.*proxy.pem")
    assert get(lab, second, "second.example")[0] == 200
    assert still_served() == 200 and client.sock is sock
    client.close()
