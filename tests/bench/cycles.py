"""Cycles on a home directory: thousands of small files checked and staged, and one large cycle judged as a whole.

    python tests/bench/cycles.py --files 10000 --rows 5000000 --runs 3

Small files: files a second from archived bytes to staged Parquet, verdicts in the ledger, everything synced. Judging:
seconds, the import of Great Expectations included, and their share of the cycle's load (checks, core).
Each run is a process of its own on a home of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from figures import Figure, tell
from measuring import answer, in_child
from payment_files import CYCLE, NOW, STEM, content, offer, offer_end, payments
from running import make_home

from pipelines import fetching, steps
from pipelines.cli.context import close_sites, open_site
from pipelines.quality.running import judge_cycles
from pipelines.transfer.base import Endpoint

ROWS_A_FILE = 100


def offer_small(drop: Path, files: int) -> None:
    """Files of 100 payments each, of all hours of a day."""
    for number in range(files):
        hour, seq = number % 24, number // 24 + 1
        cycle = f"20261121{hour:02d}"
        lines = "".join(
            f"P{number:06d}{row:05d}|A{row:09d}|U{row:09d}|北京138{row:08d}|{cycle}{row % 60:02d}00|{100 + row}|1"
            f"|WALLET|APP||202610|{row}|OP{row:05d}\n"
            for row in range(ROWS_A_FILE)
        )
        total = sum(100 + row for row in range(ROWS_A_FILE))
        head = f"H|1|PAYM|110|I|{cycle}|{seq:04d}|00|20261122110231|{ROWS_A_FILE}\n"
        content = f"{head}{lines}T|{ROWS_A_FILE}|{total}\n".encode()
        offer(drop, f"PAYM_110_I_{cycle}_{seq:04d}_00", content, ROWS_A_FILE)


def offer_large(drop: Path, rows: int) -> None:
    """One file of so many payments, and the end of its cycle."""
    records = payments(rows)
    offer(drop, STEM, content(STEM, records).encode(), rows)
    offer_end(drop, CYCLE, {STEM: rows}, int(records["amount"].sum()))


def child(what: str, home: Path) -> None:
    site = open_site(home)
    begun = time.perf_counter()
    checked = steps.check(site, steps.EVERYTHING)
    assert checked.staged
    assert not checked.failed
    seconds = {"check": time.perf_counter() - begun}
    if what == "judged":
        begun = time.perf_counter()
        steps.load_staged(site)
        seconds["load"] = time.perf_counter() - begun
        begun = time.perf_counter()
        assert judge_cycles(site).cycles == 1
        seconds["judge"] = time.perf_counter() - begun
    close_sites()
    answer(**seconds)


def fetched(scratch: Path, name: str) -> Path:
    """A home that has taken everything of a drop directory."""
    home = make_home(scratch / f"home-{name}", Endpoint("file", root=str(scratch / f"drop-{name}")))
    site = open_site(home)
    fetching.fetch(site, steps.EVERYTHING)
    close_sites()
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]))
        return
    os.environ["TIERLINE_NOW"] = NOW
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        offer_small(scratch / "drop-small", arguments.files)
        offer_large(scratch / "drop-judged", arguments.rows)
        found: dict[str, list[dict[str, float]]] = {"small": [], "judged": []}
        for what in found:
            home = fetched(scratch, what)
            for number in range(arguments.runs):
                copy = scratch / f"{what}-{number}"
                shutil.copytree(home, copy)
                found[what].append(in_child(__file__, what, str(copy)))
    _report(found, arguments)


def _report(found: dict[str, list[dict[str, float]]], wanted: argparse.Namespace) -> None:
    small, judged = found["small"], found["judged"]
    checking = statistics.median(run["check"] for run in small)
    judging = statistics.median(run["judge"] for run in judged)
    loading = statistics.median(run["check"] + run["load"] for run in judged)
    peak = [max(run["mb"] for run in runs) for runs in (small, judged)]
    what = f"{wanted.files:,} files of {ROWS_A_FILE} rows, checked and staged"
    judgement = f"a cycle of {wanted.rows:,} payments judged as a whole, beside its load (checks, core)"
    tell(
        f"cycles on a home; medians of {wanted.runs} runs",
        Figure("small_files", what, wanted.files / checking, "files/s", mb=peak[0]),
        Figure("", judgement, judging, "s", loading, peak[1]),
    )


if __name__ == "__main__":
    main()
