"""From which fields of files the columns of core come, as the contracts say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelines.contracts.model import Contract, Contracts
from warehouse.core_queries import PATCHED_TABLE
from warehouse.lineage import ROWS, Place
from warehouse.store import feed_tables

# How changes patch subscribers: the code list says which column a type of change sets, these say with what.
PATCH_TABLE = "subscriber_change"
_TYPE, _VALUE, _WHEN = "change_type", "new_value", "effective_at"
_SET_BY_STATUS = ("status_time", "close_date")
_FILE_NAME = ("source", "cycle", "seq", "batch_stem", "mode")
_CODE_COLUMNS = ("code", "title_en", "title_zh")
_PERIOD = ("valid_from", "valid_to", "applies_at")

Fields = dict[Place, tuple[str, ...]]


def core_fields(contracts: Contracts) -> Fields:
    """For every column of core that a feed fills, and for its rows, what of which files it is made of.

    A field is `PAYM field 6 amount_fen`, numbered as in the newest version of the contract that has it; rows are
    `PAYM records`. Columns of code lists come from `codes/`. Columns that Tierline works out by itself have none.
    """
    found: Fields = {}
    for contract in contracts.feeds:
        for table, columns in feed_tables(contract).items():
            for column in (*columns, ROWS):
                found[Place(f"core.{table}", column)] = tuple(_sources(contract, column))
    for code_list in contracts.code_lists:
        extra = {name for code in code_list.codes for name, _ in code.attributes}
        for column in (*_CODE_COLUMNS, *sorted(extra), ROWS):
            found[Place(f"core.{code_list.name}", column)] = (f"codes/{code_list.name}.yaml",)
    for place, fields in _patches(contracts).items():
        found[place] += fields
    return found


def _sources(contract: Contract, column: str) -> Iterator[str]:
    if column == ROWS:
        yield f"{contract.feed} records"
    elif column in _FILE_NAME:
        yield f"{contract.feed} file name"
    elif column == "line":
        yield f"{contract.feed} line number"
    elif column in _PERIOD:
        yield from _field(contract, "op_time")
    else:
        yield from _field(contract, column)


def _field(contract: Contract, column: str) -> Iterator[str]:
    """A field by its number in the record; that of an older version says so."""
    for version in reversed(contract.versions):
        if column in version.column_names:
            number = version.column_names.index(column) + 1
            of_version = "" if version is contract else f" version {version.format_version}"
            yield f"{contract.feed}{of_version} field {number} {column}"
            return


def _patches(contracts: Contracts) -> Fields:
    """What changes add to the columns of subscribers that they set, by the code list of their types."""
    by_table = {contract.table: contract for contract in contracts.feeds}
    if PATCH_TABLE not in by_table or PATCHED_TABLE not in by_table:
        return {}
    change = by_table[PATCH_TABLE]
    kinds = next((each.code_list for each in change.columns if each.name == _TYPE), None)
    patches = [dict(code.attributes) for code in kinds.codes] if kinds else []
    found: Fields = {}
    for patch in patches:
        if column := patch.get("patch_column"):
            set_by = _TYPE if "patch_value" in patch else _VALUE
            _add(found, [column], _field(change, set_by))
            if column == "status":
                _add(found, _SET_BY_STATUS, _field(change, _WHEN))
            _add(found, ("valid_from", "valid_to"), _field(change, _WHEN))
    return found


def _add(found: Fields, columns: Iterable[str], fields: Iterator[str]) -> None:
    added = tuple(fields)
    for column in columns:
        place = Place(f"core.{PATCHED_TABLE}", column)
        found[place] = tuple(dict.fromkeys((*found.get(place, ()), *added)))
