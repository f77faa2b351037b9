"""Staged rows that are lost or damaged before they are in core are made anew from the archive by the load itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from offers import STEM, causes, change_schema, in_core, ledger, payments, put_end, receipt
from running import make_home, tierline, tierline_process

from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T12:00:00"
PARTIAL = payments(STEM, "GIFT", "CARD", "CASH", "BANK")
OTHER = payments("PAYM_110_I_2026112209_0001_00", "CARD", "CASH")
DAY = "PAYM/2026/11/22"
NONE = ("feeds/PAYM.yaml", "rejects, value: {rows: 3, share: 0.001}", "rejects, value: {rows: 0, share: 0}")


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    """Two batches are staged; the load was killed before they were in core."""
    for offer in (OTHER, PARTIAL):
        offer.put(root)
        put_end(root, offer)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline_process(home, "load", now=NOW, fault="load").returncode == -9
    assert {each.state.value for each in ledger(home)} == {"staged"}
    return home


def rows(home: Path) -> Path:
    return home / "staged" / DAY / f"{STEM}.parquet"


def rejects(home: Path) -> Path:
    return rows(home).with_suffix(".rejects.parquet")


def overwrite(path: Path) -> None:
    """The first page, whose footer still counts its rows."""
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"\xff" * 40)


HARMS: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "overwritten": overwrite,
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("which", [rows, rejects])
def test_the_load_makes_them_anew(home: Path, root: Path, which: Callable[[Path], Path], harm: str) -> None:
    HARMS[harm](which(home))
    ran = tierline(home, "load", now=NOW)
    assert (ran.exit_status, "2 batches into core" in ran.out) == (3, True), ran.out + ran.err
    counts = in_core(home, "select batch_stem, count(*) from core.payment group by all order by all")
    assert counts == [(OTHER.stem, 2), (STEM, 3)]
    assert in_core(home, "select stem, line, codes from ops.reject") == [(STEM, 2, "E406")]
    assert {each.stem: (each.state.value, each.staged_count) for each in ledger(home)} == {
        OTHER.stem: ("loaded", 1), STEM: ("loaded", 2),
    }  # fmt: skip
    assert f"in staged/{DAY}/{which(home).name}, found" in " ".join(causes(home))
    assert receipt(root, STEM)[1] == "PARTIAL"


def test_where_the_archive_is_lost_too_it_says_what_to_do(home: Path) -> None:
    rows(home).unlink()
    (home / "archive" / DAY / PARTIAL.name).unlink()
    ran = tierline(home, "load", now=NOW)
    assert ran.exit_status == 1
    assert f"{STEM}: expected 3 rows in staged/{DAY}/{STEM}.parquet, found no such file" in ran.err
    assert f"backups restore {STEM}'" in ran.err
    assert in_core(home, "select count(*) from core.payment") == [(0,)]


def test_where_it_would_be_refused_now_it_says_so(home: Path) -> None:
    rows(home).unlink()
    change_schema(home, *NONE)
    ran = tierline(home, "load", now=NOW)
    assert ran.exit_status == 1
    assert f"{STEM}: expected 3 rows" in ran.err
    assert "would be refused now (E501" in ran.err


def test_a_warehouse_that_is_lost_as_well_is_filled(home: Path) -> None:
    assert tierline(home, "load", now=NOW).exit_status == 3
    shutil.rmtree(home / "warehouse")
    shutil.rmtree(home / "staged")
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert in_core(home, "select count(*) from core.payment") == [(5,)]
