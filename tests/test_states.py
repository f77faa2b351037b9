"""A published state that was brought on equals one that is written from nothing; one that is read is never touched."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from offers import NOW, in_ledger
from running import make_home, published, tierline
from small_disk import small_disk
from small_states import CUSTOMERS, LATER_PAYMENTS, OTHER_CUSTOMERS, PAYMENTS, Warehouse, content, customers, payment

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse import changes
from warehouse.states import DATABASES

NAMES = ["欧阳靖雯", "司马明远", "上官云鹏", "诸葛浩然"]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """With payments, customers and months of a mart; nothing of it is published yet."""
    made = Warehouse(tmp_path / "warehouse", tmp_path / "bi")
    made.put(PAYMENTS, payment(1), payment(2))
    made.put(CUSTOMERS, *customers(*NAMES[:2]))
    made.month("202610", 1, 2)
    yield made
    made.connection.close()


def rename_customers(warehouse: Warehouse, *names: str) -> None:
    """A change that no number of rows tells of."""
    warehouse.put(CUSTOMERS, *customers(*names))


def inode(state: Path, name: str = "current.duckdb") -> int:
    return (state / name).stat().st_ino


def states(warehouse: Warehouse) -> set[str]:
    return {path.name for path in (warehouse.bi / "states").iterdir()}


def digests(state: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in state.rglob("*.*") if path.is_file()}


def test_a_state_that_was_brought_on_equals_one_from_nothing(tmp_path: Path) -> None:
    make_province(tmp_path / "remote", subscribers=100, months=2, days=1, end=datetime.fromisoformat(NOW), seed=4)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    held = (home / "bi" / "current").resolve()
    before = digests(held)
    stems = []
    with duckdb.connect(str(held / "current.duckdb"), read_only=True):
        for feed in ("USER", "CHNG", "PAYM"):
            stem = in_ledger(home, f"select stem from offering where feed = '{feed}' order by stem desc limit 1")[0][0]
            stems.append(stem)
            assert tierline(home, "batch", "discard", stem, "--why", "a test", now=NOW).exit_status in (0, 3)
            assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status in (0, 3, 4)
            assert (home / "bi" / "current").resolve() != held
        assert digests(held) == before, "a state that somebody has open was written to"
    brought_on = published(home)
    shutil.rmtree(home / "bi" / "states")
    (home / "bi" / "current").unlink()
    assert tierline(home, "publish", now=NOW).exit_status == 0
    assert published(home) == brought_on
    assert not {stem for (stem, *_) in brought_on["ops.loaded_batch"]} & set(stems)


def test_the_next_state_is_made_in_a_retired_one_that_nobody_has_open(warehouse: Warehouse) -> None:
    first = warehouse.publish()
    retired = [inode(first, name) for name in DATABASES]
    rename_customers(warehouse, *NAMES[2:])
    second = warehouse.publish()
    assert not set(retired) & {inode(second, name) for name in DATABASES}, "the state at hand was written to"
    assert second.joinpath("mart_by_month", "202610.parquet").samefile(first / "mart_by_month" / "202610.parquet")
    warehouse.put(PAYMENTS, payment(2), payment(3))
    warehouse.month("202611", 7)
    third = warehouse.publish()
    assert [inode(third, name) for name in DATABASES] == retired
    assert states(warehouse) == {second.name, third.name}
    assert content(third) == warehouse.from_nothing()


def test_a_state_of_which_any_file_is_read_is_left_alone_and_goes_once_released(warehouse: Warehouse) -> None:
    first = warehouse.publish()
    before = digests(first)
    with (first / "mart_whole.parquet").open("rb"):
        rename_customers(warehouse, *NAMES[2:])
        warehouse.connection.execute("update mart.whole set points = 6")
        second = warehouse.publish()
        warehouse.discard(PAYMENTS)
        warehouse.connection.execute("update mart.whole set points = 7")
        third = warehouse.publish()
        assert not {inode(first), inode(second)} & {inode(third)}
        assert digests(first) == before
        assert states(warehouse) == {first.name, second.name, third.name}
        assert warehouse.differences(third) == []
    fourth = warehouse.publish()
    assert states(warehouse) == {third.name, fourth.name}


def test_an_old_state_that_cannot_be_removed_stops_no_publication(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """As where a reader across NFS holds a file of it: here a disk is mounted in it, which no removal gets past."""
    first = warehouse.publish()
    with (first / "mart_whole.parquet").open("rb"):
        warehouse.publish()
        third = warehouse.publish()
    held, going = inode(third), first.with_name(f".going-{first.name}")
    with small_disk(first / "mart_by_month"):
        try:
            warehouse.publish()
            assert [("cannot be removed" in said, first.name in said) for said in caplog.messages] == [(True, True)]
            assert len(states(warehouse)) == 3
            fifth = warehouse.publish()
            assert (warehouse.bi / "current").resolve() == fifth
            assert len(states(warehouse)) == 3, "one that stays must not make others stay or go"
            assert inode(fifth) == held, "the last one was to be brought on"
        finally:
            going.rename(first)  # where its disk is unmounted
    first.rename(going)
    warehouse.publish()
    assert len(states(warehouse)) == 2


def test_whatever_comes_and_goes_a_state_equals_one_from_nothing(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that are displaced and come back, batches that go, months and columns of marts; no states pile up."""

    def first() -> None:
        warehouse.put(LATER_PAYMENTS, payment(2, amount_fen=1), payment(4))
        warehouse.month("202611", 5)

    def second() -> None:
        warehouse.put(CUSTOMERS, *customers(NAMES[2], *NAMES[:2]))

    def third() -> None:
        warehouse.discard(LATER_PAYMENTS)
        warehouse.month("202610")
        warehouse.connection.execute("alter table mart.whole add column note varchar")

    def fourth() -> None:
        warehouse.discard(CUSTOMERS)
        warehouse.month("202611", 5, 6)

    warehouse.publish()
    seen = set()
    for step in (first, second, third, fourth):
        step()
        state = warehouse.publish()
        seen.add(state)
        assert warehouse.differences(state) == []
        assert len(states(warehouse)) == 2
    assert len(seen) == 4
    assert caplog.messages == [], "a table was filled anew where it should have been brought on"
    assert content(state) == warehouse.from_nothing()
    # Neither what stands nor what went may be found in the masked database, in whatever corner of it.
    masked, private = ((state / name).read_bytes() for name in DATABASES)
    for value in (payment(1)["service_number"], *NAMES[:1]):
        assert str(value).encode() not in masked
    assert str(payment(1)["service_number"]).encode() in private, "compressed, so that this proves nothing"
    assert not any(str(each) in str(found) for each in NAMES for name, found in content(state).items()
                   if not name.startswith("private"))  # fmt: skip


def test_a_renewed_list_by_number_is_brought_on_though_numbers_are_masked(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """A number goes, one comes, one is another subscriber's; two look the same to readers."""
    run = warehouse.connection.execute
    run(
        "create table list.tier as from (values ('13800010001', 'U1', '110'), ('13899990001', 'U2', '110'), "
        "('13800010002', 'U3', '110'), ('BBD59880003', 'U4', '440')) as row (service_number, user_id, source)"
    )
    run("insert into ops.built by name select 1 as build_no, 1 as whole_no")
    warehouse.publish()
    for build_no, number, change in (
        (2, "13800010001", "update list.tier set user_id = 'U5', source = '440' where service_number = '13800010001'"),
        (3, "13800010002", "delete from list.tier where service_number = '13800010002'"),
        (4, "13877770001", "insert into list.tier values ('13877770001', 'U6', '440')"),
    ):
        run(change)
        run(f"insert into ops.history_build values ('list.tier', '{number}', '', {build_no})")
        run(f"update ops.built set build_no = {build_no}")
        state = warehouse.publish()
        assert warehouse.differences(state) == []
    assert caplog.messages == []


def test_a_state_older_than_what_is_noted_of_changes(warehouse: Warehouse) -> None:
    warehouse.put(OTHER_CUSTOMERS, *customers(NAMES[0], first=5))
    first = warehouse.publish()
    with (first / "private.duckdb").open("rb"):
        rename_customers(warehouse, *NAMES[2:])
        warehouse.publish()
        for name in NAMES[1:]:
            warehouse.put(OTHER_CUSTOMERS, *customers(name, first=5))
            last = warehouse.publish()
    noted = warehouse.connection.execute("select min(load_no), max(load_no) from ops.history_change").fetchall()
    assert noted == [(6, 7)], "changes before the last three publications are forgotten"
    retired = next(each for each in (warehouse.bi / "states").iterdir() if each not in (first, last))
    with (retired / "current.duckdb").open("rb"):
        inodes = inode(first)
        warehouse.put(OTHER_CUSTOMERS, *customers(NAMES[0], first=5))
        state = warehouse.publish()
    assert inode(state) == inodes, "the oldest state was to be brought on"
    assert warehouse.differences(state) == []


def test_a_load_that_touches_many_entities(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse.publish()
    monkeypatch.setattr(changes, "_MOST_ENTITIES", 1)
    for names in (NAMES[2:], NAMES[:2]):
        rename_customers(warehouse, *names)
        state = warehouse.publish()
        assert warehouse.differences(state) == []
    assert warehouse.connection.execute("from ops.history_change").fetchall() == []
    assert ("customer", 4) in warehouse.connection.execute("from ops.history_log").fetchall()


def test_states_of_another_warehouse_or_of_a_later_one_are_not_brought_on(warehouse: Warehouse, tmp_path: Path) -> None:
    """The same batches, loads and numbers of rows, other values: a warehouse rebuilt, and one put back from a copy."""
    warehouse.publish()
    other = Warehouse(tmp_path / "other", warehouse.bi)
    other.put(PAYMENTS, payment(5), payment(6))
    other.put(CUSTOMERS, *customers(*NAMES[2:]))
    other.published = warehouse.published
    for _ in range(2):
        assert other.differences(other.publish()) == []
    other.keep_a_copy()
    other.put(PAYMENTS, payment(7), payment(8))
    rename_customers(other, *NAMES[:2])
    for _ in range(2):  # neither the state at hand nor the retired one is of before the copy
        other.publish()
    other.put_back()
    assert other.differences(other.publish()) == []
    other.connection.close()
