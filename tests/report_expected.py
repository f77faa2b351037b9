"""What the tables of a report show, read from the marts of the same state."""

from __future__ import annotations

from collections import Counter
from typing import Any

from report_states import Published

from pipelines.reporting.words import CODES

TITLES = {kind: {code: titles[0] for code, titles in codes.items()} for kind, codes in CODES.items()}
TITLES["tier"] = {"D": "Diamond", "G": "Gold", "S": "Silver", "N": "Standard", "ALL": "All"}
TITLES["rule"] = {code: f"{code} {title}" for code, title in TITLES["rule"].items()}


def spread(rows: list[tuple[Any, ...]], row: str, column: str) -> Counter[tuple[str, str]]:
    """Counts by two codes as a table shows them, with what they are in all."""
    found: Counter[tuple[str, str]] = Counter()
    for first, second, count in rows:
        heads = (TITLES[row][first] if row else first, TITLES[column][second])
        ends = ("Total" if row or column == "cause" else "All", "Total")
        for place in (heads, (heads[0], ends[1]), (ends[0], heads[1]), ends):
            found[place] += count
    return found


COUNTED = {
    "tier_table": ("select source, tier, 1 from mart.tier", "", "tier"),
    "warning_level": ("select source, level, 1 from mart.churn_warning", "", "level"),
    "loyalty_table": ("select source, class, 1 from mart.loyalty", "", "class"),
    "segment_table": ("select source, segment, 1 from mart.value", "", "segment"),
    "pareto_table": ("select source, pareto_class, 1 from mart.value", "", "pareto"),
    "call_campaign": ("select campaign, coalesce(cause, 'CALLED'), 1 from mart.call_choice", "campaign", "cause"),
    "call_source": ("select source, coalesce(cause, 'CALLED'), 1 from mart.call_choice", "", "cause"),
    "warning_rule": (
        "select unnest(string_split(rules, '+')), level, 1 from mart.churn_warning", "rule", "level",
    ),
}  # fmt: skip


def text_of(kpi: str, value: float) -> str:
    if kpi in ("customer_base", "gross_adds"):
        return f"{value:.0f}"
    if kpi in ("usage_frequency", "complaints_per_10k", "arpu"):
        return f"{value / (100 if kpi == 'arpu' else 1):,.2f}"
    return f"{value:.2%}" if kpi == "reject_rate" else f"{value:.1%}"


# Of the sources and all of them together the last closed month.
LAST_MONTH = """
    select source, bill_month from mart.bill_month union all select 'ALL', max(bill_month) from mart.bill_month
"""


def kpis(last: Published) -> dict[tuple[str, str, str], str]:
    """Cells by table, head of the row and head of the column."""
    ends = dict(last.rows(LAST_MONTH))
    expected: dict[tuple[str, str, str], str] = {}
    for month, source, tier, kpi, value in last.rows(
        "select month, source, tier, kpi, value from mart.kpi where feed is null"
    ):
        head, shown = TITLES["kpi"][kpi], text_of(kpi, value)
        if source == tier == "ALL":
            expected["kpi_month", head, f"{month[:4]}-{month[4:]}"] = shown
        if source == "ALL" and month == ends[source]:
            expected["kpi_tier", head, TITLES["tier"][tier]] = shown
        if source != "ALL" and tier == "ALL" and month == ends[source]:
            expected["kpi_source", head, source] = shown
    return expected


def feeds(last: Published) -> dict[tuple[str, str, str], tuple[str, str]]:
    """The rate and of how many, by source, feed and KPI."""
    rows = last.rows(
        "select k.source, feed, kpi, value, denominator from mart.kpi as k "
        f"inner join ({LAST_MONTH}) as m on m.source = k.source and m.bill_month = k.month where feed is not null"
    )
    return {
        (source, feed, TITLES["kpi"][kpi]): (text_of(kpi, value), f"{of:,}") for source, feed, kpi, value, of in rows
    }


def cards(last: Published) -> list[str]:
    """The numbers seen first, but for tier changes and lists."""
    queries = (
        "select count(*) from mart.tier",
        "select count(*) from mart.churn_warning",
        "select count(*) filter (where value >= target) || ' / ' || count(target) from mart.kpi as k "
        f"inner join ({LAST_MONTH}) as m on m.source = k.source and m.bill_month = k.month",
        "select count(*) from list.call",
    )
    return [str(last.rows(query)[0][0]) for query in queries]


def targets(last: Published) -> Counter[tuple[str, ...]]:
    """Source, tier, value, target and result of every KPI that has a target."""
    rows = last.rows(
        f"select k.source, tier, value, target from mart.kpi as k inner join ({LAST_MONTH}) as m "
        "on m.source = k.source and m.bill_month = k.month where target is not null"
    )
    return Counter(
        (source, TITLES["tier"][tier], "✓ met" if value >= target else "✗ missed", f"{value:.1%}", f"{target:.1%}")
        for source, tier, value, target in rows
    )


def movements(first: Published, last: Published) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """From which tier to which, and what becomes of a tier, of all subscribers."""
    before, now = (dict(each.rows("select user_id, tier from mart.tier")) for each in (first, last))
    title, ranks = TITLES["tier"], [*TITLES["tier"].values()]
    moved = Counter(
        (title.get(before.get(user, ""), "New"), title.get(now.get(user, ""), "Gone"))
        for user in before.keys() | now.keys()
    )
    turned: Counter[str] = Counter()
    for (was, is_now), count in moved.items():
        if "New" in (was, is_now) or "Gone" in (was, is_now):
            turned["New" if was == "New" else "Gone"] += count
        else:
            step = ranks.index(was) - ranks.index(is_now)
            turned["▲ Risen" if step > 0 else "▼ Fallen" if step < 0 else "Unchanged"] += count
    return moved, turned
