"""Intake on several workers: homes that share a ledger on PostgreSQL and a directory, killed in the middle of checks.

Each worker is a real process with a home of its own, as on a machine of its own.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import polars as pl
import psycopg
import pytest
from offers import MANY_BAD, STEM, Offer, batch, files, in_core, payments, take
from running import make_home, tierline, tierline_process
from workplaces import HELD, NOW, OF_LEDGER, PATIENCE_S, SETTLED, Place, counted, ended, start, stop_in_the_middle

from pipelines.cli.context import open_site
from pipelines.contracts.load import load_contracts
from pipelines.errors import StoreError
from pipelines.locks import FileLocks, Locks
from pipelines.site import Site
from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import Postgres, postgres_server
from sftp_fixtures.province import make_province
from sftp_fixtures.rclone import rclone_s3_server
from warehouse.comparing import compare

RUN = ("run", "--as-of", "2026-11-21")
_MANY_ROWS = 300_000  # of several blocks
_END_HOLDERS = f"""
    select count(pg_terminate_backend(pid)) from (
        select distinct pid from pg_locks where locktype = 'advisory' and granted
            and classid::bigint <> {OF_LEDGER}
            and database = (select oid from pg_database where datname = current_database())
    ) as holder
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small province, and beside it hundreds of small files of payments, some larger, one replaced, one refused."""
    root = tmp_path_factory.mktemp("offered")
    make_province(root, subscribers=60, months=2, days=1, hours=2, end=datetime.fromisoformat(NOW), seed=7)
    shutil.rmtree(root / "outgoing" / "PAYM")
    for offer in _payments():
        offer.put(root)
    return root


def _payments() -> Iterator[Offer]:
    for hour in range(3):
        for seq in range(1, 151):
            yield payments(f"PAYM_110_I_20261122{hour:02d}_{seq:04d}_00", "WALLET", "CARD")
    for seq in range(1, 5):
        yield payments(f"PAYM_110_I_2026112204_{seq:04d}_00", *["WALLET"] * 3000, "GIFT")
    yield payments("PAYM_110_I_2026112204_0001_01", *["CARD"] * 2000)
    yield MANY_BAD


@pytest.fixture
def place(postgres: Postgres, tmp_path: Path) -> Place:
    return Place(tmp_path, postgres.trusted_url(postgres.new_database()), postgres.port)


@pytest.fixture(params=["directory", "bucket"])
def any_place(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Iterator[Place]:
    """Workers that have in common the ledger and a directory, or the ledger and an object store."""
    ledger = postgres.trusted_url(postgres.new_database())
    if request.param == "directory":
        yield Place(tmp_path, ledger, postgres.port)
        return
    with rclone_s3_server(tmp_path / "objects") as bucket:
        yield Place(tmp_path, ledger, postgres.port, bucket)


@pytest.mark.fault(1)
def test_workers_share_the_work_and_one_is_killed(any_place: Place, offered: Path) -> None:
    """Nothing is lost or doubled, and the warehouse is as if one home alone had taken the same files."""
    place = any_place
    shutil.copytree(offered, place.root / "remote", dirs_exist_ok=True)
    shutil.copytree(offered, place.root / "remote_alone")
    whole, first, second = place.home("whole"), place.home("first", "intake"), place.home("second", "intake")
    total = len(list(offered.rglob("*.CHK")))
    fetches = [start(home, "fetch") for home in (first, second)]
    assert sum(counted("fetch: ([0-9]+) batches", ended(each)) for each in fetches) == total > 450

    killed, in_hand = stop_in_the_middle(place, first)
    judged_by_first = total - place.states()["verified"]
    other = start(second, "load")
    place.until(lambda: place.states()["verified"] == in_hand)  # all else is done: nobody waited for the one in hand
    place.until(lambda: place.ask(HELD)[0][2])
    assert other.poll() is None, "it left what the first has in hand"
    killed.kill()
    killed.communicate()
    assert counted("load: ([0-9]+) batches checked", ended(other)) > in_hand
    assert judged_by_first > 0
    assert place.states() == {"staged": total - 2, "superseded": 1, "refused": 1}

    broken_off = tierline_process(whole, "load", now=NOW, fault="backup:50")
    assert broken_off.returncode == -signal.SIGKILL
    assert place.states()["loaded"] == total - 2
    acknowledged = tierline(first, "run", now=NOW).out
    assert counted("([0-9]+) acknowledged", acknowledged) > total - 100, (
        "what the warehouse's home loaded is acknowledged here"
    )
    assert "0 batches into core" in tierline(whole, "load", now=NOW).out

    assert not place.ask("select offering_id from event where state = 'staged' group by 1 having count(*) > 1")
    assert not files(place.work(second))
    here = (".duckdb",) if place.bucket else (".duckdb", ".parquet")
    assert not [name for home in (first, second) for name in files(home) if name.endswith(here)]
    _require_equal(place, whole)


def _require_equal(place: Place, whole: Path) -> None:
    """To what one home alone makes of the same files: core, archive, receipts."""
    alone = make_home(place.root / "alone", Endpoint("file", root=str(place.root / "remote_alone")))
    assert take(alone).exit_status in SETTLED
    warehouses = (home / "warehouse" / "warehouse.duckdb" for home in (whole, alone))
    compared = compare(*warehouses, load_contracts(), with_built=False)
    assert (compared.tables > 10, compared.differences) == (True, ())
    assert in_core(whole, "select count(*) > 10000 from core.payment") == [(True,)]
    assert files(place.kept / "archive") == files(alone / "archive")
    assert files(place.root / "remote" / "receipt").keys() == files(place.root / "remote_alone" / "receipt").keys()
    assert not list((place.root / "remote" / "outgoing").rglob("*.DAT"))


def test_a_worker_that_lost_its_locks_unawares_spoils_nothing(place: Place) -> None:
    """As when PostgreSQL is started again: another judges the file while the first still writes its rows."""
    rest = "|A000000901|U000000501|13800010001|20261122100215|1000|1|CARD|APP||202610|1250|"
    records = [f"P{number:011d}{rest}" for number in range(_MANY_ROWS)]
    batch(STEM, records, 1000 * _MANY_ROWS).put(place.root / "remote")
    place.home("whole")
    first, second = (place.home(name, "intake") for name in ("first", "second"))
    ended(start(first, "fetch"))
    cut_off = start(first, "load")
    place.until(lambda: [path for path in place.work(place.root).glob("*.rows.part") if path.stat().st_size])
    cut_off.send_signal(signal.SIGSTOP)
    assert place.states()["verified"], "it was not stopped in the middle"
    assert place.ask(_END_HOLDERS) == [(1,)]
    assert "1 batches checked" in ended(start(second, "load"))
    cut_off.send_signal(signal.SIGCONT)
    cut_off.communicate(timeout=PATIENCE_S)
    assert place.ask("select count(*) from event where state = 'staged'") == [(1,)]
    (rows,) = (place.root / "shared" / "staged" / "PAYM").rglob(f"{STEM}.parquet")
    assert pl.read_parquet(rows)["line"].to_list() == list(range(2, _MANY_ROWS + 2))
    assert not files(place.work(place.root))


def test_of_two_verdicts_on_a_batch_the_first_stands(place: Place) -> None:
    """Both have the rows in their places and wait for the ledger, for the locks of the first were lost meanwhile."""
    for offer in _payments():
        offer.put(place.root / "remote")
    place.home("whole")
    homes = [place.home(name, "intake") for name in ("first", "second")]
    ended(start(homes[0], "fetch"))
    address = {"host": "127.0.0.1", "port": place.port, "user": "trusted", "dbname": place.url.rpartition("/")[2]}
    with psycopg.connect(**address) as ledger:  # type: ignore[arg-type]  # a port and names
        ledger.execute(f"select pg_advisory_xact_lock({int.from_bytes(b'tierline')})")
        first = start(homes[0], "load")
        place.until(lambda: place.ask(HELD)[0][2] == 1)
        assert place.ask(_END_HOLDERS) == [(1,)]
        second = start(homes[1], "load")
        place.until(lambda: place.ask(HELD)[0][2] == len(homes))
    said = [ended(each) for each in (first, second)]
    assert sum("batches were judged by another process meanwhile" in each for each in said) > 0, said
    _require_once(place)


def _require_once(place: Place) -> None:
    """Every batch has one verdict, and all rows of those that stand are staged, whole."""
    assert place.states() == {"staged": 454, "superseded": 1, "refused": 1}
    assert not place.ask("select offering_id from event where state = 'staged' group by 1 having count(*) > 1")
    assert not files(place.work(place.root))
    ((loaded,),) = place.ask("select sum(loaded) from offering where state in ('staged', 'superseded')")
    staged = pl.scan_parquet(place.kept / "staged" / "PAYM" / "**" / "*_0[01].parquet")
    rows = staged.select(pl.len()).collect().item()
    assert rows == loaded > 10_000


REFUSED = {
    ("build",): "build",
    ("publish",): "publish",
    ("deliver",): "deliver",
    ("rebuild", "--into", "rebuilt"): "rebuild",
    ("query", "select 1"): "query",
    ("explain", "user", "U110000000708"): "explain",
    ("policy", "try", "--policy", "next.yaml"): "policy try",
    RUN: "run with --as-of",
    ("run", "--republish"): "run with --as-of",
}


@pytest.fixture(scope="module")
def workers(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A home with the warehouse and one worker, `intake`, with nothing to do."""
    root = tmp_path_factory.mktemp("workers")
    place = Place(root, postgres.trusted_url(postgres.new_database()), postgres.port)
    for feed in ("CUST", "USER", "PAYM", "CHNG", "BILL", "USGE", "CONT", "WORD"):
        (root / "remote" / "outgoing" / feed).mkdir(parents=True)
    place.home("whole")
    place.home("intake", "intake")
    return place


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_needs_the_warehouse_is_for_its_home(workers: Place, words: tuple[str, ...]) -> None:
    ran = tierline(workers.root / "intake", *words, now=NOW)
    assert ran.exit_status == 2
    assert f"{REFUSED[words]}" in ran.err
    assert "the home of an intake worker (tierline.yaml, key role), which has no warehouse; run it in" in ran.err


def test_an_intake_worker_answers_what_the_ledger_knows(workers: Place) -> None:
    for words in (("run",), ("load",), ("batches",), ("cycles",), ("quality",), ("backups", "verify"), ("metrics",)):
        ran = tierline(workers.root / "intake", *words, now=NOW)
        assert ran.exit_status in SETTLED, ran.err
    said = tierline(workers.root / "intake", "load", now=NOW).out
    assert "load: 0 batches checked, for the home with the warehouse to load, 0 with rejected rows" in said


def test_doctor_knows_what_a_worker_is(workers: Place) -> None:
    ran = tierline(workers.root / "intake", "doctor", now=NOW)
    assert ran.exit_status == 0, ran.out
    assert "intake worker" in ran.out
    assert "opens" not in ran.out
    assert "published state" not in ran.out
    assert f"below {workers.root / 'intake'} and {workers.root / 'shared'}, all writable" in " ".join(ran.out.split())


def test_doctor_tells_of_a_shared_directory_that_cannot_be_written(workers: Place, tmp_path: Path) -> None:
    """`/proc` is written by nobody, root included."""
    extra = f'ledger: "{workers.url}"\nshared: /proc\n'
    home = make_home(tmp_path / "home", Endpoint("file", root=str(workers.root / "remote")), extra=extra)
    ran = tierline(home, "doctor", now=NOW)
    assert ran.exit_status == 1
    assert "directories" in ran.out
    assert "/proc/landing" in ran.out
    assert "mount what the key shared names" in " ".join(ran.out.split())


LOCAL = "expected the key ledger to name a PostgreSQL database for it, found a ledger of this machine"


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("shared: ../shared\n", f"line 6, key shared: {LOCAL}"),
        ("role: intake\n", f"line 6, key role: {LOCAL}"),
        ('shared: ../shared\nledger: "sqlite:////nfs/ledger.sqlite"\n', f"line 6, key shared: {LOCAL}"),
        ('role: intake\nledger: "{url}"\n', "line 6, key role: expected the key shared or store beside it"),
        ("role: worker\n", 'line 6, key role: expected one of whole, intake, found the text "worker"'),
        ('role: intake\nshared: ../mnt\nledger: "{url}"\n', "mnt: expected landing, staged, archive, quarantine in it"),
    ],
)
def test_a_configuration_that_would_not_hold_is_refused(workers: Place, tmp_path: Path, extra: str, said: str) -> None:
    """The last is a mount that is missing: nothing is made in its place."""
    (tmp_path / "mnt").mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root="/"), extra=extra.format(url=workers.url))
    ran = tierline(home, "fetch", now=NOW)
    assert (ran.exit_status, said in ran.err) == (2, True), ran.err
    assert "configuration" in tierline(home, "doctor", now=NOW).out
    assert not list((tmp_path / "mnt").iterdir())


def test_a_home_of_one_machine_keeps_its_lock_files(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path)), extra="role: whole\n")
    site = open_site(home)
    with site.lock("alarms") as mine:
        assert mine
    site.close()
    assert [path.name for path in (home / "locks").iterdir()] == ["alarms.lock"]


@pytest.fixture(params=["files", "sessions"])
def locks(request: pytest.FixtureRequest, place: Place) -> Iterator[Locks]:
    if request.param == "files":
        yield FileLocks(place.root / "locks")
        return
    site = open_site(place.home("whole"))
    assert site.ledger.locks is not None
    yield site.ledger.locks
    site.close()


def test_locks_exclude_whoever_holds_one_himself_too(locks: Locks) -> None:
    """A process may work on several things at once, in threads; each holds its locks alone."""
    with locks.hold(["one"], wait=False) as mine, locks.hold(["two"], wait=True) as other:
        assert (mine, other) == (True, True)
        with locks.hold(["one"], wait=False) as again, locks.hold(["three"], wait=False) as free:
            assert (again, free) == (False, True)
    with locks.hold(["one", "two", "three"], wait=False) as mine:
        assert mine


def test_locks_of_which_another_holds_one_are_not_held_at_all(locks: Locks) -> None:
    with locks.hold(["b"], wait=False), locks.hold(["a", "b", "c"], wait=False) as mine:
        assert not mine
        with locks.hold(["a", "c"], wait=False) as free:
            assert free


def test_locks_are_waited_for(locks: Locks) -> None:
    entered = []

    def wait() -> None:
        with locks.hold(["b", "a"], wait=True):
            entered.append("second")

    with ThreadPoolExecutor() as threads:
        with locks.hold(["a", "b"], wait=True):
            waiting = threads.submit(wait)
            time.sleep(0.3)
            entered.append("first")
        waiting.result(PATIENCE_S)
    assert entered == ["first", "second"]


def test_locks_say_where_the_server_was_that_is_gone(postgres: Postgres, place: Place) -> None:
    site: Site = open_site(place.home("whole"))
    with site.lock("alarms"):
        place.ask(_END_HOLDERS)  # and what was held is given back without a word
    with site.lock("alarms") as mine:
        assert mine
    postgres.stop()
    try:
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:[0-9]+/ledger_\w+, user trusted: no lock: "):
            site.lock("alarms").__enter__()
    finally:
        postgres.start()
    site.close()
