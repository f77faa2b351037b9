"""The judge: reads the archived bytes of a batch once and says what becomes of it.

The order of the file checks is that of the file interface, section 5: E204, E205 come before E301 although the
header is read first, so a file with a bad header is still read to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from pipelines.check_files import CheckFile
from pipelines.checks.blocks import BLOCK_BYTES, DigestReader, Refused, gunzip, is_gzip, whole_lines
from pipelines.checks.compiling import compile_checks
from pipelines.checks.decoding import UTF8_BOM
from pipelines.checks.duplicates import KeyHashes, drop_duplicates
from pipelines.checks.framing import Trailer, agree_on_counts, agree_on_total, read_header, read_trailer
from pipelines.checks.places import StagedPaths
from pipelines.checks.prefetch import prefetch
from pipelines.checks.rows import RowChecker, RowTally
from pipelines.checks.splitting import count_lines
from pipelines.checks.staging import rejects_sink, rows_sink
from pipelines.contracts.model import Contract, Rejects
from pipelines.cycles import Cycle
from pipelines.errors import StoreError
from pipelines.names import BatchName


@dataclass(frozen=True)
class ArchivedBatch:
    """A batch whose bytes stand in the archive, as its check file describes them."""

    path: Path
    name: BatchName
    cycle: Cycle
    check: CheckFile
    encoding: str  # utf-8 or gb18030


@dataclass(frozen=True)
class Judgement:
    """What a file turned out to hold. `code` None: accepted. records = loaded + rejected; so for the control total."""

    code: str | None
    reason: str
    loaded: int = 0
    rejected: int = 0
    control_total: int = 0
    control_loaded: int = 0
    control_rejected: int = 0


@dataclass(frozen=True)
class _Framing:
    header_records: int
    trailer: Trailer


def judge(
    batch: ArchivedBatch,
    contract: Contract,
    staged: StagedPaths,
    *,
    waive_limit: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> Judgement:
    """Check a batch against its contract; staged rows and rejects are written, also those of one refused by E501.

    `waive_limit` is an operator's word that E501 need not hold. Raises StoreError where the archive's bytes are not
    those of the check file.
    """
    reader = DigestReader(batch.path, batch.check.digest.partition(":")[0], block_bytes)
    try:
        tally = _read(batch, contract, staged, reader, block_bytes)
    except Refused as refusal:
        _require_verified(batch, reader)
        return Judgement(refusal.code, refusal.reason)
    _require_verified(batch, reader)
    judgement = Judgement(
        None,
        f"{tally.rejected} rows rejected" if tally.rejected != 1 else "1 row rejected",
        loaded=tally.records - tally.rejected,
        rejected=tally.rejected,
        control_total=tally.control_total,
        control_loaded=tally.control_total - tally.control_rejected,
        control_rejected=tally.control_rejected,
    )
    if tally.rejected == 0:
        return replace(judgement, reason="")
    if not waive_limit and beyond_limit(tally.rejected, tally.records, contract.rejects):
        limit = f"at most {contract.rejects.rows} rows or {contract.rejects.share:.1%}, and never all"
        return replace(
            judgement, code="E501", reason=f"{tally.rejected} of {tally.records} rows rejected; allowed {limit}"
        )
    return judgement


def _require_verified(batch: ArchivedBatch, reader: DigestReader) -> None:
    """Damage of the archive is no fault of the producer's: it must not refuse a batch that was sound when it came."""
    reader.read_to_end()
    if reader.hexdigest != batch.check.digest.partition(":")[2]:
        raise StoreError(f"{batch.path}: the archived bytes are not those that were verified; run 'backups restore'")


def beyond_limit(rejected: int, records: int, limit: Rejects) -> bool:
    """E501: more rows rejected than `rows` or `share` of the records, whichever is more; or all of them."""
    allowed = max(Decimal(limit.rows), Decimal(str(limit.share)) * records)
    return rejected > allowed or rejected == records


def _read(
    batch: ArchivedBatch, contract: Contract, staged: StagedPaths, reader: DigestReader, block_bytes: int
) -> RowTally:
    rows = RowChecker(contract, compile_checks(contract), batch.name, batch.cycle, batch.encoding)
    hashes = KeyHashes(contract.key)
    with rows_sink(staged, contract) as sound, rejects_sink(staged) as rejects:
        blocks = _content(batch, contract, iter(reader), block_bytes)
        framed = _FramedBlocks(blocks, batch.name, contract)
        with prefetch(map(rows.prepare, framed)) as prepared:
            for block in prepared:
                accepted, rejected = rows.check(block)
                hashes.add(accepted)
                sound.write(accepted)
                rejects.write(rejected)
        framing = framed.framing()
        agree_on_counts(rows.tally.records, framing.header_records, framing.trailer, batch.check.records)
        agree_on_total(rows.tally.control_total, framing.trailer)
    if (repeated := hashes.repeated).is_empty():
        return rows.tally
    again = iter(DigestReader(batch.path, "sha256", block_bytes))
    dropped = drop_duplicates(staged, contract, repeated, _content(batch, contract, again, block_bytes))
    return rows.tally.with_duplicates(dropped)


def _content(batch: ArchivedBatch, contract: Contract, blocks: Iterator[bytes], block_bytes: int) -> Iterator[bytes]:
    """The lines of the file in blocks, decompressed, without a byte order mark."""
    if is_gzip(batch.path):
        blocks = gunzip(blocks, batch.path.stat().st_size, contract.limits, block_bytes)
    first = True
    for lines in whole_lines(blocks, contract.limits):
        yield lines.removeprefix(UTF8_BOM) if first and batch.encoding == "utf-8" else lines
        first = False


class _FramedBlocks:
    """Passes on the blocks of records with the number of their first line; keeps header and trailer back."""

    def __init__(self, blocks: Iterator[bytes], name: BatchName, contract: Contract) -> None:
        self._blocks = blocks
        self._name = name
        self._contract = contract
        self._header_records = 0
        self._trailer: Trailer | None = None

    def framing(self) -> _Framing:
        assert self._trailer is not None, "asked before the blocks were read"
        return _Framing(self._header_records, self._trailer)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        block = self._after_header()
        line = 2
        for following in self._blocks:
            if block:
                yield line, block
                line += count_lines(block)
            block = following
        cut = block.rfind(b"\n", 0, max(len(block) - 1, 0)) + 1
        line_of_trailer = line + block.count(b"\n", 0, cut)
        self._trailer = read_trailer(block[cut:], line_of_trailer, self._contract.delimiter)
        if cut:
            yield line, block[:cut]

    def _after_header(self) -> bytes:
        block = next(self._blocks, b"")
        cut = block.find(b"\n") + 1 or len(block)
        try:
            self._header_records = read_header(
                block[:cut], self._name, self._contract.format_version, self._contract.delimiter
            )
        except Refused:
            for _ in self._blocks:  # E204 and E205 come first: read on, they are raised by the blocks
                pass
            raise
        return block[cut:]
