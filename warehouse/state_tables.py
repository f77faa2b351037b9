"""The tables that a published state has: which, with which columns, and by what each is brought on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.contracts.model import Contracts
from warehouse.models import GIVEN, load_models, part_column
from warehouse.store import feed_tables

SCHEMAS = ("core", "mart", "list", "ops", "policy")
# What a state notes of its tables that are brought on by parts: the fingerprint of each part in the warehouse.
PRINTS = "ops.state_part"
MASKS, VIEWS = "masks", "views"  # as tables' names there: by which masks and with which views the state was made
_COMMENTS = (Path(__file__).parent / "state_comments.sql").read_text
_PRINT_COLUMNS = {"table_name": "VARCHAR", "part": "VARCHAR", "row_count": "BIGINT", "print": "VARCHAR"}


@dataclass(frozen=True)
class Table:
    """A table of a state: `by` says how it is brought on, and the column that decides.

    `batch`: rows come and go with their batch. `entity`: periods are replaced with their entity. `part`: parts of which
    the fingerprint differs are replaced, where `column` is null all at once; with `entity` rows of whom builds renewed
    alone, for as long as these are known.
    """

    name: str  # schema.table
    columns: dict[str, str]  # with SQL types, in the order that readers meet
    by: str
    column: str | None
    entity: str | None
    masks: dict[str, str]

    @property
    def part(self) -> str:
        """The part of a row, in SQL."""
        return f"coalesce({self.column}, '')" if self.column else "''"

    @property
    def shown(self) -> str:
        return ", ".join(
            f'{self.masks[name]} as "{name}"' if name in self.masks else f'"{name}"' for name in self.columns
        )


def tables_of(connection: duckdb.DuckDBPyConnection, contracts: Contracts, masks: dict[str, str]) -> list[Table]:
    """The tables that readers get. Records of stateful feeds are for the history alone, and so is what a load notes.

    Nor do they get what models store for each other.
    """
    models = {model.name: model for model in load_models()}
    kept_back = {*GIVEN, *(name for name, model in models.items() if not model.for_readers)}
    orders = {f"core.{table}": columns for each in contracts.feeds for table, columns in feed_tables(each).items()}
    ways = {f"core.{each.table}": ("entity", each.entity_key) if each.stateful else ("batch", "batch_stem")
            for each in contracts.feeds}  # fmt: skip
    ways["ops.reject"] = ("batch", "stem")
    found: dict[str, dict[str, str]] = {}
    for schema, table, column, sql_type in connection.execute(
        """
        select schema_name, table_name, column_name, data_type from duckdb_columns()
        where
            database_name = 'warehouse' and not ends_with(table_name, '_record')
            and not starts_with(table_name, 'history_')
        order by schema_name, table_name, column_index
        """
    ).fetchall():
        if schema in SCHEMAS and f"{schema}.{table}" not in kept_back:
            found.setdefault(f"{schema}.{table}", {})[column] = sql_type
    tables = []
    for name, columns in found.items():
        # A table that grew has its columns in another order than a new one; readers meet that of the contracts.
        ordered = orders.get(name, columns)
        by, column = ways.get(name, ("part", part_column(columns)))
        masked = {each: mask for each in ordered if (mask := masks.get(each) or masks.get(f"{name}.{each}"))}
        tables.append(Table(name, ordered, by, column, models[name].entity if name in models else None, masked))
    return tables


def make_tables(connection: duckdb.DuckDBPyConnection, tables: list[Table]) -> set[str]:
    """Give the state the tables that it lacks or has otherwise, empty; returns their names. Others of its go."""
    present: dict[str, dict[str, str]] = {}
    for schema, table, column, sql_type in connection.execute(
        """
        select schema_name, table_name, column_name, data_type from duckdb_columns()
        where database_name = 'state' and (schema_name, table_name) in (
            select (schema_name, table_name) from duckdb_tables() where database_name = 'state'
        )
        order by schema_name, table_name, column_index
        """
    ).fetchall():
        present.setdefault(f"{schema}.{table}", {})[column] = sql_type
    wanted = {table.name: table.columns for table in tables} | {PRINTS: _PRINT_COLUMNS}
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists state.{schema}")
    for name in present.keys() - wanted.keys():
        connection.execute(f"drop table state.{name}")
    made = {name for name, columns in wanted.items() if list(columns.items()) != list(present.get(name, {}).items())}
    for name in sorted(made, key=lambda name: name != PRINTS):
        listed = ", ".join(f'"{column}" {sql_type}' for column, sql_type in wanted[name].items())
        connection.execute(f"create or replace table state.{name} ({listed})")
    if PRINTS in made:
        connection.execute(_COMMENTS())
    if made:
        listed = ", ".join(f"'{name}'" for name in made)
        connection.execute(f"delete from state.{PRINTS} where table_name in ({listed})")
    return made
