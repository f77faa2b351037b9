"""Attacks from inside the machine: who may read what of a home, what a query can reach, what a terminal is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

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
