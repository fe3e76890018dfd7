# SPDX-License-Identifier: GPL-3.0-or-later
"""The two hosts, made once for all tests, which build on each other in the order of their files."""

import os
import signal
from pathlib import Path

import pytest

from hosts import Bridge, Host, run
from installation import ADDRESSES, give_packages


def on_term(*_):
    """Ends the tests as Ctrl-C does, so that the hosts are ended, too."""
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def hosts(tmp_path_factory):
    signal.signal(signal.SIGTERM, on_term)
    folder = tmp_path_factory.mktemp("hosts")
    bridge, made = Bridge(), {}
    try:
        for name, (six, four) in ADDRESSES.items():
            made[name] = Host(folder, name, bridge, (f"{six}/64", f"{four}/24"))
            give_packages(made[name], "packages", Path(os.environ["PDNS_DISTRIBUTE_PACKAGES"]))
            give_packages(made[name], "newer", Path(os.environ["PDNS_DISTRIBUTE_NEWER_PACKAGES"]))
        yield made
    finally:
        for host in made.values():
            host.close()
        bridge.close()
        run("rm", "-rf", "--one-file-system", folder)


@pytest.fixture(scope="session")
def primary(hosts):
    return hosts["primary"]


@pytest.fixture(scope="session")
def ns1(hosts):
    return hosts["ns1"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails shows the end of each host's journal."""
    report = (yield).get_result()
    if report.failed and call.when == "call":
        for host in item.funcargs.get("hosts", {}).values():
            if host.process and host.process.poll() is None:
                report.sections.append((f"journal of {host.name}", host.journal("-q", "-n", "25")))
