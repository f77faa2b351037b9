"""Fault 21: a stray tool that holds the warehouse open is named, waited for and reported; a reader is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from offers import NOW, STEM, Offer, in_core, put_end, states
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from warehouse import store

_HOLD = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    (tmp_path / "remote").mkdir()
    assert tierline(home, "load", now=NOW).exit_status == 0
    offer = Offer()
    offer.put(tmp_path / "remote")
    put_end(tmp_path / "remote", offer)
    assert tierline(home, "fetch", now=NOW).exit_status in (0, 4)
    return home


@contextmanager
def held(database: Path, seconds: float) -> Iterator[int]:
    """Another process that has a database open; gives its PID."""
    words = [sys.executable, "-c", _HOLD, str(database), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.kill()


@pytest.mark.fault(21)
def test_a_stray_process_is_waited_for(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with held(home / "warehouse" / store.FILE_NAME, 2) as pid:
        assert tierline(home, "load", now=NOW).exit_status == 0
    assert f"(PID {pid})" in caplog.text
    assert "waiting" in caplog.text
    assert in_core(home, "select count(*) from core.payment") == [(3,)]


@pytest.mark.fault(21)
def test_one_that_does_not_let_go_is_named_and_nothing_is_lost(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PATIENCE_S", 0.3)
    with held(home / "warehouse" / store.FILE_NAME, 60) as pid:
        ran = tierline(home, "load", now=NOW)
        assert ran.exit_status == 1
        assert f"(PID {pid})" in ran.err
        assert "current.duckdb" in ran.err, "it says what readers open instead"
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert states(home) == [(STEM[-7:], "loaded", None)]


@pytest.mark.fault(21)
def test_a_reader_of_the_published_state_delays_nobody_and_keeps_its_totals(home: Path, tmp_path: Path) -> None:
    words = ("run", "--as-of", "2026-11-21")
    assert tierline(home, *words, now=NOW).exit_status in (0, 4)
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as reader:
        before = reader.execute("select count(*), sum(amount_fen) from core.payment").fetchall()
        assert before == [(3, 6000)]
        for version in ("01", "02", "03"):
            stem = f"{STEM[:-2]}{version}"
            lines = [line.replace("|0001|00|", f"|0001|{version}|") for line in Offer().lines]
            changed = Offer(stem, (lines[0][:-1] + "2", *lines[1:3], "T|2|3000"), records=2)
            changed.put(tmp_path / "remote")
            put_end(tmp_path / "remote", changed)
            assert tierline(home, *words, now=NOW).exit_status in (0, 4)
            assert reader.execute("select count(*), sum(amount_fen) from core.payment").fetchall() == before
    with duckdb.connect(str(home / "bi" / "private.duckdb"), read_only=True) as reader:
        assert reader.execute("select count(*), sum(amount_fen) from core.payment").fetchall() == [(2, 3000)]
