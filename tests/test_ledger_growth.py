"""A ledger that an older release made is brought along by the first command, whoever comes first; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from offers import put_end, states, take
from running import make_home, tierline
from sqlalchemy import Engine, create_engine, insert, inspect
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of
from test_ledger import Place, workers
from whole_cycles import contacts

from pipelines.errors import StoreError
from pipelines.ledger import offerings
from pipelines.ledger.alarms import Kind
from pipelines.ledger.cycle_acceptances import words_of
from pipelines.ledger.offerings import Change, State
from pipelines.ledger.store import VERSION, LedgerStore
from pipelines.ledger.tables import metadata
from pipelines.names import CycleKey
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server

RELEASED = Path(__file__).with_name("ledger_version_2.sql")
FOR_SQLITE = {"bigserial": "integer", "timestamp without time zone": "datetime", "_id bigint": "_id integer"}
NOW = "2026-11-22T12:00:00"
AT = "2026-11-22 11:02:31.000000"
STEM = "PAYM_110_I_2026112210_0001"
NEW = {"cycle_profile", "quality_result", "delivery", "delivery_event", "alarm_telling", "digest_telling"}

# What the older release noted: one batch that was replaced, the one that stands, and a row of every other table.
ROWS: dict[str, list[dict[str, Any]]] = {
    "offering": [
        {"offering_id": number, "stem": f"{STEM}_{version}", "feed": "PAYM", "source": "110", "mode": "I",
         "cycle": "2026112210", "seq": "0001", "version": version, "file_name": f"{STEM}_{version}.DAT", "state": state,
         "code": code, "reason": "第一行", "bytes": 2**40, "digest": "sha256:00", "check_digest": "00", "records": 3,
         "loaded": 2, "rejected": 1, "control_total": str(10**30 + 1), "control_loaded": "1", "control_rejected": None,
         "kept_in": "archive/PAYM/2026/11/22", "moved_to": "backup/x", "staged_count": 2, "limit_waived": "ticket",
         "taken_at": AT, "judged_at": AT, "acknowledged_at": AT, "server_pruned_at": None, "archive_pruned_at": None}
        for number, version, state, code in ((41, "00", "superseded", "E504"), (42, "01", "loaded", None))
    ],
    "event": [{"event_id": number, "offering_id": 42, "state": "staged", "cause": "x", "actor": "root", "at": AT}
              for number in range(1, 40)],
    "alarm": [{"alarm_id": 7, "kind": "E206", "subject": "x", "message": "表", "raised_at": AT, "told_at": AT,
               "cleared_at": None}],
    "end_file": [{"feed": "PAYM", "source": "110", "mode": "I", "cycle": "2026112210", "files": 1, "records": 3,
                  "control_total": str(10**30 + 1), "entries": f'[["{STEM}_01", 3]]', "digest": "00", "taken_at": AT}],
    "cycle_acceptance": [{"feed": "PAYM", "source": "110", "mode": "I", "cycle": "2026112210", "batches": f"{stems}",
                          "cause": "x", "actor": "root", "at": AT}
                         for stems in (f"{STEM}_00", f"{STEM}_00 {STEM}_01", f"{STEM}_01 {STEM}_02")],
    "left_file": [{"source": "110", "directory": "outgoing/PAYM", "file_name": "x", "code": "E101", "reason": "y",
                   "first_seen_at": AT, "last_seen_at": AT}],
}  # fmt: skip


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Makes empty places for ledgers, which ask for no password."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return lambda: Place(server.trusted_url(server.new_database()), None)
    paths = iter(tmp_path / f"ledger{number}.sqlite" for number in range(100))
    return lambda: Place(f"sqlite:///{next(paths)}", None)


@contextmanager
def engine_of(place: Place) -> Iterator[Engine]:
    engine = create_engine(place.url)
    try:
        yield engine
    finally:
        engine.dispose()


def execute(place: Place, *statements: str) -> None:
    with engine_of(place) as engine, engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def released(place: Place) -> Place:
    """The ledger as release 2 made and filled it."""
    script = RELEASED.read_text(encoding="utf-8")
    if place.url.startswith("sqlite"):
        for word, another in FOR_SQLITE.items():
            script = script.replace(word, another)
    execute(place, *(each.strip() for each in script.split("\n\n") if not each.startswith("--")))
    with engine_of(place) as engine, engine.begin() as connection:
        for table, rows in ROWS.items():
            connection.execute(insert(table_of(table, *map(column_of, rows[0]))), rows)
    if place.url.startswith("postgresql"):  # as if it had numbered these rows itself
        execute(place, *(f"select setval('{name}_{name}_id_seq', 100)" for name in ("offering", "event", "alarm")))
    return place


def content(place: Place, only: dict[str, list[str]] | None = None) -> dict[str, tuple[list[str], list[str]]]:
    """Columns and rows of every table; of `only` these tables and columns."""
    with engine_of(place) as engine, engine.connect() as connection:
        tables = inspect(connection)
        wanted = only or {
            table: [column["name"] for column in tables.get_columns(table)] for table in tables.get_table_names()
        }
        return {
            table: (names, sorted(map(str, connection.exec_driver_sql(f"select {', '.join(names)} from {table}"))))
            for table, names in wanted.items()
        }


def version_of(place: Place) -> list[str]:
    return content(place, {"ledger_version": ["version"]})["ledger_version"][1]


def shape(place: Place) -> dict[str, object]:
    """Columns with their types, keys and indexes of every table, in no order."""
    with engine_of(place) as engine, engine.connect() as connection:
        tables = inspect(connection)
        found: dict[str, object] = {}
        for table in tables.get_table_names():
            columns = {each["name"]: (str(each["type"]), each["nullable"]) for each in tables.get_columns(table)}
            indexes = {(each["name"], *each["column_names"], each["unique"]) for each in tables.get_indexes(table)}
            found[table] = columns, tables.get_pk_constraint(table)["constrained_columns"], indexes
        return found


def test_the_older_ledger_is_an_older_one(new_place: Callable[[], Place]) -> None:
    """Else the tests below would tell nothing."""
    before = content(released(new_place()))
    assert before["ledger_version"] == (["version"], ["(2,)"])
    assert not before.keys() & NEW
    assert not {"format_version", "orphans"} & set(before["offering"][0])
    assert {table for table, (_, rows) in before.items() if rows} == {*ROWS, "ledger_version"}


def test_nothing_is_lost_and_what_is_new_is_empty(new_place: Callable[[], Place]) -> None:
    place = released(new_place())
    before = content(place)
    with place.open():
        pass
    columns = {table: names for table, (names, _) in before.items()}
    kept = content(place, columns)
    assert kept.pop("ledger_version") == (["version"], [f"({VERSION},)"])
    del before["ledger_version"], before["cycle_acceptance"], kept["cycle_acceptance"]
    assert kept == before
    now = content(place)
    assert {table: now[table][1] for table in now.keys() - columns.keys()} == {table: [] for table in NEW}
    with place.open() as store, store.reading() as connection:
        old, stands = offerings.find(connection)
    assert (old.state, stands.state, stands.control_total) == (State.SUPERSEDED, State.LOADED, 10**30 + 1)
    assert (stands.format_version, stands.orphans, stands.reason) == (None, None, "第一行")


def test_words_are_of_offerings_where_all_of_them_are_known(new_place: Callable[[], Place]) -> None:
    """The third is about a stem of which nothing is accepted: it holds for nothing any more."""
    key = CycleKey("PAYM", "110", "I", "2026112210")
    with released(new_place()).open() as store, store.reading() as connection:
        found = words_of(connection, Kind.HELD)
    word = Change("x", "root", datetime.fromisoformat(AT))
    assert found == {(key, frozenset({41})): word, (key, frozenset({41, 42})): word}


def test_it_ends_as_a_new_one_begins(new_place: Callable[[], Place]) -> None:
    """Columns, types, keys, indexes: else the next growth would meet ledgers of two kinds."""
    grown, fresh = released(new_place()), new_place()
    for place in (grown, fresh):
        with place.open():
            pass
    assert shape(grown) == shape(fresh)
    assert shape(grown).keys() == metadata.tables.keys()


def test_opening_it_again_changes_nothing(new_place: Callable[[], Place]) -> None:
    place = released(new_place())
    with place.open():
        pass
    before = content(place)
    with place.open() as store, store.reading():
        pass
    assert content(place) == before


def test_several_processes_at_once_bring_it_along_once(new_place: Callable[[], Place]) -> None:
    with workers(new_place(), "open", 3) as many:
        for _ in range(4):
            place = released(new_place())
            kept = content(place)["offering"]
            for worker in many:
                worker.tell(place.url)
            assert [worker.answer() for worker in many] == ["opened"] * 3
            assert version_of(place) == [f"({VERSION},)"]
            assert content(place, {"offering": kept[0]})["offering"] == kept


def test_a_growth_that_breaks_off_leaves_the_older_ledger(new_place: Callable[[], Place]) -> None:
    """Something is in its way: all of it is undone, and the next command brings it along."""
    place = released(new_place())
    execute(place, "alter table offering add column orphans bigint")
    before = content(place)
    with pytest.raises(Exception, match="orphans"):  # the database's own word
        LedgerStore(place.url)
    assert content(place) == before
    execute(place, "alter table offering drop column orphans")
    with place.open():
        pass
    assert version_of(place) == [f"({VERSION},)"]


@pytest.mark.parametrize("version", [None, 1, VERSION + 1])
def test_other_versions_are_refused_and_left_alone(new_place: Callable[[], Place], version: int | None) -> None:
    place = released(new_place())
    execute(place, "drop table ledger_version" if version is None else f"update ledger_version set version = {version}")
    before = content(place)
    found = f"expected tables of version {VERSION}, found version {version or 1}; use the release of Tierline that made"
    with pytest.raises(StoreError, match=found), place.open():
        pass
    assert content(place) == before


@pytest.mark.parametrize("word", ["batches", "quality"])
def test_the_first_command_brings_it_along(new_place: Callable[[], Place], tmp_path: Path, word: str) -> None:
    """Whether it writes or only reads; and what came before is there with what comes after."""
    place, root = released(new_place()), tmp_path / "remote"
    contacts("20261121", 3).put(root)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra=f'ledger: "{place.url}"\n')
    first = tierline(home, word, now=NOW)
    assert first.exit_status == 0, first.err
    assert version_of(place) == [f"({VERSION},)"]
    shown = tierline(home, "batches", now=NOW)
    assert f"{STEM}_01" in shown.out, shown.err
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    with place.open() as store, store.reading() as connection:
        newest = max(offerings.find(connection), key=lambda each: each.offering_id)
    assert (newest.stem, newest.state) == ("CONT_110_I_20261121_0001_00", State.VERIFIED)


def test_a_load_judges_what_the_older_release_left(tmp_path: Path) -> None:
    """All that is new is taken away again from a home that was loaded."""
    offer, root, home = contacts("20261121", 3), tmp_path / "remote", tmp_path / "home"
    offer.put(root)
    put_end(root, offer)
    make_home(home, Endpoint("file", root=str(root)))
    assert take(home, NOW).exit_status == 0
    place = Place(f"sqlite:///{home / 'ledger.sqlite'}", None)
    new = [f"alter table offering drop column {column}" for column in ("format_version", "orphans")]
    execute(place, *new, *(f"drop table {table}" for table in NEW), "drop index offering_by_taken_at")
    execute(place, "update ledger_version set version = 2")
    before = states(home)
    ran = tierline(home, "load", now=NOW)
    assert (ran.exit_status, "quality: 1 cycles judged" in ran.out) == (0, True), ran.err
    assert (version_of(place), states(home)) == ([f"({VERSION},)"], before)
    assert before == [("0001_00", "loaded", None)]
