"""Batches in archive/ that the ledger does not know, as where a copy of it was put back: doctor names them."""

from __future__ import annotations

import shutil
from pathlib import Path

from offers import payments, put_end
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T11:05:00"
FIRST, SECOND = (payments(f"PAYM_110_I_20261122{hour}_0001_00", "CARD") for hour in ("09", "10"))


def archive_lines(home: Path) -> list[str]:
    return [line for line in tierline(home, "doctor", now=NOW).out.splitlines() if line.startswith("archive ")]


def test_doctor_names_what_came_since_the_copy(tmp_path: Path) -> None:
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    for offer in (FIRST, SECOND):
        offer.put(root)
        put_end(root, offer)
        assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
        assert archive_lines(home) == []
        if offer is FIRST:
            shutil.copy(home / "ledger.sqlite", tmp_path / "ledger.sqlite")
            shutil.copytree(home / "warehouse", tmp_path / "warehouse")
    for name in ("ledger.sqlite", "warehouse"):
        path = home / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        (tmp_path / name).rename(path)
    (line,) = archive_lines(home)
    assert f"1 batches that the ledger does not know, such as {SECOND.stem}" in line
    assert " warning " in line
    assert "offer them again: docs/engineers/deployment.md, 'A ledger that is lost'" in line
