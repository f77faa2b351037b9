"""The scenarios are what they say: files that are sound but for the fault that the scenario is about."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from sftp_fixtures.records import columns
from sftp_fixtures.scenario import SCENARIOS, Scenario, load_scenarios
from sftp_fixtures.scenario_files import main, seal

ALL = load_scenarios()
CODE = re.compile(r"E[1-5]\d\d")
# Faults that a look at the data file, its check file and the end file must show.
SHOWN = {
    "E201": {"name"}, "E202": {"size", "digest"}, "E203": {"digest"}, "E204": {"gzip"}, "E301": {"header"},
    "E302": {"trailer count"}, "E303": {"total"}, "E304": {"trailer"}, "E305": {"format"},
}  # fmt: skip
CONTROL = {"USER": 16, "PAYM": 5, "BILL": 15, "USGE": 11}


@dataclass(frozen=True)
class Offered:
    """A data file with its check file."""

    path: Path
    check: list[str]

    @property
    def stem(self) -> str:
        return self.path.name.split(".")[0]

    def lines(self) -> list[bytes]:
        data = self.path.read_bytes()
        text = gzip.decompress(data) if self.path.suffix == ".gz" else data
        return text.removeprefix(b"\xef\xbb\xbf").splitlines()


def offered(folder: Path | None) -> list[Offered]:
    if folder is None:
        return []
    data = sorted(path for path in folder.rglob("*.DAT*") if path.suffix in (".DAT", ".gz"))
    pairs = [(path, path.with_name(f"{path.name.split('.')[0]}.CHK")) for path in data]
    return [Offered(path, check.read_text().strip().split("|")) for path, check in pairs if check.exists()]


def faults(file: Offered) -> set[str]:
    """What is wrong with the file as a whole, found without the consumer's code."""
    name, size, _, digest, _ = file.check
    data = file.path.read_bytes()
    found = {"name"} if name != file.path.name else set()
    found |= {"size"} if int(size) != len(data) else set()
    found |= {"digest"} if digest != f"sha256:{hashlib.sha256(data).hexdigest()}" else set()
    if found:
        return found
    try:
        header, *body, trailer = [line.split(b"|") for line in file.lines()]
    except EOFError:
        return {"gzip"}
    found |= {"header"} if b"_".join(header[2:8]).decode() != file.stem else set()
    found |= {"format"} if header[:2] != [b"H", b"1"] else set()
    if trailer[0] != b"T":
        return found | {"trailer"}
    found |= {"trailer count"} if {int(trailer[1]), int(header[9]), int(file.check[2])} != {len(body)} else set()
    place = CONTROL.get(file.stem[:4])
    total = sum(int(row[place] or 0) for row in body) if place else 0
    return found | ({"total"} if int(trailer[2]) != total else set())


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_files_show_the_fault_that_is_expected_and_no_other(scenario: Scenario) -> None:
    assert scenario.steps
    for step in scenario.steps:
        for file in offered(step.files):
            code = str(step.batches.get(file.stem, {}).get("code", ""))
            if file.stem[5:8] == scenario.source and file.stem[:4] != "ABCD":
                assert faults(file) == SHOWN.get(code, set()), file.path


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_what_is_expected_speaks_of_files_that_come(scenario: Scenario, tmp_path: Path) -> None:
    for step in scenario.steps:
        if step.files is not None:
            shutil.copytree(step.files, tmp_path, dirs_exist_ok=True)
        come = {file.stem: file for file in offered(tmp_path)}
        names = {f"{path.parent.name}/{path.name}" for path in tmp_path.rglob("*") if path.is_file()}
        assert names
        for stem, stated in step.batches.items():
            assert CODE.fullmatch(str(stated.get("code") or "E101"))
            if stated["state"] == "loaded":
                assert stated["records"] == len(come[stem].lines()) - 2
                assert stated["records"] == int(str(stated["loaded"])) + int(str(stated["rejected"]))
        assert {*step.batches, *step.receipts, *step.rejects} <= set(come)
        assert {*(step.left or ())} <= names
        for stem, rejects in step.rejects.items():
            assert step.batches[stem]["rejected"] == len(rejects)
            lines = [int(reject.split("|")[0]) for reject in rejects]
            assert all(1 < line < len(come[stem].lines()) for line in lines)


def test_end_files_agree_with_check_files_but_for_the_one_that_shall_not() -> None:
    compared, wrong = 0, set()
    for scenario in ALL:
        for step in scenario.steps:
            records = {file.stem: file.check[2] for file in offered(step.files)}
            for path in step.files.rglob("*.END") if step.files else ():
                first, *lines = [line.split("|") for line in path.read_text().splitlines()]
                assert [int(first[0]), int(first[1])] == [len(lines), sum(int(count) for _, count in lines)]
                compared += len(lines)
                wrong |= {scenario.name for stem, count in lines if records.get(stem, count) != count}
    assert compared > 20
    assert wrong == {"wrong_end_file"}


def test_records_have_the_fields_of_their_feed_unless_rejected_for_it() -> None:
    seen = set()
    for scenario in ALL:
        encoding = scenario.sources[scenario.source]["encoding"]
        for step in scenario.steps:
            rejected = {
                stem: {int(reject.split("|")[0]) for reject in rejects} for stem, rejects in step.rejects.items()
            }
            for file in offered(step.files):
                if step.batches.get(file.stem, {}).get("state") == "loaded":
                    for number, line in enumerate(file.lines()[1:-1], 2):
                        if number not in rejected.get(file.stem, ()):
                            seen.add(file.stem[:4])
                            assert len(line.decode(encoding).split("|")) == len(columns(file.stem[:4])), (
                                file.path,
                                number,
                            )
    assert seen == {"CUST", "USER", "PAYM", "CHNG", "BILL", "USGE", "CONT", "WORD"}


def test_the_scenarios_reach_every_code_that_files_alone_can_earn() -> None:
    stated = " ".join(path.read_text(encoding="utf-8") for path in SCENARIOS.glob("*/expected.yaml"))
    codes = set(CODE.findall(stated))
    wanted = {f"E10{n}" for n in range(1, 7)} | {f"E20{n}" for n in (1, 2, 3, 4, 7)} | {f"E30{n}" for n in range(1, 6)}
    wanted |= {f"E4{n:02d}" for n in range(1, 12)} | {"E501", "E502", "E503", "E504"}
    assert wanted - codes == set()


def test_the_seal_writes_what_is_missing_and_leaves_what_is_there(tmp_path: Path) -> None:
    shutil.copytree(SCENARIOS / "gap" / "step1", tmp_path / "step")
    folder = tmp_path / "step" / "outgoing" / "PAYM"
    check, end = folder / "PAYM_110_I_2026112210_0002_00.CHK", folder / "PAYM_110_I_2026112210.END"
    former, wrong = check.read_text(), end.read_text()
    check.unlink()
    assert seal(tmp_path / "step") == [check]
    assert (check.read_text(), end.read_text()) == (former, wrong)
    end.unlink()
    main([str(tmp_path / "step")])
    assert end.read_text() == "1|2|25000\nPAYM_110_I_2026112210_0002_00|2\n"


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "expected.yaml").write_text("description: x\nsources: {}\nstep: []\n")
    with pytest.raises(ValueError, match=r"expected\.yaml: unknown key step; expected one of"):
        load_scenarios(tmp_path)
