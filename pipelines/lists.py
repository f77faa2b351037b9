"""The lists that go out with a publication: what each is, and how an increment follows from two of its full lists."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

NATION = "000"  # the source in the name of a list that holds rows of source ALL


@dataclass(frozen=True)
class ListKind:
    """One list: `table` in schema `list` has its columns and, last, the source by which it is parted.

    With `key` there are increments; `op` and `valid_from`, where it has them, are no content of a row. A `monthly` list
    is of the last month in its rows, the others of the as-of date.
    """

    name: str
    key: tuple[str, ...] = ()
    is_monthly: bool = False

    @property
    def table(self) -> str:
        return f"list.{self.name.lower()}"


LISTS = (
    ListKind("TIER", key=("service_number",)),
    ListKind("WARN"),
    ListKind("CALL"),
    ListKind("CARD", key=("user_id",)),
    ListKind("WORK"),
    ListKind("KPIM", is_monthly=True),
)
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


def apply(kind: ListKind, full: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The list that an increment makes of the full one it rests on, in no order."""
    left = full.join(changes, on=kind.key, how="anti")
    if "op" in changes.columns:
        changes = changes.filter(pl.col("op") != "D").with_columns(op=pl.lit("I"))
    return pl.concat([left, changes])
