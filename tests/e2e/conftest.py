# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs as fixtures; what a lab finds wrong with itself fails the test, and its logs are shown with every failure."""

import itertools
import re
import sys

import pytest

sys.dont_write_bytecode = True

import kit  # noqa: E402

COUNT = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "core: also run with sanitizers")
    config.addinivalue_line("markers", "slow: takes more than half a minute")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for lab in list(kit.TestLab.alive):
            report.sections += lab.logs()
        for lab in getattr(item, "closed_labs", []):
            report.sections += lab


@pytest.fixture
def make_lab(request):
    """Labs of this test alone: make_lab(secondaries=…, sets=…)."""
    labs = []

    def make(**settings):
        labs.append(kit.TestLab.make(**settings))
        return labs[-1]
    yield make
    finish(request, labs)


@pytest.fixture(scope="module")
def lab(request):
    """Two secondaries, one sqlite and one lmdb, shared by the tests of a module; a module may set LAB to say what else it wants."""
    made = kit.TestLab.make(**getattr(request.module, "LAB", {"sets": kit.NO_REPAIR}))
    yield made
    finish(request, [made])


def finish(request, labs):
    problems = []
    logs = []
    for lab in reversed(labs):
        lines = lab.logs()
        found = lab.close()
        if found:
            problems.append(found)
            logs += lines
    request.node.closed_labs = [logs]
    assert not problems, "\n".join(problems)


@pytest.fixture
def zone(request):
    """A zone name that no other test has."""
    label = re.sub("[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")[:50]
    return f"{label}-{next(COUNT)}.example."
