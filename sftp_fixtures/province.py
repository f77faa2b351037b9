"""A province that writes files: all eight feeds, agreeing with each other, with their check and end files.

python -m sftp_fixtures.province --root DIR --subscribers 1000 --end 2026-11-22T12:00:00
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from sftp_fixtures.activity import make_activity
from sftp_fixtures.bills import bill_records
from sftp_fixtures.cases import CASES
from sftp_fixtures.changes import change_records, make_changes
from sftp_fixtures.contacts import contact_records, make_contacts
from sftp_fixtures.customers import customer_records, make_customers
from sftp_fixtures.defects import break_payments
from sftp_fixtures.draws import stream
from sftp_fixtures.payments import make_payments, payment_records
from sftp_fixtures.settings import FEEDS, Rates, Settings
from sftp_fixtures.subscribers import make_subscribers
from sftp_fixtures.usage import usage_records
from sftp_fixtures.user_records import user_records
from sftp_fixtures.work_orders import work_order_records
from sftp_fixtures.writer import Batch, Exchange, write_cycle


@dataclass(frozen=True)
class ProvinceSummary:
    """What was written: batches by feed (in the order of cycle and SEQ), and what is known about them.

    `cycles` counts the end files of each feed; `cases` names the planted subscribers (case → user_id); `broken` counts
    the PAYM rows broken on purpose (code → rows).
    """

    source: str
    batches: Mapping[str, Sequence[Batch]]
    cycles: Mapping[str, int]
    cases: Mapping[str, str]
    broken: Mapping[str, int]

    def records(self, feed: str) -> int:
        return sum(batch.records for batch in self.batches[feed])

    def control_total(self, feed: str) -> int:
        return sum(batch.control_total for batch in self.batches[feed])

    @property
    def bytes(self) -> int:
        """Size of all data files as transferred."""
        return sum(batch.bytes for batches in self.batches.values() for batch in batches)


def make_province(
    root: Path,
    *,
    source: str = "110",
    subscribers: int = 1000,
    months: int = 3,
    days: int = 2,
    end: datetime,
    seed: int = 1,
    encoding: str = "utf-8",
    hours: int | None = None,
    gzip: bool = False,
    rows_per_file: int = 500_000,
    bad_share: float = 0.0,
    rates: Rates | None = None,
) -> ProvinceSummary:
    """Write `root/outgoing/<FEED>/…` for every cycle that ended by `end` (naive, Asia/Shanghai); same seed, same bytes.

    CUST and USER begin with a file of all history (mode I, the day before the window: a snapshot would date every state
    to its own day and hide since when a subscriber is barred). Then come `days` closed days of the daily feeds, the
    hours of those days and of the day of `end` for PAYM and CHNG (or only the last `hours`), and `months` bills.
    ValueError where a number makes no sense.
    """
    settings = Settings(source, subscribers, months, days, end, seed, hours, rates or Rates())
    exchange = Exchange(root, source, encoding, gzip, rows_per_file)
    records, cases = _records(settings)
    records["PAYM"], broken = break_payments(records["PAYM"], bad_share, stream(seed, source, "defects"))
    batches, cycles = {}, {}
    for feed in FEEDS:
        written = _write_feed(exchange, settings, feed, records.pop(feed))
        batches[feed] = [batch for cycle in written for batch in cycle]
        cycles[feed] = len(written)
    return ProvinceSummary(source, batches, cycles, cases, broken)


def _records(settings: Settings) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """The records of every feed, and the planted subscribers."""

    def rng(part: str) -> np.random.Generator:
        return stream(settings.seed, settings.source, part)

    customers = make_customers(settings, rng("customers"))
    subscribers = make_subscribers(settings, customers, rng("subscribers"))
    changes = make_changes(settings, customers, subscribers, rng("changes"))
    activity = make_activity(subscribers, changes)
    payments = make_payments(settings, subscribers, changes, activity, rng("payments"))
    contacts = make_contacts(settings, subscribers, activity, rng("contacts"))
    records = {
        "CUST": customer_records(settings, customers, rng("CUST")),
        "USER": user_records(settings, subscribers, changes, payments, rng("USER")),
        "PAYM": payment_records(settings, payments, rng("PAYM")),
        "CHNG": change_records(settings, changes, rng("CHNG")),
        "BILL": bill_records(settings, subscribers, rng("BILL")),
        "USGE": usage_records(settings, subscribers, activity, rng("USGE")),
        "CONT": contact_records(contacts),
        "WORD": work_order_records(settings, contacts, rng("WORD")),
    }
    planted = zip(CASES, subscribers["user_id"][: settings.subscribers], strict=False)
    return records, {case.name: user_id for case, user_id in planted}


def _write_feed(exchange: Exchange, settings: Settings, feed: str, records: pl.DataFrame) -> list[list[Batch]]:
    """Write every cycle of the feed, empty ones too; ValueError if a record belongs to none of them."""
    parts = {str(key[0]): part for key, part in records.partition_by("cycle", as_dict=True, include_key=False).items()}
    empty = records.clear().drop("cycle")
    written = [write_cycle(exchange, cycle, parts.pop(cycle.name, empty)) for cycle in settings.cycles(feed)]
    if parts:
        raise ValueError(f"{feed}: records for cycles outside the window: {', '.join(sorted(parts))}")
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: write a province and say what was written."""
    options = vars(_parser().parse_args(arguments))
    summary = make_province(options.pop("root"), **options)
    lines = [
        f"{feed}: {summary.cycles[feed]} cycles, {len(summary.batches[feed])} batches, {summary.records(feed)} records"
        for feed in FEEDS
    ]
    total = f"source {summary.source}: {summary.bytes / 1e6:.1f} MB of data files"
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, total]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sftp_fixtures.province",
        description="Write the files of a believable province below DIR/outgoing.",
        epilog="example: python -m sftp_fixtures.province --root /tmp/beijing --subscribers 1000 --months 3 --days 2 "
        "--seed 1 --source 110 --encoding gb18030 --end 2026-11-22T12:00:00",
    )
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the root of the exchange server")
    parser.add_argument("--source", default="110", help="three digits (default: %(default)s)")
    parser.add_argument("--subscribers", type=int, default=1000, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--months", type=int, default=3, metavar="M", help="closed months with bills (default: %(default)s)"
    )
    parser.add_argument(
        "--days", type=int, default=2, metavar="D", help="closed days before --end (default: %(default)s)"
    )
    parser.add_argument("--hours", type=int, metavar="H", help="only the last H hours of payments and changes")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same bytes (default: %(default)s)")
    parser.add_argument("--encoding", choices=["utf-8", "gb18030"], default="utf-8", help="default: %(default)s")
    parser.add_argument("--end", type=datetime.fromisoformat, required=True, metavar="TIME", help="now, Asia/Shanghai")
    parser.add_argument("--gzip", action="store_true", help="write .DAT.gz")
    parser.add_argument("--rows-per-file", type=int, default=500_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--bad-share", type=float, default=0.0, metavar="X", help="share of broken PAYM rows, 0 to 1")
    return parser


if __name__ == "__main__":
    main()
