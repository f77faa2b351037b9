"""What each tool checks and what it lets pass: files with one known defect each, and what stands in the tables after.

    python tests/bench/came_through.py [--only pandas dlt]

Every defect stands in the second of three files. What became of it is decided by queries alone: of the tool's table;
for ours of core, the ledger and the rejects.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from defects import DEFECTS, ROWS, SPOILT_ID, SPOILT_LINE, STEMS, Defect
from figures import Finding, tell_finding
from measuring import ProcessFailed, timed_process
from payment_files import NOW
from peering import PEERS, Peer
from running import make_home

from pipelines.cli.output import say
from pipelines.transfer.base import Endpoint
from sftp_fixtures.sshd import sshd_server
from warehouse.store import FILE_NAME

_DONE_BUT_REFUSED = (0, 3)
_ROWS = f"""
select
    count(*) filter (payment_id between 'P{ROWS + 1:011}' and 'P{2 * ROWS:011}'),
    count(*) filter (payment_id not between 'P{ROWS + 1:011}' and 'P{2 * ROWS:011}' and length(payment_id) = 12)
from {{table}}
"""


@dataclass(frozen=True)
class Seen:
    """What stands in a table: rows of the file with the defect and of the sound ones, and the spoilt record's value."""

    rows: int = 0
    sound: int = 0
    has_spoilt: bool = False
    value: str | None = None
    failed: str = ""  # what the tool said when it ended with an error
    told: str = ""  # what it says itself of the file with the defect


def look(database: Path, table: str, column: str) -> Seen:
    """By queries; a database or table that was never made holds nothing."""
    if not database.exists():
        return Seen()
    with duckdb.connect(str(database), read_only=True) as connection:
        name = table.split(".")[-1]
        if not connection.execute("select 1 from duckdb_tables() where table_name = ?", [name]).fetchall():
            return Seen()
        rows, sound = connection.execute(_ROWS.format(table=table)).fetchall()[0]
        query = f"select cast({column or 'payment_id'} as varchar) from {table} where payment_id = ?"
        values = connection.execute(query, [SPOILT_ID]).fetchall()
    return Seen(rows, sound, bool(values), values[0][0] if values else None)


def verdict(defect: Defect, seen: Seen) -> str:
    """In words, by what was seen alone."""
    sound = "" if seen.sound == 2 * ROWS else f"; of {2 * ROWS} sound rows beside it {seen.sound}"
    if seen.failed:
        whole = "crashed the whole run" if not seen.sound else "crashed the run"
        return f"{whole}: {seen.rows} rows of this file{sound}"
    if seen.told:
        return f"{seen.told}{sound}"
    if defect.again:
        return ("rows once" if seen.rows == ROWS else f"**loaded silently wrong**: {seen.rows} rows for {ROWS}") + sound
    if defect.right is not None and seen.value == defect.right and seen.rows == ROWS:
        return f"loaded right{sound}"
    return _wrong(defect, seen) + sound


def _wrong(defect: Defect, seen: Seen) -> str:
    count = f"{seen.rows} of {ROWS} rows"
    if not seen.has_spoilt:
        return f"**lost silently**: {count}" if defect.column else f"**loaded silently**: {count}"
    if not defect.column:
        return f"**loaded silently**: {count}"
    value = "no value" if seen.value is None else seen.value
    return f"**loaded silently wrong**: {defect.column} is {value}; {count}"


def through_peer(peer: Peer, defect: Defect, server: Endpoint, place: Path) -> Seen:
    root, failed = place / "producer", ""
    defect.offer(root)
    try:
        peer.run(server, root / "outgoing" / "PAYM", place)
        if defect.again:
            (root / "outgoing" / "PAYM" / f"{STEMS[1]}.DAT").touch()
            peer.run(server, root / "outgoing" / "PAYM", place)
    except ProcessFailed as error:
        failed = error.output.strip().splitlines()[-1]
    return replace(look(place / "peer.duckdb", "payment", defect.column), failed=failed)


def through_ours(defect: Defect, server: Endpoint, place: Path) -> Seen:
    home = make_home(place / "home", replace(server, root=str(place / "producer")))
    for _ in range(1 + defect.again):
        defect.offer(place / "producer")
        for word in ("fetch", "load"):
            command = [sys.executable, "-m", "pipelines.cli", "--home", str(home), word]
            timed_process(command, environment={"TIERLINE_NOW": NOW}, allowed=_DONE_BUT_REFUSED)
    seen = look(home / "warehouse" / FILE_NAME, "core.payment", defect.column)
    return replace(seen, told=told(home, seen))


def told(home: Path, seen: Seen) -> str:
    """What ledger and rejects say of the file with the defect, where they say anything."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        query = "select state, code, rejected from offering where stem = ? order by offering_id desc limit 1"
        state, code, rejected = ledger.execute(query, [STEMS[1]]).fetchone()
    if state == "refused":
        return f"refused, {code}; {seen.rows} rows of it"
    if state == "duplicate":
        return f"taken for a duplicate; {seen.rows} rows of it"
    return _rejects(home, seen) if rejected else ""


def _rejects(home: Path, seen: Seen) -> str:
    command = [sys.executable, "-m", "pipelines.cli", "--home", str(home), "batch", "rejects", STEMS[1], "--json"]
    rejects = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    places = ", ".join(f"line {each['line']} {each['codes']} {each['columns']}".strip() for each in rejects)
    is_right = [each["line"] for each in rejects] == [SPOILT_LINE] and not seen.has_spoilt
    return (
        f"row rejected: {places}; {seen.rows} of {ROWS} rows loaded" if is_right else f"other rows rejected: {places}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    wanted = parser.parse_args()
    peers = {name: PEERS[name] for name in wanted.only}
    for peer in peers.values():
        peer.install()
    with tempfile.TemporaryDirectory() as name, sshd_server(Path(name)) as server:
        cases = [(defect, each) for defect in DEFECTS for each in (None, *peers.values())]

        def case(number: int) -> str:
            defect, peer = cases[number]
            place = Path(name) / str(number)
            place.mkdir()
            seen = through_peer(peer, defect, server, place) if peer else through_ours(defect, server, place)
            said = verdict(defect, seen)
            say(f"{defect.title}, {peer.title if peer else 'ours'}: {said} {seen.failed[:200]}")
            return said

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            verdicts = list(pool.map(case, range(len(cases))))
    width = 1 + len(peers)
    rows = [[defect.title, *verdicts[at * width : (at + 1) * width]] for at, defect in enumerate(DEFECTS)]
    columns = ["defect of the second of three files", "ours", *(peer.title for peer in peers.values())]
    note = f"{ROWS} rows a file; decided by queries of the tables, the ledger and the rejects."
    tell_finding(Finding("What came through", columns, rows, note))


if __name__ == "__main__":
    main()
