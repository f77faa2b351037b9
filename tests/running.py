"""Running the real command in this process, or in one of its own, and looking at what it left."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest.mock import patch

import duckdb

from pipelines.cli.app import main
from pipelines.transfer.base import Endpoint

FEEDS = "[CUST, USER, PAYM, CHNG, BILL, USGE, CONT, WORD]"
# What tells of the processing itself lies outside rule 1: times and ids of runs, batches that do not stand.
_PROCESSING = {
    **dict.fromkeys(
        ("ops.publication", "ops.delivery", "ops.built", "ops.load_state", "ops.state_part", "ops.made_for"),
        "where false",
    ),
    "ops.batch": "where state = 'loaded'",
    **dict.fromkeys(
        ("mart.kpi", "list.kpim"),
        "where split_part(kpi, '.', 1) not in ('feed_on_time_rate', 'feed_first_pass_rate', 'reject_rate')",
    ),
    "mart.kpi_feed": "where false",
}
# How often a batch was staged tells of the processing, its digest does not; nor when it came.
_CHOSEN = {
    "ops.loaded_batch": "* exclude (load_no) replace (split_part(digest, '#', 1) as digest)",
    "ops.batch": "* exclude (offered_no)",
    "ops.cycle": "* exclude (is_on_time)",
}


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    exit_status: int
    out: str
    err: str


def make_home(home: Path, endpoint: Endpoint, source: str = "110", encoding: str = "utf-8", extra: str = "") -> Path:
    """A home directory with one source."""
    home.mkdir(parents=True, exist_ok=True)
    lines = [
        "sources:",
        f'  "{source}":',
        f"    url: {endpoint.scheme}://{'' if endpoint.scheme == 'file' else _address(endpoint)}{endpoint.root}",
        f"    encoding: {encoding}",
        f"    feeds: {FEEDS}",
    ]
    if endpoint.secret is not None:
        (home / "secret").write_text(endpoint.secret)
        lines.append("    secret: file:secret")
    for key in ("host_key", "key_file", "known_hosts", "ca_file"):
        if value := getattr(endpoint, key):
            lines.append(f'    {key}: "{value}"')
    (home / "tierline.yaml").write_text("\n".join(lines) + "\n" + extra)
    return home


def _address(endpoint: Endpoint) -> str:
    return f"{endpoint.user}@{endpoint.host}:{endpoint.port}"


def tierline(home: Path, *words: str, now: str) -> Run:
    """Run the command in this process at a moment of our choice."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {"TIERLINE_NOW": now}),
        patch.object(sys, "argv", ["tierline", "--home", str(home), *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return Run(status, out.getvalue(), err.getvalue())


@cache
def forking() -> ForkServerContext:
    """Processes that have the command imported already; they may be killed like any other."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipelines.cli.app", "running", "preloaded"])
    return context


def tierline_process(
    home: Path, *words: str, now: str, fault: str = "", timeout_s: int = 600
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, which is killed at a fault point where one is named."""
    environment = os.environ | {"TIERLINE_NOW": now} | ({"TIERLINE_FAULT": fault} if fault else {})
    arguments = ["tierline", "--home", str(home), *words]
    with tempfile.TemporaryDirectory() as scratch:
        said = [Path(scratch) / name for name in ("out", "err")]
        process = forking().Process(target=_begin, args=(arguments, dict(environment), said))
        process.start()
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout_s)
        return subprocess.CompletedProcess(arguments, process.exitcode or 0, *(path.read_text() for path in said))


def _begin(arguments: list[str], environment: dict[str, str], said: list[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(said, start=1):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    sys.argv = arguments
    main()


def published(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the published, unmasked state, sorted, less what tells of the processing itself."""
    with duckdb.connect(str(home / "bi" / "private.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by 1"
        ).fetchall()
        state = {}
        for (table,) in tables:
            narrowed = _PROCESSING.get(table, "")
            chosen = _CHOSEN.get(table, "*")
            state[table] = connection.execute(f"select {chosen} from {table} {narrowed} order by all").fetchall()
    return state
