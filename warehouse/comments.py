"""What is said of tables and columns in the warehouse itself: `English / 中文`, from models and contracts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from pipelines.contracts.model import CodeList, Contract
from pipelines.errors import StoreError
from warehouse.models import Model
from warehouse.statements import literal

GIVEN = [Path(__file__).with_name(f"{schema}_comments.sql") for schema in ("ops", "policy")]
_GIVEN_LINE = re.compile("^comment on (?P<of>(?:table|column) [a-z0-9_.]+) is '(?P<text>.*)';$", re.MULTILINE)
# Columns of core that no contract has, for facts and for histories alike.
PLACED = {
    "source": "Source. Province whose billing system sent the row: two digits of GB/T 2260 and 0 / 来源省份",
    "cycle": "Cycle. Hour, day or month that the file covers / 文件周期",
    "seq": "Number of the file. Within feed, source, mode and cycle / 文件序号",
    "batch_stem": "Batch. Name of the file that brought the row, before its first dot / 批次文件名",
    "line": "Line. Line of the row in that file; the header is line 1 / 文件行号",
    "mode": "Mode. I increment, F full snapshot / 文件模式（I 增量，F 全量）",
    "applies_at": "Applies at. Since when the state holds: op_time, or the end of a full snapshot / 状态生效时间",
    "valid_from": "Valid from. Begin of the period / 有效期起",
    "valid_to": "Valid to. End of the period, which is no part of it; null: now / 有效期止",
}
IS_CURRENT_FACT = "Current. Whether the row is the newest accepted one of its key; only these count / 当前有效标志"
IS_CURRENT_PERIOD = "Current. Whether the period has no end / 当前有效标志"
CODES = {
    "code": "Code / 代码",
    "title_en": "Title in English / 英文名称",
    "title_zh": "Title in Chinese / 中文名称",
    "patch_column": "Column of core.subscriber that such a change sets / 异动更新的字段",
    "patch_value": "Value that it sets; null: the new value of the change / 异动更新的取值",
}


def comment_on(connection: duckdb.DuckDBPyConnection, *models: Model, kind: str = "table") -> None:
    """Put what the headers of models say on the tables or views that they made in the database in use.

    Columns that are carried along get what is said of them where they come from, models of before included. Raises
    StoreError naming model and column where a header has a column too few or too many, or no title.
    """
    said = _columns(connection)
    statements = []
    for model in models:
        check_columns(model, said.get(model.name, {}))
        carried = {column: said.get(table, {}).get(column) for column, table in model.carried.items()}
        said[model.name] = carried | dict(model.columns)
        schema, name = model.name.split(".")
        statements.append(_statement(kind, f'{schema}."{name}"', table_comment(model)))
        for column, title in said[model.name].items():
            statements.append(_statement("column", f'{schema}."{name}"."{column}"', title))
    connection.execute("".join(statements))


def comment_given(connection: duckdb.DuckDBPyConnection) -> None:
    """Put on tables of ops, policy and list what neither contract nor model says, where it does not stand yet."""
    present = dict(
        connection.execute(
            """
            select 'table ' || schema_name || '.' || table_name, coalesce(comment, '') from duckdb_tables()
            where database_name = current_database()
            union all
            select 'column ' || schema_name || '.' || table_name || '.' || column_name, coalesce(comment, '')
            from duckdb_columns()
            where database_name = current_database()
            """
        ).fetchall()
    )
    wanted = [
        found[0]
        for path in GIVEN
        for found in _GIVEN_LINE.finditer(path.read_text(encoding="utf-8"))
        if found["of"] in present and present[found["of"]] != found["text"].replace("''", "'")
    ]
    if wanted:
        connection.execute("\n".join(wanted))


def table_comment(model: Model) -> str:
    """`Title. What the model holds. Grain: … Key: … / 中文`, the form that all tables and views have."""
    english, _, chinese = model.title.rpartition(" / ")
    what = f"{model.what[:1].upper()}{model.what[1:].rstrip('.')}"
    return _table_comment(f"{english}. {what}.", model.grain, model.key, chinese)


def _table_comment(english: str, grain: str, key: str, chinese: str) -> str:
    return f"{english} Grain: {grain}. Key: {key}. / {chinese}"


def check_columns(model: Model, made: Iterable[str]) -> None:
    """Raises StoreError unless a model's header has a title, and each column that it made once and no others."""
    if not model.title:
        raise StoreError(f"{model.name}: expected `title: English / 中文` in the header, found none")
    stated = {*model.columns, *model.carried}
    for column in made:
        if column not in stated:
            raise StoreError(
                f"{model.name}: column {column}: expected `column: {column}: English / 中文` in the header"
            )
    for column in sorted(stated - set(made)):
        raise StoreError(f"{model.name}: column {column}: the header has it, but the model makes none of that name")


def feed_comments(contract: Contract, tables: Mapping[str, Iterable[str]]) -> str:
    """The statements that say of a feed's tables in core, given with their columns, what its contract says."""
    said = {each.name: f"{each.title_en}. {each.description} / {each.title_zh}" for each in contract.stored_columns}
    current = IS_CURRENT_PERIOD if contract.stateful else IS_CURRENT_FACT
    placed = PLACED | {"is_current": current}
    written = []
    for table, columns in tables.items():
        written.append(_statement("table", f"core.{table}", _feed_table_comment(contract, table)))
        for column in columns:
            comment = said.get(column) or placed.get(column)
            written.append(_statement("column", f'core.{table}."{column}"', comment))
    return "".join(written)


def _feed_table_comment(contract: Contract, table: str) -> str:
    """The contract's own sentences; what a row is and what tells it from others follows from how feeds are held."""
    key = ", ".join(contract.key)
    english, chinese = f"{contract.title_en}. {contract.description}", contract.title_zh
    if not contract.stateful:
        return _table_comment(english, "one row per accepted record", f"{key} of current rows", chinese)
    if table == contract.table:
        return _table_comment(
            english, "one row per period in which nothing changed", f"{contract.entity_key}, valid_from", chinese
        )
    english = f"{contract.title_en}: records. What {contract.table} is made of, besides changes."
    return _table_comment(english, "one row per accepted record", "batch_stem, line", f"{chinese}（原始记录）")


def code_list_comments(code_list: CodeList, columns: Iterable[str]) -> str:
    """The statements that say what a code list and its columns are."""
    table = f"core.{code_list.name}"
    said = _table_comment(
        f"{code_list.title_en}: codes.", "one row per code", "code", f"{code_list.title_zh}（代码表）"
    )
    written = [_statement("table", table, said)]
    for column in columns:
        comment = CODES.get(column, f"Attribute {column} / 附加属性 {column}")
        written.append(_statement("column", f'{table}."{column}"', comment))
    return "".join(written)


def _statement(kind: str, name: str, comment: str | None) -> str:
    text = "null" if comment is None else literal(comment)
    return f"comment on {kind} {name} is {text};\n"


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str | None]]:
    """The columns of all tables and views in the database in use, with their comments; looking is slow, so once."""
    found: dict[str, dict[str, str | None]] = {}
    for schema, table, column, comment in connection.execute(
        """
        select schema_name, table_name, column_name, comment from duckdb_columns()
        where database_name = current_database()
        order by all
        """
    ).fetchall():
        found.setdefault(f"{schema}.{table}", {})[column] = comment
    return found
