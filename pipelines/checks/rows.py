"""Row checks over blocks: which rows are sound, and of the others every code with its column."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from pipelines.checks.compiling import INTEGER_PATTERN, CompiledChecks
from pipelines.checks.decoding import decode_block
from pipelines.checks.splitting import INDEX, SplitBlock, line_borders, split_block
from pipelines.checks.staging import REJECT_SCHEMA
from pipelines.contracts.model import Contract
from pipelines.cycles import Cycle
from pipelines.names import BatchName

_CONTROL = "control:value"


@dataclass(frozen=True)
class RowTally:
    """What was counted so far; the control total is over all records, `control_rejected` over the rejected ones."""

    records: int = 0
    rejected: int = 0
    control_total: int = 0
    control_rejected: int = 0

    def with_duplicates(self, dropped: tuple[int, int]) -> RowTally:
        """Rows that E409 took out afterwards, and their share of the control total."""
        rows, control = dropped
        return replace(self, rejected=self.rejected + rows, control_rejected=self.control_rejected + control)


@dataclass(frozen=True)
class NumberedBlock:
    """A block of records ready to be checked: `first_line` is the file's number of its first line."""

    first_line: int
    raw: bytes
    split: SplitBlock
    undecodable: tuple[int, ...]  # indexes of lines within the block

    @property
    def odd_count(self) -> int:
        """How many lines are rejected (E410, E401) before they have columns."""
        return len(self.undecodable) + len(self.split.ragged)


class RowChecker:
    """Checks the blocks of one file in turn and keeps the tally."""

    def __init__(
        self, contract: Contract, compiled: CompiledChecks, name: BatchName, cycle: Cycle, encoding: str
    ) -> None:
        self._contract = contract
        self._compiled = compiled
        self._name = name
        self._encoding = encoding
        self._literals = {
            "cycle": pl.lit(cycle.text),
            "cycle_start": pl.lit(cycle.start).cast(pl.Datetime("us")),
            "cycle_end": pl.lit(cycle.end).cast(pl.Datetime("us")),
            "source": pl.lit(name.source),
        }
        self.tally = RowTally()

    def prepare(self, numbered: tuple[int, bytes]) -> NumberedBlock:
        """The part that runs ahead in another thread: decoding and splitting."""
        first_line, raw = numbered
        decoded = decode_block(raw, self._encoding)
        split = split_block(decoded.text, self._contract.column_names, self._contract.delimiter, decoded.undecodable)
        return NumberedBlock(first_line, raw, split, decoded.undecodable)

    def check(self, block: NumberedBlock) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Sound rows in the staged schema, and rejects in REJECT_SCHEMA; every record is in exactly one of them."""
        rows = self._judged(block)
        breaks = rows["breaks"]
        sound, broken = (rows.filter(~breaks), rows.filter(breaks)) if breaks.any() else (rows, rows.clear())
        rejects = self._rejects(block.split.fields.filter(breaks), block)
        self.tally = RowTally(
            self.tally.records + rows.height + block.odd_count,
            self.tally.rejected + rejects.height,
            self.tally.control_total + _total(rows),
            self.tally.control_rejected + _total(broken),
        )
        return sound, rejects

    def _judged(self, block: NumberedBlock) -> pl.DataFrame:
        """All rows that have columns, in the staged schema and with their control value; `breaks` the rejected ones."""
        control = pl.lit(0, pl.Int64)
        if self._contract.control_column:
            text = pl.col(self._contract.control_column)
            control = pl.when(text.str.contains(INTEGER_PATTERN)).then(text).cast(pl.Int64, strict=False)
        staged = pl.lit(self._name.stem).alias("batch_stem"), self._compiled.any_breaks.alias("breaks")
        typed = self._typed(block.split.fields, block.first_line, control.fill_null(0).alias(_CONTROL))
        return typed.select(*self._contract.column_names, "line", _CONTROL, *staged).collect()

    def _typed(self, fields: pl.DataFrame, first_line: int, *more: pl.Expr) -> pl.LazyFrame:
        """What checks read: see `pipelines.checks.compiling`."""
        line = (pl.col(INDEX).cast(pl.Int64) + first_line).alias("line")
        return fields.lazy().select(*self._compiled.typed, line, *more).with_columns(**self._literals)

    def _rejects(self, broken: pl.DataFrame, block: NumberedBlock) -> pl.DataFrame:
        """Codes and columns of the few rows that broke something, with their bytes as they came."""
        if broken.is_empty() and not block.odd_count:
            return pl.DataFrame(schema=REJECT_SCHEMA)
        verdicts = self._typed(broken, block.first_line).select("line", *self._compiled.verdicts).collect()
        odd = [("E410", block.undecodable), ("E401", block.split.ragged)]
        rejects = pl.concat([verdicts, *(_odd_rejects(code, at, block.first_line) for code, at in odd)]).sort("line")
        starts, ends = line_borders(block.raw)
        at = (rejects["line"] - block.first_line).to_numpy()
        places = zip(starts[at].tolist(), ends[at].tolist(), strict=True)
        records = [block.raw[start:end].removesuffix(b"\r") for start, end in places]
        return rejects.with_columns(record=pl.Series(records, dtype=pl.Binary)).select(list(REJECT_SCHEMA))


def _odd_rejects(code: str, indexes: tuple[int, ...], first_line: int) -> pl.DataFrame:
    """Lines that are rejected before they have columns."""
    return pl.DataFrame({"line": indexes}, schema={"line": pl.Int64}).select(
        pl.col("line") + first_line, codes=pl.lit(code), columns=pl.lit(""), entity_key=pl.lit(None, pl.String)
    )


def _total(frame: pl.DataFrame) -> int:
    """The control total of rows; wide enough for any number of 18 digits."""
    return int(frame[_CONTROL].cast(pl.Int128).sum())
