"""Great Expectations on profiles: findings exact at the borders, pages that need no network, nothing kept elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import StoreError
from pipelines.quality.expectations import Expected, Finding, Severity, Validation, validate
from pipelines.quality.pages import Run, prune_pages, write_index, write_page

AT = datetime(2026, 11, 22, 11, 2, 31)
WARN, FAIL = Severity.WARN, Severity.FAIL
ROWS = Expected("rows_ratio", 0.5, 2, FAIL, "Rows against the same weekday's")
ORPHANS = Expected("user_id_orphan_share", None, 0.05, WARN, "Subscribers that nobody knows")


def profile(**measures: list[float | None]) -> pl.DataFrame:
    """A profile of measures, its rows at sources 110, 120, … of one cycle."""
    count = len(next(iter(measures.values())))
    keys = {"source": [f"{110 + 10 * row}" for row in range(count)], "cycle": ["2026112210"] * count}
    return pl.DataFrame(keys | measures, schema_overrides=dict.fromkeys(measures, pl.Float64))


def judged(suite: list[Expected], frame: pl.DataFrame) -> Validation:
    return validate("PAYM", "Payments 缴费历史信息", "run-1", AT, suite, frame)


@pytest.mark.parametrize(
    ("least", "most", "value", "success"),
    [
        (0.5, 2.0, 0.5, True),
        (0.5, 2.0, 0.4999999999999999, False),
        (0.5, 2.0, 2.0, True),
        (0.5, 2.0, 2.0000000000000004, False),
        (None, 0.0, 0.0, True),
        (None, 0.0, 5e-324, False),
        (None, 0.0, -1e300, True),
        (1.0, None, 1.0, True),
        (1.0, None, 0.9999999999999999, False),
        (1.0, None, float("inf"), True),
        (None, 1.0, float("inf"), False),
        (0.0, 0.0, 0.0, True),
        (0.0, 0.0, 1e-12, False),
        (0.5, 2.0, None, True),
        (0.5, 2.0, float("nan"), True),
    ],
)
def test_bounds_belong_to_what_is_expected(
    least: float | None, most: float | None, value: float | None, success: bool
) -> None:
    expected = Expected("measure", least, most, FAIL, "")
    (finding,) = judged([expected], profile(measure=[value])).findings
    observed = None if value is None or value != value else value
    assert finding == Finding("110", "2026112210", expected, observed, success)


def test_a_row_without_a_value_is_passed_over_and_the_others_are_not() -> None:
    found = judged([ROWS], profile(rows_ratio=[None, 3.0, None, 1.0])).findings
    assert [(each.source, each.observed, each.success) for each in found] == [
        ("110", None, True),
        ("120", 3.0, False),
        ("130", None, True),
        ("140", 1.0, True),
    ]


def test_one_row_of_many_is_named_by_source_and_cycle() -> None:
    frame = pl.DataFrame(
        {
            "source": [f"{source}" for source in range(100, 130) for _ in range(10)],
            "cycle": [f"20261122{hour:02d}" for _ in range(100, 130) for hour in range(10)],
            "rows_ratio": [1.0] * 300,
        }
    ).with_columns(pl.when(source="117", cycle="2026112204").then(2.5).otherwise("rows_ratio").alias("rows_ratio"))
    made = judged([ROWS], frame)
    assert len(made.findings) == 300
    assert [each for each in made.findings if not each.success] == [Finding("117", "2026112204", ROWS, 2.5, False)]
    assert re.search(r"2\.5</div>.*>117</div>.*>2026112204</div>", made.page, re.DOTALL)


def test_findings_come_by_suite_and_profile_and_expectations_are_counted_by_severity() -> None:
    suite = [ROWS, ORPHANS, replace(ROWS, most=1.5, severity=WARN), ROWS]
    made = judged(suite, profile(rows_ratio=[1.7, 2.5], user_id_orphan_share=[0.05, 0.0]))
    assert [(each.expected, each.source, each.success) for each in made.findings] == [
        (ROWS, "110", True),
        (ROWS, "120", False),
        (ORPHANS, "110", True),
        (ORPHANS, "120", True),
        (suite[2], "110", False),
        (suite[2], "120", False),
        (ROWS, "110", True),
        (ROWS, "120", False),
    ]
    assert made.run == Run("PAYM", "Payments 缴费历史信息", "run-1", AT, checked=4, warned=1, failed=2)
    assert "(expected 0.5 to 2, else fail)" in made.page
    assert "(expected 0.5 to 1.5, else warn)" in made.page
    assert "(expected at most 0.05, else warn)" in made.page


def test_great_expectations_is_told_the_severity() -> None:
    from pipelines.quality import expectations
    from pipelines.quality.loading import load_great_expectations

    load_great_expectations()
    suite = expectations._gx_suite("PAYM", [ROWS, ORPHANS])
    assert [each.severity.value for each in suite.expectations] == ["critical", "warning"]


def test_nothing_loaded_and_nothing_expected_are_no_failure() -> None:
    assert judged([ROWS], profile(rows_ratio=[])).findings == ()
    assert judged([], profile(rows_ratio=[9.0])).findings == ()


def test_whole_numbers_are_measures_too() -> None:
    frame = pl.DataFrame({"source": ["110"], "cycle": ["2026112210"], "rows": [7]})
    assert [each.success for each in judged([Expected("rows", 7, 7, FAIL, "")], frame).findings] == [True]


def test_a_profile_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="PAYM: expected columns rows_ratio in the profile"):
        judged([ROWS], profile(rows=[1.0]))
    with pytest.raises(ValueError, match="found more of 110 2026112210"):
        judged([ROWS], pl.concat([profile(rows_ratio=[1.0])] * 2))
    with pytest.raises(ValueError, match="found neither"):
        Expected("rows", None, None, FAIL, "")


def test_what_great_expectations_cannot_judge_is_no_success() -> None:
    incomparable = replace(ROWS, least=AT)
    with pytest.raises(StoreError, match="PAYM: Great Expectations could not judge rows_ratio"):
        judged([incomparable], profile(rows_ratio=[1.0]))


def external_references(page: str) -> list[str]:
    """All that a browser would load, or lead to, outside the folder."""
    addresses = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)""", page, re.IGNORECASE)
    assert addresses
    loads = re.findall(r"<script|<link|<img|<iframe|@import|url\(|@font-face", page, re.IGNORECASE)
    return [each for each in addresses if re.match(r"[a-z]+:|//|\.\.", each)] + re.findall(r"\w+://", page) + loads


def test_pages_need_nothing_from_elsewhere(tmp_path: Path) -> None:
    made = judged([ROWS, ORPHANS], profile(rows_ratio=[1.0, 9.0], user_id_orphan_share=[None, 0.5]))
    page = write_page(tmp_path, made.run, made.page)
    index = write_index(tmp_path)
    assert page.name == "20261122110231_PAYM_run-1.html"
    for path in (page, index):
        text = path.read_text(encoding="utf-8")
        assert external_references(text) == []
        assert "缴费历史信息" in text
        for name in re.findall(r'href="([^#"]+)', text):
            assert (tmp_path / name).is_file(), f"{path.name} leads to {name}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [page.name, "index.html"]


def test_a_page_names_what_it_is_of() -> None:
    assert "110 2026112210, 120 2026112210" in judged([ROWS], profile(rows_ratio=[1.0, None])).page


def test_what_failed_stands_first_on_the_page() -> None:
    suite = [Expected(name, 0, 1, FAIL, "") for name in ("a_share", "b_share", "c_share")]
    made = judged(suite, profile(a_share=[1.0], b_share=[2.0], c_share=[3.0]))
    contents = re.findall(r'href="#section-\d+"[^>]*>\s*(?:<strong>)?([^<]+?)\s*<', made.page)
    assert contents == ["Overview", "b_share", "c_share", "a_share", "Run Info"]


def test_contracts_words_are_no_markup() -> None:
    expected = replace(ROWS, description='<b onclick="x()">$500 & $$ ${column}</b>')
    page = validate("PAYM", "<i>", "1", AT, [expected], profile(rows_ratio=[9.0])).page
    assert "&lt;b onclick=&quot;x()&quot;&gt;$500 &amp; $$ ${column}&lt;/b&gt;" in page
    assert "<i>" not in page


def written(folder: Path, run: Run) -> None:
    """A page as `write_page` leaves one, of which only the head is read again."""
    made = judged([], profile(rows=[1.0]))
    write_page(folder, run, made.page.replace("run-1", run.run_name).replace(AT.isoformat(), run.run_at.isoformat()))


def indexed(folder: Path, newest: int = 500) -> list[str]:
    page = write_index(folder, newest).read_text(encoding="utf-8")
    return re.findall(r'href="(\d+_PAYM_[^"]+)\.html"', page)


def test_index_lists_the_newest_runs_first_and_no_more_than_asked(tmp_path: Path) -> None:
    base = Run("PAYM", "Payments", "", AT, 0, 0, 0)
    for number in (2, 0, 3, 1):
        written(tmp_path, replace(base, run_name=f"r{number}", run_at=AT + timedelta(hours=number)))
    names = ["20261122140231_PAYM_r3", "20261122130231_PAYM_r2", "20261122120231_PAYM_r1", "20261122110231_PAYM_r0"]
    assert indexed(tmp_path) == names
    assert indexed(tmp_path, newest=3) == names[:3]
    assert len(list(tmp_path.glob("*_PAYM_*.html"))) == 4, "pages beyond the bound stay"


def test_index_says_how_each_run_ended_and_passes_over_other_files(tmp_path: Path) -> None:
    frame = profile(rows_ratio=[9.0], user_id_orphan_share=[0.9])
    for name, suite in (("a", [ROWS, ORPHANS]), ("b", [ORPHANS]), ("c", [])):
        made = validate("PAYM", "Payments", name, AT, suite, frame)
        write_page(tmp_path, made.run, made.page)
    (tmp_path / "29990101000000_notes_x.html").write_text("<h1>no page of ours</h1>")
    page = write_index(tmp_path).read_text(encoding="utf-8")
    assert re.findall(r'<strong class="text-(\w+)"\s*>\s*(.*?)\s*</strong>', page) == [
        ("success", "passed"),
        ("warning", "1 warned"),
        ("danger", "1 failed, 1 warned"),
    ]
    assert "no page of ours" not in page


def test_a_run_again_replaces_its_page(tmp_path: Path) -> None:
    for value in (9.0, 1.0):
        made = judged([ROWS], profile(rows_ratio=[value]))
        write_page(tmp_path, made.run, made.page)
    assert indexed(tmp_path) == ["20261122110231_PAYM_run-1"]
    assert "passed" in (tmp_path / "index.html").read_text()


def test_pages_go_feed_by_feed_and_by_their_time(tmp_path: Path) -> None:
    for feed in ("PAYM", "BILL"):
        for hours in (0, 1, 2):
            run = Run(feed, "", f"run-{hours}", AT + timedelta(hours=hours), 1, 0, 0)
            write_page(tmp_path, run, "page")
    prune_pages(tmp_path, "PAYM", AT + timedelta(hours=1))
    left = sorted(path.name.split("_", 1)[1] for path in tmp_path.iterdir())
    assert left == ["BILL_run-0.html", "BILL_run-1.html", "BILL_run-2.html", "PAYM_run-1.html", "PAYM_run-2.html"]


def test_a_run_with_a_name_that_is_no_file_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected letters, digits"):
        write_page(tmp_path, Run("PAYM", "", "../x", AT, 0, 0, 0), "")
    assert list(tmp_path.iterdir()) == []


CHILD = """
import os, sys
from datetime import datetime
from pathlib import Path

folder, connects, writes = Path(sys.argv[1]), [], []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"):
        connects.append((event, arguments[1:]))
    if event == "open" and isinstance(arguments[0], str) and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        writes.append(Path(arguments[0]))
    if event in ("os.mkdir", "os.rename"):
        writes.append(Path(arguments[0]))

sys.addaudithook(watch)
import polars as pl
from pipelines.errors import StoreError
from pipelines.quality.expectations import Expected, Severity, validate
from pipelines.quality.pages import write_index, write_page
assert "great_expectations" not in sys.modules, "commands that do not need it wait for it"
assert "pandas" not in sys.modules

frame = pl.DataFrame({"source": ["110", "120"], "cycle": ["2026112210"] * 2, "rows_ratio": [1.0, 9.0]})
suite = [Expected("rows_ratio", 0.5, least + 1.0, Severity.FAIL, "Rows") for least in range(40)]
made = validate("PAYM", "Payments", "1", datetime(2026, 11, 22, 11), suite, frame)
write_page(folder, made.run, made.page)
write_index(folder)
for name in ("altair", "scipy.stats"):
    assert type(sys.modules[name]).__name__ == "_LazyModule", f"{name} was loaded"

assert connects == [], connects
assert [path for path in writes if folder not in (path, *path.parents)] == []
assert {folder, folder / f".index.html.{os.getpid()}.tmp"} <= set(writes), "the watch sees what is written"
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError:
    pass
assert connects, "the watch sees connections"
"""


def test_nothing_is_called_written_or_said_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "GX_ANALYTICS_ENABLED": "true"}
    root = Path(__file__).parent.parent
    command = [sys.executable, "-W", "error", "-c", CHILD, str(tmp_path / "docs")]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr == ""
    assert (done.returncode, done.stdout) == (0, "")
    assert list(home.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["20261122110000_PAYM_1.html", "index.html"]


def test_the_ledger_is_not_disturbed_while_it_is_imported_beside() -> None:
    """SQLAlchemy asks its ORM about every value, from the moment on at which somebody began to import it.

    A command that ends before all of it is there says nothing of that.
    """
    script = (
        "import sys\nfrom pipelines.quality.loading import load_ahead\nload_ahead()\n"
        "assert hasattr(sys.modules['sqlalchemy.orm.exc'], 'UnmappedClassError'), 'half imported'\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
