"""Files of two versions of a contract by the real command: each is read by the version that its header names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from contract_edits import add_column, drop_column, edit, turn_page
from offers import NOW, Offer, in_core, ledger, payments, put_end, receipt, states, take
from running import make_home, tierline

from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.transfer.base import Endpoint

BEFORE, AFTER = "PAYM_110_I_2026112123_0001_00", "PAYM_110_I_2026112210_0001_00"
HOLDS_FROM = "2026-11-22"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "drop"
    (root / "outgoing" / "PAYM").mkdir(parents=True)
    return root


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)), extra="contracts: contracts\n")


def agree(home: Path, *, on_two: bool) -> None:
    """Contracts as they ship, or with a second version of payments: a column more, one less, one code less."""
    shutil.rmtree(home / "contracts", ignore_errors=True)
    shutil.copytree(DEFAULT_SCHEMAS, home / "contracts")
    if on_two:
        path = turn_page(home / "contracts", "PAYM", HOLDS_FROM)
        add_column(path, "points")
        drop_column(path, "operator_id")
        edit(path, ', "IVR"]', "]")


def in_version_2(offer: Offer, points: int = 7) -> Offer:
    """The same payments as the new version has them: `points` where the operator was."""
    header, *records, trailer = offer.lines
    return replace(
        offer, lines=(header.replace("H|1|", "H|2|", 1), *(f"{record}{points}" for record in records), trailer)
    )


def test_each_file_is_read_by_the_version_that_its_header_names(home: Path, root: Path) -> None:
    agree(home, on_two=True)
    old = payments(AFTER, "CARD", "CASH")
    old = replace(old, lines=tuple(line.replace("|APP|", "|IVR|") for line in old.lines))  # a code of version 1 only
    new = in_version_2(payments(AFTER.replace("_0001_", "_0002_"), "CARD", "CASH"))
    narrowed = in_version_2(payments(AFTER.replace("_0001_", "_0003_"), "CARD", "CASH", "CARD"))
    narrowed = replace(narrowed, lines=tuple(line.replace("|CASH|APP|", "|CASH|IVR|") for line in narrowed.lines))
    for offer in (old, new, narrowed):
        offer.put(root)
    put_end(root, old, new, narrowed)
    assert take(home).exit_status == 3
    rows = in_core(home, "select seq, line, channel, points, operator_id from core.payment order by all")
    assert [(seq, line, channel, points) for seq, line, channel, points, _ in rows] == [
        ("0001", 2, "IVR", None), ("0001", 3, "IVR", None),
        ("0002", 2, "APP", 7), ("0002", 3, "APP", 7),
        ("0003", 2, "APP", 7), ("0003", 4, "APP", 7),
    ]  # fmt: skip
    assert [(each.seq, each.format_version) for each in ledger(home)] == [("0001", "1"), ("0002", "2"), ("0003", "2")]
    rejected = json.loads(tierline(home, "batch", "rejects", narrowed.stem, "--json", now=NOW).out)
    assert [(each["line"], each["codes"], each["columns"]) for each in rejected] == [(3, "E406", "channel")]
    shown = tierline(home, "batch", "show", old.stem, now=NOW).out
    assert "format_version    1" in shown


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (in_version_2(payments(BEFORE, "CARD")), "expected format version 1 for cycles of 2026-11-21, found 2"),
        (
            replace(payments(AFTER, "CARD"), lines=tuple(
                line.replace("H|1|", "H|3|", 1) for line in payments(AFTER, "CARD").lines
            )),
            "expected format version 1 or 2 for cycles of 2026-11-22, found 3",
        ),
    ],
    ids=["before it holds", "unknown"],
)  # fmt: skip
def test_a_version_that_is_not_read_for_the_cycle_is_refused(home: Path, root: Path, offer: Offer, said: str) -> None:
    agree(home, on_two=True)
    offer.put(root)
    assert take(home).exit_status == 3
    assert states(home) == [(offer.stem[-7:], "refused", "E305")]
    assert said in receipt(root, offer.stem)[6]
    assert (root / "request" / "PAYM" / f"{offer.stem}.RSD").exists()


def test_a_warehouse_of_the_former_contract_goes_on_with_the_new_one(home: Path, root: Path) -> None:
    """What was staged before stands; a replay of it is read by the version it came in; a resend may be of the new."""
    agree(home, on_two=False)
    first = payments(AFTER, "CARD", "CASH")
    first.put(root)
    assert take(home).exit_status == 0
    agree(home, on_two=True)
    second = in_version_2(payments(AFTER.replace("_0001_", "_0002_"), "CARD"))
    second.put(root)
    assert take(home).exit_status == 0
    assert in_core(home, "select seq, points from core.payment order by all") == [
        ("0001", None), ("0001", None), ("0002", 7)
    ]  # fmt: skip
    run = tierline(home, "replay", "--feed", "PAYM", "--from", "2026112210", "--to", "2026112210", now=NOW)
    assert run.exit_status == 0, run.err
    again = in_version_2(payments(AFTER.replace("_0001_00", "_0001_01"), "CARD", "CASH"), points=9)
    again.put(root)
    assert take(home).exit_status == 0
    assert in_core(home, "select seq, points from core.payment order by all") == [
        ("0001", 9), ("0001", 9), ("0002", 7)
    ]  # fmt: skip
    assert [each.format_version for each in ledger(home)] == ["1", "2", "2"]
    diff = tierline(home, "feeds", "diff", "PAYM", now=NOW)
    assert diff.exit_status == 0
    assert "points" in diff.out
    assert "operator_id" in diff.out
