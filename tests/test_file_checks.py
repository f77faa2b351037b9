"""check-file says what a run would come to: every scenario, and what only a producer gets wrong."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from offers import GOOD, HEADER, NOW, ROWS, STEM, Offer, payments, put_end, with_lines
from running import tierline

from sftp_fixtures.scenario import Scenario, load_scenarios

LEDGER_KNOWS = {"E503", "E504", "E505"}  # what came before; a file alone cannot tell


def checked(place: Path, *words: str, now: str = NOW) -> tuple[int, dict[str, dict[str, Any]]]:
    run = tierline(place / "no_home", "check-file", *words, "--json", now=now)
    return run.exit_status, {each["name"]: each for each in json.loads(run.out)}


@pytest.mark.parametrize("scenario", load_scenarios(), ids=lambda scenario: scenario.name)
def test_it_says_what_a_run_says(scenario: Scenario, tmp_path: Path) -> None:
    step = scenario.steps[0]
    assert step.files is not None
    encoding = scenario.sources[scenario.source]["encoding"]
    status, found = checked(tmp_path, str(step.files), "--encoding", encoding, now=step.now.isoformat())
    by_stem = {name.partition(".")[0]: each for name, each in found.items() if not name.endswith(".END")}
    for stem, receipt in step.receipts.items():
        if receipt != "DUPLICATE" and step.batches.get(stem, {}).get("code") not in LEDGER_KNOWS:
            assert by_stem[stem]["status"] == receipt, by_stem[stem]
    for stem, batch in step.batches.items():
        if stem in by_stem and batch.get("code") not in LEDGER_KNOWS:
            assert by_stem[stem]["code"] == batch.get("code"), by_stem[stem]
            assert by_stem[stem]["rejected"] == batch.get("rejected", by_stem[stem]["rejected"])
    for stem, rejects in step.rejects.items():
        lines = [f"{each['line']}|{each['codes']}|{each['columns']}" for each in by_stem[stem]["rejects"]]
        assert lines == list(rejects)
    assert found
    assert status == (3 if any(each["status"] not in ("ACCEPTED", "SOUND") for each in found.values()) else 0)


def test_words_for_a_producer(tmp_path: Path) -> None:
    Offer().put(tmp_path)
    run = tierline(tmp_path / "none", "check-file", str(tmp_path / "outgoing"), now=NOW)
    assert (run.exit_status, run.out) == (0, f"{STEM}.DAT: ACCEPTED, 3 records, read by version 1 as utf-8\n")
    bad = Offer().lines[1].replace("|1000|", "|10.5|")
    Offer(lines=(Offer().lines[0], bad, *Offer().lines[2:-1], "T|3|5000")).put(tmp_path)
    run = tierline(tmp_path / "none", "check-file", str(tmp_path / "outgoing/PAYM" / f"{STEM}.CHK"), now=NOW)
    assert run.exit_status == 3
    assert run.out.splitlines() == [
        f"{STEM}.DAT: PARTIAL, 3 records, 1 of them rejected, read by version 1 as utf-8",
        "  line 2: E403 amount_fen: cannot be read as its type",
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS, "trailer says 6001, content gives 6000"),
        ((ROWS[0], ROWS[1].replace("|2000|", "|02000|"), ROWS[2]),
         "trailer says 6001, content gives 4000 (1 record counts 0: line 3, E403)"),
        ((ROWS[0], ROWS[1] + "|", ROWS[2].replace("|3000|", "||")),
         "trailer says 6001, content gives 1000 (2 records count 0: first line 3, E401)"),
        ([row.replace("APP", "BYTE") for row in ROWS],
         "trailer says 6001, content gives 0 (3 records count 0: first line 2, E410)"),
        ((*ROWS[:2], ROWS[2].replace("|1|W", "|7|W")), "trailer says 6001, content gives 6000"),
    ],
    ids=["no row", "amount", "fields", "bytes", "other codes"],
)  # fmt: skip
def test_a_wrong_total_says_which_records_count_nothing(tmp_path: Path, rows: Sequence[str], reason: str) -> None:
    offer = with_lines(HEADER, *rows, "T|3|6001")
    replace(offer, change=lambda content: content.replace(b"BYTE", b"\xd5")).put(tmp_path)
    _, found = checked(tmp_path, str(tmp_path / "outgoing"))
    said = found[f"{STEM}.DAT"]
    assert (said["code"], said["reason"]) == ("E303", f"control total: {reason}")


def test_the_reject_file_is_the_one_of_the_receipt(tmp_path: Path) -> None:
    scenario = next(each for each in load_scenarios() if each.name == "bad_rows")
    step = scenario.steps[0]
    checked(tmp_path, str(step.files), "--rejects", str(tmp_path / "rejects"), now=step.now.isoformat())
    (stem,) = step.rejects
    lines = (tmp_path / "rejects" / f"{stem}.REJ").read_text().splitlines()
    assert [line.split("|", 3)[:3] for line in lines] == [each.split("|") for each in step.rejects[stem]]
    records = next(step.files.rglob(f"{stem}.DAT")).read_text().splitlines()
    assert [line.split("|", 3)[3] for line in lines] == [records[int(line.split("|")[0]) - 1] for line in lines]


def test_a_missing_check_file_is_spelled_out(tmp_path: Path) -> None:
    Offer().put(tmp_path, check=False)
    status, found = checked(tmp_path, str(tmp_path / "outgoing"))
    said = found[f"{STEM}.DAT"]["reason"]
    assert status == 3
    line = said.partition("with the line ")[2].replace("RECORDS", "3")
    (tmp_path / "outgoing/PAYM" / f"{STEM}.CHK").write_text(line + "\n")
    assert checked(tmp_path, str(tmp_path / "outgoing"))[0] == 0, "the line that it spells out is what was wanted"


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        ("1|3|6000\nSTEM|3\n", None, "1 files"),
        (
            "2|5|6000\nSTEM|3\nPAYM_110_I_2026112210_0002_00|2\n",
            None,
            "2 files; named, but not beside it: PAYM_110_I_2026112210_0002_00; without them the cycle is not complete",
        ),
        ("1|4|6000\nSTEM|4\n", "E207", "expected 3 records of STEM as its check file says, found 4"),
        ("1|3|6000\n", "E207", "expected 1 lines of files as line 1 says, found 0"),
        ("2|6|0\nSTEM|3\nPAYM_110_I_2026112210_0003_00|3\n", "E502", "expected every SEQ from 0001 on, found no GAP"),
    ],
)
def test_end_files(tmp_path: Path, content: str, code: str | None, reason: str) -> None:
    Offer().put(tmp_path)
    end = tmp_path / "outgoing/PAYM/PAYM_110_I_2026112210.END"
    end.write_text(content.replace("STEM", STEM))
    status, found = checked(tmp_path, str(end))
    assert (status, found[end.name]["code"]) == (3 if code else 0, code)
    assert found[end.name]["reason"] == reason.replace("STEM", STEM).replace("GAP", "PAYM_110_I_2026112210_0002_00")


def test_files_beside_an_end_file_that_it_does_not_name_are_said(tmp_path: Path) -> None:
    """A cycle that is complete without them would lack nothing if they were lost."""
    Offer().put(tmp_path)
    end = tmp_path / "outgoing/PAYM/PAYM_110_I_2026112210.END"
    end.write_text("0|0|0\n")
    status, found = checked(tmp_path, str(end))
    assert (status, found[end.name]["status"]) == (0, "SOUND"), "it is taken all the same"
    assert found[end.name]["reason"] == f"0 files; beside it, but not named: {STEM}; make it after the last file"


def test_what_a_poll_passes_over_is_passed_over_and_the_rest_is_named(tmp_path: Path) -> None:
    Offer().put(tmp_path)
    here = tmp_path / "outgoing/PAYM"
    (here / f"{STEM}.DAT.tmp").write_text("half")
    (here / ".hidden").write_text("")
    (here / "payments.csv").write_text("")
    (here / "linked.DAT").symlink_to(here / f"{STEM}.DAT")
    (here / "QQQQ_110_I_2026112210_0001_00.DAT").write_text("")
    status, found = checked(tmp_path, str(here))
    assert status == 3
    assert {name: (each["status"], each["code"]) for name, each in found.items()} == {
        f"{STEM}.DAT": ("ACCEPTED", None),
        "payments.csv": ("LEFT", "E101"),
        "linked.DAT": ("LEFT", "E101"),
        "QQQQ_110_I_2026112210_0001_00.DAT": ("LEFT", "E102"),
    }


def test_a_file_in_the_directory_of_another_feed_is_left_as_a_poll_leaves_it(tmp_path: Path) -> None:
    content = Offer().put(tmp_path)
    (tmp_path / "outgoing/PAYM").rename(tmp_path / "outgoing/CHNG")
    for place in ("outgoing", f"outgoing/CHNG/{STEM}.DAT"):
        status, found = checked(tmp_path, str(tmp_path / place))
        assert (status, found[f"{STEM}.DAT"]["status"], found[f"{STEM}.DAT"]["code"]) == (3, "LEFT", "E102"), content
        assert found[f"{STEM}.DAT"]["reason"] == "expected feed CHNG in this directory, found PAYM"
    (tmp_path / "outgoing/CHNG").rename(tmp_path / "outgoing/mine")
    assert checked(tmp_path, str(tmp_path / "outgoing"))[0] == 0, "any other directory is of no feed"


def test_a_data_file_named_with_its_check_file_is_told_once(tmp_path: Path) -> None:
    Offer().put(tmp_path)
    here = tmp_path / "outgoing/PAYM"
    run = tierline(tmp_path, "check-file", str(here / f"{STEM}.CHK"), str(here / f"{STEM}.DAT"), now=NOW)
    assert (run.exit_status, len(run.out.splitlines())) == (0, 1), run.out


def test_an_end_file_that_skips_a_seq_asks_for_its_file(tmp_path: Path) -> None:
    """The page of codes speaks of a request; before anything was sent there is none."""
    third = payments(STEM.replace("_0001_", "_0003_"), "CARD")
    third.put(tmp_path)
    run = tierline(tmp_path, "check-file", str(put_end(tmp_path, third)), now=NOW)
    assert f"found no {STEM}, {STEM.replace('_0001_', '_0002_')}" in run.out
    assert "request" not in run.out


def test_an_end_file_of_a_cycle_that_is_not_over_says_so(tmp_path: Path) -> None:
    early = payments("PAYM_110_I_2026112212_0001_00", "CARD")
    early.put(tmp_path)
    run = tierline(tmp_path, "check-file", str(put_end(tmp_path, early)), now=NOW)
    assert f"{early.stem[:-8]}.END: LEFT E207" in run.out
    assert "comes before its cycle is over" in run.out
    assert "once its cycle is over" in run.out


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda content: content.lower(), "10 fields, the first 'h'"),
        (lambda content: b" " + content, "10 fields, the first ' H'"),
        (lambda content: content[1:], "10 fields, the first ''"),
        (lambda content: content.replace(b"|3\n", b"\n", 1), "9 fields, the first 'H'"),
        (lambda content: content.decode().encode("utf-16"), "text in UTF-16"),
        (lambda content: b"\x84\x31\x95\x33" + content, "a byte order mark before it"),
        (lambda content: b"\xef\xbb\xbf" * 2 + content, "a byte order mark before it"),
        (gzip.compress, "a gzip"),
        (lambda _: b"", "an empty file"),
    ],
    ids=["small", "blank", "none", "nine", "utf-16", "gb18030 mark", "two marks", "gzip", "empty"],
)
def test_a_first_line_that_is_no_header_is_shown(tmp_path: Path, change: Callable[[bytes], bytes], found: str) -> None:
    Offer(change=change).put(tmp_path)
    _, said = checked(tmp_path, str(tmp_path / "outgoing"))
    assert said[f"{STEM}.DAT"]["code"] == "E301"
    assert said[f"{STEM}.DAT"]["reason"] == f"line 1: expected a header of 10 fields that begins with H, found {found}"


LETTERS = "x" * 65_000  # a line may have 65,536 bytes


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (replace(GOOD, check=GOOD.check.replace("\n", LETTERS + "\n")), "E201"),
        (replace(GOOD, check=LETTERS), "E201"),
        (with_lines(HEADER.replace("|0001|", f"|{LETTERS}|"), *GOOD.lines[1:]), "E301"),
        (with_lines(HEADER.replace("H|1|", f"H|{LETTERS}|"), *GOOD.lines[1:]), "E305"),
        (with_lines(LETTERS, *GOOD.lines[1:]), "E301"),
        (with_lines(*GOOD.lines[:-1], f"T|3|{LETTERS}"), "E304"),
        (with_lines(HEADER, ROWS[0] + LETTERS, *GOOD.lines[2:]), None),
    ],
    ids=["created", "check file", "seq", "format", "header", "trailer", "row"],
)
def test_a_line_of_letters_holds_up_nothing(tmp_path: Path, offer: Offer, code: str | None) -> None:
    """A minute is no measure of speed: where what is looked for is tried from every letter, it takes several."""
    offer.put(tmp_path)
    put_end(tmp_path, GOOD).write_text(f"1|3|{LETTERS}\n{STEM}|3\n")
    _, found = checked(tmp_path, str(tmp_path / "outgoing"))
    said = found.pop(f"{STEM}.DAT")
    assert (said["code"], said["rejected"]) == (code, 0 if code else 1)
    assert [each["code"] for each in found.values()] == ["E207"]


def test_a_link_to_nothing_is_reported_and_the_rest_is_checked(tmp_path: Path) -> None:
    Offer().put(tmp_path)
    lost = tmp_path / "outgoing/PAYM" / Offer(STEM.replace("_0001_", "_0002_")).name
    lost.symlink_to(tmp_path / "nowhere")
    status, found = checked(tmp_path, str(tmp_path / "outgoing"))
    assert status == 3
    assert {name: (each["status"], each["code"]) for name, each in found.items()} == {
        f"{STEM}.DAT": ("ACCEPTED", None),
        lost.name: ("LEFT", "E101"),
    }


@pytest.mark.parametrize(("total", "code"), [("6000", None), ("5999", "E207")])
def test_an_end_file_is_held_against_the_trailers_of_files_checked_with_it(
    tmp_path: Path, total: str, code: str | None
) -> None:
    Offer().put(tmp_path)
    end = tmp_path / "outgoing/PAYM/PAYM_110_I_2026112210.END"
    end.write_text(f"1|3|{total}\n{STEM}|3\n")
    status, found = checked(tmp_path, str(tmp_path / "outgoing"))
    assert (status, found[end.name]["code"], found[f"{STEM}.DAT"]["status"]) == (3 if code else 0, code, "ACCEPTED")
    assert list(found) == [end.name, f"{STEM}.DAT"]
    if code:
        assert found[end.name]["reason"] == "expected the control total 6000 as the trailers say, found 5999"


@pytest.mark.parametrize("checked_for", [".DAT", ".DAT.gz"])
def test_a_stem_with_two_data_files_is_left_as_a_poll_leaves_it(tmp_path: Path, checked_for: str) -> None:
    for ending in (".DAT", ".DAT.gz"):
        Offer(ending=ending).put(tmp_path, check=ending == checked_for)
    status, found = checked(tmp_path, str(tmp_path / "outgoing"))
    said = {name: (each["status"], each["code"], each["reason"]) for name, each in found.items()}
    left = ("LEFT", "E101", "expected one data file a stem, found .DAT and .DAT.gz")
    assert (status, said) == (3, {f"{STEM}.DAT": left, f"{STEM}.DAT.gz": left})


def test_wrong_use_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    Offer().put(tmp_path)
    for words, said in (
        ([str(tmp_path / "nowhere")], "expected a file or directory, found none"),
        ([str(tmp_path / "outgoing"), "--encoding", "latin-1"], "expected utf-8 or gb18030"),
        ([str(tmp_path / "outgoing"), "--contracts", str(tmp_path)], "expected"),
    ):
        run = tierline(tmp_path / "home", "check-file", *words, now=NOW)
        assert run.exit_status == 2
        assert said in run.err
    assert not (tmp_path / "home").exists()


def test_a_home_knows_the_encodings_of_its_sources(tmp_path: Path) -> None:
    scenario = next(each for each in load_scenarios() if each.name == "gb18030_rows")
    home = tmp_path / "home"
    home.mkdir()
    (home / "tierline.yaml").write_text(
        f"sources:\n  '{scenario.source}': {{url: 'file:///tmp', encoding: gb18030, feeds: [PAYM, CUST]}}\n"
    )
    shutil.copytree(scenario.steps[0].files, tmp_path / "files")  # type: ignore[arg-type]
    now = scenario.steps[0].now.isoformat()
    assert tierline(home, "check-file", str(tmp_path / "files"), now=now).out.count("E410") == 1, "one row is in UTF-8"
    assert tierline(tmp_path, "check-file", str(tmp_path / "files"), now=now).out.count("E410") == 4
