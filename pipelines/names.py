"""Names of files on an exchange server, and the stem by which a batch is known (file interface, section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BATCH = re.compile(
    r"(?P<feed>[A-Z]{4})_(?P<source>[0-9]{3})_(?P<mode>[IF])_(?P<cycle>[0-9]{6}(?:[0-9]{2}){0,2})"
    r"_(?P<seq>(?!0000)[0-9]{4})_(?P<version>[0-9]{2})"
)
_END = re.compile(r"(?P<feed>[A-Z]{4})_(?P<source>[0-9]{3})_(?P<mode>[IF])_(?P<cycle>[0-9]{6}(?:[0-9]{2}){0,2})\.END")
DATA_ENDINGS = (".DAT", ".DAT.gz")


@dataclass(frozen=True, order=True)
class CycleKey:
    """What an end file closes: one cycle of a feed, source and mode."""

    feed: str
    source: str
    mode: str
    cycle: str

    def __str__(self) -> str:
        return f"{self.feed}_{self.source}_{self.mode}_{self.cycle}"


@dataclass(frozen=True, order=True)
class BatchName:
    """The six parts of a stem, as text; ordered by them."""

    feed: str
    source: str
    mode: str
    cycle: str
    seq: str
    version: str

    @property
    def stem(self) -> str:
        return "_".join((self.feed, self.source, self.mode, self.cycle, self.seq, self.version))

    @property
    def cycle_key(self) -> CycleKey:
        return CycleKey(self.feed, self.source, self.mode, self.cycle)


def parse_stem(stem: str) -> BatchName | None:
    """The parts of a stem, or None where it does not follow the grammar."""
    found = _BATCH.fullmatch(stem)
    return BatchName(**found.groupdict()) if found else None


def parse_data_name(name: str) -> BatchName | None:
    """The batch that a data file's name states, or None where the name does not follow the grammar (E101)."""
    for ending in DATA_ENDINGS:
        if name.endswith(ending):
            return parse_stem(name.removesuffix(ending))
    return None


def parse_check_name(name: str) -> BatchName | None:
    """The batch that a check file's name states, or None."""
    return parse_stem(name.removesuffix(".CHK")) if name.endswith(".CHK") else None


def parse_end_name(name: str) -> CycleKey | None:
    """The cycle that an end file's name states, or None."""
    found = _END.fullmatch(name)
    return CycleKey(**found.groupdict()) if found else None
