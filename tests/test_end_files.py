"""An end file that its producer corrects while it is taken: the newest one stands, and none is lost (section 3)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Site
from offers import NOW, STEM, files, in_ledger, payments, put_end
from running import make_home

from pipelines.arrival import LeftFile
from pipelines.cli.context import close_sites, open_site
from pipelines.names import parse_end_name
from pipelines.site import Scope
from pipelines.taking_ends import take_ends
from pipelines.transfer.base import Endpoint, RemoteFile
from pipelines.transfer.steady import SteadyTransport

both = pytest.mark.parametrize("server", ["sshd", "directory"], indirect=True)
DIRECTORY = "outgoing/PAYM"
CYCLE = "PAYM_110_I_2026112210"
TakenEnds = tuple[list[str], list[LeftFile], list[str]]


@pytest.fixture
def home(tmp_path: Path, site: Site) -> Path:
    return make_home(tmp_path / "home", site.endpoint)


class Hasty(SteadyTransport):
    """A connection to a producer who puts a newer file in the place of an end file just before that is moved away."""

    def __init__(self, endpoint: Endpoint, newer: Callable[[], object]) -> None:
        super().__init__(endpoint)
        self._newer = newer

    def rename(self, source: str, target: str) -> None:
        if source.startswith("outgoing/"):
            self._newer()
        super().rename(source, target)


@pytest.fixture
def take_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], object]], TakenEnds]]:
    """Take the end file of the cycle while a producer puts a newer one in its place."""
    monkeypatch.setenv("TIERLINE_NOW", NOW)

    def run(newer: Callable[[], object]) -> TakenEnds:
        here = open_site(home)
        source = here.source("110")
        (contract,) = here.feeds_of(source, Scope(feeds=("PAYM",)))
        entry = RemoteFile(f"{CYCLE}.END", None, is_regular=True)
        key = parse_end_name(entry.name)
        assert key is not None
        with Hasty(source.with_secret(), newer) as transport:
            return take_ends(here, contract, transport, [(key, entry)])

    yield run
    close_sites()


@pytest.mark.fault(14)
@both
def test_an_end_file_corrected_just_before_it_is_moved_is_taken(
    home: Path, site: Site, take_end: Callable[[Callable[[], object]], TakenEnds]
) -> None:
    first, second = payments(STEM, "CARD"), payments(f"{CYCLE}_0002_00", "CASH")
    first.put(site.directory)
    former = put_end(site.directory, first).read_bytes()
    assert take_end(lambda: put_end(site.directory, first, second)) == ([f"{CYCLE}.END"], [], [])
    newer = files(site.directory / "backup")[f"20261122/PAYM/{CYCLE}.END"]
    assert newer.startswith(b"2|2|")
    assert in_ledger(home, "select files, digest from end_file") == [(2, hashlib.sha256(newer).hexdigest())]
    ends = {name: content for name, content in files(home / "archive").items() if name.endswith(".END")}
    assert sorted(ends.values()) == sorted([former, newer])
    assert ends[f"PAYM/2026/11/22/{CYCLE}.END"] == newer
    assert f"{CYCLE}.END" not in os.listdir(site.directory / DIRECTORY)


@both
def test_an_end_file_made_unreadable_just_before_it_is_moved_is_put_back_and_left(
    home: Path, site: Site, take_end: Callable[[Callable[[], object]], TakenEnds]
) -> None:
    first = payments(STEM, "CARD")
    first.put(site.directory)
    put_end(site.directory, first)
    names, left_ones, errors = take_end(lambda: site.put(f"{DIRECTORY}/{CYCLE}.END", b"1|3\n"))
    assert (names, [each.code for each in left_ones], errors) == ([], ["E207"], [])
    assert (site.directory / DIRECTORY / f"{CYCLE}.END").read_bytes() == b"1|3\n"
    assert in_ledger(home, "select files from end_file") == [(1,)]
