"""A ledger that is lost, or put back older than the warehouse, empties nothing: the load says so, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from offers import MANY_BAD, Offer, in_core, payments, published_state, put_end, states
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T11:05:00"  # nothing is late yet
RUN = ("run", "--as-of", "2026-11-21")
HOUR = "PAYM_110_I_20261122{}_0001_{}"
FIRST = payments(HOUR.format("09", "00"), "CARD", "CASH")
REPLACED = payments(HOUR.format("10", "00"), "CARD")
SECOND = payments(HOUR.format("10", "01"), "CARD", "WALLET", "CASH")


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    """Published with one batch; a copy of the ledger of then lies beside it."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    take(home, root, FIRST)
    shutil.copy(home / "ledger.sqlite", tmp_path / "backup.sqlite")
    return home


def take(home: Path, root: Path, *offers: Offer, status: int = 0) -> None:
    for each in offers:
        each.put(root)
        put_end(root, each)
        ran = tierline(home, *RUN, now=NOW)
        assert ran.exit_status == status, ran.err


def lose(home: Path) -> None:
    """It is gone, and one that knows nothing stands in its place."""
    assert [path.name for path in home.glob("ledger.sqlite*")] == ["ledger.sqlite"]
    (home / "ledger.sqlite").write_bytes(b"")


def put_back(home: Path) -> None:
    shutil.copy(home.parent / "backup.sqlite", home / "ledger.sqlite")


def test_no_new_ledger_is_made_beside_an_archive(home: Path, root: Path) -> None:
    """It would have the producer asked for all that it does not know."""
    configuration = home / "tierline.yaml"
    configuration.write_text(f"{configuration.read_text()}ledger: sqlite:///elsewhere.sqlite\n")
    for words in (RUN, ("fetch",), ("batches",)):
        ran = tierline(home, *words, now=NOW)
        assert (ran.exit_status, f"expected the ledger {home / 'elsewhere.sqlite'}, found none" in ran.err) == (1, True)
    assert (list(home.glob("elsewhere*")), (root / "request").exists()) == ([], False)


@pytest.mark.parametrize(("harm", "unknown"), [(lose, (FIRST, SECOND)), (put_back, (SECOND,))])
def test_a_load_by_another_ledger_is_refused(
    home: Path, root: Path, harm: Callable[[Path], None], unknown: tuple[Offer, ...]
) -> None:
    take(home, root, SECOND)
    before, rows = published_state(home), in_core(home, "from core.payment order by all")
    assert len(rows) == 5
    harm(home)
    for words in (RUN, ("load",), ("build", "--as-of", "2026-11-21")):
        ran = tierline(home, *words, now=NOW)
        assert ran.exit_status == 1, ran.out
        assert f"{home / 'warehouse'}: expected batches that the ledger at {home / 'ledger.sqlite'} let" in ran.err
        assert f"found {len(unknown)} that it never did: {unknown[0].stem}" in ran.err
        assert "0 taken out" not in ran.out
    assert in_core(home, "from core.payment order by all") == rows
    assert (published_state(home), (root / "request").exists()) == (before, False)


@pytest.mark.parametrize("harm", [lose, put_back])
def test_a_rebuild_beside_another_ledger_is_refused(home: Path, root: Path, harm: Callable[[Path], None]) -> None:
    """What it would make lacks batches that core has, and a load would take for whole."""
    take(home, root, SECOND)
    harm(home)
    ran = tierline(home, "rebuild", "--into", str(home.parent / "rebuilt"), now=NOW)
    assert (ran.exit_status, ran.out, list((home.parent / "rebuilt").iterdir())) == (1, "", [])
    assert "that it never did: " in ran.err
    assert SECOND.stem in ran.err
    doctor = tierline(home, "doctor", now=NOW)
    assert doctor.exit_status == 1
    (line,) = [line for line in doctor.out.splitlines() if line.startswith("warehouse ")]
    assert (line.split()[1], SECOND.stem in line, "do what it says" in line) == ("failed", True, True)


def test_the_newest_ledger_put_back_goes_on(home: Path, root: Path) -> None:
    take(home, root, SECOND)
    before = published_state(home)
    (home / "ledger.sqlite").rename(home / "kept")
    assert tierline(home, *RUN, now=NOW).exit_status == 1
    (home / "kept").rename(home / "ledger.sqlite")
    assert tierline(home, *RUN, now=NOW).exit_status == 0
    assert published_state(home) == before


@pytest.mark.parametrize(("harm", "lacking"), [(lose, "PAYM_*"), (put_back, "PAYM_110_I_2026112210*")])
def test_what_the_server_has_makes_it_anew(home: Path, root: Path, harm: Callable[[Path], None], lacking: str) -> None:
    """As the manual says: what the ledger lacks goes from backup/ to outgoing/; core has its rows already."""
    take(home, root, REPLACED, SECOND)
    before, core = published_state(home), in_core(home, "from ops.loaded_batch order by all")
    harm(home)
    assert tierline(home, "load", now=NOW).exit_status == 1
    for path in list((root / "backup").rglob(lacking)):
        path.rename(root / "outgoing" / "PAYM" / path.name)
    ran = tierline(home, *RUN, now=NOW)
    assert (ran.exit_status, "0 batches into core, 0 taken out" in ran.out) == (0, True), ran.out + ran.err
    assert (published_state(home), in_core(home, "from ops.loaded_batch order by all")) == (before, core)
    assert states(home)[-2:] == [("0001_00", "superseded", None), ("0001_01", "loaded", None)]
    assert not list((root / "outgoing").rglob("*.*"))
    assert tierline(home, "backups", "verify", now=NOW).exit_status == 0


def test_a_ledger_from_before_an_operators_word_is_an_older_one(home: Path, root: Path) -> None:
    """It knows the batch, but never let it stand: its rows would go without a word."""
    take(home, root, MANY_BAD, status=3)
    shutil.copy(home / "ledger.sqlite", home.parent / "backup.sqlite")
    accept = ("batch", "accept", MANY_BAD.stem, "--why", "ticket 4711")
    assert tierline(home, *accept, now=NOW).exit_status == 3
    put_back(home)
    ran = tierline(home, "load", now=NOW)
    assert (ran.exit_status, f"found 1 that it never did: {MANY_BAD.stem}" in ran.err) == (1, True), ran.err
    assert in_core(home, f"select count(*) from core.payment where batch_stem = '{MANY_BAD.stem}'") == [(1,)]
