"""The published state: masked for everybody, whole, under one name; lists by the file interface; private apart."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from mart_tables import DEFAULT_POLICY
from running import make_home, published, tierline, tierline_process

from pipelines import preparing
from pipelines.contracts.load import load_contracts
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from warehouse.store import open_warehouse

NOW = "2026-11-22T12:00:00"
PHONE = re.compile(rb"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("publishing")
    make_province(work / "remote", subscribers=200, months=4, days=1, end=datetime.fromisoformat(NOW), seed=3)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    return home


@pytest.mark.fault(23)
def test_personal_data_is_masked_in_the_published_state_and_only_there(home: Path) -> None:
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        numbers = state.execute("select distinct service_number from core.payment").fetchall()
        customers = state.execute("select customer_name, id_number, address, email from core.customer").fetchall()
        changed = state.execute("select old_value, new_value from core.subscriber_change where change_type = '08'")
        texts = [value for row in changed.fetchall() for value in row if value]
    assert numbers
    assert all("****" in number for (number,) in numbers if number)
    assert all(name.endswith("*") and len(name) == 2 for name, *_ in customers)
    assert {(number, address) for _, number, address, _ in customers} == {(None, None)}
    assert all("****" in text for text in texts if re.fullmatch("[0-9*]+", text))
    private = home / "bi" / "private.duckdb"
    with duckdb.connect(str(private), read_only=True) as state:
        assert any(PHONE.fullmatch(number.encode()) for (number,) in state.execute(
            "select service_number from core.payment where service_number is not null").fetchall())  # fmt: skip
    assert stat.S_IMODE(private.resolve().stat().st_mode) == 0o600


@pytest.mark.fault(23)
def test_no_full_number_in_anything_that_bi_may_open(home: Path) -> None:
    state = (home / "bi" / "current").resolve()
    files = [path for path in state.rglob("*.*") if path.name != "private.duckdb"]
    assert len(files) > 5
    for path in files:
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                content = str(connection.execute(f"from '{path}'").fetchall()).encode()
        else:
            content = path.read_bytes()
        assert not PHONE.search(content), path.name


@pytest.mark.fault(23)
def test_no_full_number_in_ledger_or_logs(home: Path) -> None:
    for path in [home / "ledger.sqlite", *(home / "logs").rglob("*")]:
        assert not PHONE.search(path.read_bytes()), path.name


def test_tier_list_follows_the_file_interface(home: Path) -> None:
    directory = home / "publish" / "TIER"
    stem = "TIER_110_F_20261121_0001_00"
    content = (directory / f"{stem}.DAT").read_bytes()
    header, *records, trailer = content.decode().splitlines()
    assert header.startswith("H|1|TIER|110|F|20261121|0001|00|20261122120000|")
    assert header.rsplit("|", 1)[1] == str(len(records))
    assert trailer == f"T|{len(records)}|0"
    assert len(records) > 100
    assert {record.count("|") for record in records} == {11}
    check = (directory / f"{stem}.CHK").read_text().split("|")
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert check[:4] == [f"{stem}.DAT", str(len(content)), str(len(records)), digest]
    assert (directory / "TIER_110_F_20261121.END").read_text() == f"1|{len(records)}|0\n{stem}|{len(records)}\n"
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        tiers = dict(state.execute("select user_id, tier from mart.tier").fetchall())
    assert {record.split("|")[2]: record.split("|")[3] for record in records}.items() <= tiers.items()


@pytest.mark.fault(13)
def test_a_reader_keeps_its_state_while_the_next_appears(home: Path, tmp_path: Path) -> None:
    later = tmp_path / "home"
    shutil.copytree(home, later, symlinks=True)
    with duckdb.connect(str(later / "bi" / "current.duckdb"), read_only=True) as reader:
        before = reader.execute("select max(as_of_date) from ops.publication").fetchall()
        assert tierline(later, "run", "--as-of", "2026-11-22", now="2026-11-23T12:00:00").exit_status in (0, 4)
        assert reader.execute("select max(as_of_date) from ops.publication").fetchall() == before
    with duckdb.connect(str(later / "bi" / "current.duckdb"), read_only=True) as reader:
        assert reader.execute("select max(as_of_date) from ops.publication").fetchall() > before


def test_core_and_marts_of_one_state_are_of_the_same_batches(tmp_path: Path) -> None:
    """Rule 6: what was loaded since the marts were built does not appear beside them; they are built anew."""
    remote, words = tmp_path / "remote", ("run", "--as-of", "2026-11-21")
    make_province(remote, subscribers=200, months=4, days=1, end=datetime.fromisoformat(NOW), seed=3)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(remote)))
    late = [*(remote / "outgoing" / "BILL").glob("BILL_110_I_202610*")]
    assert len(late) == 3
    for path in late:
        path.rename(path.with_name(f".{path.name}"))
    assert tierline(home, *words, now=NOW).exit_status == 4
    before = published(home)
    for path in late:
        path.with_name(f".{path.name}").rename(path)
    for step in ("fetch", "load", "publish"):
        assert tierline(home, step, now=NOW).exit_status == 0
    without_build = published(home)
    tierline(home, *words, now=NOW)
    assert without_build == published(home)
    assert without_build["mart.tier"] != before["mart.tier"]


def test_an_earlier_as_of_date_is_published_only_on_demand(home: Path, tmp_path: Path) -> None:
    again = tmp_path / "home"
    shutil.copytree(home, again, symlinks=True)
    refused = tierline(again, "run", "--as-of", "2026-11-20", now=NOW)
    assert refused.exit_status == 2
    assert "--republish" in refused.err
    assert tierline(again, "run", "--as-of", "2026-11-20", "--republish", now=NOW).exit_status == 0
    assert (again / "publish" / "TIER" / "TIER_110_F_20261120_0001_00.DAT").exists()


def test_a_damaged_state_is_published_anew(home: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "home"
    shutil.copytree(home, damaged, symlinks=True)
    (damaged / "bi" / "current.duckdb").resolve().write_bytes(b"garbage" * 1000)
    assert tierline(damaged, "query", "select 1", now=NOW).exit_status == 2
    assert tierline(damaged, "publish", now=NOW).exit_status == 0
    assert tierline(damaged, "query", "select 1", now=NOW).exit_status == 0


def test_no_list_is_made_for_a_source_of_which_nothing_came(tmp_path: Path) -> None:
    """An empty full list would tell the call centre that the source has no customers left."""
    (tmp_path / "remote").mkdir()
    empty = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    assert tierline(empty, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    assert not list((empty / "publish").rglob("TIER*"))


def test_comments_reach_the_reader(home: Path) -> None:
    with duckdb.connect(str(home / "bi" / "current.duckdb"), read_only=True) as state:
        (comment,) = state.execute(
            "select comment from duckdb_columns() where table_name = 'payment' and column_name = 'amount_fen'"
        ).fetchall()[0]
        without = state.execute(
            """
            select schema_name, table_name, null as column_name from duckdb_tables() where comment is null
            union all
            select schema_name, table_name, column_name from duckdb_columns()
            where comment is null and not internal
            """
        ).fetchall()
    assert "缴费金额" in comment
    assert without == []


@pytest.mark.fault(1)
def test_a_list_that_a_killed_run_left_unnamed_is_remembered(home: Path, tmp_path: Path) -> None:
    """What is built before the next publication names it knows it all the same: `valid_from` is as without the kill."""
    lists = {}
    for name in ("undisturbed", "killed"):
        again, now = tmp_path / name, "2026-11-24T12:00:00"
        shutil.copytree(home, again, symlinks=True)
        if name == "killed":
            ran = tierline_process(again, "run", "--as-of", "2026-11-22", now=now, fault="release")
            assert ran.returncode == -9
            assert (again / "publish" / "TIER" / "TIER_110_F_20261122_0001_00.DAT.tmp").exists()
        for day in ("2026-11-22", "2026-11-23"):
            assert tierline(again, "run", "--as-of", day, now=now).exit_status in (0, 4)
        lists[name] = pl.read_parquet(again / "publish" / "TIER" / "TIER_110_F_20261123_0001_00.parquet")
    assert date(2026, 11, 21) in lists["undisturbed"]["valid_from"].to_list()
    assert lists["killed"].equals(lists["undisturbed"])


def with_another_policy(home: Path, place: Path) -> Path:
    """A copy of the home with more subscribers of the lowest tier."""
    shutil.copytree(home, place, symlinks=True)
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    lower = text.replace("spend_fen: 15000, tenure_spend_fen: 10000", "spend_fen: 6000, tenure_spend_fen: 5000")
    assert lower != text
    (place / "next.yaml").write_text(lower.replace('version: "2026.1"', 'version: "2026.2"'), encoding="utf-8")
    with (place / "tierline.yaml").open("a") as config:
        config.write("policy: next.yaml\n")
    return place


def test_marts_of_another_policy_are_not_published_as_those_of_this_one(home: Path, tmp_path: Path) -> None:
    again = with_another_policy(home, tmp_path / "home")
    before = published(again)["mart.tier"]
    assert "published 20261121-000002" in tierline(again, "publish", now=NOW).out
    assert published(again)["mart.tier"] != before
    assert tierline(again, "build", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    assert "nothing changed since 20261121-000002" in tierline(again, "publish", now=NOW).out


def test_a_list_of_which_no_further_version_can_be_named_keeps_nothing_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    again = with_another_policy(home, tmp_path / "home")
    monkeypatch.setattr(preparing, "_LAST_VERSION", 0)
    assert "published 20261121-000002" in tierline(again, "publish", now=NOW).out
    assert re.search("KPIM_.* has 1 versions", caplog.text)
    assert not list((again / "publish").rglob("*_0001_01.*"))


def test_what_a_killed_run_left_before_the_ledgers_word_is_removed(home: Path, tmp_path: Path) -> None:
    again = tmp_path / "home"
    shutil.copytree(home, again, symlinks=True)
    stray = again / "publish" / "TIER" / "TIER_110_F_20261121.END.tmp"
    stray.write_text("1|1|0\nTIER_110_F_20261121_0001_01|1\n")
    end = stray.with_suffix("").read_text()
    with open_warehouse(again / "warehouse", load_contracts()) as warehouse:
        warehouse.execute("insert into ops.publication by name select '20261120-000002' as publication_id, "
                          "* exclude (publication_id) from ops.publication")  # fmt: skip
    tierline(again, "run", "--as-of", "2026-11-22", now=NOW)
    assert not stray.exists()
    assert stray.with_suffix("").read_text() == end
    with duckdb.connect(str(again / "bi" / "current.duckdb"), read_only=True) as reader:
        ids = reader.execute("select publication_id from ops.publication order by all").fetchall()
    assert ids == [("20261121-000001",), ("20261122-000002",)]
