"""The judge: reads the archived bytes of a batch once and says what becomes of it.

The order of the file checks is that of the file interface, section 5: E204, E205 come before E301 although the
header is read first, so a file with a bad header is still read to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from pipelines.checks.blocks import BLOCK_BYTES, DigestReader, Refused
from pipelines.checks.duplicates import KeyHashes, drop_duplicates
from pipelines.checks.framing import agree_on_counts, agree_on_total
from pipelines.checks.places import StagedPaths
from pipelines.checks.prefetch import prefetch
from pipelines.checks.reading import ArchivedBatch, FramedBlocks, content
from pipelines.checks.rows import Origin, PreparedBlock, RowChecker, RowTally
from pipelines.checks.staging import rejects_sink, rows_sink
from pipelines.contracts.model import Contract, Rejects
from pipelines.errors import StoreError


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
    format_version: str | None = None  # of the contract that read it; None where the file was refused before


def judge(
    batch: ArchivedBatch,
    agreed: Contract,
    staged: StagedPaths,
    *,
    waive_limit: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> Judgement:
    """Check a batch against its contract; staged rows and rejects are written, also those of one refused by E501.

    `agreed` is the newest version of the contract; the file is read by the version that its header names.
    `waive_limit` is an operator's word that E501 need not hold. Raises StoreError where the archive's bytes are not
    those of the check file.
    """
    reader = DigestReader(batch.path, batch.check.digest.partition(":")[0], block_bytes)
    try:
        contract, tally = _read(batch, agreed, staged, reader, block_bytes)
    except Refused as refusal:
        _require_verified(batch, reader)
        return Judgement(refusal.code, refusal.reason)
    _require_verified(batch, reader)
    return judgement_of(tally, contract, waive_limit=waive_limit)


def judgement_of(tally: RowTally, contract: Contract, *, waive_limit: bool = False) -> Judgement:
    """What follows from the counts of a file that is in order as a whole."""
    judgement = Judgement(
        None,
        said_of_rejects(tally.rejected),
        loaded=tally.records - tally.rejected,
        rejected=tally.rejected,
        control_total=tally.control_total,
        control_loaded=tally.control_total - tally.control_rejected,
        control_rejected=tally.control_rejected,
        format_version=contract.format_version,
    )
    if tally.rejected and not waive_limit and beyond_limit(tally.rejected, tally.records, contract.rejects):
        limit = f"at most {contract.rejects.rows} rows or {contract.rejects.share:.1%}, and never all"
        return replace(
            judgement, code="E501", reason=f"{tally.rejected} of {tally.records} rows rejected; allowed {limit}"
        )
    return judgement


def said_of_rejects(count: int) -> str:
    """The reason that an accepted batch has: empty where no row was rejected."""
    return {0: "", 1: "1 row rejected"}.get(count, f"{count} rows rejected")


def _uncounted(tally: RowTally) -> str:
    """Of which records nothing was summed: a producer that summed them would find no fault in its sum."""
    if not tally.first_uncounted:
        return ""
    line, codes = tally.first_uncounted
    if tally.uncounted == 1:
        return f" (1 record counts 0: line {line}, {codes})"
    return f" ({tally.uncounted} records count 0: first line {line}, {codes})"


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
    batch: ArchivedBatch, agreed: Contract, staged: StagedPaths, reader: DigestReader, block_bytes: int
) -> tuple[Contract, RowTally]:
    framed = FramedBlocks(batch, agreed, content(batch, agreed, iter(reader), block_bytes))
    contract = framed.contract
    rows = RowChecker(contract, agreed, batch.encoding)
    hashes = KeyHashes(contract.key)
    tally = RowTally()

    def prepared() -> Iterator[PreparedBlock]:
        for first_line, raw in framed:
            yield rows.prepare([Origin(batch.name, batch.cycle, first_line)], raw)

    with rows_sink(staged, agreed) as sound, rejects_sink(staged) as rejects:
        with prefetch(prepared()) as ahead:
            for block in ahead:
                good, bad = rows.check(block)
                tally += RowTally.of(good, bad)
                hashes.add(good)
                sound.write(good)
                rejects.write(bad)
        framing = framed.framing()
        agree_on_counts(tally.records, framing.header_records, framing.trailer, batch.check.records)
        agree_on_total(tally.control_total, framing.trailer, _uncounted(tally))
    if (repeated := hashes.repeated).is_empty():
        return contract, tally
    again = content(batch, agreed, iter(DigestReader(batch.path, "sha256", block_bytes)), block_bytes)
    return contract, tally.with_duplicates(drop_duplicates(staged, agreed, contract.control_column, repeated, again))
