"""Increments of lists: how one follows from the full list it rests on, and what it makes of that again."""

from __future__ import annotations

import polars as pl

from pipelines.lists import ListKind

_NO_CONTENT = ("op", "valid_from")


def increment(kind: ListKind, present: pl.DataFrame, full: pl.DataFrame) -> pl.DataFrame:
    """The rows of the present list that the full one has not or has otherwise; where there is `op`, what is gone too.

    Applied to the full list it gives the present one: `I` and `U` put a row in the place of its key, `D` removes it.
    """
    content = [column for column in present.columns if column not in _NO_CONTENT]
    changed = present.join(full, on=content, how="anti", nulls_equal=True, maintain_order="left")
    if "op" not in present.columns:
        return changed
    is_known = pl.struct(kind.key).is_in(full.select(pl.struct(kind.key).alias("key"))["key"].implode())
    changed = changed.with_columns(op=pl.when(is_known).then(pl.lit("U")).otherwise(pl.lit("I")))
    gone = full.join(present, on=kind.key, how="anti", maintain_order="left").with_columns(op=pl.lit("D"))
    return pl.concat([changed, gone.select(present.columns)])
