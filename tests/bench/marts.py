"""The marts: tiers, warnings, loyalty, value and KPIs of a month, for two sizes.

    python tests/bench/marts.py --small 100000 --large 1000000 [--models]

Bounds: 60 s and 4 GiB at 1 million; from the small to the large size at most 11 times.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path

import duckdb
from figures import Figure, tell
from measuring import peak_mb, timed

from pipelines.cli.output import say
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.policy import load_policy
from warehouse.build import BuildResult, build
from warehouse.store import open_warehouse

_AS_OF = date(2026, 12, 6)
_CORE = (Path(__file__).parent / "nation.sql").read_text


def fill_core(connection: duckdb.DuckDBPyConnection, subscribers: int) -> None:
    """A nation's core, in a warehouse that has its tables."""
    for statement in _CORE(encoding="utf-8").split(";\n"):
        if statement.strip():
            known = {"subscribers": subscribers} if "$subscribers" in statement else {}
            connection.execute(statement, known)
    connection.execute("checkpoint")


def build_marts(connection: duckdb.DuckDBPyConnection) -> BuildResult:
    """As the command does."""
    return build(connection, load_policy(DEFAULT_SCHEMAS / "policy" / "default.yaml"), _AS_OF)


def measure(folder: Path, subscribers: int, *, models: bool) -> float:
    """Seconds of one build from nothing."""
    folder.mkdir()
    with open_warehouse(folder, load_contracts()) as connection:
        timed(f"{subscribers:,} subscribers: core", lambda: fill_core(connection, subscribers))
        built: list[BuildResult] = []
        seconds = timed("marts", lambda: built.append(build_marts(connection)))
    if models:
        for each in sorted(built[0].models, key=lambda model: -model.seconds)[:40]:
            say(f"  {each.seconds:6.2f} s {each.rows:>10,} rows  {each.name}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=20_000, help="subscribers of the small size")
    parser.add_argument("--large", type=int, default=200_000, help="subscribers of the large size")
    parser.add_argument("--models", action="store_true", help="tell the slowest models too")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        small, large = (measure(Path(name) / str(n), n, models=wanted.models) for n in (wanted.small, wanted.large))
    growth, mb = f"marts, {wanted.large:,} subscribers, times those of {wanted.small:,}", peak_mb()
    tell(
        "marts built from nothing, in one process",
        Figure("marts", f"marts of a month, {wanted.large:,} subscribers", large, "s", mb=mb),
        Figure("marts_growth", growth, large / small, "×", mb=mb),
    )


if __name__ == "__main__":
    main()
