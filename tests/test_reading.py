"""Fault 13: readers who open, count and close without a pause while loads replace rows and states are published."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from offers import NOW, STEM, customers, payments
from running import make_home, tierline
from state_reader import Seen, hold, read_on

from pipelines.cli.context import close_sites, open_site
from pipelines.publishing import publish
from pipelines.site import Scope, Site
from pipelines.steps import build, check, load_staged
from pipelines.transfer.base import Endpoint

READERS, READS, PUBLICATIONS = 8, 21, 3
PATIENCE_S = 90.0
_real = multiprocessing.get_context("spawn")


class Producer:
    """A home whose one source sends newer versions, each with another number of payments and customers."""

    def __init__(self, root: Path, home: Path) -> None:
        root.mkdir()
        self._root, self._site = root, open_site(make_home(home, Endpoint("file", root=str(root))))
        self.home = home
        self.published: list[Seen] = []

    def publish_version(self, number: int) -> None:
        """Version `number` replaces the rows of the one before, and a batch more comes with it: load and publish."""
        count, cash = 2 + number, 1 + number
        payments(f"{STEM[:-2]}{number:02d}", *["CARD"] * count).put(self._root)
        customers("20261120", count, f"{number:02d}").put(self._root)
        payments(f"PAYM_110_I_20261122{number:02d}_0001_00", "CASH").put(self._root)
        made = _publish(self._site)
        total = 1000 * count * (count + 1) // 2 + 1000 * cash
        batches = 2 + cash
        self.published.append((made, batches, batches, count + cash, total, total, count, count, count))


def _publish(site: Site) -> str:
    """From the server to a new state, as a run does; returns the publication's id."""
    assert tierline(site.home.root, "fetch", now=NOW).exit_status in (0, 4)
    check(site, Scope())
    assert load_staged(site).added
    if not (site.home.bi / "current").exists():
        build(site, date(2026, 11, 21))
    made = publish(site)
    assert made.is_new
    return made.publication.publication_id


@pytest.fixture
def producer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Producer]:
    """After the first publication."""
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    producer = Producer(tmp_path / "remote", tmp_path / "home")
    producer.publish_version(0)
    yield producer
    close_sites()


@contextmanager
def at_work(processes: list[Any], is_over: Any) -> Iterator[None]:
    """All end with the block, and of themselves; what they say is short enough to wait in its queue."""
    for process in processes:
        process.start()
    try:
        yield
    finally:
        is_over.set()
        for process in processes:
            process.join(PATIENCE_S)
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the readers did not come forward"
        time.sleep(0.05)


@pytest.mark.fault(13, 21)
def test_readers_meet_whole_published_states_and_no_error(producer: Producer) -> None:
    is_held, is_over, said, told = _real.Event(), _real.Event(), _real.Queue(), _real.Queue()
    counts = [_real.Value("i", 0) for _ in range(READERS)]
    bi = producer.home / "bi"
    names = [bi / "current.duckdb", bi / "current" / "current.duckdb"]  # both lead to the state at hand
    readers = [
        _real.Process(target=read_on, args=(names[number % 2], count, is_over, said))
        for number, count in enumerate(counts)
    ]
    slow = _real.Process(target=hold, args=(names[0], is_held, is_over, told))
    with at_work([*readers, slow], is_over):
        until(lambda: is_held.is_set() and all(count.value for count in counts))
        for number in range(1, PUBLICATIONS + 1):
            producer.publish_version(number)
        until(lambda: all(count.value >= READS or count.value < 0 for count in counts))
    found = [said.get(timeout=1) for _ in readers]
    assert [error for _, error in found] == [None] * READERS
    assert all(seen.total() >= READS for seen, _ in found)
    everything = {each for seen, _ in found for each in seen}
    assert everything <= set(producer.published)
    assert len(everything) > 1, "no reader saw a state give way to the next"
    before, after, total, beside = told.get(timeout=1)
    assert before == after == producer.published[0][:-1]
    assert total == producer.published[0][4] * 20_000
    assert len(beside) > 5
    assert [name for name, is_same in beside.items() if not is_same] == []
