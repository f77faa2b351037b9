"""Attacks from inside the machine: who may read what of a home, what a query can reach, what a terminal is told."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from offers import payments
from running import make_home, tierline

from pipelines.cli.context import close_sites, open_site
from pipelines.fetching import fetch
from pipelines.site import Scope
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

ROOT = Path(__file__).parent.parent
NOW = "2026-11-22T12:00:00"


@contextmanager
def everything_open() -> Iterator[None]:
    """An environment whose mask takes no right from anybody."""
    former = os.umask(0)
    try:
        yield
    finally:
        os.umask(former)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that a run has filled, with rejects, a refusal, a discard and a delivery to a drop directory."""
    work = tmp_path_factory.mktemp("security")
    end = datetime.fromisoformat(NOW)
    (work / "acd").mkdir()
    extra = f'receivers:\n  acd: {{url: "file://{work}/acd", lists: [TIER, CARD]}}\n'
    with everything_open():
        make_province(work / "remote", subscribers=150, months=2, days=1, hours=2, end=end, seed=5, bad_share=0.02)
        home = make_home(work / "home", Endpoint("file", root=str(work / "remote")), extra=extra)
        assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 3
        assert tierline(home, "dictionary", now=NOW).exit_status == 0
        assert tierline(home, "rebuild", "--into", str(home / "rebuilt"), now=NOW).exit_status == 0
    return home


def open_to(path: Path, others: int) -> bool:
    return bool(stat.S_IMODE(path.lstat().st_mode) & others) and not path.is_symlink()


def test_all_that_a_run_writes_is_its_owners_but_what_bi_reads(home: Path) -> None:
    """Whatever the mask of the environment; what the operator and the test made themselves is left out."""
    written = [path for path in home.rglob("*") if path.name not in ("tierline.yaml", "secret")]
    assert len(written) > 100
    assert [path for path in written if open_to(path, 0o007)] == [], "nothing is for everybody"
    shared = {path for path in written if open_to(path, 0o070)}
    bi = home / "bi"
    wanted = {bi, *(path for path in bi.rglob("*") if not path.is_symlink() and path.name != "private.duckdb")}
    assert shared == wanted
    assert [path for path in shared if open_to(path, 0o020)] == [], "the group reads and never writes"
    assert stat.S_IMODE((bi / "private.duckdb").stat().st_mode) == 0o600
    kept = [path for folder in ("archive", "quarantine") for path in (home / folder).rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o400}


def test_steps_without_the_command_write_for_the_owner_alone(tmp_path: Path) -> None:
    """As Airflow's tasks and the page do: nothing but `open_site` comes before."""
    (tmp_path / "remote").mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    payments("PAYM_110_I_2026112210_0001_00", "CARD").put(tmp_path / "remote")
    with everything_open():
        site = open_site(home, actor="a task")
        assert len(fetch(site, Scope()).taken.verified) == 1
        close_sites()
    written = [path for path in home.rglob("*") if path.name not in ("tierline.yaml", "secret", "bi")]
    assert {path.name for path in written} >= {"ledger.sqlite", "archive", "PAYM_110_I_2026112210_0001_00.DAT"}
    assert [path for path in written if open_to(path, 0o077)] == []


def test_what_the_other_side_reads_in_a_drop_directory_is_for_its_group(home: Path) -> None:
    for place in ("acd", "remote/receipt"):
        found = list((home.parent / place).rglob("*"))
        assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o640}
        assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o750}


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("archive", 0o750, "others may read"), ("ledger.sqlite", 0o640, "others may read"),
        ("key", 0o640, "others may read"), (".", 0o755, "everybody may enter"),
        ("tierline.yaml", 0o644, "everybody may enter"),
    ],
)  # fmt: skip
def test_doctor_tells_of_rights_that_are_too_wide(tmp_path: Path, name: str, mode: int, said: str) -> None:
    (tmp_path / "remote").mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote"), key_file="key"))
    (home / "key").touch(mode=0o600)
    home.chmod(0o710)
    (home / "tierline.yaml").chmod(0o640)
    tierline(home, "batches", now=NOW)
    before = tierline(home, "doctor", now=NOW).out
    assert "rights" in before
    assert said not in before
    (home / name).chmod(mode)
    shown = tierline(home, "doctor", now=NOW).out
    assert said in shown
    assert str((home / name).resolve()) in shown


READS = ["read_text", "read_blob", "read_csv", "glob", "sniff_csv", "read_duckdb", "query_table", ""]
WRITES = [
    "copy mart.tier to '{out}'", "copy (select 1) to '/dev/stderr'", "export database '{out}'",
    "attach '{out}' as other", "attach '{home}/bi/private.duckdb' as other (read_only)",
    "create secret s (type s3, key_id 'k', secret 'v')", "install httpfs", "load httpfs", "load '{out}'",
    "from 'http://127.0.0.1:9/x.parquet'", "insert into mart.tier from mart.tier", "drop table mart.tier",
    "create table mart.x as select 1", "set enable_external_access = true", "reset enable_external_access",
    "set lock_configuration = false", "set temp_directory = '{out}'", "set allowed_directories = ['/']",
    "set memory_limit = '1KB'", "set custom_extension_repository = 'http://127.0.0.1:9'",
    "call enable_logging('QueryLog', storage = 'file', storage_path = '{out}')",
    "set enable_profiling = 'json'; set profiling_output = '{out}'; select 1",
    "select 1; copy (select 1) to '{out}'", "select getenv('HOME')", "from rows", "from path",
]  # fmt: skip


@pytest.mark.parametrize("sql", [*(f"from {read}('{{home}}/bi/private.duckdb')" for read in READS), *WRITES])
def test_a_query_reaches_nothing_but_the_published_state(home: Path, tmp_path: Path, sql: str) -> None:
    """Neither files, network, extensions and settings, nor anything of the program that runs it."""
    state = home / "bi" / "current.duckdb"
    before = state.stat()
    ran = tierline(home, "query", sql.format(home=home, out=tmp_path / "out"), now=NOW)
    assert ran.exit_status == 2, ran.out
    assert ran.err.startswith("tierline: query: ")
    assert ran.out == ""
    assert list(tmp_path.iterdir()) == []
    assert (state.stat().st_mtime_ns, state.stat().st_size) == (before.st_mtime_ns, before.st_size)


def test_a_query_still_asks_what_it_likes_of_the_state(home: Path) -> None:
    sql = (
        "use core; create temp table t as select service_number from payment where service_number <> ''; "
        "select count(*) as n, any_value(service_number) as one from t"
    )
    ((found,),) = [json.loads(tierline(home, "query", sql, "--json", now=NOW).out)]
    assert found["n"] > 0
    assert "****" in found["one"]


@pytest.mark.parametrize("words", [["run"], ["batches"], ["batch", "discard", "X", "--why", "y"], ["backups", "prune"]])
def test_a_wrong_home_is_refused_and_left_as_it_was(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "mine").write_text("kept")
    ran = tierline(tmp_path, *words, now=NOW)
    assert ran.exit_status == 2
    assert "expected a configuration, found none" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not (tmp_path / "away").exists()
    assert tierline(tmp_path / "away", *words, now=NOW).exit_status == 2
    assert not (tmp_path / "away").exists()


def test_no_process_is_started_and_no_option_takes_a_secret() -> None:
    """So that a list of processes shows commands, homes and stems, and no child has our environment."""
    code = "".join(
        path.read_text() for folder in ("pipelines", "warehouse", "dags") for path in (ROOT / folder).rglob("*.py")
    )
    assert len(code) > 100_000
    assert re.findall(r"\b(?:subprocess|os\.(?:system|popen|exec\w*|spawn\w*|posix_spawn\w*)|pty)\b", code) == []
    assert re.findall(r'"--[a-z-]*(?:secret|password|token|key)[a-z-]*"', code) == []


def test_every_test_that_the_manual_names_exists() -> None:
    """A threat without a test that stands is a promise."""
    manual = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/\w+\.py)::(test_\w+)`", manual)
    assert len(named) > 50
    lost = [f"{file}::{name}" for file, name in named if f"def {name}(" not in _text(file)]
    assert lost == []
    rows = [line for line in manual.splitlines() if re.match(r"\| (?!can |where |who |---)", line)]
    threats = rows[rows.index(next(row for row in rows if "name files" in row)) :]
    assert [row for row in threats if "`tests/" not in row] == [], "a threat without a test"


def _text(file: str) -> str:
    path = ROOT / file
    return path.read_text() if path.exists() else ""
