"""Small batches as a producer might offer them, and looking at what became of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from running import Run, published, tierline

from pipelines.config import load_config
from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.ledger import offerings
from pipelines.ledger.offerings import Offering
from pipelines.ledger.store import LedgerStore

NOW = "2026-11-22T12:00:00"
STEM = "PAYM_110_I_2026112210_0001_00"
ROWS = [
    f"P0000000010{number}|A000000901|U000000501|13800010001|20261122100215|{number}000|1|WALLET|APP||202610|1250|"
    for number in range(1, 4)
]


@dataclass(frozen=True)
class Offer:
    """A batch as a producer might offer it; None in the check file's fields: as it really is."""

    stem: str = STEM
    lines: tuple[str, ...] = ("H|1|PAYM|110|I|2026112210|0001|00|20261122110231|3", *ROWS, "T|3|6000")
    ending: str = ".DAT"
    change: Callable[[bytes], bytes] = bytes
    check: str = "{name}|{bytes}|{records}|sha256:{digest}|20261122110232\n"
    records: int = 3
    size_off: int = 0
    digest: str | None = None

    @property
    def name(self) -> str:
        return f"{self.stem}{self.ending}"

    def put(self, root: Path, data: bool = True, check: bool = True) -> bytes:
        """Into `outgoing/<FEED>/` below the root; returns the bytes of the data file."""
        directory = root / "outgoing" / self.stem[:4]
        directory.mkdir(parents=True, exist_ok=True)
        content = ("\n".join(self.lines) + "\n").encode()
        content = self.change(gzip.compress(content) if self.ending.endswith(".gz") else content)
        if data:
            (directory / self.name).write_bytes(content)
        said = self.check.format(
            name=self.name, bytes=len(content) + self.size_off, records=self.records,
            digest=self.digest or hashlib.sha256(content).hexdigest(),
        )  # fmt: skip
        if check:
            (directory / f"{self.stem}.CHK").write_text(said)
        return content


GOOD = Offer()
HEADER, *_ = GOOD.lines


def named(stem: str) -> Offer:
    """A sound file under another name."""
    parts = stem.split("_")
    return replace(GOOD, stem=stem, lines=("|".join(["H", "1", *parts, "20261122110231", "3"]), *GOOD.lines[1:]))


def with_lines(*lines: str, records: int = 3) -> Offer:
    return replace(GOOD, lines=lines, records=records)


def batch(stem: str, records: Sequence[str], control_total: int = 0) -> Offer:
    """A batch of these records whose header, trailer and name agree."""
    header = "|".join(["H", "1", *stem.split("_"), "20261122110231", str(len(records))])
    return Offer(stem, (header, *records, f"T|{len(records)}|{control_total}"), records=len(records))


def payments(stem: str, *methods: str) -> Offer:
    """An hour's payments, one for each method; keys follow from cycle and SEQ, so that a version replaces its rows."""
    _, _, _, cycle, seq, _ = stem.split("_")
    records = [
        f"P{cycle}{seq}{number}|A000000901|U000000501|13800010001|{cycle}0215|{number}000|1|{method}|APP||202610|1250|"
        for number, method in enumerate(methods, start=1)
    ]
    return batch(stem, records, sum(1000 * number for number in range(1, len(methods) + 1)))


MANY_BAD = payments(STEM, "GIFT", "GIFT", "GIFT", "GIFT", "CARD")  # E501: 4 of 5


def customers(cycle: str, count: int, version: str = "00", seq: str = "0001", credit: str = "B") -> Offer:
    """A full snapshot of so many customers; those of another SEQ are others."""
    records = [
        f"I|20261101090000|C{seq}{number:05d}|1|李静|||F|19900101|13900000811||北京市海淀区学府路3号|100083|||{credit}"
        "|N|Y|20261101"
        for number in range(count)
    ]
    return batch(f"CUST_110_F_{cycle}_{seq}_{version}", records)


def put_end(root: Path, *offers: Offer) -> Path:
    """The end file of the cycle of these batches."""
    first = offers[0].stem
    entries = "".join(f"{each.stem}|{each.records}\n" for each in offers)
    total = sum(int(each.lines[-1].split("|")[2]) for each in offers)
    path = root / "outgoing" / first[:4] / f"{first[:-8]}.END"
    path.write_text(f"{len(offers)}|{sum(each.records for each in offers)}|{total}\n{entries}")
    return path


def take(home: Path, now: str = NOW) -> Run:
    """Fetch and load, one after the other; the greater exit status, and what both said."""
    runs = [tierline(home, word, now=now) for word in ("fetch", "load")]
    status = max(run.exit_status for run in runs)
    return Run(status, "".join(run.out for run in runs), "".join(run.err for run in runs))


def change_schema(home: Path, file: str, old: str, new: str) -> None:
    """From now on this home works by contracts of its own, in which a text of a file is another."""
    if not (home / "contracts").exists():
        shutil.copytree(DEFAULT_SCHEMAS, home / "contracts")
        with (home / "tierline.yaml").open("a") as configuration:
            configuration.write("contracts: contracts\n")
    path = home / "contracts" / file
    text = path.read_text()
    assert old in text, f"{file} does not hold what the test means to change"
    path.write_text(text.replace(old, new))


# Changes of the contract of payments, for change_schema.
GIFTS = ("codes/payment_method.yaml", "codes:", 'codes:\n  - {code: "GIFT", titleEn: Gift, titleZh: 礼品}')
FOUR = ("feeds/PAYM.yaml", "rejects, value: {rows: 3,", "rejects, value: {rows: 4,")
FORMAT_2 = ("feeds/PAYM.yaml", 'version: "1"', 'version: "2"')


def ledger(home: Path) -> list[Offering]:
    """Every offering, oldest first."""
    store = LedgerStore(load_config(home).ledger_url(home))
    with store.transaction() as connection:
        found = offerings.find(connection)
    store.close()
    return found


def states(home: Path) -> list[tuple[str, str, str | None]]:
    """(SEQ and version, state, code) of every offering, oldest first."""
    return [(each.stem[-7:], each.state.value, each.code) for each in ledger(home)]


def in_ledger(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def in_core(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def receipt(root: Path, stem: str) -> list[str]:
    """The fields of a batch's receipt: name, status, records, loaded, rejected, code, reason, time."""
    return (root / "receipt" / stem[:4] / f"{stem}.RCP").read_text().rstrip("\n").split("|")


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, by its path from there."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def published_state(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """As `published`; how often a batch was staged is the processing's own, so its revision is left out."""
    state = published(home)
    batches = state["ops.loaded_batch"]
    state["ops.loaded_batch"] = [(stem, str(digest).partition("#")[0], *rest) for stem, digest, *rest in batches]
    return state


def causes(home: Path, stem: str = STEM) -> list[str]:
    """What `batch show` tells of the changes, and by whom each was made."""
    (shown,) = json.loads(tierline(home, "batch", "show", stem, "--json", now=NOW).out)
    assert all(event["actor"] for event in shown["states"])
    return [f"{event['state']}: {event['cause']}" for event in shown["states"]]


def standing(home: Path, root: Path) -> dict[str, object]:
    """What every place says of the one batch of a home: ledger, receipt, server, archive, quarantine, core."""
    (current,) = ledger(home)
    said, server = receipt(root, current.stem), files(root / "backup")
    return {
        "ledger": (current.state.value, current.code, current.loaded, current.rejected),
        "receipt": (said[1], *said[3:6]),
        "reject file": (root / "receipt" / current.feed / f"{current.stem}.REJ").exists(),
        "server": {path: content for path, content in server.items() if path.endswith((".DAT", ".gz"))},
        "check file": [path for path in server if path.endswith(".CHK")],
        "archive": (home / "archive" / current.feed / "2026/11/22" / current.file_name).read_bytes(),
        "quarantine": list(files(home / "quarantine")),
        "core": in_core(home, "select count(*) from core.payment"),
    }


def as_accepted(offer: Offer, content: bytes, loaded: int, rejected: int = 0) -> dict[str, object]:
    """What `standing` finds where a batch of payments was accepted as it came."""
    return {
        "ledger": ("loaded", None, loaded, rejected),
        "receipt": ("PARTIAL" if rejected else "ACCEPTED", str(loaded), str(rejected), ""),
        "reject file": rejected > 0,
        "server": {f"20261122/PAYM/{offer.name}": content},
        "check file": [f"20261122/PAYM/{offer.stem}.CHK"],
        "archive": content,
        "quarantine": [],
        "core": [(loaded,)],
    }
