"""Lists: what is written for whom, and increments that make the present list of the last full one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mart_world import draw_world
from offers import NOW, in_core, in_ledger
from oracle_lists import CAMPAIGNS
from receivers import TIER as PUBLISHED
from receivers import publish
from running import make_home, tierline
from world_tables import make

from pipelines.cli.context import close_sites, open_site
from pipelines.cli.work import publish_step
from pipelines.increments import increment
from pipelines.ledger.publications import ListRecord, Publication
from pipelines.lists import LISTS, ListKind
from pipelines.published_lists import last_lists
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse.store import open_warehouse

TIER = next(kind for kind in LISTS if kind.name == "TIER")
CARD = next(kind for kind in LISTS if kind.name == "CARD")
SCHEMA = {"op": pl.String, "service_number": pl.String, "tier": pl.String, "flag": pl.String, "valid_from": pl.Int64}

numbers = st.sampled_from(["1", "2", "3", "4", "5"])
contents = st.tuples(st.sampled_from(["D", "N"]), st.sampled_from([None, "B"]), st.integers(1, 2))
drawn = st.dictionaries(numbers, contents)


def listed(rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([("I", number, *rows[number]) for number in sorted(rows)], schema=SCHEMA, orient="row")


def increment_of(kind: ListKind, present: pl.DataFrame, full: pl.DataFrame) -> pl.DataFrame:
    """As it is made of a list of two sources and the file of the full list of one."""
    with duckdb.connect() as connection, TemporaryDirectory() as directory:
        full.write_parquet(path := Path(directory) / "full.parquet")
        both = pl.concat([present.with_columns(source=pl.lit(source)) for source in ("110", "440")])
        connection.register("rows_of_both", both)
        connection.execute(f"create schema list; create table {kind.table} as from rows_of_both")
        return increment(connection, kind, "110", path)


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
    changes = increment_of(TIER, listed(present), listed(full))
    assert applied(TIER, listed(full), changes).sort("service_number").equals(listed(present))
    ops = dict(zip(changes["service_number"].to_list(), changes["op"].to_list(), strict=True))
    assert {number for number, op in ops.items() if op == "D"} == full.keys() - present.keys()
    assert {number for number, op in ops.items() if op == "I"} == present.keys() - full.keys()
    assert {number for number, op in ops.items() if op == "U"} == {
        number for number in full.keys() & present.keys() if full[number][:2] != present[number][:2]
    }


def test_an_increment_without_operations_has_what_is_new_or_changed() -> None:
    kind = ListKind("CARD", key=("user_id",))
    before = pl.DataFrame({"user_id": ["1", "2", "3", None, None], "risk": [0, None, 7, 5, 6]})
    after = pl.DataFrame({"user_id": ["2", "3", "4", None, None], "risk": [None, 8, 0, 5, 4]})
    assert increment_of(kind, after, before).rows() == [("3", 8), ("4", 0), (None, 4)]


def published_list(home: Path, stem: str) -> pl.DataFrame:
    return pl.read_parquet(home / "publish" / stem[:4] / f"{stem}.parquet")


def lists_of(home: Path, number: int) -> dict[str, str]:
    """Stems of one publication by their first three parts."""
    rows = in_ledger(home, "select publication_id, lists from publication")
    made = sorted(rows, key=lambda row: int(row[0].rpartition("-")[2]))[number]
    return {each["stem"][:10]: each["stem"] for each in json.loads(made[1])}


def run(home: Path, *words: str) -> None:
    assert tierline(home, *words, now=NOW).exit_status in (0, 3, 4)


def test_a_published_tier_list_that_is_damaged_stops_the_build_with_what_to_do(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    publish(home, PUBLISHED)
    path = home / "publish" / "TIER" / f"{PUBLISHED}.parquet"
    path.write_bytes(b"PAR1 half")
    ran = tierline(home, "build", "--as-of", "2026-11-21", now=NOW)
    assert ran.exit_status == 1
    assert f"TIER/{PUBLISHED}.parquet: expected the list as it was published, found" in ran.err
    assert "bring it back from a backup of the home" in ran.err
    path.unlink()
    assert tierline(home, "build", "--as-of", "2026-11-21", now=NOW).exit_status == 0


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


def test_a_publication_says_who_is_not_listed_and_has_calls_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = draw_world(16)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path)))
    monkeypatch.setenv("TIERLINE_NOW", f"{world.as_of}T23:00:00")
    try:
        site = open_site(home)
        with open_warehouse(site.home.warehouse, site.contracts) as connection:
            make(connection, world)
            ((conflicts,),) = connection.execute("select count(*) from list.tier_number_conflict").fetchall()
        publish_step(site, republish=False)
    finally:
        close_sites()
    assert f"{conflicts} subscribers are not in TIER, which gives their number to another: tierline " in (
        capsys.readouterr().out
    )
    assert conflicts > 1
    (stem,) = (stem for part, stem in lists_of(home, 0).items() if part == "CALL_110_F")
    rows = published_list(home, stem).select("campaign", "tier", "customer_id", "user_id").rows()
    assert rows == sorted(rows, key=lambda row: (CAMPAIGNS.index(row[0]), "DGSN".index(row[1]), row[2:]))
    assert [row[:2] for row in rows][:3] == [("ARREARS", "D"), ("ARREARS", "D"), ("ARREARS", "S")]
    assert len({campaign for campaign, *_ in rows}) > 1


def test_an_increment_goes_with_the_full_list_that_it_came_with() -> None:
    """Where the base of an increment is lost none is made; one of before would be applied to the wrong list."""

    def publication(number: int, day: str, *modes: str) -> Publication:
        lists = tuple(ListRecord(f"TIER_110_{mode}_{day}_0001_00", 1, mode) for mode in modes)
        return Publication(f"{day}-{number:06d}", day, "published", "", lists, datetime(2026, 11, 21), None)

    known = [publication(1, "20261120", "F"), publication(2, "20261120", "F", "I")]
    assert last_lists(known).keys() == {("TIER", "110", "F"), ("TIER", "110", "I")}
    assert last_lists([*known, publication(3, "20261121", "F")]).keys() == {("TIER", "110", "F")}
