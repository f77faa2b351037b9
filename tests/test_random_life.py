"""Fault 26: whatever comes in whatever order, is sent again, killed, discarded or replayed, the seven rules hold."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from life_model import Model
from life_place import AS_OF, EVERYTHING, Place, check_core, check_ledger, check_published, configure
from offers import NOW, files, in_ledger, ledger, put_end
from random_life import SOURCES, STATEFUL, Batch, batches
from running import tierline

from pipelines import life
from pipelines.cli.context import close_sites
from pipelines.fetching import fetch
from pipelines.ledger.offerings import STANDING

# Where each command can be killed; publishing takes long, so few are killed there.
_POINTS = {
    "fetch": ("list", "claim", "download", "verify", "archive"),
    "load": ("check", "stage", "load", "commit", "backup", "receipt", "judge"),
    "replay": ("stage", "load", "commit", "receipt"),
    "run": ("build", "publish", "release"),
}
# Shrinking takes long, for each try makes a home; the failing operations are printed as they are.
EXAMPLES = 6  # each some seconds; many more, and others, want derandomize=False and an hour
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

_numbers = st.integers(0, 99)
_kills = [(word, point) for word, points in _POINTS.items() for point in points]
_operation = {
    "offer": st.tuples(batches()),
    "version": st.tuples(_numbers, st.sampled_from(("00", "01", "02"))),
    "again": st.tuples(_numbers),
    "copy": st.tuples(_numbers, st.sampled_from(("0001", "0002", "0003"))),
    "end": st.tuples(_numbers),
    "fetch": st.just(()),
    "settle": st.just(()),
    "kill": st.sampled_from(_kills),
    "discard": st.tuples(_numbers),
    "replay": st.tuples(_numbers),
    "publish": st.just(()),
}
_OFTEN = {"offer": 8, "version": 6, "again": 3, "end": 2, "settle": 2, "kill": 5, "discard": 3}
_names = st.sampled_from([name for name in _operation for _ in range(_OFTEN.get(name, 1))])
operations = st.lists(_names.flatmap(lambda name: st.tuples(st.just(name), _operation[name])), min_size=14, max_size=18)


def _work(home: Path, words: tuple[str, ...], fault: str) -> None:
    os.environ["TIERLINE_FAULT"] = fault
    tierline(home, *words, now=NOW)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two sources that has published an empty warehouse, and the directories of the sources."""
    work = tmp_path_factory.mktemp("empty")
    configure(work)
    assert tierline(work / "home", "run", "--as-of", f"{AS_OF}", now=NOW).exit_status == 0
    return work


class Run:
    """The operations of one example on a home and on a model of it."""

    def __init__(self, place: Place, forking: ForkServerContext, seen: Counter[str]) -> None:
        self.place, self.forking, self.seen = place, forking, seen
        self.model, self.pending = Model(), list[tuple[Batch, bytes]]()
        self.tried: list[Batch] = []

    def offer(self, batch: Batch) -> None:
        """Not the same bytes again before the former were answered."""
        if any(batch == former for former, _ in self.pending):
            return
        content = self.place.put(batch)
        if content is not None:
            self.pending.append((batch, content))
            self.tried.append(batch)

    def again(self, number: int) -> None:
        if self.tried:
            self.offer(self.tried[number % len(self.tried)])

    def copy(self, number: int, seq: str) -> None:
        """The same rows under another SEQ."""
        if self.tried:
            former = self.tried[number % len(self.tried)]
            self.offer(replace(former, seq=seq))

    def version(self, number: int, version: str) -> None:
        """Other rows under an earlier name, or another version of it: newer, older, or the same (E503)."""
        if self.tried:
            former = self.tried[number % len(self.tried)]
            rows = tuple(replace(row, letter="B" if row.letter == "A" else "A") for row in former.rows)
            self.offer(replace(former, version=version, rows=rows[1:] or rows))

    def end(self, number: int) -> None:
        """The end file of a full snapshot, with all that came of it by now."""
        self.settle()
        out = {each.batch.slot[:4] for each in self.model.offered if each.state == "discarded"}
        keys = sorted({each.batch.slot[:4] for each in self.model.standing() if each.batch.mode == "F"} - out)
        if keys:
            key = keys[number % len(keys)]
            parts = [each.batch for each in self.model.standing() if each.batch.slot[:4] == key]
            put_end(self.place.work / key[1], *(each.offer() for each in sorted(parts, key=lambda each: each.seq)))
            self.model.ends[key] = {each.stem: len(each.rows) for each in parts}
            self.settle()

    def fetch(self) -> None:
        assert not fetch(self.place.site, EVERYTHING).errors

    def settle(self) -> None:
        """Take and load all there is, and look at the rules."""
        self.place.settle()
        if self.place.outgoing():  # offered again before the former, which was loaded, was answered: that goes first
            self.place.settle()
        assert not self.place.outgoing()
        for batch, content in sorted(self.pending, key=lambda each: each[0].stem):
            self.model.judge(batch, content)
        self.pending.clear()
        self.check()

    def kill(self, word: str, point: str) -> None:
        """A command in a process that is killed at a fault point, if it passes there."""
        if word == "load":
            self.fetch()
        words = {"replay": ("replay", "--feed", "USER", "--from", "20261101", "--to", "20261121"),
                 "run": ("run", "--as-of", f"{AS_OF}")}.get(word, (word,))  # fmt: skip
        process = self.forking.Process(target=_work, args=(self.place.home, words, point))
        process.start()
        process.join(600)
        assert process.exitcode in (0, -9), (word, point)
        self.seen["killed"] += process.exitcode == -9

    def discard(self, number: int) -> None:
        self.settle()
        accepted = [each for each in self.model.offered if each.state == "accepted" and self.model.is_named(each.batch)]
        if accepted:
            chosen = accepted[number % len(accepted)]
            named = [each for each in ledger(self.place.home) if each.stem == chosen.batch.stem]
            current = next(each for each in named if each.state in (*STANDING, "superseded"))
            life.discard(self.place.site, current, "a test")
            chosen.state = "discarded"

    def replay(self, number: int) -> None:
        site = self.place.site
        found = [each for each in ledger(self.place.home) if each.state in STANDING]
        for each in found[number % 3 :: 2]:
            assert life.replay(site, each, site.change("a test")).code is None

    def publish(self) -> None:
        self.settle()
        self.place.publish()
        check_published(self.place)
        self.seen["published"] += 1

    def check(self) -> None:
        check_ledger(self.place, self.model)
        check_core(self.place.home, self.model)
        self.seen.update(state for _, state in self.model.states())
        self.seen["snapshot"] += sum(1 for feed in STATEFUL for _ in self.model.snapshots(feed))
        self.seen["displaced"] += sum(not is_current for _, _, is_current in self.model.facts("PAYM").values())


@contextmanager
def _places(empty: Path) -> Iterator[list[Place]]:
    with tempfile.TemporaryDirectory() as directory:
        places = [Place(Path(directory) / name, empty) for name in ("here", "other")]
        try:
            yield places
        finally:
            close_sites()


def _survivors(place: Place, model: Model) -> dict[str, list[tuple[Any, ...]]]:
    """Core of a home that only ever got what stands, the newest first and in two rounds."""
    standing = sorted((each.batch for each in model.standing()), key=lambda each: each.stem, reverse=True)
    for batch in standing[::2]:
        place.put(batch)
    place.settle()
    for batch in standing[1::2]:
        place.put(batch)
    by_seq = {each.batch.stem[:-3]: each.batch for each in model.standing()}
    for key, ended in model.ends.items():
        # A version that was discarded leaves its cycle complete; the one that came back is named here instead.
        named = dict(
            (by_seq[stem[:-3]].stem, len(by_seq[stem[:-3]].rows))
            if model.accepted(stem) is None and stem[:-3] in by_seq
            else (stem, records)
            for stem, records in ended.items()
        )
        total = f"{len(named)}|{sum(named.values())}|0\n"
        entries = "".join(f"{stem}|{records}\n" for stem, records in sorted(named.items()))
        path = place.work / key[1] / "outgoing" / key[0] / f"{'_'.join(key)}.END"
        path.parent.mkdir(exist_ok=True)
        path.write_text(total + entries)
    place.settle()
    return place.core()


def _kept(place: Place) -> tuple[Any, ...]:
    events = in_ledger(place.home, "select count(*) from event")
    return events, {name: files(place.work / name) for name in (*SOURCES, "home/archive", "home/staged")}


def _example(empty: Path, forking: ForkServerContext, seen: Counter[str], steps: list[tuple[Any, ...]]) -> None:
    with _places(empty) as (here, other):
        run = Run(here, forking, seen)
        for name, arguments in steps:
            getattr(run, name)(*arguments)
        run.settle()
        core, kept = here.core(), _kept(here)
        assert _survivors(other, run.model) == core
        here.settle()
        assert (here.core(), _kept(here)) == (core, kept)


@pytest.mark.fault(10, 22, 26)
def test_the_rules_hold_whatever_happens(
    empty: Path, forking: ForkServerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    seen: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, phases=PHASES, derandomize=True)
    @given(steps=operations)
    def one(steps: list[tuple[Any, ...]]) -> None:
        _example(empty, forking, seen, steps)

    one()
    assert all(seen[each] for each in ("superseded", "duplicate", "refused", "discarded", "killed", "published")), seen
