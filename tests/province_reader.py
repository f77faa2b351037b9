"""An obvious reader of a generated province: it shares nothing with the writer or the consumer but the column names."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from sftp_fixtures.province import ProvinceSummary
from sftp_fixtures.records import columns
from sftp_fixtures.settings import FEEDS

_CONTROL = {"USER": "balance_fen", "PAYM": "amount_fen", "BILL": "total_fen", "USGE": "fee_fen"}

Row = dict[str, str]


@dataclass(frozen=True)
class Read:
    """Every record with its cycle, and the lines of every end file."""

    root: Path
    summary: ProvinceSummary
    rows: dict[str, list[Row]]
    ends: dict[str, list[str]]


def read(root: Path, summary: ProvinceSummary, encoding: str = "utf-8") -> Read:
    """Read all data files below `root/outgoing`; header, trailer and names must agree with what stands between them."""
    rows: dict[str, list[Row]] = {feed: [] for feed in FEEDS}
    for path in sorted(root.glob("outgoing/*/*.DAT*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = data.decode(encoding).removesuffix("\n").split("\n")
        header, body = lines[0].split("|"), lines[1:-1]
        feed, cycle = header[2], header[5]
        assert path.name.split(".")[0] == "_".join(header[2:8])
        names = columns(feed)
        found = [dict(zip(names, line.split("|"), strict=True)) | {"cycle": cycle} for line in body]
        total = sum(int(row[_CONTROL[feed]] or 0) for row in found) if feed in _CONTROL else 0
        assert [header[9], lines[-1]] == [str(len(body)), f"T|{len(body)}|{total}"]
        rows[feed] += found
    ends = {path.stem: path.read_text().splitlines() for path in root.glob("outgoing/*/*.END")}
    return Read(root, summary, rows, ends)
