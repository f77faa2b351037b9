"""A published state that was brought on equals one that is written from nothing; one that is read is never touched."""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
from offers import NOW, in_ledger
from running import make_home, published, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province


def digests(state: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in state.rglob("*.*") if path.is_file()}


def test_a_state_that_was_brought_on_equals_one_from_nothing(tmp_path: Path) -> None:
    make_province(tmp_path / "remote", subscribers=100, months=2, days=1, end=datetime.fromisoformat(NOW), seed=4)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    held = (home / "bi" / "current").resolve()
    before = digests(held)
    stems = []
    with duckdb.connect(str(held / "current.duckdb"), read_only=True):
        for feed in ("USER", "CHNG", "PAYM"):
            stem = in_ledger(home, f"select stem from offering where feed = '{feed}' order by stem desc limit 1")[0][0]
            stems.append(stem)
            assert tierline(home, "batch", "discard", stem, "--why", "a test", now=NOW).exit_status in (0, 3)
            assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status in (0, 3, 4)
            assert (home / "bi" / "current").resolve() != held
        assert digests(held) == before, "a state that somebody has open was written to"
    brought_on = published(home)
    shutil.rmtree(home / "bi" / "states")
    (home / "bi" / "current").unlink()
    assert tierline(home, "publish", now=NOW).exit_status == 0
    assert published(home) == brought_on
    assert not {stem for (stem, *_) in brought_on["ops.loaded_batch"]} & set(stems)
