"""Lists to their receivers: the newest of each, in their encoding, data first and end file last, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from conftest import Site
from receivers import (
    NOW,
    PEOPLE,
    TIER,
    alarms,
    deliver,
    files_below,
    home_with,
    publish,
    receiver,
    require_no_half_list,
    set_receivers,
    states,
)
from running import make_home, tierline

from pipelines.check_files import parse_check_file
from pipelines.delivery import files as list_files
from pipelines.delivery.due import listed, newest
from pipelines.ledger.publications import ListRecord, Publication
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province


@pytest.fixture
def home(tmp_path: Path, acd: Path) -> Path:
    return home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd))))


# What is due.


@pytest.mark.parametrize(
    ("made", "due"),
    [
        ("21: T_F_20261121_0001_00", "T_F_20261121_0001_00"),
        ("21: T_F_20261121_0001_00 / 22: T_F_20261122_0001_00", "T_F_20261122_0001_00"),
        ("21: T_F_20261121_0001_00 / 21: T_F_20261121_0001_01", "T_F_20261121_0001_01"),
        ("21: T_F_20261121_0001_00 / 20: T_F_20261120_0001_00", "T_F_20261121_0001_00"),
        ("21: T_F_20261121_0001_00 / 20: T_F_20261121_0001_01", "T_F_20261121_0001_00"),
        ("21: T_F_20261121_0001_00 / 20: M_F_202610_0001_00 / 21: M_F_202610_0001_00",
         "M_F_202610_0001_00 T_F_20261121_0001_00"),
        ("21: T_F_20261121_0001_00 / 21: T_I_20261121_0001_00 / 21: T_I_20261121_0002_00",
         "T_F_20261121_0001_00 T_I_20261121_0002_00"),
        ("21: T_I_20261121_0001_00 T_F_20261121_0001_00", "T_F_20261121_0001_00 T_I_20261121_0001_00"),
        ("21: T_F_20261121_0001_00 / 21: T_I_20261121_0009_00 / 22: T_F_20261122_0001_00", "T_F_20261122_0001_00"),
        ("21: M_F_202609_0001_00 M_F_202610_0001_00 / 22: M_F_202609_0001_01",
         "M_F_202609_0001_01 M_F_202610_0001_00"),
        ("21: prepared T_F_20261121_0001_00", ""),
    ],
)  # fmt: skip
def test_of_each_list_the_newest_is_due(made: str, due: str) -> None:
    """T is a daily list, M one of months; publications by their as-of day."""
    names = {"T": "TIER_110", "M": "KPIM_110"}
    found = []
    for number, part in enumerate(made.split(" / ")):
        day, _, words = part.partition(": ")
        stems = [names[word[0]] + word[1:] for word in words.split() if "_" in word]
        state = "prepared" if "prepared" in words else "published"
        lists = tuple(ListRecord(stem, 1, "") for stem in stems)
        at = datetime.fromisoformat(NOW)
        found.append(Publication(f"x-{number}", f"2026-11-{day}", state, "", lists, at, None))
    assert [each.name.stem for each in newest(listed(found))] == [names[word[0]] + word[1:] for word in due.split()]


# What a receiver gets.


@pytest.mark.parametrize("server", ["sshd", "vsftpd", "vsftpd_tls", "directory"], indirect=True)
def test_a_receiver_gets_what_was_published_and_gets_it_once(site: Site, tmp_path: Path) -> None:
    endpoint, root = site.endpoint, site.directory
    home = home_with(tmp_path, receiver("acd", endpoint), secret=endpoint.secret)
    made = publish(home, TIER)
    ran = deliver(home)
    assert (ran.exit_status, f"acd: {TIER}" in ran.out) == (0, True), ran.err
    assert files_below(root) == made
    assert require_no_half_list(root) == 1
    before = {path: (root / path).stat().st_mtime_ns for path in made}
    assert "deliver: 0 lists delivered" in deliver(home).out
    assert before == {path: (root / path).stat().st_mtime_ns for path in made}
    assert states(home) == {f"acd {TIER}": "delivered"}
    if endpoint.scheme == "ftp":  # whose log can be read
        named = [line for line in site.log.read_text().splitlines() if "FTP command" in line and "RNTO" in line]
        assert [line.rstrip('"').rpartition(".")[2] for line in named] == ["DAT", "CHK", "END"]


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_a_receiver_that_reads_gb18030_gets_it_with_a_check_file_that_says_so(
    home: Path, acd: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(list_files, "_BLOCK", block)
    set_receivers(home, receiver("acd", Endpoint("file", root=str(acd)), "encoding: gb18030"))
    made = publish(home, TIER)
    assert deliver(home).exit_status == 0
    got = files_below(acd)
    data = got[f"TIER/{TIER}.DAT"]
    assert data == made[f"TIER/{TIER}.DAT"].decode().encode("gb18030")
    assert data != made[f"TIER/{TIER}.DAT"]
    check = parse_check_file(got[f"TIER/{TIER}.CHK"], TIER)
    assert (check.bytes, check.records, check.created) == (len(data), len(PEOPLE), "20261122110000")
    assert got["TIER/TIER_110_F_20261121.END"] == made["TIER/TIER_110_F_20261121.END"]
    assert require_no_half_list(acd) == 1


def test_an_encoding_that_was_changed_halfway_is_noticed(home: Path, acd: Path) -> None:
    """Even where the file is as long in the one as in the other."""
    made = publish(home, TIER, people=("I|13900000811|张张Ü",))
    in_its_way = acd / "TIER" / f"{TIER}.CHK"
    in_its_way.mkdir(parents=True)
    assert deliver(home).exit_status == 1
    data = made[f"TIER/{TIER}.DAT"]
    assert files_below(acd) == {f"TIER/{TIER}.DAT": data}
    in_its_way.rmdir()
    set_receivers(home, receiver("acd", Endpoint("file", root=str(acd)), "encoding: gb18030"))
    other = data.decode().encode("gb18030")
    assert len(other) == len(data)
    ran = deliver(home)
    assert (ran.exit_status, "expected none at the receiver" in ran.err) == (1, True)
    assert deliver(home, "--again", "--replace").exit_status == 0
    assert files_below(acd)[f"TIER/{TIER}.DAT"] == other


def test_lists_and_sources_are_those_that_the_receiver_is_configured_for(tmp_path: Path, acd: Path) -> None:
    home = home_with(tmp_path, receiver("acd", Endpoint("file", root=str(acd)), lists="[TIER, WARN]"))
    publish(home, TIER, "TIER_440_F_20261121_0001_00", "WARN_110_F_20261121_0001_00", "CALL_110_F_20261121_0001_00")
    assert deliver(home, "--list", "WARN").exit_status == 0
    assert {path.name for path in acd.iterdir()} == {"WARN"}
    assert deliver(home).exit_status == 0
    assert states(home) == {f"acd {TIER}": "delivered", "acd WARN_110_F_20261121_0001_00": "delivered"}


def test_numbers_of_all_sources_go_to_whoever_is_to_have_every_source(tmp_path: Path, acd: Path) -> None:
    here = Endpoint("file", root=str(acd))
    some = receiver("some", replace(here, root=str(tmp_path)), 'sources: ["110"]', lists="[KPIM]")
    home = home_with(tmp_path, receiver("acd", here, lists="[KPIM]"), some)
    publish(home, "KPIM_110_F_202610_0001_00", "KPIM_000_F_202610_0001_00")
    assert deliver(home, "--source", "000").exit_status == 0
    assert deliver(home).exit_status == 0
    assert states(home) == dict.fromkeys(
        ["acd KPIM_000_F_202610_0001_00", "acd KPIM_110_F_202610_0001_00", "some KPIM_110_F_202610_0001_00"],
        "delivered",
    )


def test_a_newer_list_takes_the_place_of_the_former(home: Path, acd: Path) -> None:
    """Also its end file, of the same name; what was never delivered is superseded, and its alarm with it."""
    publish(home, TIER)
    assert deliver(home).exit_status == 0
    second = TIER.replace("_0001_00", "_0001_01")
    publish(home, second, people=PEOPLE[:1])
    (acd / "TIER" / f"{second}.DAT").mkdir()
    assert deliver(home).exit_status == 1
    assert alarms(home) == [("delivery", f"acd {second}", True)]
    (acd / "TIER" / f"{second}.DAT").rmdir()
    made = publish(home, TIER.replace("_0001_00", "_0001_02"), people=PEOPLE[:2])
    ran = deliver(home)
    assert (ran.exit_status, "1 superseded" in ran.out) == (0, True)
    assert list(states(home).values()) == ["delivered", "superseded", "delivered"]
    assert alarms(home) == [("delivery", f"acd {second}", False)]
    assert made.items() <= files_below(acd).items()
    assert require_no_half_list(acd) == 1


def test_an_increment_waits_for_its_full_list(home: Path, acd: Path) -> None:
    publish(home, TIER)
    increment = "TIER_110_I_20261121_0001_00"
    publish(home, increment)
    other = acd / "TIER" / f"{TIER}.DAT"
    other.parent.mkdir()
    other.write_text("other")
    ran = deliver(home)
    assert (ran.exit_status, f"{increment} waits until" in ran.out) == (1, True)
    other.unlink()
    assert deliver(home).exit_status == 0
    publish(home, "TIER_110_I_20261121_0002_00")  # which goes to nobody
    publish(home, "TIER_110_I_20261121_0003_00")
    assert deliver(home).exit_status == 0
    assert set(states(home).values()) == {"delivered"}
    end = files_below(acd)["TIER/TIER_110_I_20261121.END"].decode()
    assert end == f"2|6|0\n{increment}|3\nTIER_110_I_20261121_0003_00|3\n"
    assert require_no_half_list(acd) == 2


def test_run_delivers_last_what_it_published(tmp_path: Path, acd: Path) -> None:
    """And whatever happened to a receiver, what was published stands, and the others have it."""
    end = datetime.fromisoformat(NOW)
    make_province(tmp_path / "remote", subscribers=20, months=1, days=1, hours=1, end=end, seed=3)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    gone = receiver("gone", Endpoint("file", root=str(acd / "gone")))
    set_receivers(home, gone, receiver("acd", Endpoint("file", root=str(acd))))
    ran = tierline(home, "run", "--as-of", "2026-11-21", now=NOW)
    assert (ran.exit_status, f"receiver gone: {TIER}: " in ran.err) == (1, True), ran.err
    assert (home / "bi" / "current.duckdb").exists()
    assert ran.out.index("publish: ") < ran.out.index(f"acd: {TIER}")
    published = files_below(home / "publish").items()
    chosen = {path: content for path, content in published if path.startswith("TIER/TIER_110_F_2026112")}
    assert {path: content for path, content in chosen.items() if ".parquet" not in path} == files_below(acd)
    assert require_no_half_list(acd) == 1
