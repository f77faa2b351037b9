"""Lists: what is written for whom, and increments that make the present list of the last full one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from offers import NOW, in_core, in_ledger
from running import make_home, tierline

from pipelines.increments import increment
from pipelines.ledger.publications import ListRecord, Publication
from pipelines.lists import LISTS, ListKind
from pipelines.published_lists import last_lists
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

TIER = next(kind for kind in LISTS if kind.name == "TIER")
CARD = next(kind for kind in LISTS if kind.name == "CARD")
SCHEMA = {"op": pl.String, "service_number": pl.String, "tier": pl.String, "flag": pl.String, "valid_from": pl.Int64}

numbers = st.sampled_from(["1", "2", "3", "4", "5"])
contents = st.tuples(st.sampled_from(["D", "N"]), st.sampled_from([None, "B"]), st.integers(1, 2))
drawn = st.dictionaries(numbers, contents)


def listed(rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([("I", number, *rows[number]) for number in sorted(rows)], schema=SCHEMA, orient="row")


def applied(kind: ListKind, full: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The list that an increment makes of the full one it rests on, in no order."""
    left = full.join(changes, on=kind.key, how="anti")
    if "op" in changes.columns:
        changes = changes.filter(pl.col("op") != "D").with_columns(op=pl.lit("I"))
    return pl.concat([left, changes])


@given(drawn, drawn)
def test_an_increment_applied_to_the_full_list_gives_the_present_one(full: Any, present: Any) -> None:
    """valid_from follows the full list where a row is as there, which is what list.tier sees to."""
    present = {
        number: (*row[:2], full[number][2] if full.get(number, ())[:2] == row[:2] else row[2])
        for number, row in present.items()
    }
    changes = increment(TIER, listed(present), listed(full))
    assert applied(TIER, listed(full), changes).sort("service_number").equals(listed(present))
    ops = dict(zip(changes["service_number"].to_list(), changes["op"].to_list(), strict=True))
    assert {number for number, op in ops.items() if op == "D"} == full.keys() - present.keys()
    assert {number for number, op in ops.items() if op == "I"} == present.keys() - full.keys()
    assert {number for number, op in ops.items() if op == "U"} == {
        number for number in full.keys() & present.keys() if full[number][:2] != present[number][:2]
    }


def test_an_increment_without_operations_has_what_is_new_or_changed() -> None:
    kind = ListKind("CARD", key=("user_id",))
    before = pl.DataFrame({"user_id": ["1", "2", "3"], "risk": [0, None, 7]})
    after = pl.DataFrame({"user_id": ["2", "3", "4"], "risk": [None, 8, 0]})
    assert increment(kind, after, before).rows() == [("3", 8), ("4", 0)]


def published_list(home: Path, stem: str) -> pl.DataFrame:
    return pl.read_parquet(home / "publish" / stem[:4] / f"{stem}.parquet")


def lists_of(home: Path, number: int) -> dict[str, str]:
    """Stems of one publication by their first three parts."""
    rows = in_ledger(home, "select publication_id, lists from publication")
    made = sorted(rows, key=lambda row: int(row[0].rpartition("-")[2]))[number]
    return {each["stem"][:10]: each["stem"] for each in json.loads(made[1])}


def run(home: Path, *words: str) -> None:
    assert tierline(home, *words, now=NOW).exit_status in (0, 3, 4)


def test_lists_over_days_and_changes(tmp_path: Path) -> None:
    make_province(tmp_path / "remote", subscribers=120, months=4, days=1, end=datetime.fromisoformat(NOW), seed=6)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    run(home, "run", "--as-of", "2026-11-20")
    first = lists_of(home, 0)
    assert {stem[:4] for stem in first} == {kind.name for kind in LISTS}
    assert not [stem for stem in first if "_I" in stem]

    # A file is taken out: the day's full lists stand, and what changed goes into increments against them.
    stem = in_ledger(home, "select stem from offering where feed = 'USER' order by stem limit 1")[0][0]
    run(home, "batch", "discard", stem, "--why", "a test")
    run(home, "run", "--as-of", "2026-11-20")
    second = lists_of(home, 1)
    assert (second["TIER_110_F"], second["CARD_110_F"]) == (first["TIER_110_F"], first["CARD_110_F"])
    changes = published_list(home, second["TIER_110_I"])
    assert changes.height, "nothing changed: the test shows nothing"
    assert_present(home, first["TIER_110_F"], second["TIER_110_I"])

    # It comes back: nothing differs from the full list any more, and the increment, now empty, replaces the former.
    run(home, "replay", "--feed", "USER", "--from", "20261001", "--to", "20261122")
    run(home, "run", "--as-of", "2026-11-21")
    third = lists_of(home, 2)
    assert third["TIER_110_F"].startswith("TIER_110_F_20261121_")
    assert_present(home, first["TIER_110_F"], third["TIER_110_I"])
    assert_present(home, third["TIER_110_F"], None)
    assert (home / "publish" / "TIER" / f"{third['TIER_110_I'][:-8]}.END").read_text().startswith("1|")

    # An earlier day is published only on demand, without increments, and is no base of what comes after.
    assert tierline(home, "run", "--as-of", "2026-11-20", now=NOW).exit_status == 2
    run(home, "run", "--as-of", "2026-11-20", "--republish")
    again = lists_of(home, 3)
    assert not [stem for stem in again if "_I" in stem]
    run(home, "run", "--as-of", "2026-11-21")
    assert lists_of(home, 4)["TIER_110_F"] == third["TIER_110_F"]


def assert_present(home: Path, full: str, changes: str | None) -> None:
    """The full list, with the increment applied, is the list as the warehouse has it."""
    rows = published_list(home, full)
    if changes is not None:
        rows = applied(TIER, rows, published_list(home, changes))
    assert sorted(rows.rows(), key=lambda row: row[1]) == in_core(
        home, "select * exclude (source) from list.tier order by service_number"
    )


def test_an_increment_goes_with_the_full_list_that_it_came_with() -> None:
    """Where the base of an increment is lost none is made; one of before would be applied to the wrong list."""

    def publication(number: int, day: str, *modes: str) -> Publication:
        lists = tuple(ListRecord(f"TIER_110_{mode}_{day}_0001_00", 1, mode) for mode in modes)
        return Publication(f"{day}-{number:06d}", day, "published", "", lists, datetime(2026, 11, 21), None)

    known = [publication(1, "20261120", "F"), publication(2, "20261120", "F", "I")]
    assert last_lists(known).keys() == {("TIER", "110", "F"), ("TIER", "110", "I")}
    assert last_lists([*known, publication(3, "20261121", "F")]).keys() == {("TIER", "110", "F")}
