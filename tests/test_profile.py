"""What the rows of a cycle come to, on staged files drawn by hand and a real DuckDB: counts, sums, shares, orphans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from contract_edits import add_column, two_versions
from profiled import CONTRACTS, Row, one, profiled, put, stage, staged, warehouse

from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contracts
from pipelines.names import CycleKey
from pipelines.quality.profile import Profile
from warehouse.profile import StagedCycle

HOUR = "PAYM_110_I_2026112210"
NOON = datetime(2026, 11, 22, 12)


@pytest.fixture
def core() -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as connection:
        yield connection


def test_rows_missing_values_codes_and_the_newest_event(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows: list[Row] = [
        {"payment_id": "P00001", "amount_fen": 100, "kind": "1", "method": "CARD", "paid_at": NOON, "user_id": "U1"},
        {"payment_id": "P00002", "amount_fen": -30, "kind": "4", "method": "CARD", "paid_at": None},
        {"payment_id": "P00003", "amount_fen": None, "kind": "1", "method": "BANK", "operator_id": "O00001",
         "paid_at": datetime(2026, 11, 22, 12, 0, 1)},
    ]  # fmt: skip
    found = one(core, tmp_path, f"{HOUR}_0001_00", rows)
    optional = [column.name for column in CONTRACTS["PAYM"].columns if not column.required]
    assert (found.rows, found.total, found.newest_at) == (3, 70, "2026-11-22T12:00:01")
    assert found.newest == datetime(2026, 11, 22, 12, 0, 1)
    assert found.missing == dict.fromkeys(optional, 3) | {"user_id": 2, "operator_id": 2}
    assert found.codes == {"kind": {"1": 2, "4": 1}, "method": {"CARD": 2, "BANK": 1}, "channel": {}}
    assert found.distinct == {"user_id": 1}


def test_sums_beyond_64_bits_are_exact(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    amounts = [10**18 - 1 - number for number in range(40)]
    found = one(core, tmp_path, f"{HOUR}_0001_00", [{"amount_fen": each} for each in [*amounts, -(10**18 - 1)]])
    assert found.total == sum(amounts) - (10**18 - 1) > 2**63
    assert isinstance(found.total, int)


def test_a_feed_without_control_column_or_event_time_has_neither(
    core: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert one(core, tmp_path, "CHNG_110_I_2026112210_0001_00", [{"change_id": "X00001"}]).total is None
    assert one(core, tmp_path, "BILL_110_I_202610_0001_00", [{"total_fen": 5}]).newest_at is None


def test_distinct_values_are_of_foreign_keys_and_of_a_stateful_feeds_entity(
    core: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [{"user_id": f"U{number % 20:05d}", "customer_id": f"C{number % 4:05d}"} for number in range(200)]
    found = one(core, tmp_path, "USER_110_I_20261121_0001_00", rows)
    assert found.distinct.keys() == {"user_id", "customer_id"}
    assert found.distinct["user_id"] == pytest.approx(20, abs=2)
    assert found.distinct["customer_id"] == pytest.approx(4, abs=1)
    assert one(core, tmp_path, "BILL_110_I_202610_0001_00", rows).distinct.keys() == {"user_id", "customer_id"}


def test_cycles_and_batches_at_once_are_kept_apart(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    put(core, "subscriber_record", {"user_id": "U00001"})

    def rows(count: int, *users: str | None) -> list[Row]:
        return [{"amount_fen": count, "kind": str(count), "user_id": user} for user in users]

    batches = {
        f"{HOUR}_0001_00": rows(1, "U00001", "U00002", None),
        f"{HOUR}_0002_01": rows(2, "U00001"),
        f"{HOUR}_0003_00": rows(4, "U00002", "U00003", "U00003"),
        "PAYM_110_I_2026112211_0001_00": rows(9, "U00003"),
        "PAYM_440_I_2026112210_0001_00": rows(4, None, "U00001"),
    }
    found, orphans = profiled(core, staged(tmp_path, batches))
    assert {key: (each.rows, each.total, each.missing["user_id"], each.orphans) for key, each in found.items()} == {
        HOUR: (7, 17, 1, {"user_id": 4}),
        "PAYM_110_I_2026112211": (1, 9, 0, {"user_id": 1}),
        "PAYM_440_I_2026112210": (2, 8, 1, {}),
    }
    assert found[HOUR].codes["kind"] == {"1": 3, "2": 1, "4": 3}
    assert orphans == dict(zip(batches, (1, 0, 3, 1, 0), strict=True))


def test_what_was_profiled_before_leaves_nothing(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = staged(tmp_path, {f"{HOUR}_0001_00": [{"user_id": "U00001"}]})
    second = staged(tmp_path, {"PAYM_110_I_2026112211_0001_00": [{"user_id": "U00002"}] * 2})
    assert profiled(core, first)[1] == {f"{HOUR}_0001_00": 1}
    found, orphans = profiled(core, second)
    assert (list(found), orphans) == (["PAYM_110_I_2026112211"], {"PAYM_110_I_2026112211_0001_00": 2})
    assert found["PAYM_110_I_2026112211"].rows == 2


def test_two_foreign_keys_count_each_for_itself(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    put(core, "subscriber_record", {"user_id": "U00001"}, {"user_id": "U00002"})
    put(core, "customer_record", {"customer_id": "C00001"})
    stem = "BILL_110_I_202610_0001_00"
    rows: list[Row] = [
        {"user_id": "U00001", "customer_id": "C00001"},
        {"user_id": "U00002", "customer_id": "C00002"},
        {"user_id": "U00003", "customer_id": "C00001"},
        {"user_id": "U00003", "customer_id": "U00001"},  # an id of the other feed is no customer
    ]
    found, orphans = profiled(core, staged(tmp_path, {stem: rows}))
    assert found["BILL_110_I_202610"].orphans == {"user_id": 2, "customer_id": 2}
    assert orphans == {stem: 4}


def test_a_record_that_came_many_times_is_found_once(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    put(core, "subscriber_record", *[{"user_id": "U00001", "cycle": f"202611{day}"} for day in range(10, 20)])
    found, orphans = profiled(core, staged(tmp_path, {f"{HOUR}_0001_00": [{"user_id": "U00001"}] * 3}))
    assert (found[HOUR].rows, found[HOUR].orphans, orphans) == (3, {}, {f"{HOUR}_0001_00": 0})


def test_records_count_for_a_stateful_target_and_not_its_periods(
    core: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A held snapshot has records and no periods yet; what it names is known all the same."""
    put(core, "subscriber", {"user_id": "U00002"})
    put(core, "subscriber_record", {"user_id": "U00001"})
    rows = [{"user_id": "U00001"}, {"user_id": "U00002"}]
    assert one(core, tmp_path, f"{HOUR}_0001_00", rows).orphans == {"user_id": 1}


def test_orphans_of_facts(tmp_path: Path) -> None:
    """A foreign key may lead to facts: WORD's contact to CONT, once its contract says so."""
    schemas = two_versions(tmp_path)
    path = schemas / "feeds/WORD.yaml"
    text = path.read_text(encoding="utf-8")
    entry = next(line for line in text.splitlines() if "type: foreignKey" in line)
    more = entry.replace("work_order.user_id", "work_order.contact_id").replace("USER.user_id", "CONT.contact_id")
    path.write_text(text.replace(entry, f"{entry}\n{more}"), encoding="utf-8")
    contracts = load_contracts(schemas)
    assert [key.feed for key in contracts["WORD"].foreign_keys] == ["USER", "CONT"]
    rows = [{"contact_id": contact} for contact in ("K00001", "K00002", None)]
    cycles = staged(tmp_path, {"WORD_110_I_20261121_0001_00": rows})
    with warehouse(contracts) as connection:
        assert profiled(connection, cycles, contracts)[1] == {"WORD_110_I_20261121_0001_00": 2}
        put(connection, "contact", {"contact_id": "K00002", "is_current": False})
        assert profiled(connection, cycles, contracts)[1] == {"WORD_110_I_20261121_0001_00": 1}


def without(path: Path, *columns: str) -> None:
    """As staged before the contract got these columns."""
    pl.read_parquet(path).drop(columns).write_parquet(path)


def newer(directory: Path) -> Contracts:
    """Contracts in which PAYM has an optional column more, of whole numbers."""
    schemas = two_versions(directory)
    add_column(schemas / "feeds/PAYM.yaml", "weight")
    contracts = load_contracts(schemas)
    assert not contracts["PAYM"].column("weight").required
    return contracts


def two_hours(directory: Path) -> list[StagedCycle]:
    rows: list[Row] = [{"amount_fen": 5, "user_id": "U00001", "kind": "1", "paid_at": NOON}] * 2
    return staged(directory, {f"{HOUR}_0001_00": rows, "PAYM_110_I_2026112211_0001_00": rows})


def test_a_file_of_an_older_contract_counts_as_missing_only_beside_newer_ones_of_its_cycle(tmp_path: Path) -> None:
    contracts = newer(tmp_path)
    cycles = two_hours(tmp_path)
    stem = "PAYM_110_I_2026112211_0002_00"
    path = stage(tmp_path, stem, [{"weight": 7}, {"weight": None}], contracts["PAYM"])
    cycles[1] = StagedCycle(cycles[1].key, cycles[1].files | {stem: path})
    with warehouse(contracts) as connection:
        found, _ = profiled(connection, cycles, contracts)
    assert {key: (each.rows, each.missing.get("weight")) for key, each in found.items()} == {
        HOUR: (2, None), "PAYM_110_I_2026112211": (4, 3),
    }  # fmt: skip


def test_a_profile_does_not_depend_on_what_is_judged_with_it(tmp_path: Path) -> None:
    """Else later cycles are compared with one where a column was wholly missing, or with none, by mere chance."""
    contracts = newer(tmp_path)
    older, _ = two_hours(tmp_path)
    stem = "PAYM_110_I_2026112212_0001_00"
    path = stage(tmp_path, stem, [{"weight": 7}], contracts["PAYM"])
    newest = StagedCycle(CycleKey("PAYM", "110", "I", "2026112212"), {stem: path})
    with warehouse(contracts) as connection:
        alone, _ = profiled(connection, [older], contracts)
        together, _ = profiled(connection, [older, newest], contracts)
    assert together[HOUR] == alone[HOUR]


@pytest.mark.parametrize("column", ["kind", "amount_fen", "paid_at", "user_id", "operator_id"])
def test_of_a_column_that_no_file_has_nothing_is_said(
    core: duckdb.DuckDBPyConnection, tmp_path: Path, column: str
) -> None:
    """As after a contract whose new column is a code, the control column, the event time, a foreign key, any other."""
    cycles = two_hours(tmp_path)
    whole = profiled(core, cycles)[0][HOUR]
    for each in cycles:
        for path in each.files.values():
            without(path, column)
    found, orphans = profiled(core, cycles)
    left, here = _said(found[HOUR]), _said(whole)
    assert here.pop(column) != []
    assert left == here
    assert orphans == dict.fromkeys(orphans, 0 if column == "user_id" else 2)


def _said(found: Profile) -> dict[str, list[object]]:
    """What a profile says of each column, the control column and the event time under their names in PAYM."""
    said: dict[str, list[object]] = {}
    for part in (found.missing, found.distinct, found.codes, found.orphans, {"amount_fen": found.total}):
        for name, each in part.items():
            said.setdefault(name, []).append(each)
    said["paid_at"] = [found.newest_at]
    return {name: values for name, values in said.items() if values != [None]}


def test_a_cycle_of_files_without_a_row_has_a_profile(core: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """No rows where there usually are many is the first thing that must not pass unseen."""
    cycles = staged(tmp_path, {"BILL_110_I_202609_0001_00": [{"total_fen": 5}], "BILL_110_I_202610_0001_00": []})
    found, _ = profiled(core, cycles)
    assert {key: each.rows for key, each in found.items()} == {"BILL_110_I_202609": 1, "BILL_110_I_202610": 0}
