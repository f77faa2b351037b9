"""What the configuration has taken back raises no alarm any more, and those that stand end with the next run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from offers import GOOD, customers, put_end, take
from running import FEEDS, make_home
from test_watching import alarms

from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T14:00:00"
LATER = "2026-11-22T14:10:00"
SINCE = "    since: 2026-11-22\n    patience: 600\n"
MISSING = "PAYM_110_I_2026112209"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote/outgoing").mkdir(parents=True)
    return tmp_path / "remote"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    """With a cycle that is missing, one that is late, and a file that is left."""
    GOOD.put(root, check=False)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra=SINCE)
    for now in ("2026-11-22T13:45:00", NOW):
        take(home, now)
    assert open_alarms(home, root) == (True, True, True)
    return home


def open_alarms(home: Path, root: Path) -> tuple[bool, bool, bool]:
    """Of the missing cycle, the late one, and the file."""
    said = (("missing", True), ("late", True), ("left", True))
    subjects = (MISSING, "PAYM_110_I_2026112212", f"110 outgoing/PAYM/{GOOD.name}")
    return tuple(one in alarms(home, subject) for one, subject in zip(said, subjects, strict=True))  # type: ignore[return-value]


def configure(home: Path, old: str, new: str) -> None:
    path = home / "tierline.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_later_since_ends_the_alarms_of_cycles_before_it_and_no_other(home: Path, root: Path) -> None:
    configure(home, "since: 2026-11-22", "since: 2026-11-23")
    for _ in range(2):
        take(home, LATER)
        assert open_alarms(home, root) == (False, False, True), "the file lies there all the same"


def test_a_feed_that_is_taken_from_a_source_ends_its_alarms(home: Path, root: Path) -> None:
    configure(home, "PAYM, ", "")
    for _ in range(2):
        take(home, LATER)
        assert open_alarms(home, root) == (False, False, False)
    assert ("missing", True) in alarms(home, "CHNG_110_I_2026112209"), "those of other feeds stand"


def test_a_source_that_is_taken_back_ends_its_alarms_with_the_run_of_another(home: Path, root: Path) -> None:
    shutil.copytree(root, root.parent / "other")
    configure(home, '"110":', '"440":')
    configure(home, str(root), str(root.parent / "other"))
    for _ in range(2):
        take(home, LATER)
        assert open_alarms(home, root) == (False, False, False)


def test_a_snapshot_stays_held_until_it_is_accepted_or_its_feed_goes(tmp_path: Path, root: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="    since: 2026-11-20\n")
    for offer in (customers("20261120", 100), customers("20261121", 50)):
        offer.put(root)
        put_end(root, offer)
    take(home, NOW)
    assert alarms(home, "CUST_110_F_20261121") == [("held", True)]
    configure(home, "since: 2026-11-20", "since: 2026-11-22")
    for _ in range(2):
        take(home, LATER)
        assert alarms(home, "CUST_110_F_20261121") == [("held", True)]
    configure(home, FEEDS, FEEDS.replace("CUST, ", ""))
    for _ in range(2):
        take(home, LATER)
        assert alarms(home, "CUST_110_F_20261121") == [("held", False)]
