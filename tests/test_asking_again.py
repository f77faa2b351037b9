"""A missing cycle is asked for, whatever its batches were refused for; until then a refusal is the operator's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from offers import GOOD, MANY_BAD, STEM, Offer, payments, put_end, states, take
from running import make_home, tierline
from test_watching import asked, requests

from pipelines.transfer.base import Endpoint

DAY = "2026-11-22T"
OTHER = "PAYM_110_I_2026112210_0002_00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "remote").mkdir()
    return tmp_path / "remote"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def asked_at(home: Path, root: Path, time: str) -> list[str]:
    """The codes that the stem was asked for with, after a run at a time of the day."""
    take(home, f"{DAY}{time}:00")
    return [code for stem, code, *_ in requests(root).values() if stem == STEM]


@pytest.mark.parametrize("has_end", [True, False], ids=["with its end file", "without"])
def test_what_too_many_rejects_refused_is_asked_for_once_its_cycle_is_missing(
    home: Path, root: Path, has_end: bool
) -> None:
    MANY_BAD.put(root)
    if has_end:
        put_end(root, MANY_BAD)
    assert asked_at(home, root, "11:35") == []
    assert states(home) == [("0001_00", "refused", "E501")]
    assert asked_at(home, root, "13:14") == [], "late, and an operator may accept it"
    assert asked_at(home, root, "13:15") == ["E502"]
    (root / "request/PAYM" / f"{STEM}.RSD").unlink()  # the producer took it
    assert asked_at(home, root, "13:30") == []
    assert asked(home)[STEM] == 1


def test_a_refusal_that_asked_with_its_own_reason_is_not_asked_for_again(home: Path, root: Path) -> None:
    broken: Offer = replace(GOOD, size_off=1)
    broken.put(root)
    assert asked_at(home, root, "11:35") == ["E202"]
    (root / "request/PAYM" / f"{STEM}.RSD").unlink()
    assert asked_at(home, root, "13:30") == []


def test_what_an_operator_accepted_meanwhile_is_not_asked_for(home: Path, root: Path) -> None:
    MANY_BAD.put(root)
    put_end(root, MANY_BAD, payments(OTHER, "CARD"))
    take(home, f"{DAY}11:35:00")
    tierline(home, "batch", "accept", STEM, "--why", "so it is", now=f"{DAY}12:00:00")
    take(home, f"{DAY}13:20:00")
    assert asked(home).keys() >= {OTHER}
    assert STEM not in asked(home)
