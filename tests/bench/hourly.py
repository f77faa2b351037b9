"""An hour's increment at full size: 10,000 payments and 2,000 changes, from the files to a delivered TIER increment.

    python tests/bench/hourly.py --subscribers 1000000
    python tests/bench/hourly.py --subscribers 10000000 --hours 1 --memory 10000

Bound: 15 s at 1 million. The day's first run (a whole build, the full lists) is told too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
from figures import Figure, tell
from marts import fill_core
from measuring import Run, median_run, timed, timed_process

from pipelines.cli.output import say
from pipelines.contracts.load import load_contracts
from sftp_fixtures.settings import Cycle
from sftp_fixtures.writer import Exchange, write_cycle
from warehouse.store import open_warehouse

_DAY, _MONTH = "2026-12-06", "202611"
_PAYMENTS, _CHANGES = 10_000, 2_000
_DONE_OR_LATE = (0, 4)  # the other feeds and sources are late
_CONFIGURATION = """
memory: {memory}
sources:
  "110": {{url: "file://{root}/producer", feeds: [PAYM, CHNG], since: 2026-12-06}}
  "440": {{url: "file://{root}/other", feeds: [PAYM, CHNG], since: 2026-12-06}}
receivers:
  ivr: {{url: "file://{root}/ivr", lists: [TIER], sources: ["110", "440"], encoding: utf-8}}
"""
# The records from which core.subscriber of `nation.sql` follows.
_RECORDS = """
insert into core.subscriber_record by name
select
    * exclude (valid_from, valid_to, is_current), valid_from as applies_at, 'I' as op, 'I' as mode, '20200101' as cycle,
    '0001' as seq
from core.subscriber
"""
_DRAWN = """
    select
        printf('{feed}{hour}%08d', i) as id, printf('U%09d', u) as user_id, printf('C%09d', u * 4 // 5) as customer_id,
        printf('138%08d', u) as service_number, timestamp '2026-12-06' + interval {hour} hour as moment
    from (select i, cast(hash(i, {hour}) % {subscribers} as bigint) as u from range({rows}) as numbers (i))
"""
_OF_PAYM = """
select
    id as payment_id, 'A000000901' as account_id, user_id, service_number, moment as paid_at,
    cast(5000 as bigint) as amount_fen, '1' as kind, 'WALLET' as method, 'APP' as channel, null as reversed_payment_id,
    '202611' as billing_cycle, cast(1250 as bigint) as balance_after_fen, null as operator_id,
    cast(5000 as bigint) as control
from ({drawn})
"""
_OF_CHNG = """
select
    id as change_id, user_id, customer_id, service_number, '04' as change_type, moment as changed_at,
    moment as effective_at, null as old_value, null as new_value, '欠费' as reason, 'SYS' as channel,
    null as operator_id, cast(0 as bigint) as control
from ({drawn})
"""


def offer_hour(root: Path, hour: int, subscribers: int) -> None:
    """The files of an hour, as a producer writes them."""
    for feed, query, rows in (("PAYM", _OF_PAYM, _PAYMENTS), ("CHNG", _OF_CHNG, _CHANGES)):
        drawn = _DRAWN.format(feed=feed[0], hour=hour, subscribers=subscribers, rows=rows)
        records = pl.from_arrow(duckdb.sql(query.format(drawn=drawn)).to_arrow_table())
        assert isinstance(records, pl.DataFrame)
        created = datetime(2026, 12, 6, hour + 1, 5)
        write_cycle(Exchange(root / "producer", "110"), Cycle(feed, f"20261206{hour:02d}", created), records)


def run(home: Path, hour: int) -> Run:
    """The command as a scheduler calls it, in a process of its own."""
    words = ["--home", str(home), "run", "--as-of", _DAY, "--bill-month", _MONTH]
    now = {"TIERLINE_NOW": f"{_DAY}T{hour + 1:02d}:10:00"}
    found = timed_process([sys.executable, "-m", "pipelines.cli", *words], environment=now, allowed=_DONE_OR_LATE)
    say(f"hour {hour}: {found.s:.2f} s, {found.mb:.0f} MB")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--memory", type=int, default=3000, help="MB that DuckDB may use")
    parser.add_argument("--home", type=Path, help="work there and keep it; else in a directory that goes again")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = wanted.home or Path(name)
        home = root / "home"
        for directory in (home / "warehouse", root / "producer", root / "other", root / "ivr"):
            directory.mkdir(parents=True, exist_ok=True)
        (home / "tierline.yaml").write_text(_CONFIGURATION.format(root=root, memory=wanted.memory))
        with open_warehouse(home / "warehouse", load_contracts(), wanted.memory) as connection:
            timed("core", lambda: fill_core(connection, wanted.subscribers))
            connection.execute(_RECORDS)
        first = run(home, 8)
        runs: list[Run] = []
        for hour in range(9, 9 + wanted.hours):
            offer_hour(root, hour, wanted.subscribers)
            runs.append(run(home, hour))
            delivered = sorted((root / "ivr").rglob("TIER_110_I_*.DAT"))
            if len(delivered) != len(runs):
                raise SystemExit(f"expected {len(runs)} increments at the receiver, found {len(delivered)}")
            rows = len(delivered[-1].read_bytes().splitlines()) - 2  # header and trailer
            say(f"  {delivered[-1].name}: {rows:,} rows")
    middle, asked = median_run(runs), "hourly" if wanted.subscribers <= 1_000_000 else ""
    what = f"{_PAYMENTS:,} payments and {_CHANGES:,} changes to a delivered TIER increment"
    tell(
        f"{wanted.subscribers:,} subscribers; the middle of {wanted.hours} hours, memory of the process tree",
        Figure(asked, f"{what}, {wanted.subscribers:,} subscribers", middle.s, "s", mb=middle.mb),
        Figure("", "the day's first run: a whole build, the full lists", first.s, "s", mb=first.mb),
    )


if __name__ == "__main__":
    main()
