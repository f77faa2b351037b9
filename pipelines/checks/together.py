"""Judging many small files of one feed at once: what a file costs by itself is then paid once for all of them.

Only files that are in order as a whole are judged here, and whatever their rows turn out to be. Of any other nothing
is said: it is read alone, by `pipelines.checks.judging`, which alone knows how to refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from pipelines.checks.blocks import Refused, is_gzip
from pipelines.checks.framing import agree_on_counts
from pipelines.checks.judging import Judgement, judgement_of
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch, FramedBlocks, content
from pipelines.checks.rows import Origin, RowChecker, RowTally
from pipelines.checks.splitting import count_lines
from pipelines.checks.staging import rejects_sink, rows_sink
from pipelines.contracts.model import Contract, Contracts
from pipelines.durable import naming_full_disk
from pipelines.errors import StoreError

SMALL_BYTES = 64 << 10


@dataclass(frozen=True)
class _Small:
    """A small file that is in order as a whole, as far as can be said without its rows."""

    batch: ArchivedBatch
    records: bytes
    record_count: int
    control_total: int


def judge_small(contracts: Contracts, batches: Iterable[tuple[ArchivedBatch, StagedPaths]]) -> dict[str, Judgement]:
    """Judgements by stem, of small batches of one feed and encoding together. Whose is missing is to be read alone.

    So is every one of those among which a file cannot be read: it tells of that itself. Raises StoreError naming the
    feed where the disk is full.
    """
    judgements: dict[str, Judgement] = {}
    by_kind: dict[tuple[str, str], list[tuple[ArchivedBatch, StagedPaths]]] = {}
    for batch, places in batches:
        by_kind.setdefault((batch.name.feed, batch.encoding), []).append((batch, places))
    for (feed, encoding), alike in by_kind.items():
        with suppress(OSError), naming_full_disk(f"{feed}: rows of {len(alike)} batches cannot be staged"):
            judgements |= judge_together(alike, contracts[feed], encoding)
    return judgements


def judge_together(
    batches: Sequence[tuple[ArchivedBatch, StagedPaths]], agreed: Contract, encoding: str
) -> dict[str, Judgement]:
    """Judgements by stem, of those batches that could be judged together; their staged rows and rejects are written.

    A batch beyond its limit of rejects (E501) is among them, as are those of which rows are rejected.
    """
    small = [each for batch, _ in batches if (each := _read_small(batch, agreed)) is not None]
    if len(small) < 2:
        return {}
    rows = RowChecker(agreed, agreed, encoding)
    origins, index = [], 0
    for each in small:
        origins.append(Origin(each.batch.name, each.batch.cycle, first_line=2, index=index))
        index += each.record_count
    try:
        sound, rejects = rows.check(rows.prepare(origins, b"".join(each.records for each in small)))
    except StoreError:  # a condition fails on a row: read alone, that batch tells of it, and the others are judged
        return {}
    repeating = set(sound.filter(pl.struct("batch_stem", *agreed.key).is_duplicated())["batch_stem"])  # E409
    sound_of, rejects_of = _by_stem(sound), _by_stem(rejects)
    places = {batch.name.stem: staged for batch, staged in batches}
    judgements = {}
    for each in small:
        stem = each.batch.name.stem
        mine = sound_of.get(stem, sound.clear()), rejects_of.get(stem, rejects.clear())
        tally = RowTally.of(*mine)
        if stem not in repeating and (tally.records, tally.control_total) == (each.record_count, each.control_total):
            _write(places[stem], agreed, *mine)
            judgements[stem] = judgement_of(tally, agreed)
    return judgements


def _by_stem(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = rows.partition_by("batch_stem", as_dict=True, maintain_order=True)
    return {str(stem): part for (stem,), part in parts.items()}


def _write(places: StagedPaths, agreed: Contract, sound: pl.DataFrame, rejects: pl.DataFrame) -> None:
    with rows_sink(places, agreed) as rows_to, rejects_sink(places) as rejects_to:
        rows_to.write(sound)
        rejects_to.write(rejects)


def _read_small(batch: ArchivedBatch, agreed: Contract) -> _Small | None:
    """None where the file is not small, not plain, of a former version, or not in order."""
    if is_gzip(batch.path) or batch.path.stat().st_size > SMALL_BYTES:
        return None
    data = batch.path.read_bytes()
    algorithm, _, digest = batch.check.digest.partition(":")
    if hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() != digest:
        return None
    try:
        framed = FramedBlocks(batch, agreed, content(batch, agreed, iter([data]), len(data)))
        records = b"".join(block for _, block in framed)
        framing = framed.framing()
        count = count_lines(records)
        agree_on_counts(count, framing.header_records, framing.trailer, batch.check.records)
    except Refused:
        return None
    if framed.contract is not agreed:
        return None
    return _Small(batch, records, count, framing.trailer.control_total)
