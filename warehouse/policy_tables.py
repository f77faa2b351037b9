"""The policy as tables, so that SQL models join to its numbers and hold none of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.policy import Policy
from pipelines.policy_checks import CAMPAIGNS
from pipelines.policy_shape import CLASSES
from pipelines.policy_values import TIERS

ALL = "ALL"
_WIDE = {
    "tiering": "tiering.",
    "warning": "warnings.",
    "loyalty": "loyalty.",
    "value": "value.",
    "kpi": "kpis.",
    "call": "calls.",
    "work_order": "work_orders.",
}

Row = dict[str, Any]
Values = Mapping[str, Any]


def write_policy(connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Iterable[str]) -> None:
    """Writes the effective policy of the sources, and as source `ALL` the default, to the tables of schema `policy`.

    One row per source in `source` (with the version), `tiering`, `warning`, `loyalty`, `value`, `kpi`, `call` and
    `work_order` (a column a number, `C1.points` as `c1_points`); per source and key in `tier`, `tier_rule`,
    `service_level`, `action`, `campaign` and `kpi_target`; per source, name and code in `code`; per source, scale and
    position in `band`; per source and name, as text, in `parameter`. `history`, `arpu_month` and `held_month` hold for
    all sources. `quality` is in `parameter` alone, for no model reads it.
    """
    everyone = [(source, policy.of(source)) for source in (*sorted(set(sources) - {ALL}), ALL)]
    connection.execute("create schema if not exists policy")
    _write(connection, "source", [{"source": source, "version": policy.version} for source, _ in everyone])
    for table, prefix in _WIDE.items():
        _write(connection, table, [{"source": source, **_wide(values, prefix)} for source, values in everyone])
    keyed: dict[str, Callable[[Values], list[Row]]] = {
        "tier": _tiers,
        "tier_rule": _tier_rules,
        "service_level": lambda values: _keyed(values, "service_levels.", "tier", TIERS),
        "action": _actions,
        "campaign": lambda values: _keyed(values, "calls.campaigns.", "campaign", CAMPAIGNS),
        "kpi_target": _kpi_targets,
        "code": _codes,
        "band": _bands,
        "parameter": lambda values: [{"name": name, "value": _text(value)} for name, value in values.items()],
    }
    for table, rows in keyed.items():
        _write(connection, table, [{"source": source, **row} for source, values in everyone for row in rows(values)])
    history = {name: policy.default[f"history.{name}"] for name in ("arpu_months", "held_months", "kpi_months")}
    _write(connection, "history", [history])
    _write(connection, "arpu_month", [{"month_offset": offset} for offset in range(history["arpu_months"])])
    _write(connection, "held_month", [{"month_offset": offset} for offset in range(history["held_months"])])


def _write(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    columns = [pa.field(name, _type(row[name] for row in rows)) for name in rows[0]]
    connection.register("policy_rows", pa.Table.from_pylist(rows, pa.schema(columns)))
    connection.execute(f"create or replace table policy.{table} as select * from policy_rows")
    connection.unregister("policy_rows")


def _type(values: Iterable[Any]) -> pa.DataType:
    kind = next((type(value) for value in values if value is not None), str)
    return {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), Decimal: pa.decimal128(18, 4)}.get(
        kind, pa.string()
    )


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, tuple)


def _wide(values: Values, prefix: str) -> Row:
    """The single numbers of a section; what has a key of its own (actions, campaigns) has its own table."""
    return {
        name.removeprefix(prefix).replace(".", "_").lower(): value
        for name, value in values.items()
        if name.startswith(prefix)
        and _is_scalar(value)
        and not name.startswith(("loyalty.actions.", "calls.campaigns."))
    }


def _keyed(values: Values, prefix: str, key: str, keys: Iterable[str]) -> list[Row]:
    rows = []
    for entry in keys:
        fields = {
            name.removeprefix(f"{prefix}{entry}."): value
            for name, value in values.items()
            if name.startswith(f"{prefix}{entry}.") and _is_scalar(value)
        }
        rows.append({key: entry, **fields})
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _tiers(values: Values) -> list[Row]:
    """`rank` 1 is the best; the last tier is what is left."""
    return [{"tier": tier, "rank": rank} for rank, tier in enumerate(TIERS, start=1)]


def _tier_rules(values: Values) -> list[Row]:
    rows = []
    for rank, tier in enumerate(TIERS[:-1], start=1):
        amount, smaller, months = (
            values[f"tiers.{tier}.{name}"] for name in ("spend_fen", "tenure_spend_fen", "tenure_months")
        )
        rows.append({"tier": tier, "rank": rank, "way": "SPEND", "from_fen": amount, "from_months": 0})
        rows.append({"tier": tier, "rank": rank, "way": "TENURE", "from_fen": smaller, "from_months": months})
    return rows


def _kpi_targets(values: Values) -> list[Row]:
    targets = {tier: values[f"service_levels.{tier}.answer_rate"] for tier in TIERS}
    return [{"kpi": "answer_in_target_rate", "tier": tier, "target": float(rate)} for tier, rate in targets.items()]


def _actions(values: Values) -> list[Row]:
    return [
        {"class": name, **row} for name in CLASSES for row in _keyed(values, f"loyalty.actions.{name}.", "tier", TIERS)
    ]


def _codes(values: Values) -> list[Row]:
    return [
        {"name": name, "code": code}
        for name, value in values.items()
        if not _is_scalar(value) and not name.endswith("_bands")
        for code in value
    ]


def _bands(values: Values) -> list[Row]:
    rows = []
    for name, bands in values.items():
        if name.endswith("_bands"):
            least = Decimal(0)
            for position, band in enumerate(bands, start=1):
                scale = name.removeprefix("value.").removesuffix("_bands")
                rows.append(
                    {
                        "scale": scale,
                        "position": position,
                        "at_least": least,
                        "below": band.below,
                        "points": band.points,
                    }
                )
                least = band.below or least
    return rows


def _text(value: Any) -> str | None:
    if not isinstance(value, tuple):
        return None if value is None else str(value)
    return ", ".join(map(str, value))
