"""The command as its users meet it: help with examples, JSON, exit statuses, errors that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from offers import STEM, files, payments
from receivers import TIER, publish
from running import make_home, tierline, tierline_process

from pipelines.cli import app
from pipelines.cli.output import progress
from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province

NOW = "2026-11-22T12:00:00"
COMMANDS = [
    "demo", "doctor", "run", "fetch", "load", "build", "publish", "deliver", "deliveries",
    "deliveries show", "batches", "batch show", "batch rejects",
    "batch retry", "batch accept", "batch discard", "replay", "cycles", "cycles accept", "backups verify",
    "quality", "quality accept", "backups restore", "backups prune", "feeds", "feeds show", "feeds diff", "check-file",
    "policy show", "policy try", "explain user", "explain customer", "dictionary", "rebuild", "query",
    "digest", "metrics", "pools",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("cli")
    end = datetime.fromisoformat(NOW)
    make_province(work / "remote", subscribers=150, months=1, days=1, hours=2, end=end, seed=5, bad_share=0.02)
    home = make_home(work / "home", Endpoint("file", root=str(work / "remote")))
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status == 3
    return home


def test_every_command_is_in_the_list() -> None:
    """Else a new one would have no help that anybody looked at."""
    assert {command.split()[0] for command in COMMANDS} == app.COMMANDS.keys()


@pytest.mark.parametrize("sql", ["copy (select 1) to '{file}'", "from read_csv('{file}')", "attach '{file}' as other"])
def test_a_query_neither_reads_nor_writes_other_files(home: Path, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    ran = tierline(home, "query", sql.format(file=file), now=NOW)
    assert ran.exit_status == 2
    assert "query: " in ran.err
    assert file.read_text() == "a,b\n1,2\n"


def test_a_short_command_says_nothing_beside_its_answer(home: Path) -> None:
    """DuckDB's binding complains at the end of a process that imported it before its garbage was frozen."""
    words = [sys.executable, "-m", "pipelines.cli", "--home", str(home), "feeds"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_doctor_leaves_nothing_behind(home: Path) -> None:
    before = files(home.parent / "remote")
    assert "may write in backup/, receipt/, request/" in tierline(home, "doctor", now=NOW).out
    assert files(home.parent / "remote") == before


def test_rejects_are_not_written_over_a_file(home: Path, tmp_path: Path) -> None:
    (stem,) = [
        each["stem"] for each in json.loads(tierline(home, "batches", "--json", now=NOW).out) if each["rejected"]
    ][:1]
    target = tmp_path / "rejects"
    assert tierline(home, "batch", "rejects", stem, "--out", str(target), now=NOW).exit_status == 0
    written = target.read_bytes()
    assert written
    again = tierline(home, "batch", "rejects", stem, "--out", str(target), now=NOW)
    assert again.exit_status == 2
    assert str(target) in again.err
    assert target.read_bytes() == written


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(home: Path, command: str) -> None:
    shown = tierline(home, *command.split(), "--help", now=NOW)
    assert shown.exit_status == 0
    assert f"Example: tierline {command}" in " ".join(shown.out.split())


@pytest.mark.parametrize(
    "command",
    [["batches"], ["batches", "--left"], ["cycles"], ["feeds"], ["feeds", "show", "BILL"], ["doctor"],
     ["query", "select stem, state from ops.batch"]],
    ids=" ".join,
)  # fmt: skip
def test_tables_are_json_on_demand(home: Path, command: list[str]) -> None:
    shown = tierline(home, *command, "--json", now=NOW)
    rows = json.loads(shown.out)
    assert isinstance(rows, list)
    assert "--left" in command or len(rows) > 0
    table = tierline(home, *command, now=NOW)
    assert table.exit_status == 0, table.err
    for name in rows[0] if rows else []:
        assert name in table.out


@pytest.mark.parametrize(
    ("sql", "value"),
    [("map {date '2020-01-01': 1}", {"2020-01-01": 1}), ("'nan'::double", None), ("'-inf'::double", None),
     ("[{'a': 'inf'::float, 'b': 1.5::double}]", [{"a": None, "b": 1.5}]), ("map {1: 'x'}", {"1": "x"})],
)  # fmt: skip
def test_whatever_a_query_gives_is_json(home: Path, sql: str, value: object) -> None:
    ran = tierline(home, "query", f"select {sql} as v", "--json", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")) == [{"v": value}]


def test_progress_is_told_beside_what_a_command_gives(capsys: pytest.CaptureFixture[str]) -> None:
    """Else --json would be none from some hundred batches on."""
    with progress("backups: comparing copies") as tell:
        for done in range(1001):
            tell(done, 1000)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[5] == "backups: comparing copies: 500 of 1000"


def test_a_batch_tells_its_story(home: Path) -> None:
    batches = json.loads(tierline(home, "batches", "--json", now=NOW).out)
    stem = next(each["stem"] for each in batches if each["rejected"])
    (story,) = json.loads(tierline(home, "batch", "show", stem, "--json", now=NOW).out)
    assert [event["state"] for event in story["states"]] == ["announced", "fetched", "verified", "staged", "loaded"]
    assert all(event["at"] and event["actor"] and event["cause"] for event in story["states"])
    assert (home / story["kept in"] / f"{stem}.DAT").exists()
    rejects = json.loads(tierline(home, "batch", "rejects", stem, "--json", now=NOW).out)
    assert len(rejects) == story["rejected"]
    out = home / "rejects.txt"
    assert tierline(home, "batch", "rejects", stem, "--out", str(out), now=NOW).exit_status == 0
    assert len(out.read_bytes().splitlines()) == len(rejects)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["batch", "show", "NO_SUCH"], 2, " batches' lists"),
        (["run", "--as-of", "yesterday"], 2, "such as 2026-11-21"),
        (["run", "--as-of", "2026-11-23"], 2, "up to today, 2026-11-22"),
        (["run", "--bill-month", "202611"], 2, "that lies before 202611"),
        (["query", " ; "], 2, "expected one SQL query"),
        (["query", "select 1", "--limit", "-5"], 2, "--limit"),
        (["query", "select 1", "--limit", "0"], 2, "--limit"),
        (["query", "select 1", "--limit", "99999999999999999999"], 2, "--limit"),
        (["query", "select 1 as a, 2 as a", "--json"], 2, "found a twice"),
        (["fetch", "--source", "999"], 2, "expected one of 110"),
        (["load", "--feed", "XXXX"], 2, "expected one of BILL"),
        (["feeds", "show", "XXXX"], 2, "expected one of BILL"),
        (["query", "select nothing from nowhere"], 2, "nowhere"),
        (["query", "create table x (i int)"], 2, "read-only"),
        (["build", "--bill-month", "2026-11"], 2, "such as 202611"),
        (["batches", "--state", "odd"], 2, "odd"),
        (["nonsense"], 2, "nonsense"),
        (["batch", "show", f"{STEM}.DAT"], 2, "a file's name up to its first dot, such as PAYM_110"),
        (["replay", "--feed", "PAYM", "--from", "20261122", "--to", "20261122"], 2, "YYYYMMDDHH, such as 2026112210"),
        (["--home", "nowhere", "batches"], 2, "name its directory with --home or TIERLINE_HOME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_are_answered_with_what_to_do(home: Path, words: list[str], status: int, says: str) -> None:
    ran = tierline(home, *words, now=NOW)
    assert ran.exit_status == status
    assert says in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("sources:\n  '110':\n    ulr: file:///x\n", "line 3, key ulr"),
        ("sources:\n  '110':\n    url: http://x\n    feeds: [PAYM]\n", "line 3, key url"),
        ("sources:\n  '110':\n    url: file:///x\n    feeds: [PAYX]\n", "line 4, key feeds"),
        ("sources:\n  '110':\n    url: sftp://u:hunter2@h/x\n    feeds: [PAYM]\n", "line 3, key url"),
        ("sources:\n  beijing:\n    url: file:///x\n    feeds: [PAYM]\n", "line 2, key beijing"),
        ("sources:\n  '110':\n    url: file:///x\n    encoding: latin-1\n    feeds: [PAYM]\n", "line 4, key encoding"),
        ("sources:\n  '110':\n    url: file:///x\n    since: soon\n    feeds: [PAYM]\n", "line 4, key since"),
        ("sources: {}\n", "line 1, key sources"),
        ("sources:\n  '110':\n    url: file:///x\n    secret: hunter2\n    feeds: [PAYM]\n", "line 4, key secret"),
        ("sources:\n  '110':\n    url: file:///x\n    feeds: [PAYM]\nmemory: 10\n", "line 5, key memory"),
        ("sources: [\n", "line 2"),
        ("", "tierline.yaml"),
    ],
)
def test_a_wrong_configuration_is_refused_with_file_line_and_key(tmp_path: Path, config: str, says: str) -> None:
    (tmp_path / "tierline.yaml").write_text(config)
    ran = tierline(tmp_path, "run", now=NOW)
    assert tierline(tmp_path, "feeds", now=NOW) == ran, "the check that the manual names for contracts"
    assert ran.exit_status == 2
    assert "tierline.yaml" in ran.err
    assert says in ran.err
    assert "hunter2" not in ran.err, "a secret in a message"


def test_a_missing_configuration_and_a_missing_secret_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "expected a configuration, found none" in tierline(tmp_path, "run", now=NOW).err
    monkeypatch.delenv("TIERLINE_TEST_SECRET", raising=False)
    endpoint = Endpoint("sftp", "127.0.0.1", 1, "billing", "/data")
    make_home(tmp_path, endpoint, extra="    secret: env:TIERLINE_TEST_SECRET\n")
    ran = tierline(tmp_path, "fetch", now=NOW)
    assert ran.exit_status == 2
    assert "env:TIERLINE_TEST_SECRET" in ran.err


def test_a_server_that_is_away_fails_and_names_the_source(tmp_path: Path) -> None:
    host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    endpoint = Endpoint("sftp", "127.0.0.1", 1, "billing", "/data", secret="hunter2", host_key=host_key)
    ran = tierline(make_home(tmp_path, endpoint), "fetch", now=NOW)
    assert ran.exit_status == 1
    assert "source 110" in ran.err
    assert "127.0.0.1" in ran.err
    assert "hunter2" not in ran.out + ran.err
    doctor = tierline(tmp_path, "doctor", now=NOW)
    assert doctor.exit_status == 1
    assert "failed" in doctor.out


def test_a_feed_that_cannot_be_read_does_not_keep_the_others(tmp_path: Path) -> None:
    end = datetime.fromisoformat(NOW)
    make_province(tmp_path / "remote", subscribers=100, months=1, days=1, hours=2, end=end, seed=5)
    outgoing = tmp_path / "remote" / "outgoing"
    (outgoing / "CHNG").rename(tmp_path / "CHNG")
    (outgoing / "CHNG").write_text("a file where a directory was")
    broken = next((outgoing / "USGE").glob("*.DAT"))
    broken.unlink()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    ran = tierline(home, "run", "--as-of", "2026-11-21", now=NOW)
    assert ran.exit_status == 1
    assert "CHNG" in ran.err
    taken = {each["feed"] for each in _cycles(home) if each["accepted"]}
    assert taken == {"CUST", "USER", "PAYM", "BILL", "CONT", "WORD"}


def _cycles(home: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(tierline(home, "cycles", "--json", now=NOW).out)
    return rows


def test_a_broken_ledger_is_named_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    (home / "ledger.sqlite").write_bytes(b"no database, but long enough to look like a file of one" * 20)
    ran = tierline(home, "batches", now=NOW)
    assert ran.exit_status == 1
    assert "ledger" in ran.err
    home = make_home(tmp_path / "other", Endpoint("file", root=str(tmp_path / "remote")), extra="ledger: nonsense\n")
    ran = tierline(home, "batches", now=NOW)
    assert ran.exit_status == 2
    assert "key ledger" in ran.err


def test_a_published_file_that_is_damaged_is_told_without_a_traceback(tmp_path: Path) -> None:
    """Polars reads it, whose errors are told in a line as DuckDB's are."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path)))
    publish(home, TIER)
    (home / "publish" / "TIER" / f"{TIER}.parquet").write_bytes(b"PAR1 half")
    ran = tierline(home, "build", "--as-of", "2026-11-21", now=NOW)
    assert (ran.exit_status, ran.err.startswith("tierline: "), len(ran.err.splitlines())) == (1, True, 1), ran.err


def test_late_cycles_are_told_by_the_exit_status(home: Path) -> None:
    ran = tierline(home, "run", "--as-of", "2026-11-21", now="2026-11-22T18:00:00")
    assert ran.exit_status == 4
    late = json.loads(tierline(home, "cycles", "--state", "missing", "--json", now="2026-11-22T18:00:00").out)
    assert {"PAYM", "CHNG"} <= {each["feed"] for each in late}


def test_a_source_that_went_stays_readable(tmp_path: Path) -> None:
    """Taken out of the configuration, with its batches in the ledger: commands that look take it, doctor names it."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    payments(STEM, "CARD").put(tmp_path / "remote")
    assert tierline(home, "run", "--as-of", "2026-11-21", now=NOW).exit_status in (0, 4)
    configuration = home / "tierline.yaml"
    configuration.write_text(configuration.read_text().replace('"110"', '"111"'))
    for words in (["batches"], ["cycles"], ["quality"], ["backups", "verify"]):
        ran = tierline(home, *words, "--source", "110", now=NOW)
        assert ran.exit_status == 0, ran.err
        if words != ["quality"]:
            assert "PAYM" in ran.out or "1 batches" in ran.out
    assert STEM in tierline(home, "batches", "--source", "110", now=NOW).out
    for words in (["batches", "--source", "112"], ["fetch", "--source", "110"]):
        assert "expected one of 111" in tierline(home, *words, now=NOW).err
    lines = tierline(home, "doctor", now=NOW).out.splitlines()
    (line,) = [line for line in lines if line.startswith("source 110 ")]
    assert "warning" in line
    assert "1 batches in the ledger, and tierline.yaml names it no longer" in line


def test_home_may_be_named_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    ran = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "batches"],
        env=os.environ | {"TIERLINE_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0
    assert "PAYM_110_I_" in ran.stdout


def test_two_runs_at_once_load_every_batch_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    make_province(
        tmp_path / "remote", subscribers=150, months=1, days=1, hours=2, end=datetime.fromisoformat(NOW), seed=5
    )
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    with ThreadPoolExecutor(2) as both:
        runs = list(both.map(lambda _: tierline_process(home, "run", "--as-of", "2026-11-21", now=NOW), range(2)))
    assert [ran.returncode for ran in runs] == [0, 0], [ran.stderr for ran in runs]
    batches = json.loads(tierline(home, "batches", "--json", now=NOW).out)
    assert {each["state"] for each in batches} == {"loaded"}
    (loaded,) = json.loads(tierline(home, "query", "select count(*) as n from ops.loaded_batch", "--json", now=NOW).out)
    assert loaded["n"] == len(batches)
    for each in batches:
        (story,) = json.loads(tierline(home, "batch", "show", each["stem"], "--json", now=NOW).out)
        assert len(story["states"]) == 5, "taken or loaded twice"


def test_doctor_looks_at_receivers(tmp_path: Path) -> None:
    (tmp_path / "acd").mkdir()
    extra = (
        "receivers:\n"
        f'  acd: {{url: "file://{tmp_path}/acd", lists: [TIER, CARD], encoding: utf-8}}\n'
        f'  ivr: {{url: "file://{tmp_path}/nowhere", lists: [TIER], encoding: utf-8}}\n'
    )
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path)), extra=extra)
    lines = [line for line in tierline(home, "doctor", now=NOW).out.splitlines() if line.startswith("receiver ")]
    assert [line.split()[1:3] for line in lines] == [["acd", "ok"], ["ivr", "failed"]]
    assert "may write TIER, CARD" in lines[0]
    assert f"{tmp_path}/nowhere" in lines[1]
    assert not [path for path in (tmp_path / "acd").rglob("*") if path.is_file()]


def test_what_a_killed_run_found_is_told_by_the_next(tmp_path: Path) -> None:
    """It was killed once the ledger had its verdicts, before it said anything."""
    remote, home = tmp_path / "remote", make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    for offer in (payments(STEM, "WALLET", "GIFT"), payments("PAYM_110_I_2026112209_0001_00", *["GIFT"] * 9, "CARD")):
        offer.put(remote)
    tierline(home, "fetch", now=NOW)
    assert tierline_process(home, "load", now=NOW, fault="load").returncode == -9
    told = tierline(home, "run", "--as-of", "2026-11-21", now=NOW)
    assert told.exit_status == 3
    assert "1 with rejected rows, 1 refused, 2 acknowledged" in told.out
    assert f"rejected rows: tierline --home {home} batch rejects {STEM}" in told.out
    assert "0 with rejected rows, 0 refused, 0 acknowledged" in tierline(home, "load", now=NOW).out


def test_a_day_before_the_last_publication_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    payments(STEM, "WALLET").put(tmp_path / "remote")
    tierline(home, "run", "--as-of", "2026-11-21", now=NOW)
    ran = tierline(home, "run", "--as-of", "2026-11-20", now=NOW)
    assert (ran.exit_status, ran.out) == (2, "")
    assert "as-of date 2026-11-20 lies before that of the last publication, 2026-11-21; publish it with" in ran.err
    assert " run --as-of 2026-11-21" in ran.err
    assert "build: renewed 0" in tierline(home, "build", "--as-of", "2026-11-21", now=NOW).out
    assert "published 20261120-000002" in tierline(home, "run", "--as-of", "2026-11-20", "--republish", now=NOW).out
