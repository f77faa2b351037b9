"""What benchmarks say is right: when a bound is reached, that no row is missing, what counts as let through."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "bench"))
import came_through
import report
from chart import draw
from defects import DEFECTS, SPOILT_ID, STEMS
from figures import BOUNDS, NOTED_IN, Figure, noted, tell
from measuring import ProcessFailed, timed_process


@pytest.mark.parametrize(
    ("figure", "share", "is_reached"),
    [
        (Figure("sftp_large", "a rate, half the bound's", 100, "MB/s", 200, 100), 1.25, True),
        (Figure("sftp_large", "a rate, a third of it", 100, "MB/s", 300, 100), 0.8333, False),
        (Figure("sftp_large", "too much memory", 100, "MB/s", 200, 151), 1.25, False),
        (Figure("core", "seconds, twice the bound's", 4, "s", 2), 0.75, False),
        (Figure("small_files", "a rate by itself", 300, "files/s"), 2, True),
        (Figure("resend", "seconds by themselves", 2, "s"), 2.5, True),
        (Figure("", "nothing is asked", 2, "s", 1), None, None),
    ],
    ids=lambda each: each.what if isinstance(each, Figure) else "",
)
def test_a_bound_is_reached_by_ratio_or_value_and_memory(
    figure: Figure, share: float | None, is_reached: bool | None
) -> None:
    assert figure.share == (None if share is None else pytest.approx(share, abs=1e-4))
    assert figure.is_reached is is_reached


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "_OUT", tmp_path)
    return tmp_path


def test_a_script_that_fails_is_named_and_the_others_run(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, sound = out / "failing.py", out / "sound.py"
    failing.write_text("import sys\nprint('half of it')\nsys.exit(7)\n")
    bench = Path(report.__file__).parent
    sound.write_text(
        f"import sys\nsys.path.insert(0, {str(bench)!r})\nfrom figures import Figure, tell\n"
        "tell('sizes', Figure('resend', 'resend of 7 rows', 2.5, 's', mb=12))\n"
    )
    scripts = {name: report.Benchmark(str(out / f"{name}.py"), "", "") for name in ("failing", "sound")}
    monkeypatch.setattr(report, "BENCHMARKS", scripts)
    monkeypatch.setattr(sys, "argv", ["report.py", "--only", "failing", "sound"])
    with pytest.raises(SystemExit) as end:
        report.main()
    text = (out / "report.md").read_text()
    assert end.value.code == 1
    assert "**Failed: failing**, exit status 7\n\n```\nexit status 7\nhalf of it\n```" in text
    assert "| resend of 7 rows | 2.50 s |  |  | at most 5 s | 12 | 4,096 | yes |" in text


def test_a_row_that_nothing_measured_is_in_the_report(out: Path) -> None:
    report.write({}, datetime(2026, 11, 28), small=True, where="here")
    text = (out / "report.md").read_text()
    assert "A quick run" in text
    assert re.findall(r"^\| (.+?) \| \*\*not measured\*\* ", text, re.MULTILINE) == [
        bound.what for bound in BOUNDS.values()
    ]


def test_the_picture_needs_no_script_and_no_network(tmp_path: Path) -> None:
    draw([Figure("resend", "resend of 7 rows", 2.5, "s")], "a title", tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text()
    assert "resend of 7 rows: 2.00" in text
    assert "<script" not in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_figures_are_noted_where_a_report_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure("poll", "poll", 1.0, "s", 2.0)
    monkeypatch.setenv(NOTED_IN, str(tmp_path / "noted.jsonl"))
    tell("sizes", figure)
    tell("sizes", figure)
    assert noted(tmp_path / "noted.jsonl") == ([figure, figure], [])


def test_memory_is_that_of_the_whole_tree_and_a_failure_says_what_was_said() -> None:
    held = "import time; held = bytearray(100_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}], check=True)"
    assert timed_process([sys.executable, "-c", parent]).mb > 95
    with pytest.raises(ProcessFailed, match="ended with 3\nno luck"):
        timed_process([sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"])


@pytest.mark.parametrize(
    ("title", "seen", "said"),
    [
        ("truncated file", {"rows": 60, "sound": 200}, "**loaded silently**: 60 of 100 rows"),
        ("truncated file", {"sound": 200, "told": "refused, E202"}, "refused, E202"),
        ("truncated file", {"failed": "ValueError"}, "crashed the whole run: 0 rows of this file; of 200 sound"),
        ("truncated file", {"sound": 100, "failed": "ValueError"}, "crashed the run: 0 rows of this file; of 200"),
        ("10.5 in an integer column", {"rows": 99, "sound": 200}, "**lost silently**: 99 of 100 rows"),
        (
            "10.5 in an integer column", {"rows": 100, "sound": 200, "has_spoilt": True, "value": "11"},
            "**loaded silently wrong**: balance_after_fen is 11; 100 of 100 rows",
        ),
        (
            "code 0048123 with leading zeros (sound)",
            {"rows": 100, "sound": 200, "has_spoilt": True, "value": "0048123"}, "loaded right",
        ),
        ("the same file offered twice", {"rows": 200, "sound": 200}, "**loaded silently wrong**: 200 rows for 100"),
        ("the same file offered twice", {"rows": 100, "sound": 200}, "rows once"),
    ],
)  # fmt: skip
def test_what_came_through_is_said_by_what_stands_in_the_tables(title: str, seen: dict[str, object], said: str) -> None:
    defect = next(each for each in DEFECTS if each.title == title)
    assert came_through.verdict(defect, came_through.Seen(**seen)).startswith(said)  # type: ignore[arg-type]


def test_every_defect_spoils_the_middle_file_alone(tmp_path: Path) -> None:
    sound = next(each for each in DEFECTS if each.again)
    sound.offer(tmp_path / "sound")
    outgoing = Path("outgoing") / "PAYM"
    expected = [(tmp_path / "sound" / outgoing / f"{stem}.DAT").read_bytes() for stem in STEMS]
    assert len(DEFECTS) == 10
    for number, defect in enumerate(each for each in DEFECTS if not each.again):
        root = tmp_path / str(number)
        defect.offer(root)
        first, second, third = ((root / outgoing / f"{stem}.DAT").read_bytes() for stem in STEMS)
        assert [first, third] == [expected[0], expected[2]]
        assert second != expected[1], defect.title
        assert defect.title == "truncated file" or second.count(SPOILT_ID.encode()) == 1, defect.title
