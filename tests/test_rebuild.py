"""A warehouse made anew from the archive equals the present one, and says so, or names what does not (section 9)."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from contract_edits import two_versions
from offers import (
    Offer,
    batch,
    change_schema,
    customers,
    files,
    in_core,
    ledger,
    payments,
    published_state,
    put_end,
    states,
    take,
)
from running import Run, make_home, tierline, tierline_process

from pipelines import present_copy, rebuilding
from pipelines.cli.context import close_sites, open_site
from pipelines.site import WRITER
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
LATER = "2026-12-02T12:00:00"  # the second version of the contracts holds
AS_OF = "2026-11-21"
HOUR = "PAYM_110_I_20261122{}_0001_{}"
_NEW_ROW = "P20261201100001|A000000901|U000000501|13800010001|20261201100215|1000|1|CARD|APP||202611|1250|7"
_AS_OLD = batch("PAYM_110_I_2026120110_0001_00", [_NEW_ROW], 1000)
SECOND_VERSION = replace(_AS_OLD, lines=(_AS_OLD.lines[0].replace("H|1|", "H|2|"), *_AS_OLD.lines[1:]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has run over a small province of all feeds, with rejected rows, and published."""
    work = tmp_path_factory.mktemp("made")
    make_province(
        work / "remote", subscribers=60, months=1, days=1, hours=2, end=datetime.fromisoformat(NOW), seed=7,
        bad_share=0.02,
    )  # fmt: skip
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    ran = tierline(home, "run", "--as-of", AS_OF, now=NOW)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it to be harmed."""
    return Path(shutil.copytree(made, tmp_path / "home", symlinks=True))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "rebuilt"


def rebuild(home: Path, into: Path, now: str = NOW) -> tuple[int, dict[str, Any]]:
    ran = tierline(home, "rebuild", "--into", str(into), "--json", now=now)
    assert ran.out, ran.err
    assert "13800010001" not in ran.out + ran.err, "personal data was shown"
    return ran.exit_status, json.loads(ran.out)


def change(home: Path, *statements: str) -> None:
    """In the present warehouse, by hand."""
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def in_new(into: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(into / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


Step = Callable[[], Run | None]


def lives(home: Path, root: Path) -> list[list[Step]]:
    """What may happen to batches, each a story whose steps keep their order; what is put is taken now or later."""

    def put(*offers: Offer) -> Step:
        def step() -> None:
            for offer in offers:
                offer.put(root)

        return step

    def snapshot(cycle: str, count: int) -> Step:
        def step() -> None:
            offer = customers(cycle, count)
            offer.put(root)
            put_end(root, offer)

        return step

    def command(*words: str) -> Step:
        return lambda: tierline(home, *words, now=LATER)

    def of_hour(hour: str, version: str, *methods: str) -> Offer:
        return payments(HOUR.format(hour, version), *methods)

    taking: Step = partial(take, home, LATER)
    why = ("--why", "drill")
    many_bad = of_hour("04", "00", "GIFT", "GIFT", "GIFT", "GIFT", "CARD")
    twice = of_hour("02", "01", "BANK")
    return [
        [put(of_hour("01", "00", "CARD", "CASH")), put(of_hour("01", "01", "BANK"))],
        [put(of_hour("02", "00", "CARD", "CASH")), taking, put(twice), taking,
         command("batch", "discard", twice.stem, *why)],
        [put(of_hour("03", "00", "GIFT", "CASH")), taking,
         command("replay", "--feed", "PAYM", "--from", "2026112203", "--to", "2026112203")],
        [put(many_bad), taking, command("batch", "accept", many_bad.stem, *why)],
        [put(of_hour("05", "00", "GIFT", "GIFT", "GIFT", "GIFT", "CARD"))],
        [snapshot("20261121", 30), snapshot("20261122", 29)],
        [put(SECOND_VERSION)],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [2])
def test_it_equals_the_present_one_after_any_life(tmp_path: Path, into: Path, seed: int) -> None:
    """New version, discard, replay, waived limit, refusal, snapshots, a contract of two versions, in any order."""
    root, shuffle = tmp_path / "remote", random.Random(seed)
    root.mkdir()
    endpoint = Endpoint("file", root=str(root))
    home = make_home(tmp_path / "home", endpoint, extra=f"contracts: {two_versions(tmp_path)}\n")
    stories = lives(home, root)
    while stories:
        story = shuffle.choice(stories)
        ran = story.pop(0)()
        assert ran is None or ran.exit_status in (0, 3), ran.out + ran.err
        stories = [each for each in stories if each]
    take(home, LATER)
    assert tierline(home, "build", "--as-of", AS_OF, now=LATER).exit_status == 0
    found = {state for _, state, _ in states(home)}
    assert found == {"loaded", "superseded", "discarded", "refused"}
    status, said = rebuild(home, into, LATER)
    assert (status, said["equal"], said["failed"], said["differences"]) == (0, True, [], [])
    assert (said["batches"], said["not_proven"], said["marts_compared"]) == (7, [], True)
    # Looked at once more, by other means.
    for table, rows in (("core.payment", 6), ("core.customer", 30), ("ops.reject", 5), ("ops.snapshot", 2)):
        query = f"from {table} order by all"
        assert in_new(into, query) == in_core(home, query)
        assert len(in_core(home, query)) == rows, table
    assert in_new(into, "select points from core.payment where points is not null") == [(7,)]
    assert in_new(into, "select count(*) from core.customer where valid_to is not null") == [(1,)]


def test_nothing_of_the_home_is_changed(home: Path, into: Path) -> None:
    def kept() -> dict[str, tuple[bytes, int]]:
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns)
            for name in ("warehouse", "staged", "archive", "quarantine", "bi", "publish")
            for path in (home / name).rglob("*")
            if path.is_file()
        }

    before, offered = kept(), ledger(home)
    assert len(before) > 50
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.exit_status, "equal: " in ran.out, ran.err) == (0, True, "")
    assert (kept(), ledger(home)) == (before, offered)
    assert sorted(path.name for path in into.iterdir()) == ["staged", "warehouse"]
    assert [path.name for path in (into / "warehouse").iterdir()] == ["warehouse.duckdb"]
    assert not [path for path in into.rglob("*") if path.stat().st_mode & 0o007], "it holds personal data"


# table | columns that differ | what is done to it in the present warehouse by hand
HARM = """
core.payment | is_current | update core.payment set is_current = not is_current
core.bill | | delete from core.bill where bill_id = (select min(bill_id) from core.bill)
core.contact | | insert into core.contact from core.contact limit 1
core.customer | valid_to | update core.customer set valid_to = '2026-11-30' where customer_id like '%5'
core.area | title_zh | update core.area set title_zh = '京' where code = (select min(code) from core.area)
core.work_order | extra | alter table core.work_order add column extra varchar
mart.tier | tier | update mart.tier set tier = 'X' where user_id = (select min(user_id) from mart.tier)
list.tier | priority | update list.tier set priority = -1 where user_id = (select min(user_id) from list.tier)
policy.tier | rank | update policy.tier set rank = 77 where tier = (select min(tier) from policy.tier)
ops.reject | | delete from ops.reject where line = (select min(line) from ops.reject)
ops.loaded_batch | seq | update ops.loaded_batch set seq = '0077' where stem = (select min(stem) from ops.loaded_batch)
core.payment_record_of_nobody | note | create table core.payment_record_of_nobody (note varchar)
mart.arpu | user_id | drop table mart.arpu
"""


def test_what_was_changed_by_hand_is_found_and_named(home: Path, into: Path) -> None:
    harm = [[part.strip() for part in line.split("|")] for line in HARM.strip().split("\n")]
    # Values of two rows changed for one another: an exclusive or of hashes would take them for the same.
    swap = """
        update core.usage set volume_kb = case when line = first then most else least end
        from (select min_by(line, volume_kb) as first, max_by(line, volume_kb) as last, min(volume_kb) as least,
                max(volume_kb) as most from core.usage) where line in (first, last)
        """
    change(home, *(statement for _, _, statement in harm), swap)
    status, said = rebuild(home, into)
    assert (status, said["equal"]) == (1, False)
    found = {each["table"]: each for each in said["differences"]}
    assert found.keys() == {table for table, _, _ in harm} | {"core.usage"}
    columns = {table: [column] if column else [] for table, column, _ in harm} | {"core.usage": ["volume_kb"]}
    columns["mart.arpu"] = found["mart.arpu"]["columns"]
    assert {table: each["columns"] for table, each in found.items()} == columns
    assert "user_id" in columns["mart.arpu"]
    rows = {table: [found[table][f"only_{side}"] for side in ("present", "rebuilt")] for table in found}
    assert (rows["core.usage"], rows["core.bill"], rows["core.contact"]) == ([2, 2], [0, 1], [1, 0])
    assert found["core.bill"]["rebuilt_rows"] == found["core.bill"]["present_rows"] + 1
    beginnings = {"core.usage": "batch_stem=USGE_110_I_20261121_0001_00 line=", "mart.tier": "user_id=U",
                  "list.tier": "user_id=U", "ops.reject": "stem=", "policy.tier": "source="}  # fmt: skip
    assert {table: found[table]["examples"][0][: len(text)] for table, text in beginnings.items()} == beginnings


def test_what_differs_is_told_to_people_with_what_to_do(home: Path, into: Path) -> None:
    change(home, "update core.usage set volume_kb = -1, service_number = '13800010001'")
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert ran.exit_status == 1
    assert "13800010001" not in ran.out + ran.err
    for words in ("not equal: 1 of", " replay", "docs/operators/rebuild.md"):
        assert words in ran.err
    (line,) = [each for each in ran.out.splitlines() if each.startswith("core.usage")]
    assert "service_number, volume_kb" in line
    assert line.count("batch_stem=") == 5


def test_lost_copies_are_named_and_the_rest_goes_on(home: Path, into: Path) -> None:
    troubles = {("BILL", ".DAT"): "damaged", ("CONT", ".CHK"): "damaged", ("USGE", ".DAT"): "gone",
                ("WORD", ".CHK"): "gone"}  # fmt: skip
    harmed: dict[str, Path] = {}
    for (feed, ending), trouble in troubles.items():
        path = min((home / "archive" / feed).rglob(f"*{ending}"))
        sound = path.read_bytes()
        path.unlink()
        if trouble == "damaged":
            path.write_bytes(sound[:50] + bytes([sound[50] ^ 1]) + sound[51:])
        harmed[path.stem] = path
    assert len(harmed) == 4
    status, said = rebuild(home, into)
    assert (status, said["equal"]) == (1, False)
    assert {each["stem"]: each["file"] for each in said["failed"]} == {
        stem: str(path.relative_to(home)) for stem, path in harmed.items()
    }
    assert all(f"tierline backups restore {each['stem']}" in each["to_do"] for each in said["failed"])
    in_present = {stem for (stem,) in in_core(home, "select stem from ops.loaded_batch")}
    assert {stem for (stem,) in in_new(into, "select stem from ops.loaded_batch")} == in_present - harmed.keys()
    assert in_new(into, "select count(*) from core.usage") == [(0,)]
    assert in_new(into, "from core.payment") == in_core(home, "from core.payment")


def test_a_batch_that_would_be_refused_now_is_named(home: Path, into: Path) -> None:
    change_schema(home, "feeds/PAYM.yaml", "rejects, value: {rows: 3,", "rejects, value: {rows: 0,")
    status, said = rebuild(home, into)
    assert status == 1
    assert said["failed"]
    assert {each["found"].split(",")[0] for each in said["failed"]} == {"would be refused now: E501"}
    assert not [path for each in said["failed"] for path in (into / "staged").rglob(f"{each['stem']}*")]


def test_a_lost_part_of_a_snapshot_ends_nobody(tmp_path: Path, into: Path) -> None:
    root = tmp_path / "remote"
    root.mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    for cycle in ("20261120", "20261121"):
        parts = [customers(cycle, 10, seq=seq) for seq in ("0001", "0002")]
        for part in parts:
            part.put(root)
        put_end(root, *parts)
        assert take(home, NOW).exit_status == 0
    assert in_core(home, "select count(*) from ops.snapshot") == [(2,)]
    next(iter((home / "archive").rglob("CUST_110_F_20261121_0002_00.DAT"))).unlink()
    status, said = rebuild(home, into)
    assert (status, [each["stem"] for each in said["failed"]]) == (1, ["CUST_110_F_20261121_0002_00"])
    assert in_new(into, "select count(*) from core.customer where is_current") == [(20,)]


def harm_block(path: Path, how: str) -> None:
    """Of rows, so that the file opens all the same."""
    with duckdb.connect(str(path), read_only=True) as connection:
        every = "select 'core.' || table_name from duckdb_tables() where schema_name = 'core'"  # which a build reads
        tables = connection.execute(every).fetchall() if how == "last block" else [("core.payment",)]
        query = "select max(block_id) from pragma_storage_info($table) where persistent"
        blocks = [connection.execute(query, {"table": table}).fetchall()[0][0] for (table,) in tables]
        ((size,),) = connection.execute("select block_size from pragma_database_size()").fetchall()
    block = max(each for each in blocks if each is not None)
    start = path.stat().st_size % size + block * size
    with path.open("r+b") as file:
        file.seek(start)
        file.truncate() if how == "last block" else file.write(bytes(size))


def lose(home: Path, how: str) -> None:
    path = home / "warehouse" / "warehouse.duckdb"
    if how == "gone":
        path.unlink()
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    elif how == "no database":
        path.write_bytes(b"not a database" * 1000)
    elif how in ("last block", "zeroed block"):
        harm_block(path, how)
    else:
        change(home, "create or replace table ops.format as select 77 as version")


@pytest.mark.parametrize("how", ["gone", "cut off", "no database", "newer", "last block", "zeroed block"])
def test_where_there_is_nothing_to_compare_with_it_is_made_all_the_same(
    made: Path, home: Path, into: Path, how: str
) -> None:
    lose(home, how)
    status, said = rebuild(home, into)
    assert (status, said["equal"], said["tables"], said["as_of_date"]) == (0, None, 0, AS_OF)
    assert said["nothing_to_compare_with"]
    for query in ("from core.subscriber order by all", "from mart.tier order by all", "from list.tier order by all"):
        assert in_new(into, query) == in_core(made, query)


@pytest.mark.parametrize(
    ("command", "how"),
    [("build", "cut off"), ("build", "no database"), ("build", "zeroed block"),
     ("doctor", "cut off"), ("doctor", "no database"), ("doctor", "last block")],
)  # fmt: skip
def test_damage_is_told_with_the_files_name_and_what_to_do(home: Path, command: str, how: str) -> None:
    lose(home, how)
    ran = tierline(home, *(["build", "--as-of", "2026-11-22"] if command == "build" else ["doctor"]), now=NOW)
    said = ran.err if command == "build" else next(x for x in ran.out.splitlines() if x.startswith("warehouse "))
    assert ran.exit_status == 1
    assert f"{home / 'warehouse' / 'warehouse.duckdb'}: " in said
    assert re.search("tierline .*rebuild --into DIR'", said), said
    assert "rights" not in said


def test_a_list_keeps_since_when_its_rows_hold_though_the_warehouse_is_lost(home: Path, into: Path) -> None:
    """That follows from the list before, which no file of the archive tells."""
    for words in (("build", "--as-of", "2026-11-22"), ("publish",)):
        assert tierline(home, *words, now=NOW).exit_status == 0
    before = in_core(home, "from list.tier order by all")
    assert AS_OF in {str(day) for (day,) in in_core(home, "select valid_from from list.tier")}
    lose(home, "gone")
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.exit_status, "nothing to compare with: there is no warehouse.duckdb" in ran.out) == (0, True)
    assert in_new(into, "from list.tier order by all") == before


def test_rows_whose_copy_was_pruned_are_taken_as_they_stand_and_said_not_to_be_proven(home: Path, into: Path) -> None:
    late = "2027-02-25T12:00:00"
    pruned = tierline(home, "backups", "prune", "--archive", "--delete", now=late)
    assert pruned.exit_status == 0, pruned.err
    gone = sorted(each.stem for each in ledger(home) if each.archive_pruned_at)
    assert gone
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.exit_status, "equal: " in ran.out, "not proven" in ran.out) == (0, True, True), ran.out + ran.err
    assert f"{len(gone)} batches taken from staged/" in ran.out
    next((home / "staged").rglob(f"{gone[0]}.parquet")).unlink()
    status, said = rebuild(home, into.with_name("again"))
    assert (status, [each["stem"] for each in said["failed"]], sorted(said["not_proven"])) == (1, gone[:1], gone[1:])
    assert said["batches"] + len(gone) == len(in_core(home, "from ops.loaded_batch"))


@pytest.mark.parametrize("ending", ["", ".rejects"])
def test_staged_rows_that_cannot_be_read_are_told_where_nothing_else_is_left(
    home: Path, into: Path, ending: str
) -> None:
    """The other batches are rebuilt all the same."""
    tierline(home, "backups", "prune", "--archive", "--delete", now="2027-02-25T12:00:00")
    lost = next(each for each in ledger(home) if each.archive_pruned_at)
    (path,) = (home / "staged").rglob(f"{lost.stem}{ending}.parquet")
    path.write_bytes(path.read_bytes()[:-40])
    status, said = rebuild(home, into)
    assert (status, [each["stem"] for each in said["failed"]]) == (1, [lost.stem])
    assert f"{path.name}, found a damaged file" in said["failed"][0]["found"]
    assert said["batches"] > 0


def test_what_waits_for_the_next_load_makes_no_difference(tmp_path: Path, into: Path) -> None:
    """And the marts, which are older than core then, are left out."""
    root = tmp_path / "remote"
    root.mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    payments(HOUR.format("10", "00"), "CARD").put(root)
    assert take(home, NOW).exit_status == 0
    assert tierline(home, "build", "--as-of", AS_OF, now=NOW).exit_status == 0
    payments(HOUR.format("10", "01"), "CASH", "BANK").put(root)
    tierline(home, "fetch", now=NOW)
    assert tierline_process(home, "load", now=NOW, fault="load").returncode == -9
    assert in_core(home, "select count(*) from core.payment") == [(1,)]
    status, said = rebuild(home, into)
    assert (status, said["equal"], said["marts_compared"]) == (0, True, False)
    assert in_new(into, "select method from core.payment order by line") == [("CASH",), ("BANK",)]


@pytest.mark.parametrize("how", ["files", "a file", "its own home"])
def test_it_takes_no_directory_that_holds_something(home: Path, tmp_path: Path, how: str) -> None:
    place = {"files": tmp_path / "other", "a file": tmp_path / "other" / "x", "its own home": home}[how]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("precious")
    ran = tierline(home, "rebuild", "--into", str(place), now=NOW)
    assert (ran.exit_status, "expected a new or empty directory" in ran.err) == (2, True)
    assert (tmp_path / "other" / "x").read_text() == "precious"
    assert (home / "warehouse" / "warehouse.duckdb").exists()


def test_one_that_was_killed_says_what_to_do(home: Path, into: Path) -> None:
    killed = tierline_process(home, "rebuild", "--into", str(into), now=NOW, fault="build")
    assert killed.returncode == -9, killed.stderr
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.exit_status, "broke off" in ran.err, "delete the directory" in ran.err) == (2, True, True)
    shutil.rmtree(into)
    assert rebuild(home, into)[0] == 0


def test_without_room_it_says_so_and_leaves_an_empty_directory(
    home: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present_copy, "NEEDED_BYTES", 1 << 60)
    into.mkdir()
    ran = tierline(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.exit_status, "MiB of free space" in ran.err) == (1, True)
    assert list(into.iterdir()) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Steps may be called here too."""
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    yield
    close_sites()


@pytest.mark.usefixtures("clock")
def test_loads_and_discards_go_on_meanwhile(home: Path, into: Path) -> None:
    """All is compared as it was in one moment, and bytes that a discard moved are found."""
    site, done = open_site(home), []
    stem = min(each.stem for each in ledger(home) if each.feed == "PAYM")

    @contextmanager
    def meanwhile(what: str) -> Iterator[Callable[[int, int], None]]:
        if what == "rebuild: judging batches":
            with site.lock(WRITER) as is_free:
                assert is_free, "the writer's lock is kept no longer than it takes to copy"
            done.append(tierline(home, "batch", "discard", stem, "--why", "drill", now=NOW).exit_status)
        yield lambda count, total: None

    rebuilt = rebuilding.rebuild(site, into, meanwhile)
    assert done == [0]
    assert (rebuilt.failed, rebuilt.comparison and rebuilt.comparison.differences) == ((), ())
    here = f"select count(*) from core.payment where batch_stem = '{stem}'"
    assert in_core(home, here) == [(0,)]
    assert in_new(into, here) != [(0,)]


@pytest.mark.usefixtures("clock")
def test_a_warehouse_that_another_program_writes_is_not_taken_for_a_damaged_one(home: Path, into: Path) -> None:
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb")):
        ran = tierline_process(home, "rebuild", "--into", str(into), now=NOW)
    assert (ran.returncode, "end that process" in ran.stderr) == (1, True), ran.stderr
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("how", ["gone", "no database"])
def test_a_home_whose_path_speaks_of_locks_is_not_taken_for_a_locked_one(home: Path, into: Path, how: str) -> None:
    lose(home, how)
    assert rebuild(home.rename(home.with_name("blockstorage")), into)[0] == 0


def manual(page: str, home: Path, into: Path) -> str:
    """The commands of the manual by which a new warehouse comes into the place of the present one."""
    text = (Path(__file__).parent.parent / "docs" / "operators" / page).read_text(encoding="utf-8")
    (block,) = re.findall("^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    command = f"{sys.executable} -m pipelines.cli"
    return str(block).replace("HOME", str(home)).replace("DIR", str(into)).replace("tierline ", f"{command} ")


@pytest.mark.parametrize("is_staged_lost", [False, True])
def test_the_manual_puts_it_in_the_place_of_a_damaged_one(home: Path, into: Path, is_staged_lost: bool) -> None:
    before = published_state(home)
    lose(home, "cut off")
    (home / "warehouse" / "warehouse.duckdb.wal").write_bytes(b"of the damaged one")
    assert tierline(home, "load", now=NOW).exit_status == 1
    if is_staged_lost:
        shutil.rmtree(home / "staged")
    assert rebuild(home, into)[0] == 0
    script = manual("rebuild.md", home, into).replace(" build", f" build --as-of {AS_OF}")
    assert script.count("\n") == 8
    if not is_staged_lost:
        script = "\n".join(line for line in script.splitlines() if "only where staged/" not in line)
    ran = subprocess.run(
        ["bash", "-euc", script], env=os.environ | {"TIERLINE_NOW": NOW}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "load: 0 batches into core, 0 taken out" in ran.stdout
    assert published_state(home) == before
    assert files(home / "warehouse" / "damaged")
    rejected = next(each for each in ledger(home) if each.rejected)
    assert tierline(home, "batch", "rejects", rejected.stem, now=NOW).exit_status == 0
    assert rebuild(home, into.with_name("again"))[1]["equal"]
