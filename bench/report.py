# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark found: samples of each arm, taken in turn, as a Markdown table, JSON and a plot."""

import dataclasses
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

OURS = "pdns-distribute"


@dataclasses.dataclass
class Case:
    """One line of work. Arms hold one sample a round, None where a round gave no figure: rounds are compared with each other."""
    label: str
    unit: str
    arms: dict = dataclasses.field(default_factory=dict)

    def add(self, samples):
        """One round: a dict of arm and sample."""
        rounds = max((len(values) for values in self.arms.values()), default=0)
        for arm, sample in samples.items():
            values = self.arms.setdefault(arm, [])
            values += [None] * (rounds - len(values)) + [sample]

    def samples(self, arm):
        return [value for value in self.arms.get(arm, []) if value is not None]

    def median(self, arm):
        values = self.samples(arm)
        return statistics.median(values) if values else None

    def ratio(self, arm):
        """Ours by the arm's: of the medians, and least and greatest of the rounds that have both; None without figures."""
        other = self.median(arm)
        if arm == OURS or not other or self.median(OURS) is None:
            return None
        pairs = [mine / theirs for mine, theirs in zip(self.arms[OURS], self.arms[arm]) if mine is not None and theirs]
        return self.median(OURS) / other, min(pairs, default=None), max(pairs, default=None)


@dataclasses.dataclass
class Aim:
    """A value that is to be at most, or at least, a limit."""
    text: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self):
        return self.value is not None and (self.value >= self.limit if self.at_least else self.value <= self.limit)

    def line(self):
        bound = "at least" if self.at_least else "at most"
        if self.value is None:
            return f"- {self.text}: {bound} {number(self.limit)}. **No figure.**"
        verdict = "Met" if self.met else "**Not met**"
        return f"- {self.text}: {bound} {number(self.limit)}. {verdict}: {number(self.value)}."


@dataclasses.dataclass
class Result:
    name: str
    title: str
    cases: list
    aims: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    log_scale: bool = True


def number(value):
    """Three digits that count."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if magnitude >= 100 else f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}" if magnitude >= 0.1 else f"{value:.3f}"


def span(values):
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    return number(values[0]) if len(values) == 1 else f"{number(min(values))} to {number(max(values))}"


def first_line(*command):
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False)
        return (output.stdout + output.stderr).strip().splitlines()[0]
    except (FileNotFoundError, IndexError):
        return "unknown"


def machine():
    """What the figures are measured on; before the run, so that the load is that of others."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    release = re.search(r'^PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(), re.MULTILINE)
    pdns = re.search(r"\d+\.\d+\.\d+", first_line("pdns_server", "--version"))
    folder = os.environ.get("TMPDIR", "/tmp")
    return {
        "cpu": f"{os.cpu_count()} × {cpu.group(1) if cpu else platform.machine()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2 ** 30:.0f} GiB",
        "system": f"{release.group(1) if release else platform.system()}, Linux {platform.release()}",
        "disk": subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True, check=True).stdout.split()[-1],
        "PowerDNS": pdns.group(0) if pdns else "unknown",
        "nats-server": first_line("nats-server", "--version").removeprefix("nats-server: "),
        "date": datetime.date.today().isoformat(),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def markdown(result, facts, quick):
    lines = [f"### `{result.name}`: {result.title}", ""]
    if not quick:
        lines += [f"![{result.name}]({result.name}.svg)", ""]
    lines += ["| | unit | | median | min to max | rounds | ratio: pdns-distribute by this | min to max |",
              "|---|---|---|---:|---:|---:|---:|---:|"]
    for case in result.cases:
        label, unit = case.label, case.unit
        for arm in case.arms:
            values = case.samples(arm)
            ratio = case.ratio(arm)
            lines.append(f"| {label} | {unit} | {arm} | {number(case.median(arm))} | {span(values)} | {len(values)} | "
                         f"{number(ratio[0]) if ratio else ''} | {span(ratio[1:]) if ratio else ''} |")
            label = unit = ""
    if result.aims:
        lines += ["", "Aims:", ""] + [aim.line() for aim in result.aims]
    if result.notes:
        lines += [""] + [f"- {note}" for note in result.notes]
    what = "a quick run, whose figures say nothing" if quick else "a full run"
    lines += ["", f"From {what} of `scripts/bench {result.name}`: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".", ""]
    return "\n".join(lines)


def as_json(result, facts, quick):
    cases = [{"label": case.label, "unit": case.unit, "arms": {
        arm: {"samples": case.arms[arm], "median": case.median(arm), "ratio": case.ratio(arm)} for arm in case.arms}}
        for case in result.cases]
    aims = [{"text": aim.text, "value": aim.value, "limit": aim.limit, "at_least": aim.at_least, "met": aim.met} for aim in result.aims]
    return json.dumps({"name": result.name, "title": result.title, "quick": quick, "machine": facts, "cases": cases, "aims": aims,
                       "notes": result.notes}, indent=1) + "\n"


def plot(result, path):
    """Every sample as a dot, medians as bars; one panel for each unit."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": result.name, "font.size": 9})
    from matplotlib import pyplot
    units = list(dict.fromkeys(case.unit for case in result.cases))
    rows = {unit: sum(len(case.arms) for case in result.cases if case.unit == unit) for unit in units}
    figure, panels = pyplot.subplots(len(units), 1, figsize=(8, sum(rows.values()) * 0.28 + len(units) * 0.8), squeeze=False,
                                     gridspec_kw={"height_ratios": list(rows.values())})
    for (panel,), unit in zip(panels, units):
        plot_panel(panel, [case for case in result.cases if case.unit == unit], unit, result.log_scale)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def plot_panel(panel, cases, unit, log_scale):
    colours = {OURS: "#1f6fb4"}
    labels, row = [], 0
    for case in cases:
        for arm in case.arms:
            colour = colours.setdefault(arm, ("#d1741f", "#6a994e", "#8d6aab", "#b5485d", "#777777")[(len(colours) - 1) % 5])
            values = case.samples(arm)
            panel.plot(values, [row] * len(values), ".", color=colour, alpha=0.4, markersize=5)
            if values:
                panel.plot([statistics.median(values)], [row], "|", color=colour, markersize=14, markeredgewidth=2.5)
            labels.append(f"{case.label}: {arm}" if case.label else arm)
            row += 1
    panel.set_yticks(range(len(labels)), labels)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_xlabel(unit)
    if log_scale:
        panel.set_xscale("log")
        from matplotlib.ticker import FuncFormatter, LogLocator
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        panel.xaxis.set_minor_formatter("")
    else:
        panel.set_xlim(left=0)
    panel.grid(axis="x", alpha=0.3)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def write(result, folder, facts, quick):
    """NAME.md, NAME.json and, of a full run, NAME.svg; the table as text."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(result, facts, quick)
    (folder / f"{result.name}.md").write_text(text)
    (folder / f"{result.name}.json").write_text(as_json(result, facts, quick))
    if not quick:  # so that a quick run needs no packages for plots
        plot(result, folder / f"{result.name}.svg")
    return text
