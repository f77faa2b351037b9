"""Every file check, told apart: what is refused with which code, kept where, and answered how."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from offers import GOOD, HEADER, NOW, ROWS, STEM, Offer, ledger, named, with_lines
from running import make_home, tierline

from pipelines.checks.places import StagedPaths
from pipelines.checks.staging import read_rejects
from pipelines.transfer.base import Endpoint

REFUSED = {
    "month in an hourly feed": ("E104", named("PAYM_110_I_202611_0001_00")),
    "no real date": ("E104", named("PAYM_110_I_2026113110_0001_00")),
    "cycle that has not ended": ("E105", named("PAYM_110_I_2026112212_0001_00")),
    "mode not allowed": ("E106", named("PAYM_110_F_2026112210_0001_00")),
    "check file empty": ("E201", replace(GOOD, check="")),
    "check file of another": ("E201", replace(GOOD, check=GOOD.check.replace("{name}", "X.DAT"))),
    "check file of two lines": ("E201", replace(GOOD, check=GOOD.check * 2)),
    "check file with a bad digest": ("E201", replace(GOOD, digest="ABC")),
    "wrong size": ("E202", replace(GOOD, size_off=1)),
    "wrong digest": ("E203", replace(GOOD, digest="0" * 64)),
    "gzip cut off": ("E204", replace(GOOD, ending=".DAT.gz", change=lambda content: content[:-9])),
    "gzip with a wrong sum": ("E204", replace(GOOD, ending=".DAT.gz", change=lambda c: c[:-8] + b"\0" * 4 + c[-4:])),
    "gzip with bytes behind it": ("E204", replace(GOOD, ending=".DAT.gz", change=lambda content: content + b"more")),
    "no gzip at all": ("E204", replace(GOOD, ending=".DAT.gz", change=lambda content: b"plain")),
    "gzip bomb": ("E205", replace(GOOD, ending=".DAT.gz", change=lambda _: gzip.compress(b"0\n" * 2_000_000))),
    "line too long": ("E205", with_lines(HEADER, *ROWS[:2], "x" * 70_000, GOOD.lines[-1])),
    "empty file": ("E301", replace(GOOD, change=lambda _: b"")),
    "no header": ("E301", with_lines(*GOOD.lines[1:])),
    "header of another SEQ": ("E301", with_lines(HEADER.replace("|0001|", "|0002|"), *GOOD.lines[1:])),
    "unknown format": ("E305", with_lines(HEADER.replace("H|1|", "H|9|"), *GOOD.lines[1:])),
    "no trailer": ("E304", with_lines(*GOOD.lines[:-1])),
    "header only": ("E304", with_lines(HEADER, records=3)),
    "blank line behind the trailer": ("E304", with_lines(*GOOD.lines, "")),
    "header counts otherwise": ("E302", with_lines(HEADER[:-1] + "4", *GOOD.lines[1:])),
    "trailer counts otherwise": ("E302", with_lines(*GOOD.lines[:-1], "T|4|6000")),
    "check file counts otherwise": ("E302", replace(GOOD, records=4)),
    "a record too many": ("E302", with_lines(*GOOD.lines[:-1], ROWS[0].replace("P", "Q", 1), GOOD.lines[-1])),
    "wrong control total": ("E303", with_lines(*GOOD.lines[:-1], "T|3|6001")),
    "all rows rejected": ("E501", with_lines(HEADER, *(row.replace("|1|W", "|7|W") for row in ROWS), "T|3|6000")),
    # Two faults at once: the earlier check in the agreed order speaks.
    "wrong size and mode": ("E106", replace(named("PAYM_110_F_2026112210_0001_00"), size_off=1)),
    "bad header and a long line": ("E205", with_lines("H|nonsense", "x" * 70_000, GOOD.lines[-1])),
    "bad header and no trailer": ("E301", with_lines("H|nonsense", *ROWS)),
    "wrong count and wrong total": ("E302", with_lines(*GOOD.lines[:-1], "T|4|1")),
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def test_a_sound_file_is_loaded(home: Path, root: Path) -> None:
    """Else the refusals below would prove nothing."""
    GOOD.put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert [(each.state, each.loaded, each.control_loaded) for each in ledger(home)] == [("loaded", 3, 6000)]


@pytest.mark.fault(6, 7, 8, 18)
@pytest.mark.parametrize(("code", "offer"), REFUSED.values(), ids=REFUSED)
def test_refused(home: Path, root: Path, code: str, offer: Offer) -> None:
    """The code, a receipt, the bytes and the reason in quarantine, the file out of the way on the server."""
    content = offer.put(root)
    fetched = tierline(home, "fetch", now=NOW)
    loaded = tierline(home, "load", now=NOW)
    assert 3 in (fetched.exit_status, loaded.exit_status), fetched.out + loaded.out + fetched.err + loaded.err
    (batch,) = ledger(home)
    assert (batch.state, batch.code, batch.loaded) == ("refused", code, 0), batch.reason
    assert batch.reason
    assert batch.kept_in
    assert batch.kept_in.startswith("quarantine/")
    kept = home / batch.kept_in
    assert (kept / batch.file_name).read_bytes() == content
    assert json.loads((kept / f"{offer.stem}.reason.json").read_text())["code"] == code
    receipt = (root / "receipt" / "PAYM" / f"{offer.stem}.RCP").read_text().rstrip("\n").split("|")
    assert len(receipt) == 8
    assert (receipt[0], receipt[1], receipt[5]) == (batch.file_name, "REFUSED", code)
    assert not list((root / "outgoing").rglob("*.*"))
    moved = [path.name for path in (root / "backup").rglob("refused/*") if path.name.endswith(batch.file_name)]
    assert len(moved) == 1
    asks = code in ("E201", "E202", "E203", "E204", "E301", "E302", "E303", "E304", "E305")
    request = root / "request" / "PAYM" / f"{offer.stem}.RSD"
    assert request.exists() == asks
    cycle = "_".join(offer.stem.split("_")[:4])
    (root / "outgoing" / "PAYM" / f"{cycle}.END").write_text(f"1|3|6000\n{offer.stem}|3\n")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    assert request.exists() == asks, "the gap that a refusal leaves is no reason of its own to ask"
    assert not asks or request.read_text().split("|")[1] == code


def test_a_refused_stem_may_be_offered_again(home: Path, root: Path) -> None:
    replace(GOOD, size_off=1).put(root)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    GOOD.put(root)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    assert [each.state for each in ledger(home)] == ["refused", "loaded"]
    assert (root / "receipt" / "PAYM" / f"{STEM}.RCP").read_text().split("|")[1] == "ACCEPTED"
    assert (root / "backup" / "20261122" / "PAYM" / f"{STEM}.DAT").exists()


@pytest.mark.fault(12)
def test_an_older_version_that_is_judged_after_the_newer_one_is_stale(home: Path, root: Path) -> None:
    """Both were verified before either was judged, so only the judge can tell."""
    newer = named(STEM.removesuffix("00") + "01")
    for offer in (newer, GOOD):
        offer.put(root)
        assert tierline(home, "fetch", now=NOW).exit_status == 0
    tierline(home, "load", now=NOW)
    assert [(each.version, each.state, each.code) for each in ledger(home)] == [
        ("01", "loaded", None),
        ("00", "superseded", "E504"),
    ]
    assert (root / "receipt" / "PAYM" / f"{STEM}.RCP").read_text().split("|")[1] == "REFUSED"


@pytest.mark.fault(9)
def test_other_bytes_under_an_accepted_stem_are_refused_and_both_kept(home: Path, root: Path) -> None:
    GOOD.put(root)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    other = with_lines(*GOOD.lines[:-2], ROWS[2].replace("WALLET", "CARD"), GOOD.lines[-1])
    content = other.put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 3
    tierline(home, "load", now=NOW)
    first, second = ledger(home)
    assert (first.state, second.state, second.code) == ("loaded", "refused", "E503")
    assert first.kept_in
    assert second.kept_in
    assert (home / second.kept_in / f"{STEM}.DAT").read_bytes() == content
    assert (home / first.kept_in / f"{STEM}.DAT").read_bytes() != content


def test_a_pair_replaced_before_its_receipt_is_not_filed_as_the_accepted_one(home: Path, root: Path) -> None:
    """What was judged is acknowledged with an alarm; the new bytes stay, and the next poll judges them."""
    accepted = GOOD.put(root)
    tierline(home, "fetch", now=NOW)
    other = with_lines(*GOOD.lines[:-2], ROWS[2].replace("WALLET", "CARDXX"), GOOD.lines[-1]).put(root)
    loaded = tierline(home, "load", now=NOW)
    assert loaded.exit_status == 1
    assert f"E206 {STEM}" in loaded.err
    assert not (root / "backup" / "20261122" / "PAYM" / f"{STEM}.DAT").exists()
    assert tierline(home, "fetch", now=NOW).exit_status == 3
    tierline(home, "load", now=NOW)
    first, second = ledger(home)
    assert (first.state, second.state, second.code) == ("loaded", "refused", "E503")
    assert first.kept_in
    assert second.kept_in
    assert (home / first.kept_in / f"{STEM}.DAT").read_bytes() == accepted
    assert (home / second.kept_in / f"{STEM}.DAT").read_bytes() == other


def test_a_pair_that_vanishes_does_not_keep_the_receipts_of_others(home: Path, root: Path) -> None:
    GOOD.put(root)
    second = named("PAYM_110_I_2026112209_0001_00")
    rows = tuple(row.replace("P00000", "Q00000").replace("20261122100215", "20261122090215") for row in ROWS)
    replace(second, lines=(second.lines[0], *rows, second.lines[-1])).put(root)
    tierline(home, "fetch", now=NOW)
    for path in (root / "outgoing" / "PAYM").glob(f"{STEM}.*"):
        path.unlink()
    assert tierline(home, "load", now=NOW).exit_status == 1
    assert {path.stem for path in (root / "receipt").rglob("*.RCP")} == {STEM, second.stem}
    assert tierline(home, "load", now=NOW).exit_status == 0, "told once"


def test_names_that_no_calendar_or_table_holds_do_not_stop_a_poll(home: Path, root: Path) -> None:
    GOOD.put(root)
    named("PAYM_110_I_9999123123_0001_00").put(root)
    for ending in ("a", "b"):
        (root / "outgoing" / "PAYM" / f"{'缴' * 80}{ending}").write_bytes(b"")
    (root / "outgoing" / "PAYM" / "PAYM_110_I_9999123123.END").write_text("0|0|0\n")
    assert tierline(home, "fetch", now=NOW).exit_status == 3
    tierline(home, "load", now=NOW)
    assert [(each.state, each.code) for each in ledger(home)] == [("loaded", None), ("refused", "E104")]
    left = json.loads(tierline(home, "batches", "--left", "--json", now=NOW).out)
    assert sorted(each["code"] for each in left) == ["E101", "E101", "E207"]


def test_what_waits_for_its_check_is_not_asked_for_again(home: Path, root: Path) -> None:
    GOOD.put(root)
    (root / "outgoing" / "PAYM" / "PAYM_110_I_2026112210.END").write_text(f"1|3|6000\n{STEM}|3\n")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", "--cycle", "2026112209", now=NOW)
    assert not list((root / "request").rglob("*.RSD"))


def test_a_batch_whose_archived_file_is_gone_does_not_stop_the_others(home: Path, root: Path) -> None:
    GOOD.put(root)
    named("PAYM_110_I_2026112209_0001_00").put(root)
    tierline(home, "fetch", now=NOW)
    (home / "archive" / "PAYM" / "2026" / "11" / "22" / "PAYM_110_I_2026112209_0001_00.DAT").unlink()
    loaded = tierline(home, "load", now=NOW)
    assert loaded.exit_status == 1
    assert "PAYM_110_I_2026112209_0001_00" in loaded.err
    assert {each.stem: each.state for each in ledger(home)}[STEM] == "loaded"


def test_rejects_of_a_file_refused_by_the_limit_can_be_seen(home: Path, root: Path) -> None:
    _, offer = REFUSED["all rows rejected"]
    offer.put(root)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    (batch,) = ledger(home)
    assert batch.kept_in
    kept = home / batch.kept_in / f"{STEM}.rejects.parquet"
    rows = list(read_rejects(StagedPaths(kept, kept)))
    found = [(row["line"], row["codes"], row["columns"]) for row in rows]
    assert found == [(line, "E406", "kind") for line in (2, 3, 4)]
    shown = tierline(home, "batch", "rejects", STEM, "--json", now=NOW)
    assert [row["record"] for row in json.loads(shown.out)] == list(offer.lines[1:-1])


def test_a_lost_backup_raises_an_alarm(home: Path, root: Path) -> None:
    """E206: what the server holds after the move is not what the check file described."""
    GOOD.put(root)
    tierline(home, "fetch", now=NOW)
    (root / "outgoing" / "PAYM" / f"{STEM}.DAT").write_bytes(b"cut")
    loaded = tierline(home, "load", now=NOW)
    assert loaded.exit_status == 1
    assert f"E206 {STEM}" in loaded.err
    assert "backups restore" in loaded.err
    assert [each.state for each in ledger(home)] == ["loaded"]
