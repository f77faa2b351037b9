"""A published state that its owner wrote to by mistake, and the log of a client that was killed: neither stays."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
SUM = "select sum(amount_fen) from bi.fact_payment"


def ask(home: Path, query: str) -> object:
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        return state.execute(query).fetchall()


def test_publish_replaces_a_state_that_was_written_to(tmp_path: Path) -> None:
    make_province(tmp_path / "remote", subscribers=60, months=2, days=1, end=datetime.fromisoformat(NOW), seed=3)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    sound = ask(home, SUM)
    with duckdb.connect(str(home / "bi" / "current.duckdb")) as state:
        state.execute("update core.payment set amount_fen = amount_fen + 1")
    assert ask(home, SUM) != sound
    assert tierline(home, "publish", now=NOW).exit_status == 0
    assert ask(home, SUM) == sound

    # Clients up to 1.4 look for a log beside the link that they opened, and apply it to every later state.
    stray = home / "bi" / "current.duckdb.wal"
    stray.write_bytes(b"left by a killed writer")
    assert tierline(home, "publish", now=NOW).exit_status == 0
    assert not stray.exists()
    assert ask(home, SUM) == sound
    assert "nothing changed" in tierline(home, "publish", now=NOW).out
