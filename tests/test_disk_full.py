"""Fault 5: a really small disk that is full at any moment: said clearly, nothing lost, and gone on with by itself."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from offers import files, in_core, ledger, payments, put_end
from running import Run, make_home, published, tierline, tierline_process
from small_disk import SmallDisk, fill_after_look, small_disk

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
RUN = ("run", "--as-of", "2026-11-21")
LARGE = payments("PAYM_110_I_2026112209_0001_00", *["CARD"] * 900)  # it comes by a .part file
LATE = payments("PAYM_110_I_2026112210_0001_00", "CARD", "CASH", "WALLET")
CAUSE = re.compile(r"No space left on device|database or disk is full|disk I/O error|256 MiB of free space, found \d")
STEPS = ("fetch", "load", "build", "publish")
# What went well before, what is then tried with so much free, and which steps that must stop, each at least once.
TRIED = (
    ((), RUN, (*range(0, 330, 30), 700, 3000), {"fetch", "check", "load"}),
    (("load",), RUN, (100,), {"build"}),
    (("build", *RUN[1:]), ("publish",), (10_000, 30_000), {"publish"}),
)
ROWS_OF_LATE = f"select count(*) from core.payment where batch_stem = '{LATE.stem}'"

State = dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a province offers, packed; one large file is not."""
    root = tmp_path_factory.mktemp("offered")
    make_province(root, subscribers=40, months=1, days=1, hours=1, end=datetime.fromisoformat(NOW), seed=11, gzip=True)
    LARGE.put(root)
    put_end(root, LARGE)
    return root


@pytest.fixture(scope="module")
def before(offered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`home` and `remote` after an undisturbed run over what was offered; LATE is still to come."""
    work = tmp_path_factory.mktemp("before")
    ran = tierline(at_work(work, offered), *RUN, now=NOW)
    assert ran.exit_status in (0, 3, 4), ran.err
    return work


@pytest.fixture(scope="module")
def undisturbed(before: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The published state after LATE has come too."""
    home = copy_of(before, tmp_path_factory.mktemp("undisturbed"))
    assert tierline(home, *RUN, now=NOW).exit_status in (0, 3, 4)
    state = published(home)
    assert (LATE.stem,) in {row[:1] for row in state["ops.loaded_batch"]}
    return state


def at_work(work: Path, offered: Path, home: Path | None = None) -> Path:
    shutil.copytree(offered, work / "remote")
    return make_home(home or work / "home", Endpoint("file", root=str(work / "remote")))


def copy_of(before: Path, work: Path, ledger: str = "") -> Path:
    """The home and what its source has, at another place, and LATE there too; the ledger in a directory of its own."""
    shutil.copytree(before, work, symlinks=True, dirs_exist_ok=True)
    offer_late(work / "remote")
    place = work / "home" / ledger / "ledger.sqlite"
    place.parent.mkdir(exist_ok=True)
    (work / "home" / "ledger.sqlite").rename(place)
    return make_home(work / "home", Endpoint("file", root=str(work / "remote")), extra=f"ledger: sqlite:///{place}\n")


def offer_late(root: Path) -> None:
    LATE.put(root)
    put_end(root, LATE)


def failed_step(ran: Run) -> str:
    """The step of a run that stopped for want of space; what is said of it is one sentence with the cause."""
    assert ran.exit_status == 1, ran
    said = ran.err.splitlines()[-1]
    assert CAUSE.search(said), said
    return next((step for step in STEPS if f"{step}: " not in ran.out), "deliver")


def by_name(found: dict[str, bytes]) -> dict[str, bytes]:
    return {Path(path).name: content for path, content in found.items()}


def on_server(work: Path) -> dict[str, bytes]:
    """Data, check and end files, whether they were moved or not."""
    return by_name(files(work / "remote" / "outgoing")) | by_name(files(work / "remote" / "backup"))


def assert_nothing_lost(home: Path, offers: dict[str, bytes]) -> None:
    """The ledger tells the truth, a batch is in core whole or not at all, no file is lost on either side."""
    remote = home.parent / "remote"
    assert on_server(home.parent) == offers
    kept = by_name(files(home / "archive"))
    assert offers.items() >= kept.items()
    taken = [each for each in ledger(home) if each.state.value in ("verified", "staged", "loaded")]
    assert {each.file_name for each in taken} <= kept.keys()
    acknowledged = {Path(path).stem for path in files(remote / "receipt")}
    loaded = {each.stem: each.loaded for each in taken if each.state.value == "loaded"}
    assert acknowledged <= loaded.keys()
    assert {Path(path).name.split(".")[0] for path in files(remote / "backup") if ".DAT" in path} <= acknowledged
    if (home / "warehouse" / "warehouse.duckdb").exists():
        assert_core_is_whole(home, loaded)


def assert_core_is_whole(home: Path, loaded: dict[str, int]) -> None:
    tables = [f"core.{name}" for (name,) in in_core(home, "select table_name from duckdb_tables() where "
              "schema_name = 'core' and table_name in ('payment', 'bill', 'usage', 'contact', 'subscriber_change') "
              "or table_name like '%_record'")]  # fmt: skip
    noted = {stem for (stem,) in in_core(home, "select stem from ops.loaded_batch")} if tables else set()
    assert loaded.keys() <= noted
    found = {}
    for table in tables:
        found |= dict(in_core(home, f"select batch_stem, count(*) from {table} group by 1"))
    assert {each.stem: each.loaded for each in ledger(home) if each.stem in noted and each.loaded} == found


def stopped(home: Path, disk: SmallDisk, words: tuple[str, ...], free_kb: int, offers: dict[str, bytes]) -> str:
    """Which step found the disk full, with so much free; `check` is the one that begins a load."""
    disk.leave(free_kb)
    ran = tierline(home, *words, now=NOW)
    disk.clear()
    assert_nothing_lost(home, offers)
    step = failed_step(ran)
    if words != RUN:
        step = words[0]
    return "check" if step == "load" and not (home / "warehouse" / "warehouse.duckdb").exists() else step


@pytest.mark.fault(5)
def test_at_every_moment_of_a_run(
    offered: Path, undisturbed: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While space is short nothing begins; where it runs out later, each run comes a little further than the last."""
    with small_disk(tmp_path / "disk") as disk:
        home = at_work(tmp_path, offered, disk.place)
        offer_late(tmp_path / "remote")
        offers = on_server(tmp_path)
        disk.leave(200 << 10)
        for words in (RUN, ("fetch",), ("load",)):
            ran = tierline(home, *words, now=NOW)
            assert (ran.exit_status, ran.out) == (1, "")
            assert re.search("expected 256 MiB of free space, found (199|200);", ran.err)  # blocks of directories
        assert on_server(tmp_path) == offers
        disk.clear()
        fill_after_look(disk, monkeypatch)
        for sound, words, free_kb, steps in TRIED:
            assert not sound or tierline(home, *sound, now=NOW).exit_status in (0, 3)
            assert {stopped(home, disk, words, kb, offers) for kb in free_kb} == steps
        assert tierline(home, *RUN, now=NOW).exit_status in (0, 3, 4)
        assert published(home) == undisturbed
        assert_nothing_lost(home, offers)
        assert (files(home / "landing"), files(home / "staged" / ".work")) == ({}, {})


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("directory", "free_kb", "steps"),
    [
        ("bi", (100, 30_000), {"publish"}),
        ("warehouse", (0, 4000), {"load"}),
        ("ledger", (0, 40), {"fetch"}),
    ],
)
def test_a_directory_on_a_disk_of_its_own(
    before: Path, undisturbed: State, tmp_path: Path, directory: str, free_kb: tuple[int, ...], steps: set[str]
) -> None:
    """Readers keep what was published before, and all goes on once there is room."""
    home = copy_of(before, tmp_path, ledger="ledger" if directory == "ledger" else "")
    offers, old, met = on_server(tmp_path), published(home), set()
    (home / directory).rename(tmp_path / "aside")
    with small_disk(home / directory) as disk:
        shutil.copytree(tmp_path / "aside", disk.place, symlinks=True, dirs_exist_ok=True)
        for kb in free_kb:
            disk.leave(kb)
            ran = tierline(home, *RUN, now=NOW)
            met.add(failed_step(ran))
            assert published(home) == old
            disk.clear()
            assert_nothing_lost(home, offers)
        assert met - {"deliver"} == steps
        assert tierline(home, *RUN, now=NOW).exit_status in (0, 3, 4)
        assert published(home) == undisturbed
        assert_nothing_lost(home, offers)


@pytest.mark.fault(5)
def test_what_a_killed_load_had_committed_is_there_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows stand in the write-ahead log only; to bring them into the file takes room."""
    offer_late(tmp_path / "remote")
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    with small_disk(home / "warehouse") as disk:
        assert tierline_process(home, "load", now=NOW, fault="commit").returncode == -9
        log = disk.place / "warehouse.duckdb.wal"
        assert log.stat().st_size > 0
        fill_after_look(disk, monkeypatch)
        for free_kb in (0, 400):
            disk.leave(free_kb)
            ran = tierline(home, "load", now=NOW)
            disk.clear()
            assert ran.exit_status == 0, "what is committed is read from the log"
            assert log.stat().st_size > 0
            assert in_core(home, ROWS_OF_LATE) == [(3,)]
        assert [each.state.value for each in ledger(home)] == ["loaded"]
        assert tierline(home, "load", now=NOW).exit_status == 0
        assert not log.exists()
        assert in_core(home, ROWS_OF_LATE) == [(3,)]


@pytest.mark.fault(5)
def test_doctor_says_where_there_is_no_room(before: Path, tmp_path: Path) -> None:
    home = copy_of(before, tmp_path, "ledger")
    (home / "ledger").rename(tmp_path / "aside")
    with small_disk(home / "ledger") as disk:
        shutil.copytree(tmp_path / "aside", disk.place, dirs_exist_ok=True)
        for kb, state in ((1 << 19, "warning"), (200 << 10, "failed"), (0, "failed")):
            disk.leave(kb)
            ran = tierline(home, "doctor", "--json", now=NOW)
            found = {each["what"]: each for each in json.loads(ran.out)}
            assert found["disk"]["state"] == state
            assert found["disk"]["found"] == f"{kb >> 10} MiB free in {disk.place}"
            assert ran.exit_status == (1 if state == "failed" else 0)
        assert (found["ledger"]["state"], found["ledger"]["to_do"]) == ("failed", found["disk"]["to_do"])


@pytest.mark.fault(5)
def test_what_a_discard_that_cannot_load_asks_for(before: Path, tmp_path: Path) -> None:
    home = copy_of(before, tmp_path)
    (home / "warehouse").rename(tmp_path / "aside")
    with small_disk(home / "warehouse") as disk:
        shutil.copytree(tmp_path / "aside", disk.place, dirs_exist_ok=True)
        disk.leave(1000)
        ran = tierline(home, "batch", "discard", LARGE.stem, "--why", "a test", now=NOW)
        assert (ran.exit_status, f"{LARGE.stem}: discarded; 'tierline" in ran.out) == (1, True), ran.out
        disk.clear()
        assert "0 batches into core, 1 taken out" in tierline(home, "load", now=NOW).out


@pytest.mark.fault(5)
def test_a_rebuild_that_finds_the_disk_full_midway(
    before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copy_of(before, tmp_path)
    with small_disk(tmp_path / "disk") as disk:
        fill_after_look(disk, monkeypatch)
        said = []
        for kb in range(20_000, 80_000, 3_000):
            disk.leave(kb)
            ran = tierline(home, "rebuild", "--into", str(disk.place / "rebuilt"), now=NOW)
            if ran.exit_status == 0:
                break
            said.append(ran.err)
            assert list((disk.place / "rebuilt").iterdir()) == []
        assert ran.exit_status == 0
        assert not [each for each in said if "goes on where it was" in each]
        assert [each for each in said if "it begins anew" in each]


@pytest.mark.fault(5)
def test_a_checkpoint_within_a_commit(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large load is brought from the write-ahead log into the file at once: then the commit fails as a whole."""
    home = copy_of(before, tmp_path)
    for hour in ("07", "08"):
        payments(f"PAYM_110_I_20261122{hour}_0001_00", *["CARD"] * 60_000).put(tmp_path / "remote")
    assert tierline(home, "fetch", now=NOW).exit_status in (0, 3)
    (home / "warehouse").rename(tmp_path / "aside")
    with small_disk(home / "warehouse") as disk:
        shutil.copytree(tmp_path / "aside", disk.place, dirs_exist_ok=True)
        fill_after_look(disk, monkeypatch)
        disk.leave(300)
        ran = tierline(home, "load", now=NOW)
        disk.clear()
        assert failed_step(ran) == "fetch", "nothing was said but the error"
        assert "Checkpoint failed" in ran.err
        assert in_core(home, ROWS_OF_LATE) == [(0,)]
        assert tierline(home, "load", now=NOW).exit_status in (0, 3)
        assert {each.state.value for each in ledger(home)} == {"loaded"}
        assert in_core(home, "select count(*) from core.payment where cycle in ('2026112207', '2026112208')") == [
            (120_000,)
        ]
