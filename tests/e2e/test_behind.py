# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: a secondary that is behind gets what it lacks once, and what got lost on the way it is asked for."""

import kit
import pytest

# Far shorter than what the zones below take.
IMPATIENT = {"health-checker": {"confirm-timeout": "300ms", "check-interval": "1s", "scan-interval": "1h", "recheck-interval": "1h"}}
ZONES = 500

pytestmark = pytest.mark.core


@pytest.mark.parametrize("backend", ["sqlite", "lmdb"])
def test_what_is_on_its_way_is_not_asked_for(make_lab, zone, backend):
    """Goal: the checker knows that zones come by themselves, however long that takes, and does not have them done twice."""
    lab = make_lab(secondaries=1, backend=backend, sets=IMPATIENT)
    lab.end("syncer-1")
    for index in range(ZONES):
        name = f"z{index}.{zone}"
        lab.api.create(name, kit.www(name))
    lab.start("syncer-1")
    kit.wait_until(lambda: lab.metric("syncer-1", "pdns_distribute_syncer_zones") == ZONES, 120 * kit.SLOWNESS, "all zones")
    # Few may be: their confirmations were still on the way when they were looked at. Without the check it is about every other one.
    assert lab.metric("syncer-1", "pdns_distribute_syncer_repairs_total") <= ZONES * 0.2
    kit.wait_until(lambda: "in sync" in lab.distribute("status", check=False).stdout, kit.LIMIT, "the checker to be content")


def test_what_was_acknowledged_and_lost_is_asked_for(make_lab, zone):
    """Goal: a secondary whose book is gone, while JetStream holds everything for delivered, is asked for its zones."""
    lab = make_lab(secondaries=1, backend="sqlite", sets=IMPATIENT)
    names = [f"z{index}.{zone}" for index in range(20)]
    for name in names:
        lab.api.create(name, kit.www(name))
    for name in names:
        lab.wait_same(name)
    lab.end("syncer-1")
    for path in (lab.dir / "syncer-1" / "applied").iterdir():
        path.unlink()
    for name in names:
        lab.secondary_apis[1].delete(name)
    lab.start("syncer-1")
    for name in names:
        lab.wait_same(name)
    assert lab.metric("syncer-1", "pdns_distribute_syncer_repairs_total") >= len(names)
