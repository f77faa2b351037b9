"""Row checks over blocks: which rows are sound, and of the others every code with its column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from pipelines.checks.compiling import CONTROL, compile_checks
from pipelines.checks.decoding import decode_block
from pipelines.checks.splitting import INDEX, SplitBlock, line_borders, split_block
from pipelines.checks.staging import REJECT_SCHEMA, staged_schema
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle
from pipelines.errors import StoreError
from pipelines.names import BatchName

# Columns of a contract have no colon in their names.
_AT = "row:at"  # the index of a line in its block
_BEFORE_FIRST = "row:before_first"
_BREAKS = "row:breaks"
_NO_REJECTS = pl.DataFrame(schema=REJECT_SCHEMA | {"batch_stem": pl.String(), CONTROL: pl.Int64()})
_PLACED = (_AT, "batch_stem", "line")
_LINE = (pl.col(_AT) + pl.col(_BEFORE_FIRST)).alias("line")
_CONTEXT = {
    "batch_stem": pl.String(),
    "source": pl.String(),
    "cycle": pl.String(),
    "cycle_start": pl.Datetime("us"),
    "cycle_end": pl.Datetime("us"),
    _BEFORE_FIRST: pl.Int64(),  # what makes a line's number in its file of its index in the block
}


@dataclass(frozen=True)
class RowTally:
    """What was counted so far; the control total is over all records, `control_rejected` over the rejected ones.

    `uncounted` of these count 0 in both, for nothing can be read; `first_uncounted`: line and codes of the first.
    """

    records: int = 0
    rejected: int = 0
    control_total: int = 0
    control_rejected: int = 0
    uncounted: int = 0
    first_uncounted: tuple[int, str] | tuple[()] = ()

    @classmethod
    def of(cls, sound: pl.DataFrame, rejects: pl.DataFrame) -> RowTally:
        """What a RowChecker made of some records; totals are wide enough for any numbers of 18 digits."""
        loaded, rejected = (int(frame[CONTROL].cast(pl.Int128).sum()) for frame in (sound, rejects))
        uncounted = rejects.filter(pl.col(CONTROL).is_null()).select("line", "codes")
        return cls(
            sound.height + rejects.height, rejects.height, loaded + rejected, rejected, uncounted.height,
            uncounted.row(0) if uncounted.height else (),
        )  # fmt: skip

    def __add__(self, other: RowTally) -> RowTally:
        """With what comes further down in the file."""
        names = ("records", "rejected", "control_total", "control_rejected", "uncounted")
        counts = (getattr(self, name) + getattr(other, name) for name in names)
        return replace(RowTally(*counts), first_uncounted=self.first_uncounted or other.first_uncounted)

    def with_duplicates(self, dropped: tuple[int, int]) -> RowTally:
        """Rows that E409 took out afterwards, and their share of the control total."""
        rows, control = dropped
        return replace(self, rejected=self.rejected + rows, control_rejected=self.control_rejected + control)


@dataclass(frozen=True)
class Origin:
    """Of which file the lines of a block are, from the line `index` of the block on: there it is `first_line`."""

    name: BatchName
    cycle: Cycle
    first_line: int
    index: int = 0

    @property
    def context(self) -> tuple[object, ...]:
        """The values of _CONTEXT."""
        name, cycle = self.name, self.cycle
        return name.stem, name.source, cycle.text, cycle.start, cycle.end, self.first_line - self.index


@dataclass(frozen=True)
class PreparedBlock:
    """Records ready to be checked."""

    origins: Sequence[Origin]
    raw: bytes
    split: SplitBlock
    undecodable: tuple[int, ...]  # indexes of lines within the block


class RowChecker:
    """Checks blocks of records that one version of a contract reads; `agreed` is the newest version of it."""

    def __init__(self, contract: Contract, agreed: Contract, encoding: str) -> None:
        self._contract = contract
        self._compiled = compile_checks(contract)
        self._encoding = encoding
        self._staged = [
            pl.col(name) if name in (*contract.column_names, *_PLACED) else pl.lit(None, dtype).alias(name)
            for name, dtype in staged_schema(agreed).items()
        ]

    def prepare(self, origins: Sequence[Origin], raw: bytes) -> PreparedBlock:
        """The part that can run ahead in another thread: decoding and splitting."""
        decoded = decode_block(raw, self._encoding)
        split = split_block(decoded.text, self._contract.column_names, self._contract.delimiter, decoded.undecodable)
        return PreparedBlock(origins, raw, split, decoded.undecodable)

    def check(self, block: PreparedBlock) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Sound rows in the staged schema, and rejects in REJECT_SCHEMA with `batch_stem`; both with CONTROL.

        Every record is in exactly one of them. Raises StoreError where a condition of the contract fails on a value.
        """
        try:
            return self._checked(block)
        except PolarsError as error:  # its words, and so its trace, hold values of people
            raise StoreError(
                f"{self._contract.feed}, version {self._contract.format_version}: expected conditions that fail for no "
                f"value, found a condition of the contract that fails on a row ({type(error).__name__}); "
                "mend it (try_cast gives none where cast fails), then run again"
            ) from None

    def _checked(self, block: PreparedBlock) -> tuple[pl.DataFrame, pl.DataFrame]:
        breaks = self._compiled.any_breaks.alias(_BREAKS)
        rows = self._typed(block.split.fields, block.origins).select(*self._staged, CONTROL, breaks).collect()
        if not block.undecodable and not block.split.ragged and not rows[_BREAKS].any():
            return rows, _NO_REJECTS
        return rows.filter(~rows[_BREAKS]), self._rejects(block.split.fields.filter(rows[_BREAKS]), block)

    def _typed(self, fields: pl.DataFrame, origins: Sequence[Origin]) -> pl.LazyFrame:
        """What checks read: see `pipelines.checks.compiling`."""
        typed = fields.lazy().select(*self._compiled.typed, pl.col(INDEX).cast(pl.Int64).alias(_AT))
        return typed.with_columns(_context(origins, fields[INDEX])).with_columns(_LINE)

    def _rejects(self, broken: pl.DataFrame, block: PreparedBlock) -> pl.DataFrame:
        """Codes and columns of the few rows that broke something, with their bytes as they came."""
        verdicts = self._typed(broken, block.origins).select(*_PLACED, *self._compiled.verdicts, CONTROL).collect()
        odd = [("E410", block.undecodable), ("E401", block.split.ragged)]
        rejects = pl.concat([verdicts, *(_odd_rejects(code, at, block.origins) for code, at in odd)]).sort(_AT)
        starts, ends = line_borders(block.raw)
        at = rejects[_AT].to_numpy()
        places = zip(starts[at].tolist(), ends[at].tolist(), strict=True)
        records = [block.raw[start:end].removesuffix(b"\r") for start, end in places]
        return rejects.with_columns(record=pl.Series(records, dtype=pl.Binary)).select(_NO_REJECTS.columns)


def _context(origins: Sequence[Origin], index: pl.Series) -> list[pl.Expr] | list[pl.Series]:
    """What is the same for all lines of a file, at the lines of a block with these indexes."""
    if len(origins) == 1:
        values = zip(_CONTEXT.items(), origins[0].context, strict=True)
        return [pl.lit(value, dtype).alias(name) for (name, dtype), value in values]
    files = pl.DataFrame([origin.context for origin in origins], schema=_CONTEXT, orient="row")
    begins = [origin.index for origin in origins]
    return files[np.searchsorted(begins, index.to_numpy(), side="right") - 1].get_columns()


def _odd_rejects(code: str, indexes: tuple[int, ...], origins: Sequence[Origin]) -> pl.DataFrame:
    """Lines that are rejected before they have columns."""
    at = pl.Series(_AT, indexes, dtype=pl.Int64)
    frame = pl.DataFrame([at]).with_columns(_context(origins, at))
    rest = {"codes": pl.lit(code), "columns": pl.lit(""), "entity_key": pl.lit(None, pl.String)}
    return frame.with_columns(_LINE).select(*_PLACED, **rest, **{CONTROL: pl.lit(None, pl.Int64)})
