"""The ledger on both databases: what was decided holds, whatever other processes do at the same time."""

from __future__ import annotations

import os
import select
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest
from ledger_worker import NOON
from running import make_home, tierline_process
from sqlalchemy import Connection, delete, func, insert, update
from sqlalchemy import select as query
from sqlalchemy.exc import DBAPIError, IntegrityError

from pipelines.errors import ConfigurationError, LedgerAwayError, StoreError
from pipelines.ledger import offerings, standing
from pipelines.ledger.alarms import Kind, untold
from pipelines.ledger.cycle_acceptances import accept_cycle, words_of
from pipelines.ledger.offerings import Change, Offering, State
from pipelines.ledger.store import VERSION, LedgerStore, ledger_version
from pipelines.ledger.tables import cycle_acceptance, event, metadata, offering
from pipelines.names import CycleKey, parse_stem
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server
from sftp_fixtures.scenario import load_scenarios

STEM = "PAYM_110_I_2026112210_0001"
CHANGE = Change("test", "test", NOON)
ROUNDS = 20
SOON_S = 1.0  # far less than a transaction waits for another


@dataclass(frozen=True)
class Place:
    """Where a ledger is, that may not be there yet."""

    url: str
    secret: str | None

    @contextmanager
    def open(self, patience_s: int = 30) -> Iterator[LedgerStore]:
        store = LedgerStore(self.url, self.secret, patience_s)
        try:
            yield store
        finally:
            store.close()


class Worker:
    """A process at work on a ledger, see ledger_worker.py."""

    def __init__(self, place: Place, action: str) -> None:
        environment = os.environ | {"LEDGER_URL": place.url} | ({"LEDGER_SECRET": place.secret} if place.secret else {})
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("ledger_worker.py"), action],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def is_silent(self, seconds: float) -> bool:
        return not select.select([self._process.stdout], [], [], seconds)[0]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Makes places for ledgers, each of them empty."""
    if request.param == "postgresql":
        return partial(_on, request.getfixturevalue("postgres"))
    numbers = count()
    return lambda: Place(f"sqlite:///{tmp_path / f'ledger{next(numbers)}.sqlite'}", None)


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


@pytest.fixture
def store(place: Place) -> Iterator[LedgerStore]:
    with place.open() as opened:
        yield opened


def _on(postgres: Postgres) -> Place:
    return Place(postgres.url(postgres.new_database()), postgres.secret)


@contextmanager
def workers(place: Place, action: str, number: int) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        started = []
        for _ in range(number):
            started.append(Worker(place, action))
            stack.callback(started[-1].kill)
        assert [worker.answer() for worker in started] == ["ready"] * number
        yield started


def _announce(connection: Connection, stem: str) -> Offering:
    name = parse_stem(stem)
    assert name is not None
    (announced,) = offerings.announce_all(connection, [(name, f"{stem}.DAT")], CHANGE)
    return announced


def _verified(store: LedgerStore, stem: str) -> int:
    """An offering that waits for its verdict."""
    with store.transaction() as connection:
        announced = _announce(connection, stem)
        offerings.move(connection, announced.offering_id, State.FETCHED, CHANGE)
        offerings.move(connection, announced.offering_id, State.VERIFIED, CHANGE, records=3)
    return announced.offering_id


def _states(store: LedgerStore) -> dict[str, str]:
    with store.reading() as connection:
        return {each.stem[-2:]: each.state.value for each in offerings.find(connection)}


def test_the_life_of_an_offering(store: LedgerStore) -> None:
    """Announced to loaded, replaced, and one that is refused; every change has its event, every value its form."""
    first, second, third = (_verified(store, f"{STEM}_{version}") for version in ("00", "01", "02"))
    total = 10**30 + 1  # more than any column of numbers holds
    with store.transaction() as connection:
        candidate = offerings.get(connection, first)
        assert standing.accept(connection, candidate, CHANGE, control_total=total, loaded=3) is State.STAGED
        offerings.move(connection, first, State.LOADED, CHANGE)
        outdated = candidate  # read before it was accepted: what was decided since is not acknowledged
        assert not offerings.acknowledge(connection, outdated, "backup/x.DAT", NOON)
        current = offerings.get(connection, first)
        assert offerings.acknowledge(connection, current, f"backup/20261122/PAYM/{STEM}_00.DAT", NOON)
    with store.transaction() as connection:
        assert standing.accept(connection, offerings.get(connection, second), CHANGE) is State.STAGED
        offerings.move(connection, third, State.REFUSED, CHANGE, code="E301", reason="第一行")
    with store.reading() as connection:
        loaded, stands, refused = (offerings.get(connection, each) for each in (first, second, third))
        states = [each["state"] for each in offerings.history(connection, [first])]
        (alarm,) = untold(connection)
    assert (loaded.state, loaded.control_total, loaded.loaded) == (State.SUPERSEDED, total, 3)
    assert (loaded.taken_at, loaded.acknowledged_at) == (NOON, NOON)
    assert states == ["announced", "fetched", "verified", "staged", "loaded", "superseded"]
    assert (stands.state, refused.state) == (State.STAGED, State.REFUSED)
    assert (alarm.kind, alarm.subject, alarm.message) == ("refused", f"{STEM}_02", "E301: 第一行")


def test_a_snapshot_of_many_files_may_be_let_through(store: LedgerStore) -> None:
    """More than an index may hold of one row; said twice it is kept once, with the latest reason."""
    key = CycleKey("USER", "110", "F", "20261121")
    ids = range(10**9, 10**9 + 1000)
    for why in ("ticket 4711", "ticket 4712"):
        with store.transaction() as connection:
            accept_cycle(connection, Kind.HELD, key, ids, Change(why, "test", NOON))
            accept_cycle(connection, Kind.HELD, key, ids[1:], Change(why, "test", NOON))
    with store.reading() as connection:
        word = Change("ticket 4712", "test", NOON)
        assert words_of(connection, Kind.HELD) == {(key, frozenset(each)): word for each in (ids, ids[1:])}
        assert words_of(connection, Kind.QUALITY) == {}
        assert connection.execute(query(cycle_acceptance.c.cause)).scalars().all() == ["ticket 4712"] * 2


def test_what_a_block_did_before_it_raised_never_was(store: LedgerStore) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as connection:
        assert 1 / (_announce(connection, f"{STEM}_00").offering_id - 1)
    assert _states(store) == {}


@pytest.mark.fault(14)
def test_of_two_processes_that_announce_a_stem_one_gets_it(place: Place, store: LedgerStore) -> None:
    with workers(place, "announce", 2) as pair:
        for number in range(1, ROUNDS + 1):
            for worker in pair:
                worker.tell(f"PAYM_110_I_2026112210_{number:04d}_00")
            assert sorted(worker.answer() for worker in pair) == ["lost", "won"]
    with store.reading() as connection:
        assert connection.execute(query(func.count()).select_from(offering)).scalar() == ROUNDS
        assert connection.execute(query(func.count()).select_from(event)).scalar() == ROUNDS


@pytest.mark.fault(12)
def test_of_two_versions_accepted_at_once_the_newest_stands(place: Place, store: LedgerStore) -> None:
    """Whichever process is first: the older is replaced, or stale; each change has its event."""
    with workers(place, "accept", 2) as pair:
        for number in range(1, ROUNDS + 1):
            seq = f"PAYM_110_I_2026112210_{number:04d}"
            older, newer = _verified(store, f"{seq}_00"), _verified(store, f"{seq}_01")
            for worker, offering_id in zip(pair, (older, newer), strict=True):
                worker.tell(str(offering_id))
            answers = [worker.answer() for worker in pair]
            assert answers in (["staged", "staged"], ["superseded", "staged"])
            with store.reading() as connection:
                states = {each: offerings.get(connection, each).state for each in (older, newer)}
                ends = [each["state"] for each in offerings.history(connection, [older, newer])][6:]
            assert states == {older: State.SUPERSEDED, newer: State.STAGED}
            assert sorted(ends) == sorted([*answers, "superseded"] if answers[0] == "staged" else answers)


def test_a_decision_waits_for_the_one_before_it(place: Place, store: LedgerStore) -> None:
    """What a transaction reads is what the one before it left, not what there was when it asked."""
    older, newer = _verified(store, f"{STEM}_00"), _verified(store, f"{STEM}_01")
    with workers(place, "accept", 1) as (worker,):
        with store.transaction() as connection:
            standing.accept(connection, offerings.get(connection, newer), CHANGE)
            worker.tell(str(older))
            assert worker.is_silent(SOON_S)
        assert worker.answer() == "superseded"
    assert _states(store) == {"00": "superseded", "01": "staged"}


@pytest.mark.parametrize("states", [("announced", "fetched"), ("staged", "loaded")])
def test_the_database_itself_keeps_two_from_one_place(store: LedgerStore, states: tuple[str, str]) -> None:
    """Even a program that does not ask first cannot put a second offering where one is."""
    with store.transaction() as connection:
        stem = f"{STEM}_00"
        first = _announce(connection, stem).offering_id
        connection.execute(update(offering).where(offering.c.offering_id == first).values(state=states[0]))
        row = dict(connection.execute(query(offering)).one()._mapping) | {"offering_id": 999, "state": states[1]}
    with pytest.raises(IntegrityError), store.transaction() as connection:
        connection.execute(insert(offering).values(row))


def test_a_process_killed_within_a_transaction_leaves_no_word_and_no_lock(place: Place, store: LedgerStore) -> None:
    waiting = _verified(store, f"{STEM}_00")
    with workers(place, "hold", 1) as (worker,):
        worker.tell(str(waiting))
        assert worker.answer() == "holding"
        worker.kill()
    began = time.monotonic()
    with store.transaction() as connection:
        assert offerings.get(connection, waiting).state is State.VERIFIED
    assert time.monotonic() - began < SOON_S


def test_a_reader_sees_the_state_before_an_unfinished_transaction_at_once(place: Place, store: LedgerStore) -> None:
    waiting = _verified(store, f"{STEM}_00")
    with store.transaction() as connection:
        standing.accept(connection, offerings.get(connection, waiting), CHANGE)
        began = time.monotonic()
        assert _states(store) == {"00": "verified"}
        with place.open() as another:  # opening is no transaction either
            assert _states(another) == {"00": "verified"}
        assert time.monotonic() - began < SOON_S
    assert _states(store) == {"00": "staged"}


def test_a_reading_stays_as_it_began_and_delays_no_writer(store: LedgerStore) -> None:
    waiting = _verified(store, f"{STEM}_00")
    with store.reading() as before:
        assert offerings.get(before, waiting).state is State.VERIFIED
        began = time.monotonic()
        with store.transaction() as connection:
            standing.accept(connection, offerings.get(connection, waiting), CHANGE)
        assert time.monotonic() - began < SOON_S
        assert offerings.get(before, waiting).state is State.VERIFIED
    assert _states(store) == {"00": "staged"}


def test_writing_in_a_reading_fails_and_what_follows_can_write(store: LedgerStore) -> None:
    with pytest.raises(DBAPIError, match=r"readonly database|read-only transaction"), store.reading() as connection:
        _announce(connection, f"{STEM}_00")
    _verified(store, f"{STEM}_01")
    assert _states(store) == {"01": "verified"}


def test_who_waits_in_vain_says_so(place: Place, store: LedgerStore) -> None:
    with store.transaction(), place.open(patience_s=1) as another:
        began = time.monotonic()
        with pytest.raises(StoreError, match="another process was in a transaction for 1 s"), another.transaction():
            pass
        assert 0.9 < time.monotonic() - began < 3


def test_ten_processes_open_a_new_ledger_at_once(place: Place, new_place: Callable[[], Place]) -> None:
    with workers(place, "open", 10) as many:
        for _ in range(5):
            new = new_place()
            for worker in many:
                worker.tell(new.url)
            assert [worker.answer() for worker in many] == ["opened"] * 10
            with new.open() as store, store.reading() as connection:
                assert connection.execute(query(ledger_version.c.version)).scalars().all() == [VERSION]


def test_a_new_file_that_another_process_makes_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait before it lets readers and a writer be at work at once."""
    path = tmp_path / "new.sqlite"
    with (
        workers(Place(f"sqlite:///{tmp_path / 'ledger.sqlite'}", None), "open", 1) as (worker,),
        closing(sqlite3.connect(path, isolation_level=None)) as another,
    ):
        another.execute("begin immediate")
        worker.tell(f"sqlite:///{path}")
        assert worker.is_silent(SOON_S)
        another.execute("rollback")
        assert worker.answer() == "opened"


@pytest.mark.parametrize("version", [None, VERSION + 1])
def test_tables_of_another_version_are_refused(place: Place, version: int | None) -> None:
    with place.open() as store, store.transaction() as connection:
        if version is None:
            metadata.tables["ledger_version"].drop(connection)
        else:
            connection.execute(delete(ledger_version))
            connection.execute(insert(ledger_version).values(version=version))
    expected = f"expected tables of version {VERSION}, found version {version or 1}; use the release"
    with pytest.raises(StoreError, match=expected), place.open():
        pass


def test_a_restarted_server_is_met_again_by_the_next_transaction(postgres: Postgres) -> None:
    with _on(postgres).open() as store:
        _verified(store, f"{STEM}_00")
        postgres.stop()
        postgres.start()
        _verified(store, f"{STEM}_01")
        postgres.stop()
        postgres.start()
        assert _states(store) == {"00": "verified", "01": "verified"}


def test_a_server_that_is_down_is_named(postgres: Postgres) -> None:
    place = _on(postgres)
    message = rf"127\.0\.0\.1:{postgres.port}/ledger_\w+, user tierline: .*; check that the server runs"
    with place.open() as store:
        postgres.stop()
        try:
            with pytest.raises(LedgerAwayError, match=message), store.transaction():
                pass
            with pytest.raises(LedgerAwayError, match=message), store.reading():
                pass
            with pytest.raises(LedgerAwayError, match=message), place.open():
                pass
            assert store.locks
            with pytest.raises(LedgerAwayError, match="no lock"), store.locks.hold(["a"], wait=False):
                pass
        finally:
            postgres.start()
        assert _states(store) == {}


def test_a_connection_lost_within_a_transaction_is_named_and_nothing_is_kept(postgres: Postgres) -> None:
    with _on(postgres).open() as store:
        with pytest.raises(LedgerAwayError, match=r"127\.0\.0\.1"), store.transaction() as connection:
            _announce_and_be_cut_off(postgres, connection)
        assert _states(store) == {}


def _announce_and_be_cut_off(postgres: Postgres, connection: Connection) -> None:
    _announce(connection, f"{STEM}_00")
    pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
    address = {"host": "127.0.0.1", "port": postgres.port, "user": "trusted", "dbname": "postgres"}
    with psycopg.connect(**address, autocommit=True) as another:
        another.execute("select pg_terminate_backend(%s, 5000)", [pid])
    _announce(connection, f"{STEM}_01")


def test_a_wrong_password_is_never_shown(postgres: Postgres) -> None:
    place = _on(postgres)
    with place.open() as store:
        assert place.secret not in repr(vars(store))
    secret = "hemlig'wort"
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        LedgerStore(place.url, secret)
    assert type(caught.value) is StoreError, "the server is there: trying again mends nothing"
    assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://tierline:hemlig@127.0.0.1/ledger",
        "postgresql+psycopg://tierline:hemlig/a@127.0.0.1/ledger",
        "postgresql+psycopg://tierline@127.0.0.1/ledger?password=hemlig",
        "postgresql+psycopg://127.0.0.1:hemlig/ledger",
        "postgresql+psycopg2://tierline@127.0.0.1/ledger",
        "mysql://tierline@127.0.0.1/ledger",
        "hemlig",
        "",
    ],
)
def test_a_url_that_is_none_or_holds_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="key ledger: expected sqlite:///PATH or postgresql") as caught:
        LedgerStore(url)
    assert "hemlig" not in "".join(traceback.format_exception(caught.value))


def test_a_password_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="key ledger_secret"):
        LedgerStore("postgresql+psycopg://tierline@127.0.0.1:1/ledger", "a\0b")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "unable to open database file"), (b"no database" * 100, "file is not a database")]
)
def test_a_sqlite_file_that_is_none_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / ("ledger.sqlite" if content else "nowhere/ledger.sqlite")
    if content:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{path}: {message}; check its path"):
        LedgerStore(f"sqlite:///{path}")


def test_the_command_keeps_its_ledger_in_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    """A home without a ledger of its own: fetch, load and batches, each a process."""
    (scenario,) = (each for each in load_scenarios() if each.name == "good_day")
    step = scenario.steps[0]
    assert step.files is not None
    shutil.copytree(step.files, tmp_path / "remote")
    url = postgres.trusted_url(postgres.new_database())
    endpoint = Endpoint("file", root=str(tmp_path / "remote"))
    home = make_home(tmp_path / "home", endpoint, scenario.source, extra=f'ledger: "{url}"\n')
    for words in (["fetch"], ["load"], ["batches"]):
        ran = tierline_process(home, *words, now=step.now.isoformat())
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (home / "ledger.sqlite").exists()
    with Place(url, None).open() as store, store.reading() as connection:
        states = {each.stem: each.state.value for each in offerings.find(connection)}
        noted = connection.execute(query(func.count()).select_from(event)).scalar_one()
    assert len(states) > 3
    assert set(states.values()) == {"loaded"}
    assert all(stem in ran.stdout for stem in states)
    assert noted >= 5 * len(states)
