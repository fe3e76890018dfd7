# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proxy adds to a request: GET and PATCH through it and direct, with wrk, in turn."""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from benchkit import BenchError, primary_api, rrset, small_zone
from report import OURS, Aim, Case, Result

TITLE = "requests through the proxy and direct to PowerDNS"
DIRECT = "direct"
ZONE = "proxied.example."
MOST_FAILED = 0.2  # PowerDNS with sqlite answers 500 to a PATCH while it still ends the one before, on a busy machine now and then

SCRIPT = """
wrk.method = "{method}"
wrk.headers["X-API-Key"] = "{key}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def wrk(url, script, connections, seconds):
    """Requests a second, the median in milliseconds, and how many failed."""
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url], capture_output=True, text=True, check=True).stdout
    rate, median, errors = re.search(r"^RESULT (\S+) (\S+) (\d+)$", output, re.MULTILINE).groups()
    if int(errors) > MOST_FAILED * float(rate) * seconds:
        raise BenchError(f"wrk saw {errors} errors at {url}:\n{output}")
    return float(rate), float(median), int(errors)


def requests():
    """Name, connections, method, path below the server, body."""
    patch = json.dumps({"rrsets": [rrset(f"www.{ZONE}", "A", "192.0.2.77")]})
    return [("GET of the server's facts", 1, "GET", "", None), ("GET of the server's facts", 4, "GET", "", None),
            ("GET of a zone", 1, "GET", f"/zones/{ZONE}", None), ("GET of a zone", 4, "GET", f"/zones/{ZONE}", None),
            ("PATCH of a zone", 1, "PATCH", f"/zones/{ZONE}", patch)]


def run(bench):
    seconds, rounds = (1, 1) if bench.quick else (3, 5)
    cases, aims, failed = [], [], {OURS: 0, DIRECT: 0}
    bench.say("starting a lab")
    with bench.lab(secondaries=0, backend="sqlite") as lab, tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        primary_api(lab).call("POST", "/zones", small_zone(ZONE))
        lab.stop("zone-provider")   # what follows a change is measured elsewhere, and would run on the same cores
        lab.stop("health-checker")
        time.sleep(0.5)
        for name, connections, method, path, body in requests():
            script = Path(folder) / "request.lua"
            script.write_text(SCRIPT.format(method=method, key=lab.api_key("primary"), body="nil" if body is None else f"[==[{body}]==]"))
            label = f"{name}, {connections} {'connection' if connections == 1 else 'connections'}"
            rate, median = Case(label, "requests/s"), Case(label, "ms (median)")
            for index in range(rounds):
                figures = {arm: wrk(f"{url}/api/v1/servers/localhost{path}", script, connections, seconds)
                           for arm, url in ((OURS, lab.api_url), (DIRECT, lab.primary_api_url))}
                rate.add({arm: figure[0] for arm, figure in figures.items()})
                median.add({arm: figure[1] for arm, figure in figures.items()})
                for arm, figure in figures.items():
                    failed[arm] += figure[2]
                bench.progress(index + 1, rounds, label)
            cases += [rate, median]
            aims += [Aim(f"{label}: throughput by direct", rate.ratio(DIRECT)[0], 0.95, at_least=True),
                     Aim(f"{label}: ms more at the median", median.median(OURS) - median.median(DIRECT), 0.3)]
    return Result("proxy", TITLE, cases, aims, ["Plain HTTP on loopback on both sides, connections are kept, wrk with one thread. The proxy notes each "
                                                "PATCH on disk and publishes its event; zone-provider and health-checker are stopped, since they would "
                                                "take time from the same cores.",
                                                f"PowerDNS answered 500 (its database was locked) {failed[OURS]} times through the proxy and "
                                                f"{failed[DIRECT]} times without it."])
