"""Rejected rows are shown as long as they are kept, whatever came under the same stem; where they are lost it is said.

File interface, section 6: every rejected row can be shown, and offering a file again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from offers import GOOD, MANY_BAD, NOW, STEM, Offer, ledger, payments, receipt, take
from running import make_home, tierline, tierline_process

from pipelines.cli.context import close_sites
from pipelines.page.app import page_app
from pipelines.transfer.base import Endpoint

PARTIAL = payments(STEM, "GIFT", "CARD", "CASH")
OTHER_BYTES = payments(STEM, "CARD", "CASH", "CASH")
WRONG_SIZE = replace(GOOD, size_off=1)  # E202
REPLAY = ("replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210")
RETRY = ("batch", "retry", STEM)


@pytest.fixture
def home(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    root.mkdir()
    yield make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    close_sites()


def page(home: Path) -> TestClient:
    return TestClient(page_app(home, lambda: "somebody", lambda user: True))


def lines(home: Path, *words: str) -> list[int]:
    ran = tierline(home, "batch", "rejects", STEM, "--json", *words, now=NOW)
    assert ran.exit_status == 0, ran.err
    return [row["line"] for row in json.loads(ran.out)]


@pytest.mark.parametrize(("again", "state"), [(PARTIAL, "duplicate"), (OTHER_BYTES, "refused")])
def test_an_offering_that_changes_nothing_hides_no_rejected_row(
    home: Path, root: Path, again: Offer, state: str
) -> None:
    PARTIAL.put(root)
    take(home)
    reject_file = (root / "receipt" / "PAYM" / f"{STEM}.REJ").read_bytes()
    again.put(root)
    take(home, "2026-11-22T12:10:00")
    assert [each.state for each in ledger(home)] == ["loaded", state]
    assert receipt(root, STEM)[1] == state.upper()
    assert lines(home) == lines(home, "--offering", "1") == [2]
    assert lines(home, "--offering", "2") == []
    assert (root / "receipt" / "PAYM" / f"{STEM}.REJ").read_bytes() == reject_file
    assert "1 of 1, personal data hidden" in page(home).get(f"/batch/{STEM}").text
    assert page(home).get(f"/batch/{STEM}/rejects").content == reject_file


def test_of_offerings_of_which_none_was_accepted_the_newest_with_rejected_rows_counts(home: Path, root: Path) -> None:
    for offer in (MANY_BAD, WRONG_SIZE):
        offer.put(root)
        take(home)
    assert [each.code for each in ledger(home)] == ["E501", "E202"]
    assert lines(home) == [2, 3, 4, 5]
    assert not (root / "receipt" / "PAYM" / f"{STEM}.REJ").exists(), "the receipt says nothing of rows"
    assert tierline(home, "batch", "rejects", STEM, "--offering", "3", now=NOW).exit_status == 2


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("lose", [Path.unlink, damage])
@pytest.mark.parametrize(("offer", "words"), [(PARTIAL, REPLAY), (MANY_BAD, RETRY)])
def test_rejected_rows_that_are_lost_are_said_to_be_and_are_made_anew(
    home: Path, root: Path, offer: Offer, words: tuple[str, ...], lose: Callable[[Path], None]
) -> None:
    offer.put(root)
    take(home)
    before = lines(home)
    (path,) = home.rglob(f"{STEM}.rejects.parquet")
    path.chmod(0o640)
    lose(path)
    for out in ((), ("--json",), ("--out", str(home / "rows"))):
        ran = tierline(home, "batch", "rejects", STEM, *out, now=NOW)
        assert (ran.exit_status, ran.out) == (1, "")
        assert f"expected {len(before)} rows in " in ran.err
        assert "makes them anew" in ran.err
        assert " ".join(words) in ran.err.replace(f" --home {home}", "")
    assert not (home / "rows").exists()
    assert "makes them anew" in page(home).get(f"/batch/{STEM}").text
    assert page(home).get(f"/batch/{STEM}/rejects").status_code == 503
    assert tierline(home, *words, now=NOW).exit_status == 3
    assert lines(home) == before


@pytest.mark.parametrize("lose", [Path.unlink, damage])
@pytest.mark.parametrize(("offer", "words"), [(PARTIAL, REPLAY), (MANY_BAD, RETRY)])
def test_rejected_rows_that_are_lost_before_their_receipt_keep_no_other(
    home: Path, root: Path, offer: Offer, words: tuple[str, ...], lose: Callable[[Path], None]
) -> None:
    """Each load says so until they are made anew, and the producer is told nothing of them meanwhile."""
    sound = payments("PAYM_110_I_2026112210_0002_00", "CARD")
    for each in (offer, sound):
        each.put(root)
    tierline(home, "fetch", now=NOW)
    assert tierline_process(home, "load", now=NOW, fault="backup").returncode == -9
    (path,) = home.rglob(f"{STEM}.rejects.parquet")
    path.chmod(0o640)
    lose(path)
    for _ in range(2):
        ran = tierline(home, "load", now=NOW)
        assert ran.exit_status == 1
        assert " ".join(words) in ran.err.replace(f" --home {home}", "")
        assert [path.name for path in (root / "receipt" / "PAYM").iterdir()] == [f"{sound.stem}.RCP"]
    assert tierline(home, *words, now=NOW).exit_status == 3
    assert receipt(root, STEM)[0] == offer.name
    assert (root / "receipt" / "PAYM" / f"{STEM}.REJ").exists()


def test_rejected_rows_of_another_offering_are_never_shown_for_them(home: Path, root: Path) -> None:
    """What was discarded had its staged rows where those of the next one stand."""
    PARTIAL.put(root)
    take(home)
    tierline(home, "batch", "discard", STEM, "--why", "ticket", now="2026-11-22T12:10:00")
    assert lines(home) == [2], "nothing has taken their place yet"
    payments(STEM, "CARD", "CARD", "GIFT").put(root)
    take(home, "2026-11-22T12:20:00")
    assert lines(home) == lines(home, "--offering", "2") == [4]
    ran = tierline(home, "batch", "rejects", STEM, "--offering", "1", now=NOW)
    assert (ran.exit_status, "its 1 rejected rows are not kept any more" in ran.err) == (1, True)
