# SPDX-License-Identifier: GPL-3.0-or-later
"""Many zones on a primary at once, and secondaries that get them in PowerDNS's own ways."""

import contextlib
import sqlite3

from benchkit import Question, primary_api, secondary_api, small_zone, wait_until

TEMPLATE = "template.example."
CATALOG = "catalog.example."


def names(count, word="z"):
    return [f"{word}{index:06d}.example." for index in range(count)]


def fill(lab, zones, kind="Native", catalog=None, template=None):
    """
    Gives the primary, which is not running, many zones that are equal but for their name. One is made by PowerDNS itself and
    copied within the database, since making each by the API takes far longer than what is to be measured.
    """
    lab.start("primary")
    api = primary_api(lab)
    body = template or small_zone(TEMPLATE, kind)
    api.call("POST", "/zones", body)
    lab.stop("primary")
    with contextlib.closing(sqlite3.connect(lab.dir / "primary" / "pdns.sqlite3")) as database, database:
        copy(database, body["name"].rstrip("."), [zone.rstrip(".") for zone in zones], catalog and catalog.rstrip("."))


def copy(database, template, zones, catalog):
    (identity,) = database.execute("SELECT id FROM domains WHERE name = ?", [template]).fetchone()
    (first,) = database.execute("SELECT max(id) + 1 FROM domains").fetchone()
    database.execute("CREATE TEMP TABLE copies (id INTEGER PRIMARY KEY, name TEXT)")
    database.executemany("INSERT INTO copies VALUES (?, ?)", list(enumerate(zones, first)))
    database.execute("INSERT INTO domains (id, name, type, catalog) SELECT c.id, c.name, d.type, ? FROM copies c, domains d WHERE d.id = ?",
                     [catalog, identity])
    database.execute("INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, ordername, auth) "
                     "SELECT c.id, replace(r.name, :t, c.name), r.type, replace(r.content, :t, c.name), r.ttl, r.prio, r.disabled, "
                     "r.ordername, r.auth FROM copies c, records r WHERE r.domain_id = :d", {"t": template, "d": identity})
    for table, columns in (("cryptokeys", "flags, active, published, content"), ("domainmetadata", "kind, content")):
        database.execute(f"INSERT INTO {table} (domain_id, {columns}) SELECT c.id, {columns} FROM copies c, {table} t WHERE t.domain_id = ?",
                         [identity])
    for table, column in (("records", "domain_id"), ("cryptokeys", "domain_id"), ("domainmetadata", "domain_id"), ("domains", "id")):
        database.execute(f"DELETE FROM {table} WHERE {column} = ?", [identity])


def add_catalog(lab):
    """Makes the catalog zone, as `pdnsutil set-kind ... producer` does; the primary is not running."""
    command = ["pdnsutil", f"--config-dir={lab.dir}/etc/primary"]
    lab.command(*command, "create-zone", CATALOG, "ns1.hoster.example.")
    lab.command(*command, "set-kind", CATALOG, "producer")


def wait_served(servers, zones, limit, progress=None, poll=0.02):
    """Until every server answers for every zone. The first one that is missing is asked for, so that asking costs next to nothing."""
    for server in servers:
        question = Question(server, zones[0])
        for index, zone in enumerate(zones):
            if not question.wait_zone(zone, True, limit, poll):
                raise TimeoutError(f"{zone} is not served by {server} after {limit} s")
            if progress and index % 50 == 0:
                progress(index, len(zones))
        question.close()


def wait_stored(lab, count, limit, progress=None):
    """Until the zone store has a head of each zone, made by the checker's scan and the provider."""
    def stored():
        have = lab.metric("zone-provider", "pdns_distribute_provider_zones_published_total") or 0
        if progress:
            progress(int(have), count)
        return have >= count
    wait_until(stored, limit, f"{count} zones in the zone store", interval=0.3)


def consume(lab, numbers=None):
    """Makes secondaries consumers of the primary's catalog zone, and has them read it."""
    for number in numbers or lab.secondary_numbers():
        api = secondary_api(lab, number)
        api.call("POST", "/zones", {"name": CATALOG, "kind": "Consumer", "nameservers": [], "masters": [f"127.0.0.1:{lab.primary_dns_port}"]})
        api.call("PUT", f"/zones/{CATALOG}/axfr-retrieve")
