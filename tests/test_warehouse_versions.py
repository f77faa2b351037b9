"""A warehouse that an older release made is brought along by the first command that writes it, or refused untouched."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from running import make_home, published, tierline, tierline_process

from pipelines.contracts.load import load_contracts
from pipelines.errors import StoreError
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse import versions
from warehouse.store import open_warehouse
from warehouse.versions import MIGRATIONS, STORE_VERSION

RELEASED = Path(__file__).with_name("warehouse_version_1.sql")
NOW = "2026-11-22T12:00:00"
AS_OF = "2026-11-21"
CONTRACTS = load_contracts()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this release that has run over a small province."""
    work = tmp_path_factory.mktemp("made")
    end = datetime.fromisoformat(NOW)
    make_province(work / "remote", subscribers=40, months=1, days=1, hours=1, end=end, seed=7, bad_share=0.02)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    ran = tierline(home, "run", "--as-of", AS_OF, now=NOW)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    return home


def file_of(home: Path) -> Path:
    return home / "warehouse" / "warehouse.duckdb"


@pytest.fixture
def released(made: Path, tmp_path: Path) -> Path:
    """The same home, its warehouse as release 1 made and filled it."""
    home = Path(shutil.copytree(made, tmp_path / "home", symlinks=True))
    filled = tmp_path / "filled.duckdb"
    file_of(home).rename(filled)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file_of(home)}' as old (storage_version 'v1.0.0')")
        connection.execute(f"attach '{filled}' as filled (read_only)")
        connection.execute("use old")
        connection.execute(RELEASED.read_text(encoding="utf-8"))
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'old' "
            "intersect select schema_name || '.' || table_name from duckdb_tables() where database_name = 'filled'"
        ).fetchall()
        for (table,) in tables:
            names = [name for name, *_ in connection.execute(f"describe old.{table}").fetchall()]
            there = {name for name, *_ in connection.execute(f"describe filled.{table}").fetchall()}
            listed = ", ".join(name for name in names if name in there)
            connection.execute(f"insert into old.{table} ({listed}) select {listed} from filled.{table}")
        assert len(tables) > 15
        assert connection.execute("select count(*) from core.subscriber").fetchall()[0][0] >= 40
    return home


def asked(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def tables_of(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Columns with their types of every table, in no order."""
    rows = asked(path, "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
                 "where not internal")  # fmt: skip
    found: dict[str, set[tuple[object, ...]]] = {}
    for table, *column in rows:
        found.setdefault(str(table), set()).add(tuple(column))
    return found


def set_version(home: Path, version: int) -> bytes:
    """Say in a warehouse that it is of another version; returns its bytes."""
    with duckdb.connect(str(file_of(home))) as connection:
        connection.execute("create or replace table ops.format as select $1::integer as version", [version])
    return file_of(home).read_bytes()


def test_the_older_warehouse_is_an_older_one(released: Path) -> None:
    """Else the tests below would tell nothing."""
    tables = tables_of(file_of(released))
    assert "ops.loaded_batch" in tables
    assert not {"ops.format", "ops.load_state"} & tables.keys()
    assert ("load_no", "BIGINT") not in tables["ops.publication"]


def test_the_first_load_brings_it_along_says_so_once_and_loses_nothing(made: Path, released: Path) -> None:
    before = asked(file_of(released), "from core.subscriber order by all")
    first = tierline_process(released, "load", now=NOW)
    words = f"warehouse.duckdb: the warehouse was brought from version 1 to {STORE_VERSION}"
    assert (first.returncode, first.stderr.count(words)) == (0, 1), first.stderr
    assert "load: 0 batches into core, 0 taken out" in first.stdout
    second = tierline_process(released, "load", now=NOW)
    assert (second.returncode, second.stderr) == (0, "")
    assert asked(file_of(released), "from ops.format") == [(STORE_VERSION,)]
    assert asked(file_of(released), "from core.subscriber order by all") == before
    assert before == asked(file_of(made), "from core.subscriber order by all")
    for words_of in (("build", "--as-of", AS_OF), ("publish",)):
        assert tierline(released, *words_of, now=NOW).exit_status == 0
    assert published(released) == published(made)
    rebuilt = tierline(released, "rebuild", "--into", str(released.parent / "new"), "--json", now=NOW)
    assert json.loads(rebuilt.out)["equal"], rebuilt.out


def test_it_ends_as_a_new_one_begins(released: Path, tmp_path: Path) -> None:
    """Else the next step would meet warehouses of two kinds."""
    (tmp_path / "new").mkdir()
    for directory in (released / "warehouse", tmp_path / "new"):
        with open_warehouse(directory, CONTRACTS):
            pass
    grown, fresh = tables_of(file_of(released)), tables_of(tmp_path / "new" / "warehouse.duckdb")
    made_by_build = {table for table in grown if table.split(".")[0] in ("mart", "list", "policy")} | {"ops.built"}
    assert {table: grown[table] for table in grown.keys() - made_by_build} == {
        table: fresh[table] for table in fresh.keys() - made_by_build
    }
    assert len(fresh) > 20


def test_every_version_has_its_step() -> None:
    numbers = [int(path.name.partition("_")[0]) for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert numbers == list(range(2, STORE_VERSION + 1))
    assert all(re.fullmatch("[0-9]{3}_[a-z_]+.sql", path.name) for path in MIGRATIONS.iterdir())


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Steps of a release to come."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    monkeypatch.setattr(versions, "MIGRATIONS", directory)
    monkeypatch.setattr(versions, "STORE_VERSION", 4)
    (directory / "002_one.sql").write_text(
        "create table ops.story (word varchar);\ninsert into ops.story values ('two')"
    )
    (directory / "003_two.sql").write_text("insert into ops.story values ('three')")
    (directory / "004_three.sql").write_text("insert into ops.story values ('four');")
    return directory


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(("version", "story"), [(1, ["two", "three", "four"]), (2, ["three", "four"])])
def test_steps_are_gone_in_order_from_where_it_is_and_once(released: Path, version: int, story: list[str]) -> None:
    if version > 1:
        set_version(released, version)
        with duckdb.connect(str(file_of(released))) as connection:
            connection.execute("create table ops.story (word varchar)")
    for _ in range(2):
        with open_warehouse(released / "warehouse", CONTRACTS) as warehouse:
            assert [word for (word,) in warehouse.execute("from ops.story").fetchall()] == story
            assert warehouse.execute("from ops.format").fetchall() == [(4,)]


def test_the_memory_of_a_warehouse_is_what_is_set(tmp_path: Path) -> None:
    limits = []
    for memory_mb in (1000, 2000):
        with open_warehouse(tmp_path, CONTRACTS, memory_mb) as warehouse:
            (limit,) = warehouse.execute("select current_setting('memory_limit')").fetchall()[0]
            limits.append(limit)
    assert limits == ["953.6 MiB", "1.8 GiB"]


@pytest.mark.usefixtures("steps")
def test_a_new_warehouse_needs_no_step(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with open_warehouse(tmp_path / "new", CONTRACTS) as warehouse:
        assert warehouse.execute("from ops.format").fetchall() == [(4,)]
        assert not warehouse.execute("from duckdb_tables() where table_name = 'story'").fetchall()


def test_a_step_that_fails_leaves_the_older_warehouse(released: Path, steps: Path) -> None:
    last = steps / "004_three.sql"
    sound, before = last.read_text(), tables_of(file_of(released))
    last.write_text("insert into ops.story values ('four'); select * from ops.no_such_table;")
    with pytest.raises(duckdb.Error, match="no_such_table"), open_warehouse(released / "warehouse", CONTRACTS):
        pass
    assert tables_of(file_of(released)) == before
    last.write_text(sound)
    with open_warehouse(released / "warehouse", CONTRACTS) as warehouse:
        assert warehouse.execute("select count(*) from ops.story").fetchall() == [(3,)]


def test_where_no_step_leads_on_it_is_refused_untouched_with_what_to_do(released: Path, steps: Path) -> None:
    (steps / "003_two.sql").unlink()
    before = set_version(released, 2)
    ran = tierline(released, "load", now=NOW)
    assert ran.exit_status == 1
    for words in (
        "expected a warehouse of version 4, found version 2",
        " rebuild --into DIR'",
        "to version 3",
    ):
        assert words in ran.err
    assert file_of(released).read_bytes() == before
    rebuilt = tierline(released, "rebuild", "--into", str(released.parent / "new"), now=NOW)
    assert rebuilt.exit_status == 0, rebuilt.err
    assert "nothing to compare with: the present warehouse cannot be used" in rebuilt.out
    assert file_of(released).read_bytes() == before
    shutil.copy(released.parent / "new" / "warehouse" / "warehouse.duckdb", file_of(released))
    assert "0 batches into core" in tierline(released, "load", now=NOW).out


def test_one_of_a_newer_release_is_refused_untouched(released: Path) -> None:
    before = set_version(released, STORE_VERSION + 1)
    found = (
        f"expected a warehouse of version {STORE_VERSION} or older, found version {STORE_VERSION + 1}, made by a newer"
    )
    with pytest.raises(StoreError, match=found), open_warehouse(released / "warehouse", CONTRACTS):
        pass
    assert tierline(released, "load", now=NOW).exit_status == 1
    assert file_of(released).read_bytes() == before


def test_doctor_names_the_version_and_leaves_an_older_warehouse_as_it_is(released: Path) -> None:
    before = file_of(released).read_bytes()
    older = tierline(released, "doctor", now=NOW).out
    assert re.search(
        f"warehouse +warning +opens; version 1; the next load makes it {STORE_VERSION} +copy ledger", older
    )
    assert file_of(released).read_bytes() == before
    assert tierline(released, "load", now=NOW).exit_status == 0
    assert f"opens; version {STORE_VERSION}; " in tierline(released, "doctor", now=NOW).out
