"""Downloads that break off go on where they stopped; bytes of another pair are never mixed in (file interface, 3)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from offers import GOOD, NOW, STEM, Offer, files, states, take
from running import make_home, tierline, tierline_process

from pipelines.transfer.sftp_files import WINDOW
from sftp_fixtures.proxy import Proxy, Trouble, proxy
from sftp_fixtures.sshd import sshd_server

SIZE = 8_000_000
BYTES = random.Random(4).randbytes(SIZE)
LARGE = replace(GOOD, change=lambda _: BYTES)
OTHER = replace(GOOD, change=lambda _: BYTES[::-1])
KEPT = f"PAYM/2026/11/22/{LARGE.name}"
FRAMING = 1.02  # what SSH itself adds, and the log-in


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "remote"
    path.mkdir()
    return path


@pytest.fixture
def between(root: Path) -> Iterator[Proxy]:
    with sshd_server(root, root.with_name("sshd.log")) as endpoint, proxy(endpoint) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, between: Proxy) -> Path:
    """No new connection within a run: each test sees what the next run makes of what the first one left."""
    return make_home(tmp_path / "home", between.endpoint, extra="    retries: 0\n")


def parts(home: Path) -> list[Path]:
    return list(home.rglob("*.part"))


def cut(home: Path, between: Proxy, share: float) -> int:
    """A fetch that is cut after so much of the file; gives what stayed."""
    between.arm(int(share * SIZE), Trouble.CUT)
    ran = tierline(home, "fetch", now=NOW)
    assert between.troubles == 1
    assert (ran.exit_status, "110" in ran.err) == (1, True)
    assert [state for _, state, _ in states(home)] == ["announced"]
    (part,) = parts(home)
    assert BYTES.startswith(part.read_bytes())
    return part.stat().st_size


def fetch(home: Path, between: Proxy) -> int:
    """A fetch that is left in peace; gives the bytes that came from the server."""
    before = between.passed
    ran = tierline(home, "fetch", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert not parts(home)
    return between.passed - before


@pytest.mark.fault(2)
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_download_goes_on_in_the_next_run(home: Path, root: Path, between: Proxy, share: float) -> None:
    LARGE.put(root)
    stayed = cut(home, between, share)
    assert stayed > share * SIZE - WINDOW
    passed = fetch(home, between)
    assert passed < FRAMING * (SIZE - stayed) + 100_000
    assert files(home / "archive")[KEPT] == BYTES
    assert states(home) == [("0001_00", "verified", None)]


@pytest.mark.fault(2)
def test_what_passed_in_all_is_at_most_the_file_and_one_window(home: Path, root: Path, between: Proxy) -> None:
    """Fault 2, over three runs."""
    LARGE.put(root)
    cut(home, between, 0.3)
    between.troubles = 0
    cut(home, between, 0.3)
    fetch(home, between)
    assert between.passed <= FRAMING * (SIZE + 2 * WINDOW) + 100_000
    assert files(home / "archive")[KEPT] == BYTES


@pytest.mark.fault(1)
def test_a_killed_download_goes_on_in_the_next_run(home: Path, root: Path, between: Proxy) -> None:
    LARGE.put(root)
    killed = tierline_process(home, "fetch", now=NOW, fault="download")
    assert killed.returncode == -9, killed.stderr
    assert [part.stat().st_size for part in parts(home)] == [SIZE]
    assert fetch(home, between) < 200_000
    assert files(home / "archive")[KEPT] == BYTES


@pytest.mark.parametrize("other", [OTHER, replace(GOOD, change=lambda _: BYTES[: SIZE // 3])], ids=["bytes", "shorter"])
def test_the_part_of_a_pair_that_was_replaced_is_not_used(home: Path, root: Path, between: Proxy, other: Offer) -> None:
    LARGE.put(root)
    cut(home, between, 0.5)
    content = other.put(root)
    assert fetch(home, between) >= len(content)
    assert files(home / "archive")[KEPT] == content
    assert states(home) == [("0001_00", "verified", None)]


def test_a_part_that_was_damaged_meanwhile_does_not_refuse_the_batch(home: Path, root: Path, between: Proxy) -> None:
    """The digest tells; the file is fetched once more, whole."""
    LARGE.put(root)
    cut(home, between, 0.5)
    (part,) = parts(home)
    part.write_bytes(bytes(part.stat().st_size))
    assert fetch(home, between) >= SIZE
    assert files(home / "archive")[KEPT] == BYTES
    assert states(home) == [("0001_00", "verified", None)]


def test_a_part_longer_than_the_file_is_not_used(home: Path, root: Path, between: Proxy) -> None:
    LARGE.put(root)
    cut(home, between, 0.5)
    (part,) = parts(home)
    part.write_bytes(BYTES + b"more")
    fetch(home, between)
    assert files(home / "archive")[KEPT] == BYTES
    assert states(home) == [("0001_00", "verified", None)]


def test_the_part_of_a_file_that_is_gone_is_tidied(home: Path, root: Path, between: Proxy) -> None:
    LARGE.put(root)
    cut(home, between, 0.5)
    for path in (root / "outgoing" / "PAYM").iterdir():
        path.unlink()
    tierline(home, "fetch", now=NOW)
    assert not parts(home)
    GOOD.put(root)
    assert take(home, NOW).exit_status == 0
    assert (root / "receipt" / "PAYM" / f"{STEM}.RCP").read_text().split("|")[1] == "ACCEPTED"


@pytest.mark.fault(2)
def test_cuts_within_one_run_are_survived_by_new_connections(tmp_path: Path, root: Path, between: Proxy) -> None:
    home = make_home(tmp_path / "steady", between.endpoint)
    content = LARGE.put(root)
    between.arm(SIZE // 4, Trouble.CUT, again=[SIZE // 4, SIZE // 4])
    assert fetch(home, between) <= FRAMING * (SIZE + 3 * WINDOW) + 200_000
    assert between.troubles == 3
    assert files(home / "archive")[KEPT] == content
