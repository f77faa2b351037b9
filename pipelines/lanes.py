"""Several connections to one source, and work shared out among them: what waits for a far server waits at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

from pipelines.config import SourceConfig
from pipelines.errors import TransferError
from pipelines.transfer.base import ConnectionLostError, Transport, UnreachableError, small_contents
from pipelines.transfer.steady import steady

GONE = (ConnectionLostError, UnreachableError)  # no connection, and none to be had: nothing else will work either
_FILES_A_LANE = 8  # fewer do not pay for another log-in
_TOGETHER = 32  # small files that are asked for at once
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Outcome(Generic[T, R]):
    """What came of the work on some items. `broken`: the connection is gone for good, not every item was tried."""

    done: list[tuple[T, R]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    broken: TransferError | None = None

    def add(self, other: Outcome[T, R]) -> None:
        """What came of the work on further items."""
        self.done += other.done
        self.errors += other.errors
        self.broken = self.broken or other.broken


class Lanes:
    """Up to `connections` connections of a source (its setting); the first is opened at once, others when they pay."""

    def __init__(self, source: SourceConfig) -> None:
        self._endpoint = source.with_secret()
        self._most = source.connections
        self.first: Transport = steady(self._endpoint)
        self._others: list[Transport] = []

    def each(
        self, work: Callable[[Transport, T], R], items: Sequence[T], items_a_lane: int = _FILES_A_LANE
    ) -> Outcome[T, R]:
        """Do the work on every item, in any order; one that the server does not let us do keeps no other.

        A connection that is lost for good ends it: what was done by then is in the outcome.
        """
        outcome: Outcome[T, R] = Outcome()
        waiting: SimpleQueue[T] = SimpleQueue()
        for item in items:
            waiting.put(item)
        lanes = [self.first, *self._more(len(items) // items_a_lane)]
        if len(lanes) == 1:
            _drain(lanes[0], work, waiting, outcome)
        else:
            with ThreadPoolExecutor(len(lanes)) as threads:
                list(threads.map(lambda lane: _drain(lane, work, waiting, outcome), lanes))
        return outcome

    def read_small(self, paths: Mapping[str, T], most: int) -> Outcome[T, bytes | None]:
        """The contents of small files, many at once, each with what its path stands for; None above `most` bytes."""
        outcome: Outcome[T, bytes | None] = Outcome()
        listed = list(paths)
        parts = [listed[start : start + _TOGETHER] for start in range(0, len(listed), _TOGETHER)]
        read = self.each(lambda transport, part: small_contents(transport, part, most), parts, items_a_lane=1)
        for part, contents in read.done:
            for path, content in zip(part, contents, strict=True):
                if isinstance(content, TransferError):
                    outcome.errors.append(str(content))
                else:
                    outcome.done.append((paths[path], content))
        outcome.errors += read.errors
        outcome.broken = read.broken
        return outcome

    def _more(self, worthwhile: int) -> list[Transport]:
        wanted = min(self._most, worthwhile) - 1
        while len(self._others) < wanted:
            try:
                self._others.append(steady(self._endpoint))
            except TransferError:
                self._most = 1 + len(self._others)  # the server allows no more: we go on with those we have
                break
        return self._others[: max(wanted, 0)]

    def close(self) -> None:
        for lane in (self.first, *self._others):
            lane.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _drain(lane: Transport, work: Callable[[Transport, T], R], waiting: SimpleQueue[T], outcome: Outcome[T, R]) -> None:
    while outcome.broken is None:
        try:
            item = waiting.get_nowait()
        except Empty:
            return
        try:
            outcome.done.append((item, work(lane, item)))
        except GONE as error:
            outcome.broken = error
        except TransferError as error:
            outcome.errors.append(str(error))
