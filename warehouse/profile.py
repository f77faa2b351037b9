"""What the rows of a cycle say together: counts, sums and shares of staged rows, and orphans against core (E506)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.contracts.model import Contract, ForeignKey, Type
from pipelines.names import CycleKey
from pipelines.quality.profile import Profile
from warehouse.staged import STAGED


@dataclass(frozen=True)
class StagedCycle:
    """A cycle and the staged files of the batches that stand for it, by stem."""

    key: CycleKey
    files: dict[str, Path]


def profile(
    connection: duckdb.DuckDBPyConnection, contract: Contract, targets: dict[str, Contract], cycles: list[StagedCycle]
) -> tuple[dict[CycleKey, Profile], dict[str, int]]:
    """Profiles of cycles of one feed, and the orphans of each of their batches by stem.

    `targets` are the contracts of the feeds that foreign keys lead to. Of a column that no file has nothing is said.
    """
    found = {cycle.key: Profile(0, None, {}, {}, {}, None) for cycle in cycles}  # a file may hold no rows
    orphans = dict.fromkeys((stem for cycle in cycles for stem in cycle.files), 0)
    for present, alike in _by_columns(connection, cycles):
        paths = [str(path) for cycle in alike for path in cycle.files.values()]
        _note(connection, alike)
        found |= _aggregates(connection, contract, alike, paths, present)
        for foreign_key in (each for each in contract.foreign_keys if each.column in present):
            for stem, number, count in _orphans(connection, foreign_key, targets[foreign_key.feed], paths):
                orphans[stem] += count
                of_cycle = found[alike[number].key].orphans
                of_cycle[foreign_key.column] = of_cycle.get(foreign_key.column, 0) + count
    return found, orphans


def _by_columns(
    connection: duckdb.DuckDBPyConnection, cycles: list[StagedCycle]
) -> Iterator[tuple[frozenset[str], list[StagedCycle]]]:
    """Cycles by the columns that their files hold: those staged before a contract grew lack the new ones."""
    paths = [str(path) for cycle in cycles for path in cycle.files.values()]
    schemas = connection.execute(
        "select file_name, list(name) from parquet_schema($paths) group by all", {"paths": paths}
    )
    columns = {path: frozenset(names) for path, names in schemas.fetchall()}
    groups: dict[frozenset[str], list[StagedCycle]] = {}
    for cycle in cycles:
        present = frozenset[str]().union(*(columns[str(path)] for path in cycle.files.values()))
        groups.setdefault(present, []).append(cycle)
    yield from groups.items()


def _note(connection: duckdb.DuckDBPyConnection, cycles: list[StagedCycle]) -> None:
    """Temp table `profiled`: of which cycle, by its number, each batch is."""
    rows = [(stem, number) for number, cycle in enumerate(cycles) for stem in cycle.files]
    connection.execute("create or replace temp table profiled (batch_stem varchar, number integer)")
    connection.execute(
        "insert into profiled select unnest($stems), unnest($numbers)",
        {"stems": [stem for stem, _ in rows], "numbers": [number for _, number in rows]},
    )


def _aggregates(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    cycles: list[StagedCycle],
    paths: list[str],
    present: frozenset[str],
) -> Iterator[tuple[CycleKey, Profile]]:
    columns = [column for column in contract.columns if column.name in present]
    optional = [column.name for column in columns if not column.required]
    coded = [column.name for column in columns if column.type is Type.CODE]
    counted = [name for name in _counted(contract) if name in present]
    wanted = [
        "number",
        "count(*)",
        f"sum({contract.control_column})" if contract.control_column in present else "null",
        f"max({contract.event_time})" if contract.event_time in present else "null",
        *(f"count(*) - count({name})" for name in optional),
        *(f"approx_count_distinct({name})" for name in counted),
        *(f"histogram({name})" for name in coded),
    ]
    query = f"select {', '.join(wanted)} from {STAGED} inner join profiled using (batch_stem) group by number"
    for number, rows, total, newest, *rest in connection.execute(query, {"paths": paths}).fetchall():
        values: Iterator[Any] = iter(rest)
        yield (
            cycles[number].key,
            Profile(
                rows=rows,
                total=None if total is None else int(total),
                missing={name: next(values) for name in optional},
                distinct={name: next(values) for name in counted},
                codes={name: next(values) or {} for name in coded},
                newest_at=None if newest is None else newest.isoformat(),
            ),
        )


def _counted(contract: Contract) -> list[str]:
    names = [foreign_key.column for foreign_key in contract.foreign_keys]
    return [*([contract.entity_key] if contract.stateful else []), *names]


def _orphans(
    connection: duckdb.DuckDBPyConnection, foreign_key: ForeignKey, target: Contract, paths: list[str]
) -> list[tuple[str, int, int]]:
    """Stem, number of the cycle, and how many rows name something that has no record."""
    table = f"core.{target.table}_record" if target.stateful else f"core.{target.table}"
    return connection.execute(
        f"""
        select batch_stem, number, count(*)
        from {STAGED} as staged
        inner join profiled using (batch_stem)
        anti join {table} as known on staged.{foreign_key.column} = known.{foreign_key.to_column}
        where staged.{foreign_key.column} is not null
        group by batch_stem, number
        """,
        {"paths": paths},
    ).fetchall()
