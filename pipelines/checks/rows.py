"""Row checks over blocks: which rows are sound, and of the others every code with its column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pipelines.checks.compiling import INTEGER_PATTERN, CompiledChecks
from pipelines.checks.decoding import DecodedBlock, decode_block
from pipelines.checks.splitting import INDEX, split_block
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
    """A block of records ready to be split: `first_line` is the file's number of its first line."""

    first_line: int
    raw: bytes
    decoded: DecodedBlock


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

    def decode(self, numbered: tuple[int, bytes]) -> NumberedBlock:
        """The part that runs ahead in another thread."""
        first_line, raw = numbered
        return NumberedBlock(first_line, raw, decode_block(raw, self._encoding))

    def check(self, block: NumberedBlock) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Sound rows in the staged schema, and rejects in REJECT_SCHEMA; every record is in exactly one of them."""
        contract, decoded = self._contract, block.decoded
        split = split_block(decoded.text, contract.column_names, contract.delimiter, decoded.undecodable)
        typed = self._typed(split.fields, block.first_line)
        sound = typed.filter(~pl.col("breaks"))
        broken = typed.filter(pl.col("breaks"))
        odd = [(index, "E410") for index in decoded.undecodable] + [(index, "E401") for index in split.ragged]
        rejects = self._rejects(broken, odd, block)
        self.tally = RowTally(
            self.tally.records + typed.height + len(odd),
            self.tally.rejected + rejects.height,
            self.tally.control_total + _total(typed),
            self.tally.control_rejected + _total(broken),
        )
        return sound.with_columns(pl.lit(self._name.stem).alias("batch_stem")), rejects

    def _typed(self, fields: pl.DataFrame, first_line: int) -> pl.DataFrame:
        control = pl.lit(0, pl.Int64)
        if self._contract.control_column:
            text = pl.col(self._contract.control_column)
            control = pl.when(text.str.contains(INTEGER_PATTERN)).then(text).cast(pl.Int64, strict=False)
        line = (pl.col(INDEX).cast(pl.Int64) + first_line).alias("line")
        return (
            fields.lazy()
            .select(*self._compiled.typed, line, control.fill_null(0).alias(_CONTROL))
            .with_columns(**self._literals)
            .with_columns(self._compiled.any_breaks.alias("breaks"))
            .collect()
        )

    def _rejects(self, broken: pl.DataFrame, odd: list[tuple[int, str]], block: NumberedBlock) -> pl.DataFrame:
        """Codes and columns of the few rows that broke something, with their bytes as they came."""
        if broken.is_empty() and not odd:
            return pl.DataFrame(schema=REJECT_SCHEMA)
        raw_lines = block.raw.split(b"\n")
        rows = [self._reject(index + block.first_line, [(code, "")], None) for index, code in odd]
        checks = self._compiled.checks
        flags = broken.select([check.breaks.alias(str(number)) for number, check in enumerate(checks)])
        entities = broken[self._contract.entity_key]
        for line, entity, row in zip(broken["line"], entities, flags.iter_rows(), strict=True):
            earned = [(check.code, check.column) for check, breaks in zip(checks, row, strict=True) if breaks]
            rows.append(self._reject(line, earned, entity))
        for reject in rows:
            reject["record"] = raw_lines[reject["line"] - block.first_line].removesuffix(b"\r")
        return pl.DataFrame(rows, schema=REJECT_SCHEMA).sort("line")

    def _reject(self, line: int, earned: list[tuple[str, str]], entity: str | None) -> dict[str, Any]:
        key_is_sound = entity is not None and not {column for _, column in earned} & set(self._contract.key)
        return {
            "line": line,
            "codes": "+".join(code for code, _ in earned),
            "columns": "+".join(column for _, column in earned),
            "entity_key": entity if key_is_sound else None,
        }


def _total(frame: pl.DataFrame) -> int:
    """The control total of rows; wide enough for any number of 18 digits."""
    return int(frame[_CONTROL].cast(pl.Int128).sum())
