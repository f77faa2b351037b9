"""A pair that a poll had in hand and the producer took away: a gap like any other, once nobody can take it any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from offers import GOOD, NOW, STEM, causes, files, in_core, in_ledger, put_end, receipt, states, take
from running import Run, make_home, tierline, tierline_process

from pipelines.locks import FileLocks
from pipelines.transfer.base import Endpoint

LATER = "2026-11-22T14:00:00"


@pytest.fixture(params=["claim", "download", "verify"])
def home(tmp_path: Path, root: Path, request: pytest.FixtureRequest) -> Path:
    """A home whose fetch was killed while it had the one pair in hand; after that the producer withdrew it."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    GOOD.put(root)
    assert tierline_process(home, "fetch", now=NOW, fault=request.param).returncode == -9
    for path in (root / "outgoing/PAYM").iterdir():
        path.unlink()
    assert states(home)[0][1] in ("announced", "fetched")
    return home


def requests(root: Path) -> dict[str, str]:
    """Code by stem of the requests on the server for the hour that the tests are about."""
    found = files(root / "request") if (root / "request").exists() else {}
    codes = {Path(path).stem: content.decode().split("|")[1] for path, content in found.items()}
    return {stem: code for stem, code in codes.items() if stem == STEM}


def test_the_gap_that_it_leaves_is_asked_for_once_and_closed_by_what_is_sent_again(home: Path, root: Path) -> None:
    put_end(root, GOOD)
    for _ in range(2):
        take(home)
    assert requests(root) == {STEM: "E502"}
    assert in_ledger(home, f"select count(*) from resend_request where stem = '{STEM}'") == [(1,)]
    GOOD.put(root)
    assert take(home).exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]


def test_a_missing_cycle_of_which_nothing_else_came_is_asked_for(home: Path, root: Path) -> None:
    with (home / "tierline.yaml").open("a") as configuration:
        configuration.write("    since: 2026-11-22\n")
    take(home, "2026-11-22T13:14:00")
    assert not requests(root)
    take(home, "2026-11-22T13:15:00")
    assert requests(root) == {STEM: "E502"}


def test_it_is_not_asked_for_while_it_lies_on_the_server(home: Path, root: Path) -> None:
    put_end(root, GOOD)
    tierline(home, "fetch", now=NOW)
    GOOD.put(root)
    tierline(home, "load", now=NOW)
    assert not requests(root)
    take(home)
    assert (requests(root), states(home)) == ({}, [("0001_00", "loaded", None)])


def test_it_is_not_asked_for_while_another_process_takes_files_of_the_feed(home: Path, root: Path) -> None:
    put_end(root, GOOD)
    tierline(home, "fetch", now=NOW)
    with FileLocks(home / "locks").hold(["take-110-PAYM"], wait=False) as mine:
        assert mine
        tierline(home, "load", now=NOW)
        assert not requests(root)
    tierline(home, "load", now=NOW)
    assert requests(root) == {STEM: "E502"}


def discard(home: Path) -> Run:
    return tierline(home, "batch", "discard", STEM, "--why", "withdrawn, ticket 4711", now=LATER)


def test_an_operator_may_end_it_and_its_cycle_is_complete(home: Path, root: Path) -> None:
    put_end(root, GOOD)
    assert discard(home).exit_status == 0
    take(home, LATER)
    assert states(home) == [("0001_00", "discarded", None)]
    assert (requests(root), (root / "receipt").exists()) == ({}, False), "nothing was taken"
    cycles = json.loads(tierline(home, "cycles", "--cycle", "2026112210", "--json", now=LATER).out)
    assert [each["state"] for each in cycles if each["feed"] == "PAYM"] == ["complete"]
    assert "ticket 4711" in causes(home)[-1]
    assert discard(home).exit_status == 2, "nothing is left to take out"
    for words in (("build", "--as-of", "2026-11-21"), ("publish",), ("backups", "verify"), ("digest",)):
        assert tierline(home, *words, now=LATER).exit_status in (0, 4), words


def test_what_comes_again_after_an_operator_ended_it_is_another_offering(home: Path, root: Path) -> None:
    """Also where it was not withdrawn at all: nothing is moved on the server before its bytes are kept (rule 7)."""
    GOOD.put(root)
    assert discard(home).exit_status == 0
    assert take(home, LATER).exit_status == 0
    assert states(home) == [("0001_00", "discarded", None), ("0001_00", "loaded", None)]
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    assert receipt(root, STEM)[1] == "ACCEPTED"


def test_nobody_ends_it_while_a_process_takes_files_of_the_feed(home: Path) -> None:
    """Else the poll would have the last word."""
    before = states(home)
    with FileLocks(home / "locks").hold(["take-110-PAYM"], wait=False):
        ran = discard(home)
    assert (ran.exit_status, "PAYM" in ran.err, states(home)) == (2, True, before)
