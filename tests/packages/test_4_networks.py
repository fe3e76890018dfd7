# SPDX-License-Identifier: GPL-3.0-or-later
"""The chapters of docs/install.md that not every installation needs: IPv6 only, TLS for NATS, a cluster of three."""

import json
import re

from hosts import run, wait_until
from installation import ADDRESSES, KEYS, SYNCER, Guide, assert_follows, assert_running, units

NODES = {"nats1": ADDRESSES["primary"][0], "nats2": "fd4f:7064::12", "nats3": "fd4f:7064::13"}


def all_run(hosts):
    for host in hosts.values():
        assert_running(host, *units(host))


def test_ipv6_only(hosts, primary):
    """No IPv4 address is left on either host, not even on loopback."""
    guide = Guide(hosts)
    for host in hosts.values():
        host.shell("for link in lo host0; do ip -4 address flush dev $link; done")
        assert not host.shell("ip -4 -o address").strip()
    # The zone has the other master, as the chapter says; here it is to be taken over.
    hosts["ns1"].write("/etc/pdns-distribute/secondary-syncer.conf.d/adopt.conf", "adopt = yes\n")
    guide.do("ipv6")
    all_run(hosts)
    assert_follows(primary, "ipv6")


def test_tls_for_nats(hosts, primary):
    Guide(hosts).do("tls")
    all_run(hosts)
    assert_follows(primary, "tls")
    # The certificate is really looked at.
    host, folder = hosts["ns1"], hosts["ns1"].root / "etc/pdns-distribute/keys"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=another CA",
        "-keyout", "/dev/null", "-out", folder / "other.pem")
    host.shell(f"chmod 644 {KEYS}/other.pem")
    host.write("/etc/pdns-distribute/common.conf.d/zz.conf", f"nats-tls-ca = {KEYS}/other.pem\n")
    host.run("systemctl", "restart", "--no-block", SYNCER)
    wait_until(lambda: re.search(r"waiting for NATS \(SSL Error: .*unable to get local issuer certificate", host.property(SYNCER, "StatusText")), 30,
               lambda: f"another CA to be refused: {host.property(SYNCER, 'StatusText')}")
    host.shell(f"rm /etc/pdns-distribute/common.conf.d/zz.conf {KEYS}/other.pem")
    host.run("systemctl", "restart", SYNCER)
    all_run(hosts)


def node_configuration(alone, name, block):
    """What section 3 has written, for one node of three that share a host here, each with an address of its own."""
    address = NODES[name]
    text = alone.replace("server_name: primary", f"server_name: {name}").replace('"[::]:4222"', f'"[{address}]:4222"')
    text = re.sub(r"(?m)^tls .*\n", "", text).replace("/var/lib/nats", f"/var/lib/nats/{name}")
    # nats-server leaves out routes to its own host and port, so each has a port of its own here.
    for number, other in enumerate(NODES):
        block = block.replace(f"{other}:6222", f"{other}:{6222 + number}")
    port = 6222 + list(NODES).index(name)
    return text + block.replace('"[::]:6222"', f'"[{address}]:{port}"') + f'http: "[{address}]:8222"\n'


def start_node(primary, name):
    primary.run("systemd-run", "-q", "--collect", f"--unit={name}", "-p", "User=nats", "-p", "StateDirectory=nats", "-p", "Restart=always",
                "/usr/sbin/nats-server", "-c", f"/etc/{name}.conf")


def jsz(primary, node):
    """What a node says of JetStream."""
    return primary.shell(f"curl -sS -g 'http://[{NODES[node]}]:8222/jsz?accounts=true&streams=true&config=true'", check=False)


def streams(primary, node):
    """{name: number of its copies} of the streams, as a node says."""
    try:
        accounts = json.loads(jsz(primary, node)).get("account_details", [])
    except ValueError:
        return {}
    return {stream["name"]: stream["config"]["num_replicas"] for account in accounts for stream in account.get("stream_detail", [])}


def is_whole(primary, node):
    """Whether a node has routes to both others, and a leader whom it follows."""
    routes = primary.shell(f"curl -sS -g 'http://[{NODES[node]}]:8222/routez'", check=False)
    return '"num_routes": 2' in routes and '"leader": "nats' in jsz(primary, node)


def test_cluster(hosts, primary):
    """From one node to three; changes flow while any one of them is down."""
    guide = Guide(hosts)
    alone = (primary.root / "etc/nats-server.conf").read_text()
    block = dict(guide.chapter("cluster"))["text"]
    for host in hosts.values():
        host.shell("".join(f"echo '{address} {name}' >>/etc/hosts\n" for name, address in NODES.items()) +
                   "rm -f /etc/pdns-distribute/common.conf.d/tls.conf /etc/pdns-distribute/common.conf.d/loopback.conf\n"
                   "echo 'pdns-api-url = http://[::1]:8081' >/etc/pdns-distribute/common.conf.d/loopback.conf")
    primary.run("systemctl", "stop", "nats-server")
    for name, address in NODES.items():
        primary.write(f"/etc/{name}.conf", node_configuration(alone, name, block))
        primary.shell(f"chown root:nats /etc/{name}.conf; chmod 640 /etc/{name}.conf; ip address replace {address}/64 dev host0 nodad")
        start_node(primary, name)
    for name in NODES:
        wait_until(lambda: '"cluster_size": 3' in jsz(primary, name), 30,
                   lambda: f"three nodes to find each other: {jsz(primary, name)}\n{primary.journal('-q', '-u', name, '-n', '20')}")
    for where, script in guide.chapter("cluster"):
        if where in hosts:
            hosts[where].shell(script)
    all_run(hosts)
    assert_follows(primary, "cluster", 60)
    wait_until(lambda: set(streams(primary, "nats1").values()) == {3} and len(streams(primary, "nats1")) >= 4, 30,
               lambda: f"four streams with three copies each: {streams(primary, 'nats1')}")
    for name in NODES:
        primary.run("systemctl", "stop", name)
        assert_follows(primary, f"without-{name}", 60)
        start_node(primary, name)
        wait_until(lambda: all(is_whole(primary, node) for node in NODES), 60,
                   lambda: f"{name} to be back:\n{primary.journal('-q', '-u', name, '-n', '30')}")
    primary.run("systemctl", "disable", "-q", "nats-server")
