# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: what somebody without the key puts into the zone store is refused, reported and replaced by the true zone."""

import json

import kit
import pytest

LAB = {"sets": kit.QUICK}


def subject(zone):
    return "pdns.zone." + ".".join(reversed(zone.rstrip(".").split(".")))


def stored(nats, zone):
    """Headers and payload of a zone's head, without what NATS adds."""
    message = nats.last("PDNS_ZONES", subject(zone))
    return [(name, value) for name, value in message.headers if not name.startswith("Nats-")], message.payload


def changed(headers, **values):
    values = {name.replace("_", "-"): str(value) for name, value in values.items()}
    return [(name, values.get(name, value)) for name, value in headers]


def value(headers, name):
    return dict(headers)[name]


def refused(lab):
    return [lab.metric(f"syncer-{number}", "pdns_distribute_syncer_heads_refused_total") for number in lab.secondary_numbers()]


def heals(lab, zone, plant):
    """Plants something and sees: refused on both, told to the checker, the zone served all the time, the head made good."""
    with lab.nats() as nats:
        told = nats.subscribe("pdns.applied.>")
        nats.flush()
        before = refused(lab)
        planted = plant(nats)
        kit.wait_until(lambda: all(late > early for early, late in zip(before, refused(lab))), kit.LIMIT, "both syncers to refuse it")
        while True:
            message = json.loads(nats.next(told, kit.LIMIT).payload)
            if message["zone"] == zone and message["result"] == "refused":
                assert message["reason"]
                break

        def healed():
            message = nats.last("PDNS_ZONES", subject(zone))
            return message is not None and int(value(message.headers, "Nats-Sequence")) > planted and message.headers \
                and "Signature" in dict(message.headers) and "Signature" in dict(stored(nats, zone)[0])
        kit.wait_until(healed, kit.LIMIT, "the head to be written again")
    lab.wait_same(zone)
    lab.api.replace(zone, f"www.{zone}", "A", "192.0.2.222")
    lab.wait_answer(f"www.{zone}", "A", ["192.0.2.222"])
    lab.wait_same(zone)


@pytest.fixture
def present(lab, zone):
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    return zone


@pytest.mark.core
def test_empty(lab, present):
    """Goal: an empty message is no deletion."""
    heals(lab, present, lambda nats: nats.store(subject(present), b""))


@pytest.mark.core
def test_forged_content(lab, present):
    """Goal: a head with another body and a newer generation, under the old signature, is refused."""
    def plant(nats):
        headers, payload = stored(nats, present)
        forged = payload.replace(b"192.0.2.1", b"192.0.2.6")
        assert forged != payload
        return nats.store(subject(present), forged, changed(headers, Generation=int(value(headers, "Generation")) + 10**9))
    heals(lab, present, plant)


def test_forged_body_alone(lab, present):
    """Goal: another body under a head that is true in every header is refused once somebody has to read it."""
    lab.stop("syncer-1")
    lab.stop("syncer-2")
    lab.api.replace(present, f"www.{present}", "A", "192.0.2.3")
    with lab.nats() as nats:
        kit.wait_until(lambda: b"192.0.2.3" in stored(nats, present)[1], kit.LIMIT, "the change in the store")
        headers, payload = stored(nats, present)
        nats.store(subject(present), payload.replace(b"192.0.2.3", b"192.0.2.9"), headers)
    lab.start("syncer-1")
    lab.start("syncer-2")
    lab.wait_answer(f"www.{present}", "A", ["192.0.2.3"])
    lab.wait_same(present)


@pytest.mark.core
def test_forged_deletion(lab, present):
    """Goal: a deletion that the provider did not sign deletes nothing."""
    def plant(nats):
        headers, _ = stored(nats, present)
        return nats.store(subject(present), b"", changed(headers, State="deleted", Body="none", Encoding="identity", Encoded_Size=0,
                                                         Size=0, Records=0, Serial=0, Generation=int(value(headers, "Generation")) + 10**9))
    heals(lab, present, plant)


def test_unknown_version(lab, present):
    """Goal: a head of a version that nobody knows is refused, never guessed at."""
    def plant(nats):
        headers, payload = stored(nats, present)
        return nats.store(subject(present), payload, changed(headers, Version=99))
    heals(lab, present, plant)


def test_head_of_another_zone(lab, present):
    """Goal: a true head of one zone is refused on the subject of another."""
    other = f"other.{present}"
    lab.api.create(other, kit.www(other, "192.0.2.66"), dnssec=True)
    lab.wait_same(other)

    def plant(nats):
        headers, payload = stored(nats, other)
        return nats.store(subject(present), payload, headers)
    heals(lab, present, plant)


@pytest.mark.core
def test_replayed(lab, present):
    """Goal: an old head with its true signature is refused, and the new state comes back into the store."""
    with lab.nats() as nats:
        headers, payload = stored(nats, present)
    lab.api.replace(present, f"www.{present}", "A", "192.0.2.4")
    lab.wait_answer(f"www.{present}", "A", ["192.0.2.4"])
    heals(lab, present, lambda nats: nats.store(subject(present), payload, headers))


def test_replayed_deletion(lab, present):
    """Goal: the signed deletion of an earlier life of the zone does not delete the new one."""
    lab.api.delete(present)
    lab.wait_no_zone(present)
    with lab.nats() as nats:
        headers, payload = stored(nats, present)
    assert value(headers, "State") == "deleted"
    lab.api.create(present, kit.www(present), dnssec=True)
    lab.wait_same(present)
    heals(lab, present, lambda nats: nats.store(subject(present), payload, headers))


@pytest.mark.core
def test_truncated(lab, present):
    """Goal: a new head whose body was cut off is refused; the old zone is served until the true one is there again."""
    lab.stop("syncer-1")
    lab.stop("syncer-2")
    lab.api.replace(present, f"www.{present}", "A", "192.0.2.5")
    with lab.nats() as nats:
        kit.wait_until(lambda: b"192.0.2.5" in stored(nats, present)[1], kit.LIMIT, "the change in the store")
        headers, payload = stored(nats, present)
        nats.store(subject(present), payload[:len(payload) // 2], headers)
    lab.start("syncer-1")
    lab.start("syncer-2")
    lab.wait_answer(f"www.{present}", "A", ["192.0.2.5"])
    lab.wait_same(present)


def test_lost_consumer(lab, present):
    """Goal: a secondary's durable consumer that vanished is made again, and changes arrive again."""
    with lab.nats() as nats:
        nats.api("CONSUMER.DELETE.PDNS_ZONES.secondary-secondary-1")
    lab.api.replace(present, f"www.{present}", "A", "192.0.2.7")
    lab.wait_answer(f"www.{present}", "A", ["192.0.2.7"])


def test_chunks_lost(make_lab, zone):
    """Goal: of a body in several messages one is missing; the head is refused and healed, and the old zone is served until then."""
    lab = make_lab(sets=kit.QUICK)
    lab.api.create(zone, kit.www(zone))
    lab.wait_same(zone)
    lab.stop("syncer-1")
    lab.stop("syncer-2")
    # Random text does not compress: enough of it for several chunks. Small records: PowerDNS 4.7 puts 100 into a message and
    # gives up when these are more than it takes.
    rrsets = [{"name": f"t{index}.{zone}", "type": "TXT", "ttl": 300, "changetype": "REPLACE",
               "records": [{"content": " ".join(f'"{kit.secrets.token_hex(120)}"' for _ in range(2)), "disabled": False}]} for index in range(3000)]
    for start in range(0, len(rrsets), 500):
        lab.api.patch(zone, *rrsets[start:start + 500])
    with lab.nats() as nats:
        def body():
            head = nats.last("PDNS_ZONES", subject(zone))
            return head and int(value(head.headers, "Records")) > 3000 and "/" in value(head.headers, "Body") and value(head.headers, "Body")
        where = kit.wait_until(body, kit.LIMIT, "a head with chunks")
        body_id, _, chunks = where.partition("/")
        assert int(chunks) > 1
        assert nats.api("STREAM.PURGE.PDNS_BODIES", {"filter": f"pdns.body.{body_id}.1"})["purged"] == 1
    lab.start("syncer-1")
    lab.start("syncer-2")
    lab.wait_same(zone, timeout=2 * kit.LIMIT)
