"""The life of a batch with its ledger on PostgreSQL: the same commands, the same warehouse as with SQLite."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from running import make_home, published, tierline_process

from pipelines.transfer.base import Endpoint
from sftp_fixtures.postgres import postgres_server
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
RUN = ("run", "--as-of", "2026-11-21")
STEM = "PAYM_110_I_2026112210_0001_00"
LIFE = (
    RUN,
    ("batch", "discard", STEM, "--why", "sent by mistake"),
    ("replay", "--feed", "PAYM", "--from", "2026112200", "--to", "2026112223"),
    ("backups", "verify"),
    RUN,
)


def test_the_ledger_may_be_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = datetime.fromisoformat(NOW)
    make_province(tmp_path / "remote", subscribers=300, months=2, days=1, hours=3, end=end, seed=7)
    shutil.copytree(tmp_path / "remote", tmp_path / "remote_sqlite")
    sqlite = make_home(tmp_path / "sqlite", Endpoint("file", root=str(tmp_path / "remote_sqlite")))
    with postgres_server() as server:
        database = server.new_database()
        monkeypatch.setenv("LEDGER_PASSWORD", server.secret)
        extra = f'ledger: "{server.url(database)}"\nledger_secret: env:LEDGER_PASSWORD\n'
        home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")), extra=extra)
        for words in LIFE:
            for each in (home, sqlite):
                ran = tierline_process(each, *words, now=NOW)
                assert ran.returncode == 0, ran.stdout + ran.stderr
        shown = tierline_process(home, "batch", "show", STEM, now=NOW).stdout
        monkeypatch.setenv("LEDGER_PASSWORD", "wrong")
        refused = tierline_process(home, "batches", now=NOW)
    assert "discarded: sent by mistake" in shown
    assert not (home / "ledger.sqlite").exists()
    state = published(home)
    assert state["core.payment"], "an empty warehouse would prove nothing"
    assert state == published(sqlite)
    assert refused.returncode == 1
    assert "password authentication failed" in refused.stderr
    assert "wrong" not in refused.stderr
