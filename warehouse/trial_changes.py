"""What differs between two databases of marts: who moved, whose service levels changed, KPIs of the last month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

Row = dict[str, Any]
# What is compared, by the name that it has in reports: table, key, column.
_MOVED = {
    "tier": ("mart.tier", "user_id", "tier"),
    "warning level": ("mart.churn_warning", "user_id", "level"),
    "loyalty class": ("mart.loyalty", "customer_id", "class"),
    "segment": ("mart.value", "customer_id", "segment"),
}
COMPARED = ("mart.tier", "mart.churn_warning", "mart.loyalty", "mart.value", "mart.kpi")


@dataclass(frozen=True)
class Changes:
    """Moves (from, to, count; null for none) by what moves, the most frequent first; subscribers of whom any number of
    the service level changes; KPIs whose value or target does."""

    moves: dict[str, list[Row]]
    service_levels: int
    kpis: list[Row]


def compare(connection: duckdb.DuckDBPyConnection, before: str, after: str, source: str | None = None) -> Changes:
    """Compare the tables `COMPARED` of two attached databases, all of them or those of one source.

    What changes its source counts for the one after.
    """
    names = {"before": before, "after": after}

    def rows(query: str) -> list[Row]:
        cursor = connection.execute(query.format(**names), {"source": source})
        columns = [column[0] for column in cursor.description or []]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    moves = {
        what: rows(_MOVES.replace("TABLE", table).replace("KEY", key).replace("COLUMN", column))
        for what, (table, key, column) in _MOVED.items()
    }
    return Changes(moves, rows(_SERVED)[0]["count"], rows(_KPIS))


_MOVES = """
    select b.COLUMN as "from", a.COLUMN as "to", count(*) as count
    from {before}.TABLE as b
    full join {after}.TABLE as a on a.KEY = b.KEY
    where b.COLUMN is distinct from a.COLUMN
        and ($source is null or coalesce(a.source, b.source) = $source)
    group by 1, 2
    order by count desc, 1, 2
"""
_SERVED = """
    with before as (
        select t.user_id, t.source, l.* exclude (source, tier)
        from {before}.mart.tier as t
        inner join {before}.policy.service_level as l on l.source = t.source and l.tier = t.tier
        where $source is null or t.source = $source
    ),

    after as (
        select t.user_id, t.source, l.* exclude (source, tier)
        from {after}.mart.tier as t
        inner join {after}.policy.service_level as l on l.source = t.source and l.tier = t.tier
        where $source is null or t.source = $source
    )

    select count(distinct user_id) as count
    from ((from before except from after) union all (from after except from before))
"""
# Of each source its last closed month; of all sources together the last that any has closed.
_KPIS = """
    with closed as (
        select source, bill_month as month from {after}.mart.bill_month
        union all
        select 'ALL', max(bill_month) from {after}.mart.bill_month
    ),

    former as (
        select k.* from {before}.mart.kpi as k semi join closed using (source, month)
    ),

    latter as (
        select k.* from {after}.mart.kpi as k semi join closed using (source, month)
    )

    select
        coalesce(a.month, b.month) as month, coalesce(a.source, b.source) as source, coalesce(a.tier, b.tier) as tier,
        coalesce(a.feed, b.feed) as feed, coalesce(a.kpi, b.kpi) as kpi,
        b.value as before, a.value as after, a.value - b.value as difference,
        b.target as target_before, a.target as target_after
    from former as b
    full join latter as a
        on a.month = b.month and a.source = b.source and a.tier = b.tier and a.kpi = b.kpi
            and a.feed is not distinct from b.feed
    where (b.value is distinct from a.value or b.target is distinct from a.target)
        and ($source is null or coalesce(a.source, b.source) = $source)
    order by kpi, source, tier, feed
"""
