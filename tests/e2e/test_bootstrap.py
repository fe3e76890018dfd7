# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: an empty secondary gets many zones at once, on either backend, even when it is killed meanwhile."""

import signal
import time

import kit
import pytest

ZONES = 400


@pytest.fixture(scope="module")
def full_lab():
    """A lab whose zone store has many zones, signed and not, and whose secondaries have them."""
    lab = kit.TestLab.make(sets=kit.merge(kit.NO_REPAIR, {"secondary-syncer": {"local-check-interval": "2s"}}))
    for index in range(ZONES):
        name = f"b{index}.example."
        lab.api.create(name, kit.www(name), dnssec=index % 4 == 0)
    yield lab
    problems = lab.close()
    assert not problems, problems


def zones_of(lab, number):
    return {zone["name"]: zone for zone in lab.secondary_apis[number].zones()}


def check_all(lab, number):
    expected = {f"b{index}.example." for index in range(ZONES)}
    kit.wait_until(lambda: set(zones_of(lab, number)) == expected, 120, "all zones")
    for name in sorted(expected)[::7]:
        lab.wait_same(name)
    assert {zone["kind"] for zone in zones_of(lab, number).values()} == {"Slave"}


@pytest.mark.parametrize("number", [1, 2])
def test_empty_secondary(full_lab, number):
    """Goal: all are served as they were sent."""
    lab = full_lab
    lab.first_day(number)
    lab.start(f"syncer-{number}")
    check_all(lab, number)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_meanwhile(full_lab, number):
    """Goal: whenever the syncer is killed, all zones are there in the end."""
    lab = full_lab
    lab.first_day(number)
    for turn in range(4):
        lab.start(f"syncer-{number}", wait=False)
        time.sleep(0.3 + 0.15 * turn)
        lab.end(f"syncer-{number}", signal.SIGKILL)
    lab.start(f"syncer-{number}")
    check_all(lab, number)
