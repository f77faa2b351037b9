"""Files of payments as a producer offers them: records, header, trailer, check files, end file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.contracts.load import load_contracts

CYCLE = "2026112210"
STEM = f"PAYM_110_I_{CYCLE}_0001_00"
NOW = "2026-11-22T12:00:00"  # an hour in which the cycle is due
_TYPES = {"integer": "BIGINT", "money": "BIGINT", "timestamp": "TIMESTAMP"}


def payments(rows: int, first: int = 0) -> pl.DataFrame:
    """Records as lines, and what each counts in the control total.

    Every row holds Chinese characters, so that decoding has something to do.
    """
    number = np.arange(first, first + rows)
    random = np.random.default_rng(1 + first)
    return pl.DataFrame(
        {
            "payment_id": number, "account_id": number % 300_000, "user_id": number % 300_000,
            "phone": random.integers(0, 10**8, rows), "minute": random.integers(0, 60, rows),
            "second": random.integers(0, 60, rows), "amount": random.integers(1, 50_000, rows),
            "balance": random.integers(0, 9_999, rows), "operator": number % 5000,
        }
    ).select(
        pl.format(
            "P{}|A{}|U{}|北京138{}|2026112210{}{}|{}|1|WALLET|APP||202610|{}|OP{}",
            *(
                pl.col(name).cast(pl.String).str.zfill(width)
                for name, width in [("payment_id", 11), ("account_id", 9), ("user_id", 9), ("phone", 8),
                                    ("minute", 2), ("second", 2)]
            ),
            pl.col("amount"), pl.col("balance"), pl.col("operator").cast(pl.String).str.zfill(5),
        ).alias("line"),
        "amount",
    )  # fmt: skip


def with_bad_rows(clean: pl.DataFrame) -> pl.DataFrame:
    """One row in a hundred spoilt, in four ways: a code, a missing value, a month, a field too many."""
    line, place = pl.col("line"), pl.int_range(pl.len()) % 400
    return clean.with_columns(
        pl.when(place == 7)
        .then(line.str.replace("|WALLET|", "|CASHH|", literal=True))
        .when(place == 107)
        .then(line.str.replace("|WALLET|", "||", literal=True))
        .when(place == 207)
        .then(line.str.replace("|202610|", "|202613|", literal=True))
        .when(place == 307)
        .then(line.str.replace("|APP|", "|APP|EXTRA|", literal=True))
        .otherwise(line)
        .alias("line"),
        pl.when(place == 307).then(0).otherwise("amount").alias("amount"),
    )


def content(stem: str, records: pl.DataFrame) -> str:
    """A whole file: header, records, trailer."""
    body, total = records["line"].str.join("\n")[0], int(records["amount"].sum())
    header = f"H|1|{stem.replace('_', '|')}|20261122110231|{records.height}"
    return f"{header}\n{body}\nT|{records.height}|{total}\n"


def offer(root: Path, stem: str, data: bytes, records: int) -> None:
    """A file and its check file in `outgoing/PAYM/` below the root."""
    outgoing = root / "outgoing" / "PAYM"
    outgoing.mkdir(parents=True, exist_ok=True)
    (outgoing / f"{stem}.DAT").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    line = f"{stem}.DAT|{len(data)}|{records}|sha256:{digest}|20261122110232\n"
    (outgoing / f"{stem}.CHK").write_text(line)


def offer_end(root: Path, cycle: str, counts: dict[str, int], total: int) -> None:
    """The end file of a cycle: how many records each stem of it has."""
    lines = [f"{len(counts)}|{sum(counts.values())}|{total}", *(f"{stem}|{count}" for stem, count in counts.items())]
    text = "".join(f"{line}\n" for line in lines)
    (root / "outgoing" / "PAYM" / f"PAYM_110_I_{cycle}.END").write_text(text)


def offer_cycle(root: Path, rows: int, files: int) -> None:
    """Payments in so many files of a cycle, with its end file."""
    counts, total, size = {}, 0, rows // files
    for number in range(files):
        stem = f"PAYM_110_I_{CYCLE}_{number + 1:04}_00"
        records = payments(size, number * size)
        offer(root, stem, content(stem, records).encode(), size)
        counts[stem], total = size, total + int(records["amount"].sum())
    offer_end(root, CYCLE, counts, total)


def typed_read(glob: str) -> str:
    """DuckDB's typed read of payment files into a table, as who trusts them would write it."""
    contract = load_contracts()["PAYM"]
    columns = {column.name: _TYPES.get(column.type.value, "VARCHAR") for column in contract.columns}
    return (
        f"create table payment as select * from read_csv('{glob}', delim='|', header=false, skip=1, quote='', "
        f"escape='', columns={columns}, timestampformat='%Y%m%d%H%M%S', ignore_errors=true)"
    )
