"""Small random provinces as rows of core, drawn so that the borders of the rules are met often."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.contracts.load import load_contracts
from warehouse.store import make_tables

Row = dict[str, Any]
Province = dict[str, list[Row]]

SOURCES = ("110", "440")
FIRST_MONTH = (2024, 5)
BORDER_TOTALS = (0, 1, 9999, 10000, 14999, 15000, 15001, 20000, 29999, 30000, 30001, 45000, 49999, 50000, 50001, 60000)
ITEMS = ("rental", "voice", "long_distance", "roaming", "message", "data", "value_added", "other")


def empty_warehouse() -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with the tables that the contracts ask for."""
    connection = duckdb.connect()
    make_tables(connection, load_contracts())
    return connection


def fill(connection: duckdb.DuckDBPyConnection, province: Province) -> None:
    """Puts rows (by table name, columns by name, the others null) into a warehouse in place of what is there."""
    for table, rows in province.items():
        connection.execute(f"delete from {table}")
        insert(connection, table, rows)


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    """Adds rows, columns by name, the others null."""
    if rows:
        connection.register("incoming", pa.Table.from_pylist(rows))
        connection.execute(f"insert into {table} by name select * from incoming")
        connection.unregister("incoming")


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    """The rows of a query, as mappings by column."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def months(first: tuple[int, int], count: int) -> list[str]:
    year, month = first
    return [f"{year + (month - 1 + n) // 12}{(month - 1 + n) % 12 + 1:02d}" for n in range(count)]


def draw_province(seed: int, as_of: date) -> Province:
    """A province of about 30 subscribers whose history surrounds `as_of`; the same seed gives the same one."""
    draw = random.Random(seed)
    customers = [row for number in range(14) for row in _customer(draw, f"C{number:05d}", as_of)]
    subscribers = [row for number in range(30) for row in _subscriber(draw, f"U{number:05d}", as_of)]
    return {
        "core.customer": customers,
        "core.subscriber": subscribers,
        "core.bill": _bills(draw),
        "core.usage": _usage(draw, as_of),
        "core.contact": _contacts(draw, as_of),
        "core.payment": _payments(draw, as_of),
        "ops.cycle": _cycles(draw, as_of),
    }


def _moments(draw: random.Random, as_of: date, count: int) -> list[datetime]:
    """Different times around the horizon, many of them midnights, firsts of months and the end of the as-of date."""
    end = datetime.combine(as_of, datetime.min.time()) + timedelta(days=1)
    found: set[datetime] = set()
    is_busy = draw.random() < 0.15  # much happens within days
    while len(found) < count:
        kind = draw.random()
        back = 60 if kind < 0.3 else 500
        day = end - timedelta(days=draw.randrange(-40, back))
        if kind < 0.45:
            day = day.replace(day=1)
        if kind > 0.95:
            found.add(end)
        elif found and is_busy:
            found.add(max(found) + timedelta(hours=draw.choice((1, 5, 30, 100))))
        elif draw.random() < 0.5:
            found.add(day)
        else:
            found.add(day + timedelta(hours=draw.randrange(24), minutes=draw.randrange(60)))
    return sorted(found)


def _periods(draw: random.Random, as_of: date, states: list[Row], gap_rate: float) -> list[Row]:
    """States laid end to end; now and then one ends before the next begins, or the last one ends."""
    starts = _moments(draw, as_of, len(states) + 1)
    rows = []
    for place, state in enumerate(states):
        begin, next_begin = starts[place], starts[place + 1]
        is_last = place == len(states) - 1
        end: datetime | None = None if is_last else next_begin
        if draw.random() < gap_rate:
            middle = begin + (next_begin - begin) / 2
            midnight = datetime.combine(middle.date(), datetime.min.time())
            end = next_begin if is_last else max(midnight, begin + timedelta(minutes=1))
        row = {"valid_from": begin, "valid_to": end, "is_current": end is None, "op_time": begin}
        rows.append({**state, **row, "batch_stem": "B", "line": place + 2})
    return rows


def _customer(draw: random.Random, customer_id: str, as_of: date) -> list[Row]:
    kind = draw.choice("1112234")
    states = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        kind = draw.choice((kind, kind, draw.choice("123")))
        blacklisted = "Y" if draw.random() < 0.12 else "N"
        states.append({"customer_id": customer_id, "customer_type": kind, "blacklisted": blacklisted, "source": "110"})
    return _periods(draw, as_of, states, 0.15)


def _subscriber(draw: random.Random, user_id: str, as_of: date) -> list[Row]:
    source, level = draw.choice(SOURCES), draw.choice((None, None, None, None, "S", "G", "D"))
    product = draw.choice(("MOB", "MOB", "MOB", "FIX", "BBD"))
    opened = _open_date(draw, as_of)
    status = draw.choice("11111234")
    states: list[Row] = []
    for place in range(draw.choice((1, 1, 2, 2, 3, 4, 5))):
        if place or draw.random() < 0.15:
            status = draw.choice("1112349999") if status != "9" else draw.choice("1199")
        if draw.random() < 0.15:
            source = draw.choice(SOURCES)
        if draw.random() < 0.15:
            level = draw.choice((None, "S", "G", "D"))
        if draw.random() < 0.1:
            opened = _open_date(draw, as_of)
        states.append(
            {
                "user_id": user_id,
                "customer_id": f"C{draw.randrange(16):05d}",
                "service_number": f"1380000{draw.randrange(25):04d}",
                "product": product,
                "status": status,
                "open_date": opened,
                "member_level": level,
                "source": source,
            }
        )
    rows = _periods(draw, as_of, states, 0.15)
    for row in rows:
        row["open_date"] = min(row["open_date"], row["valid_from"].date())
        row["close_date"] = _close_date(draw, row) if row["status"] == "9" else None
    return rows


def _close_date(draw: random.Random, row: Row) -> date:
    last = row["valid_from"].date()
    nearby = last - timedelta(days=draw.choice((0, 0, 1, 5, 40, 100)))
    return draw.choice(
        (row["open_date"], last, max(row["open_date"], nearby), max(row["open_date"], last.replace(day=1)))
    )


def _open_date(draw: random.Random, as_of: date) -> date:
    """Often such that the tenure is just at, above or below 24, 36 or 60 months somewhere in the horizon."""
    if draw.random() < 0.3:
        return as_of - timedelta(days=draw.randrange(500))
    back = draw.choice((24, 36, 60)) + draw.randrange(-2, 16)
    index = as_of.year * 12 + as_of.month - 1 - back
    return date(index // 12, index % 12 + 1, draw.choice((1, 1, 2, 15, 28)))


def _bills(draw: random.Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(32):  # two of them are not known
        usual = draw.choice(BORDER_TOTALS)
        for month in months(FIRST_MONTH, 36):
            if draw.random() < 0.7:
                total = draw.choice((usual, usual, draw.choice(BORDER_TOTALS), usual + draw.randrange(-1, 2)))
                rows.append(_bill(draw, f"U{number:05d}", month, max(total, 0), True))
                if draw.random() < 0.05:
                    rows.append(_bill(draw, f"U{number:05d}", month, 99999, False))
    return rows


def _bill(draw: random.Random, user_id: str, month: str, total: int, is_current: bool) -> Row:
    outstanding = draw.choice((0, 0, total, total // 2))
    items = {f"{item}_fen": 0 for item in ITEMS}
    items[f"{draw.choice(ITEMS)}_fen"] = total + 7
    return {
        "user_id": user_id,
        "customer_id": "C00000",
        "billing_cycle": month,
        **items,
        "discount_fen": 7,
        "total_fen": total,
        "paid_fen": total - outstanding,
        "outstanding_fen": outstanding,
        "source": draw.choice(SOURCES),
        "is_current": is_current,
    }


def _usage(draw: random.Random, as_of: date) -> list[Row]:
    return [
        {
            "record_id": f"R{number}",
            "user_id": f"U{draw.randrange(31):05d}",
            "usage_type": draw.choice("VMDS"),
            "started_at": moment,
            "duration_s": draw.choice((0, 30, 60, 3601)),
            "volume_kb": draw.choice((0, 512, 1024, 99999)),
            "source": "110",
            "is_current": draw.random() < 0.95,
        }
        for number in range(60)
        for moment in _moments(draw, as_of, 3)
    ]


def _contacts(draw: random.Random, as_of: date) -> list[Row]:
    return [
        {
            "contact_id": f"T{number}",
            "user_id": draw.choice((None, f"U{draw.randrange(31):05d}")),
            "arrived_at": moment,
            "purpose": draw.choice((None, "COMPLAINT", "INQUIRY")),
            "source": "110",
            "is_current": draw.random() < 0.95,
        }
        for number in range(40)
        for moment in _moments(draw, as_of, 2)
    ]


def _payments(draw: random.Random, as_of: date) -> list[Row]:
    rows = []
    for number in range(40):
        for moment in _moments(draw, as_of, 2):
            kind = draw.choice("12349")
            amount = draw.choice((100, 5000))
            rows.append(
                {
                    "payment_id": f"P{number}",
                    "user_id": draw.choice((None, f"U{draw.randrange(31):05d}")),
                    "paid_at": moment,
                    "amount_fen": -amount if kind in "49" else amount,
                    "kind": kind,
                    "source": "110",
                    "is_current": draw.random() < 0.95,
                }
            )
    return rows


def _cycles(draw: random.Random, as_of: date) -> list[Row]:
    """BILL cycles up to the months before the as-of date; the newest is often not complete, one before sometimes."""
    index = as_of.year * 12 + as_of.month - 1
    rows = []
    for source in SOURCES:
        newest = draw.choice((0, 1, 1, 2, 3))
        for back in range(-1, 8):
            past = index - back
            state = "complete" if back >= newest and draw.random() < 0.9 else draw.choice(("open", "late", "missing"))
            month = f"{past // 12}{past % 12 + 1:02d}"
            rows.append({"feed": "BILL", "source": source, "mode": "I", "cycle": month, "state": state})
    return [
        *rows,
        {"feed": "USGE", "source": "110", "mode": "I", "cycle": as_of.strftime("%Y%m%d"), "state": "complete"},
    ]
