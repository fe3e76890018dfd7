# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal: daemons that have nothing to do use next to no CPU and less than 20 MB of memory."""

import os
import time

import kit
import pytest

LAB = {}


@pytest.mark.skipif(kit.SLOWNESS > 1, reason="sanitizers take memory of their own")
def test_idle(lab, zone):
    """Goal: over five seconds each daemon runs for less than half a percent of them, with the default intervals."""
    lab.api.create(zone, kit.www(zone), dnssec=True)
    lab.wait_same(zone)
    daemons = ["api-proxy", "zone-provider", "health-checker", "syncer-1", "syncer-2"]

    def ticks():
        return {name: lab.cpu_ticks(name) for name in daemons}
    # What the last change left behind may run out first: until one whole second passes without work.
    seconds = 5
    deadline = time.monotonic() + 60
    while True:
        before = ticks()
        time.sleep(seconds)  # the one thing measured here is what happens while nothing does
        used = {name: value - before[name] for name, value in ticks().items()}
        share = {name: value / os.sysconf("SC_CLK_TCK") / seconds for name, value in used.items()}
        if max(share.values()) < 0.005 or time.monotonic() > deadline:
            break
    memory = {name: lab.memory(name, "VmRSS") for name in daemons}
    print("CPU share:", share, "memory in KiB:", memory)
    assert max(share.values()) < 0.005, share
    assert max(memory.values()) < 20 * 1024, memory
