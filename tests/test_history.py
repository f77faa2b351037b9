"""core.subscriber against a slow reading of the rule, whatever comes and goes in whatever order."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from history_oracle import ATTRIBUTES, Change, Record, Snapshot, history
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.checks.staging import REJECT_SCHEMA, staged_schema
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Contract
from warehouse import load as loading
from warehouse.load import StandingBatch, load
from warehouse.store import make_tables

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)
DAY = datetime(2026, 11, 1)
MOMENTS = [DAY + timedelta(days=days) for days in range(1, 7)]
USERS = ["U00001", "U00002"]
# Shrinking a failure takes minutes here, for each try makes a warehouse; the failing draw is printed as it is.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
FIXED = {
    "account_id": "A00001", "product": "MOB", "pay_mode": "PRE", "open_date": date(2026, 1, 1), "area_code": "110101",
}  # fmt: skip

states = st.tuples(
    st.sampled_from(["C00001", "C00002"]),
    st.sampled_from(["13800000001", "13800000002"]),
    st.sampled_from(["PLAN01", "PLAN02"]),
    st.sampled_from(["1", "2", "9"]),
    st.just(DAY),
    st.none(),
    st.sampled_from([0, 100]),
)
records = st.builds(
    Record,
    user_id=st.sampled_from(USERS),
    op=st.sampled_from(["I", "U", "U", "D"]),
    op_time=st.sampled_from(MOMENTS),
    cycle=st.sampled_from(["20261103", "20261104", "20261105"]),
    cycle_end=st.just(DAY),
    mode=st.sampled_from(["I", "I", "F"]),
    source=st.sampled_from(["110", "220"]),
    seq=st.sampled_from(["0001", "0002"]),
    line=st.just(0),
    state=states,
)
changes = st.builds(
    Change,
    change_id=st.just(""),
    user_id=st.sampled_from([*USERS, "U00009"]),
    change_type=st.sampled_from(["01", "02", "03", "06", "07", "08", "10", "14"]),
    effective_at=st.sampled_from(MOMENTS),
    new_value=st.sampled_from(["NEW001", "NEW002"]),
)


def _settled(found: list[Record]) -> list[Record]:
    """Give records of a batch their lines, and the end of their cycle; a snapshot holds U records only."""
    lines: dict[tuple[str, ...], int] = defaultdict(lambda: 1)
    settled = []
    for each in found:
        batch = (each.source, each.mode, each.cycle, each.seq)
        lines[batch] += 1
        end = datetime.strptime(each.cycle, "%Y%m%d") + timedelta(days=1)
        op = "U" if each.mode == "F" else each.op
        settled.append(replace(each, op=op, line=lines[batch], cycle_end=end))
    return settled


class Warehouse:
    """Batches of USER and CHNG as staged files, and a warehouse that is brought to hold some of them."""

    def __init__(self, directory: Path, found: list[Record], events: list[Change]) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("attach ':memory:' as warehouse")
        self.connection.execute("use warehouse")
        make_tables(self.connection, CONTRACTS)
        self.batches: list[StandingBatch] = []
        self.records: dict[str, list[Record]] = defaultdict(list)
        for each in found:
            self.records[f"USER_{each.source}_{each.mode}_{each.cycle}_{each.seq}_00"].append(each)
        for stem, rows in self.records.items():
            first = rows[0]
            frame = [FIXED | dict(zip(ATTRIBUTES, each.state, strict=True)) | _origin(each) for each in rows]
            place = (first.source, first.mode, first.cycle, first.seq, first.cycle_end)
            self._stage(directory, CONTRACTS["USER"], stem, frame, *place)
        self.events = {f"CHNG_110_I_20261101{hour:02d}_0001_00": each for hour, each in enumerate(events)}
        for stem, each in self.events.items():
            row = vars(each) | {"customer_id": "C00001", "changed_at": each.effective_at, "line": 2}
            self._stage(directory, CONTRACTS["CHNG"], stem, [row], "110", "I", stem[11:21], "0001", DAY)

    def _stage(
        self, directory: Path, contract: Contract, stem: str, rows: list[dict[str, object]], *place: object
    ) -> None:
        schema = staged_schema(contract)
        frame = pl.DataFrame([dict.fromkeys(schema) | row | {"batch_stem": stem} for row in rows], schema=schema)
        frame.write_parquet(directory / f"{stem}.parquet")
        pl.DataFrame(schema=REJECT_SCHEMA).write_parquet(directory / f"{stem}.rejects.parquet")
        paths = (directory / f"{stem}.parquet", directory / f"{stem}.rejects.parquet")
        self.batches.append(StandingBatch(stem, "digest", contract.feed, *place, *paths))  # type: ignore[arg-type]

    def hold(self, stems: set[str], snapshots: list[Snapshot]) -> None:
        standing = [batch for batch in self.batches if batch.stem in stems]
        load(
            self.connection, CONTRACTS, standing, [loading.Snapshot("USER", *vars(each).values()) for each in snapshots]
        )

    def periods(self) -> list[tuple[object, ...]]:
        columns = ", ".join(ATTRIBUTES)
        return self.connection.execute(
            f"select user_id, valid_from, valid_to, {columns}, source from core.subscriber order by user_id, valid_from"
        ).fetchall()


def _origin(record: Record) -> dict[str, object]:
    return {"user_id": record.user_id, "op": record.op, "op_time": record.op_time, "line": record.line}


def _expected(warehouse: Warehouse, stems: set[str], snapshots: list[Snapshot]) -> list[tuple[object, ...]]:
    records = [each for stem, rows in warehouse.records.items() if stem in stems for each in rows]
    events = [each for stem, each in warehouse.events.items() if stem in stems]
    return [
        (user, begun, ended, *(state[name] for name in (*ATTRIBUTES, "source")))
        for user, begun, ended, state in history(records, events, snapshots)
    ]


@pytest.mark.fault(22)
@settings(
    max_examples=40,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), found=st.lists(records, min_size=1, max_size=8), events=st.lists(changes, max_size=5))
def test_history_is_a_function_of_what_stands(data: st.DataObject, found: list[Record], events: list[Change]) -> None:
    """Batches and snapshots come and go in any order; what is held at each moment decides, not the way there."""
    events = [replace(each, change_id=f"E{number:05d}") for number, each in enumerate(events)]
    with tempfile.TemporaryDirectory() as directory:
        warehouse = Warehouse(Path(directory), _settled(found), events)
        stems = [batch.stem for batch in warehouse.batches]
        full = sorted({(e.source, e.cycle, e.cycle_end) for e in _settled(found) if e.mode == "F"})
        for _ in range(3):
            standing = set(data.draw(st.lists(st.sampled_from(stems), unique=True)))
            chosen = data.draw(st.lists(st.sampled_from(full), unique=True)) if full else []
            snapshots = [Snapshot(*each) for each in chosen]
            warehouse.hold(standing, snapshots)
            assert warehouse.periods() == _expected(warehouse, standing, snapshots)


def test_plain_history_opens_no_period_without_a_change_and_reopens_after_an_end(tmp_path: Path) -> None:
    contract = CONTRACTS["WORD"]
    warehouse = Warehouse(tmp_path, [], [])
    fixed = {"work_order_id": "W00001", "category": "FAULT", "department": "IT", "priority": "1", "opened_at": DAY}
    rows = [
        fixed | {"op": "I", "op_time": MOMENTS[0], "due_at": MOMENTS[5], "status": "OPEN", "line": 2},
        fixed | {"op": "U", "op_time": MOMENTS[1], "due_at": MOMENTS[5], "status": "OPEN", "line": 3},
        fixed | {"op": "U", "op_time": MOMENTS[2], "due_at": MOMENTS[5], "status": "ASSIGNED", "line": 4},
        fixed | {"op": "U", "op_time": MOMENTS[2], "due_at": MOMENTS[5], "status": "RESOLVED", "line": 5},
    ]
    warehouse._stage(tmp_path, contract, "WORD_110_I_20261102_0001_00", rows, "110", "I", "20261102", "0001", DAY)
    warehouse.hold({"WORD_110_I_20261102_0001_00"}, [])
    found = warehouse.connection.execute(
        "select status, valid_from, valid_to, is_current, line from core.work_order order by valid_from"
    ).fetchall()
    assert found == [("OPEN", MOMENTS[0], MOMENTS[2], False, 2), ("RESOLVED", MOMENTS[2], None, True, 5)]


@pytest.mark.fault(22)
def test_a_patch_that_leaves_is_taken_back(tmp_path: Path) -> None:
    """And so is one that another file's newer row of the same change displaces."""
    state = ("C00001", "13800000001", "PLAN01", "1", DAY, None, 0)
    record = Record("U00001", "I", MOMENTS[0], "20261103", DAY, "I", "110", "0001", 0, state)
    change = Change("E00000", "U00001", "03", MOMENTS[2], None)
    warehouse = Warehouse(tmp_path, _settled([record]), [change])
    everything = {batch.stem for batch in warehouse.batches}
    statuses = "select status from core.subscriber order by valid_from"
    warehouse.hold(everything, [])
    assert warehouse.connection.execute(statuses).fetchall() == [("1",), ("2",)]
    warehouse.hold(set(warehouse.records), [])
    assert warehouse.connection.execute(statuses).fetchall() == [("1",)]


def test_absence_ends_only_what_the_snapshot_s_own_source_holds(tmp_path: Path) -> None:
    """A customer who moved from 110 to 220 is absent from a snapshot of 110, and stays."""
    fixed = {"op": "U", "customer_type": "1", "customer_name": "张三", "blacklisted": "N", "marketing_consent": "N"}
    warehouse = Warehouse(tmp_path, [], [])
    stems = []
    for source, mode, cycle, customer, moment in [
        ("110", "I", "20261102", "C00001", MOMENTS[0]),
        ("220", "I", "20261103", "C00001", MOMENTS[1]),
        ("110", "I", "20261102", "C00002", MOMENTS[0]),
        ("110", "F", "20261104", "C00003", MOMENTS[0]),
    ]:
        stems.append(f"CUST_{source}_{mode}_{cycle}_{len(stems) + 1:04d}_00")
        row = fixed | {"customer_id": customer, "op_time": moment, "created_date": date(2026, 1, 1), "line": 2}
        end = datetime.strptime(cycle, "%Y%m%d") + timedelta(days=1)
        place = (source, mode, cycle, f"{len(stems):04d}", end)
        warehouse._stage(tmp_path, CONTRACTS["CUST"], stems[-1], [row], *place)
    standing = [batch for batch in warehouse.batches if batch.stem in stems]
    snapshot = loading.Snapshot("CUST", "110", "20261104", datetime(2026, 11, 5))
    load(warehouse.connection, CONTRACTS, standing, [snapshot])
    open_ones = "select customer_id, source from core.customer where is_current order by customer_id"
    assert warehouse.connection.execute(open_ones).fetchall() == [("C00001", "220"), ("C00003", "110")]
    ended = "select valid_to from core.customer where customer_id = 'C00002'"
    assert warehouse.connection.execute(ended).fetchall() == [(datetime(2026, 11, 5),)]
