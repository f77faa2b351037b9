"""All benchmarks, one after the other, and one report of them: build/bench/report.md and report.svg.

    python tests/bench/report.py [--small] [--only NAME…]

A benchmark that fails is named in the report and in the exit status (1); the others run all the same. A row of the
table of bounds that nothing measured stands in the report as not measured. A bound that is missed is no failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chart import draw
from figures import BOUNDS, COLUMNS, NOTED_IN, Bound, Figure, Finding, markdown, noted
from machine import machine, versions
from peering import PEERS, Peer

from pipelines.cli.output import say

_HERE = Path(__file__).parent
_OUT = _HERE.parents[1] / "build" / "bench"


@dataclass(frozen=True)
class Benchmark:
    """A script, with the sizes of the table of bounds and with those of a quick look."""

    script: str
    full: str
    small: str


BENCHMARKS = {
    "transfers": Benchmark("transfers.py", "", "--bytes 100000000 --files 200 --runs 1"),
    "checks": Benchmark("checks.py", "", "--rows 200000 --runs 1"),
    "checks-20m": Benchmark(
        "checks.py", "--rows 20000000 --runs 1 --only clean bad", "--rows 500000 --runs 1 --only clean bad"
    ),
    "cycles": Benchmark("cycles.py", "", "--files 300 --rows 100000 --runs 1"),
    "workers": Benchmark("workers.py", "", "--files 200 --large 2 --rows 20000 --runs 1"),
    "core": Benchmark("core.py", "--rows 5000000 --files 10", "--rows 200000 --files 3"),
    "histories": Benchmark("histories.py", "--small 500000 --large 5000000", "--small 20000 --large 100000"),
    "marts": Benchmark("marts.py", "--small 100000 --large 1000000", "--small 2000 --large 10000"),
    "hourly": Benchmark("hourly.py", "--subscribers 1000000", "--subscribers 10000"),
    "ten-million": Benchmark(
        "hourly.py", "--subscribers 10000000 --hours 1 --memory 10000", "--subscribers 20000 --hours 1"
    ),
    "spark": Benchmark("spark.py", "--subscribers 1000000 --times 3", "--subscribers 5000 --times 1"),
    "whole-way": Benchmark("whole_way.py", "", "--rows 100000 --files 10 --runs 1"),
    "peers": Benchmark("peers.py", "", "--rows 100000 --files 10 --runs 1"),
    "meltano": Benchmark(
        "peers.py", "--only meltano --rows 100000 --files 5 --runs 1", "--only meltano --rows 5000 --files 5 --runs 1"
    ),
    "came-through": Benchmark("came_through.py", "", "--only pandas dlt_duckdb"),
    "scheduling": Benchmark("scheduling.py", "", "--runs 1 --files 20"),
}


@dataclass(frozen=True)
class Done:
    """What came of a benchmark: its figures, how long it took, and the end of what it said when it failed."""

    command: str
    figures: list[Figure]
    findings: list[Finding]
    seconds: float
    failure: str


def run(name: str, *, small: bool) -> Done:
    """One benchmark in a process of its own; what it says is shown, and kept beside the report."""
    benchmark, notes, log = BENCHMARKS[name], _OUT / f"{name}.jsonl", _OUT / f"{name}.log"
    notes.unlink(missing_ok=True)
    words = (benchmark.small if small else benchmark.full).split()
    command = " ".join(["tests/bench/" + benchmark.script, *words])
    say(f"\n{name}: {command}")
    begun = time.perf_counter()
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(
            [sys.executable, str(_HERE / benchmark.script), *words], env=os.environ | {NOTED_IN: str(notes)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process,
    ):  # fmt: skip
        for line in process.stdout or ():
            output.write(line)
            say(line.rstrip("\n"))
    seconds = time.perf_counter() - begun
    failure = ""
    if process.returncode:
        tail = log.read_text(encoding="utf-8").splitlines(keepends=True)[-15:]
        failure = f"exit status {process.returncode}\n{''.join(tail)}"
    return Done(command, *noted(notes), seconds, failure)


def write(done: dict[str, Done], begun: datetime, *, small: bool, where: str) -> None:
    """Both files of the report."""
    figures = _in_order([figure for each in done.values() for figure in each.figures])
    asked = [figure for figure in figures if figure.asked]
    parts = [
        f"# Benchmarks, {begun:%Y-%m-%d %H:%M}\n",
        *(["**A quick run: sizes are far below those that the bounds are for, figures are no evidence.**\n"] * small),
        f"Machine: {where}.\n",
        f"Versions: {versions()}.\n",
        f"Peers: {'; '.join(f'{peer.folder}: {peer.versions()}' for peer in _folders())}.\n",
        *_failures(done),
        f"## Bounds\n\n{markdown(COLUMNS, [row for name in BOUNDS for row in _rows(name, asked)])}",
        "![share of what must be reached](report.svg)\n",
        f"## Besides\n\n{markdown(COLUMNS, [figure.cells() for figure in figures if not figure.asked])}",
        *(_finding(finding) for each in done.values() for finding in each.findings),
        f"## What was run\n\n{markdown(['what', 'command', 's'], _commands(done))}",
    ]
    (_OUT / "report.md").write_text("\n".join(parts), encoding="utf-8")
    draw(asked, f"Share of what must be reached{', quick run' if small else ''}, {begun:%Y-%m-%d}", _OUT / "report.svg")


def _folders() -> list[Peer]:
    """A peer for each folder."""
    return list({peer.folder: peer for peer in PEERS.values()}.values())


def _in_order(figures: list[Figure]) -> list[Figure]:
    places = list(BOUNDS)
    return sorted(figures, key=lambda figure: places.index(figure.bound) if figure.bound else len(places))


def _rows(name: str, figures: list[Figure]) -> list[list[str]]:
    """The figures of a bound; a row that says so where there are none."""
    found = [figure.cells() for figure in figures if figure.bound == name]
    return found or [_not_measured(BOUNDS[name])]


def _not_measured(bound: Bound) -> list[str]:
    word = "at most" if bound.at_most else "at least"
    return [
        bound.what,
        "**not measured**",
        bound.against,
        "",
        f"{word} {bound.reach:.2f}",
        "",
        f"{bound.most_mb:,}",
        "",
    ]


def _failures(done: dict[str, Done]) -> list[str]:
    failed = {name: each.failure for name, each in done.items() if each.failure}
    return [f"**Failed: {name}**, {failure.splitlines()[0]}\n\n```\n{failure}```\n" for name, failure in failed.items()]


def _finding(finding: Finding) -> str:
    return f"## {finding.title}\n\n{markdown(finding.columns, finding.rows)}\n{finding.note}\n"


def _commands(done: dict[str, Done]) -> list[list[str]]:
    return [[name, f"`{each.command}`", f"{each.seconds:,.0f}"] for name, each in done.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a quick look at everything, at small sizes")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME",
                        help=f"of {', '.join(BENCHMARKS)}")  # fmt: skip
    wanted = parser.parse_args()
    _OUT.mkdir(parents=True, exist_ok=True)
    begun, where, done = datetime.now(), machine(), {}
    for name in wanted.only:
        done[name] = run(name, small=wanted.small)
        write(done, begun, small=wanted.small, where=where)  # after each: a report stands whatever comes
    say(f"\n{_OUT / 'report.md'}, {_OUT / 'report.svg'}")
    sys.exit(any(each.failure for each in done.values()))


if __name__ == "__main__":
    main()
