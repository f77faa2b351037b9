"""The tables that an explanation rests on, read once into plain rows by their key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

Row = dict[str, Any]
# What an explanation rests on; whoever makes a trial builds these.
EXPLAINED = (
    "mart.arpu", "mart.churn_rule", "mart.churn_warning", "mart.customer_holding", "mart.customer_service",
    "mart.customer_state", "mart.loyalty", "mart.subscriber_last_tier", "mart.subscriber_month",
    "mart.subscriber_state", "mart.tier", "mart.tier_subject", "mart.value", "mart.value_part",
)  # fmt: skip
_MONTH = "cast(({0}) // 12 * 100 + ({0}) % 12 + 1 as varchar)"
_QUERIES = {
    "subscriber": """
        select user_id, customer_id, source, product, status, open_date, close_date, member_level
        from mart.subscriber_state order by user_id
    """,
    "tier": "select t.*, r.rank from mart.tier as t inner join policy.tier as r using (source, tier)",
    "last_tier": "select user_id, tier from mart.subscriber_last_tier",
    # The months that bear on the tier, newest first, each with the first rule that its ARPU3 meets.
    "month": f"""
        select
            s.user_id, h.month_offset, {_MONTH.format("m.month_index - h.month_offset")} as month,
            a.total_fen, a.bill_count, a.arpu3_fen, greatest(s.tenure_months - h.month_offset, 0) as tenure_months,
            r.tier, r.way
        from mart.tier_subject as s
        inner join mart.bill_month as m on m.source = s.source
        cross join policy.held_month as h
        left join mart.arpu as a on a.user_id = s.user_id and a.month_offset = h.month_offset
        left join policy.tier_rule as r
            on r.source = s.source and a.total_fen >= r.from_fen * a.bill_count
                and greatest(s.tenure_months - h.month_offset, 0) >= r.from_months
        qualify row_number() over (partition by s.user_id, h.month_offset order by r.rank, r.from_months) = 1
        order by s.user_id, h.month_offset
    """,
    "bill": f"""
        select s.user_id, h.month_offset, b.billing_cycle as month, b.total_fen
        from mart.tier_subject as s
        inner join mart.bill_month as m on m.source = s.source
        cross join policy.held_month as h
        cross join policy.arpu_month as o
        inner join core.bill as b
            on b.user_id = s.user_id and b.is_current
                and b.billing_cycle = {_MONTH.format("m.month_index - h.month_offset - o.month_offset")}
        order by s.user_id, b.billing_cycle desc
    """,
    # Newest first, from the last closed month back.
    "former": """
        select s.user_id, s.month, s.month_index, s.tier
        from mart.subscriber_month as s
        inner join mart.subscriber_state as u on u.user_id = s.user_id
        inner join mart.bill_month as m on m.source = u.source and s.month_index <= m.month_index
        order by s.user_id, s.month_index desc
    """,
    "rule": "select user_id, rule, points, evidence from mart.churn_rule order by user_id, rule",
    "warning": "select * from mart.churn_warning",
    "customer": "select customer_id, source, customer_type, blacklisted from mart.customer_state",
    "held": "select * from mart.customer_holding",
    "service": "select * from mart.customer_service",
    "loyalty": "select * from mart.loyalty",
    "part": "select * from mart.value_part",
    "value": "select customer_id, score, segment from mart.value",
}  # fmt: skip
_POLICY = {
    "tier_rule": "select * from policy.tier_rule order by source, rank, from_months",
    "warning": "select * from policy.warning",
    "loyalty": "select * from policy.loyalty",
    "value": "select * from policy.value",
    "version": "select * from policy.source",
    "bill_month": "select source, bill_month from mart.bill_month",
    "code": "select * from policy.code order by source, name, code",
    "best": "select source, scale, max(points) as points from policy.band group by source, scale",
}
_TITLED = ("tier", "subscriber_status", "product", "member_level", "customer_type")


@dataclass(frozen=True)
class Tables:
    """Rows of marts by subscriber or customer, rows of the policy by source, and what codes are called.

    Values are plain: days are ISO text, decimals numbers. `titles` has English and Chinese by code list and code.
    """

    of: dict[str, dict[str, list[Row]]]
    policy: dict[str, dict[str, list[Row]]]
    held_months: int
    titles: dict[tuple[str, str], tuple[str, str]]

    def one(self, table: str, key: str) -> Row | None:
        rows = self.of[table].get(key)
        return rows[0] if rows else None


def read_tables(connection: duckdb.DuckDBPyConnection) -> Tables:
    """Read the database in use, which holds the tables `EXPLAINED` and what they rest on."""
    titles = {
        (name, row["code"]): (row["title_en"], row["title_zh"])
        for name in _TITLED
        for row in _rows(connection, f"select code, title_en, title_zh from core.{name}")
    }
    return Tables(
        {name: _by_first(_rows(connection, query)) for name, query in _QUERIES.items()},
        {name: _by_first(_rows(connection, query)) for name, query in _POLICY.items()},
        len(_rows(connection, "from policy.held_month")),
        titles,
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else value


def _by_first(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by their first column, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(next(iter(row.values())), []).append(row)
    return found
