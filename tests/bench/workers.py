"""Intake on one and on two workers: the same files checked and staged by one process, and by two at the same time.

    python tests/bench/workers.py --files 5000 --large 10 --rows 500000 --runs 3

Seconds from the start of the commands (`tierline load` in homes of role intake) to the end of the last. The ledger is
in a PostgreSQL of its own that syncs every commit, archive and staged rows are on the local disk, and both are of the
same machine. The checks of one process use all cores where Polars has its way, so that a second one has only what they
leave. Where each has one thread of Polars the second finds a core that is nearly free, as on a machine of its own: both
are measured, and the bound is for that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

from cycles import ROWS_A_FILE, offer_small
from figures import Figure, tell
from measuring import Run, interleaved, timed_process
from payment_files import CYCLE, NOW, content, offer, payments
from running import make_home

from pipelines import fetching, steps
from pipelines.checking import due_for_check
from pipelines.cli.context import close_sites, open_site
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server

ALONE: Mapping[str, str] = {}
ONE_THREAD = {"POLARS_MAX_THREADS": "1"}


def offer_large(drop: Path, files: int, rows: int) -> None:
    """Files that are each judged alone."""
    for number in range(files):
        stem = f"PAYM_110_I_{CYCLE}_{number + 1:04}_00"
        offer(drop, stem, content(stem, payments(rows, number * rows)).encode(), rows)


def fetched(root: Path, url: str, workers: int) -> list[Path]:
    """Homes of so many workers, all files taken."""
    drop = Endpoint("file", root=str(root / "drop"))
    home = partial(make_home, endpoint=drop)
    shared = f'ledger: "{url}"\nshared: ../shared\n'
    open_site(home(root / "whole", extra=shared))  # makes what is shared
    homes = [home(root / f"worker-{number}", extra=f"{shared}role: intake\n") for number in range(workers)]
    fetching.fetch(open_site(homes[0]), steps.EVERYTHING)
    close_sites()
    return homes


def intake(scratch: Path, postgres: Postgres, numbers: count[int], workers: int, environment: Mapping[str, str]) -> Run:
    """All files checked and staged by so many workers at the same time; the memory is that of all together."""
    root = scratch / f"run-{next(numbers)}"
    shutil.copytree(scratch / "drop", root / "drop")
    homes = fetched(root, postgres.trusted_url(postgres.new_database()), workers)
    command = [sys.executable, "-m", "pipelines.cli", "--home"]
    begun = time.perf_counter()
    with ThreadPoolExecutor(workers) as threads:
        ran = list(
            threads.map(lambda home: timed_process([*command, str(home), "load"], "", environment, (0, 4)), homes)
        )
    seconds = time.perf_counter() - begun
    assert not due_for_check(open_site(homes[0]), steps.EVERYTHING)
    close_sites()
    shutil.rmtree(root)
    return Run(seconds, sum(each.mb for each in ran))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--large", type=int, default=10)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    os.environ["TIERLINE_NOW"] = NOW
    with tempfile.TemporaryDirectory() as name, postgres_server(durable=True) as postgres:
        scratch = Path(name)
        offer_small(scratch / "drop", wanted.files)
        offer_large(scratch / "drop", wanted.large, wanted.rows)
        measured = partial(intake, scratch, postgres, count())
        kinds: dict[str, Callable[[], Run]] = {
            "one, a thread": partial(measured, 1, ONE_THREAD),
            "two, a thread each": partial(measured, 2, ONE_THREAD),
            "one": partial(measured, 1, ALONE),
            "two": partial(measured, 2, ALONE),
        }
        found = interleaved(kinds, wanted.runs)
    _report(found, wanted)


def _report(found: dict[str, Run], wanted: argparse.Namespace) -> None:
    rows = wanted.files * ROWS_A_FILE + wanted.large * wanted.rows
    rate = {kind: rows / run.s for kind, run in found.items()}
    small = f"{wanted.files:,} files of {ROWS_A_FILE} rows and {wanted.large} of {wanted.rows:,}"
    tell(
        f"intake of {small}; medians of {wanted.runs} runs on {os.cpu_count()} cores",
        Figure(
            "workers", "intake by two workers on one machine, a thread of Polars each", rate["two, a thread each"],
            "rows/s", rate["one, a thread"], found["two, a thread each"].mb,
        ),
        Figure(
            "", "the same, each with as many threads as Polars takes", rate["two"], "rows/s", rate["one"],
            found["two"].mb,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
