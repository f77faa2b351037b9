"""Staged rows as core takes them: files of several versions of a contract, read as one table."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.contracts.model import Contract
from pipelines.errors import StoreError
from warehouse.store import SQL_TYPES

_ORIGIN = ("batch_stem", "line")
# Without union_by_name the first file alone says which columns there are, and the others lose the rest without a word.
STAGED = "read_parquet($paths, union_by_name = true)"


def staged_columns(connection: duckdb.DuckDBPyConnection, contract: Contract, paths: list[Path]) -> str:
    """The columns of staged files that core holds, as a list for a select from STAGED.

    Those that a file lacks, having been staged before a contract got them, are null; those that no version of the
    contract knows any more are passed over. Raises StoreError for a column of another type.
    """
    described = connection.execute(f"describe select * from {STAGED}", {"paths": [str(path) for path in paths]})
    present = {name: sql_type for name, sql_type, *_ in described.fetchall()}
    for column in contract.stored_columns:
        expected = SQL_TYPES[column.type]
        if present.get(column.name, expected) != expected:
            raise StoreError(
                f"staged rows of {contract.feed}, column {column.name}: expected {expected}, as the contract says, "
                f"found {present[column.name]}; run 'tierline replay --feed {contract.feed} --from CYCLE --to CYCLE' "
                "over the cycles that were judged before the contract changed"
            )
    stored = [column.name for column in contract.stored_columns if column.name in present]
    return ", ".join([*stored, *_ORIGIN])
