"""The whole way: payments in files over OpenSSH's server, fetched, verified, checked, archived and loaded.

    python tests/bench/whole_way.py --rows 1000000 --files 50 --runs 3

Ours are the commands `fetch` and `load`, as a scheduler calls them. Bound: `lftp mirror` from the same server, then
DuckDB's typed `read_csv` of what it brought into a table, nothing verified, nothing checked, nothing kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from figures import Figure, tell
from measuring import Run, interleaved, timed_process
from payment_files import NOW, offer_cycle, typed_read
from running import make_home

from pipelines.transfer.base import Endpoint
from sftp_fixtures.sshd import sshd_server
from warehouse.store import FILE_NAME

_READ = """
import sys, duckdb
with duckdb.connect(sys.argv[2]) as connection:
    connection.execute(sys.argv[1])
"""


@dataclass(frozen=True)
class Offered:
    """Files below `root` of a server, `rows` in all, and a scratch directory in which every run has its own place."""

    endpoint: Endpoint
    root: Path
    scratch: Path
    rows: int

    def place(self, name: str) -> Path:
        """A new, empty directory. Nothing of former runs goes: ext4 is slow at new files after many deletions."""
        path = self.scratch / f"{name}-{len(list(self.scratch.glob(f'{name}-*')))}"
        path.mkdir()
        return path


@contextmanager
def offered(rows: int, files: int) -> Iterator[Offered]:
    """The files behind OpenSSH's server, until the block ends."""
    with tempfile.TemporaryDirectory() as name:
        root, scratch = Path(name) / "producer", Path(name) / "scratch"
        scratch.mkdir()
        offer_cycle(root, rows, files)
        with sshd_server(Path(name)) as endpoint:
            yield Offered(endpoint, root, scratch, rows // files * files)


def tierline(home: Path, *words: str) -> Run:
    """The command in a process of its own, measured from outside."""
    return timed_process(
        [sys.executable, "-m", "pipelines.cli", "--home", str(home), *words], environment={"TIERLINE_NOW": NOW}
    )


def added(*parts: Run) -> Run:
    """One after the other."""
    cpu = sum(each.cpu_s for each in parts)
    return Run(sum(each.s for each in parts), max(each.mb for each in parts), cpu)


def ours(given: Offered) -> Run:
    """A new home; a copy of the files, as what is fetched is moved on the server."""
    place = given.place("ours")
    shutil.copytree(given.root, place / "producer")
    home = make_home(place / "home", replace(given.endpoint, root=str(place / "producer")))
    run = added(tierline(home, "fetch"), tierline(home, "load"))
    expect_rows(home / "warehouse" / FILE_NAME, "core.payment", given.rows)
    return run


def mirrored(given: Offered) -> Run:
    """The bound: no program needs less for the bytes and the rows."""
    place, server = given.place("mirrored"), given.endpoint
    known = place / "known_hosts"
    known.write_text(f"[{server.host}]:{server.port} {server.host_key}\n")
    client = f"ssh -a -x -F none -i {server.key_file} -o UserKnownHostsFile={known}"
    script = (
        f'set sftp:connect-program "{client}"\nset cmd:fail-exit yes\n'
        f"open -u {server.user}, sftp://{server.host}:{server.port}\n"
        f"mirror --parallel=2 {given.root}/outgoing/PAYM {place}/files\nbye\n"
    )
    copied = timed_process(["lftp", "-f", "/dev/stdin"], script)
    database = place / "bound.duckdb"
    read = timed_process([sys.executable, "-c", _READ, typed_read(f"{place}/files/*.DAT"), str(database)])
    expect_rows(database, "payment", given.rows)
    return added(copied, read)


def expect_rows(database: Path, table: str, rows: int) -> None:
    """What was measured was done."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
    if found != rows:
        raise SystemExit(f"{database.name}: expected {rows} rows in {table}, found {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    with offered(wanted.rows, wanted.files) as given:
        found = interleaved({"ours": lambda: ours(given), "bound": lambda: mirrored(given)}, wanted.runs)
    cpu = " and ".join(f"{name} {run.cpu_s:.1f} s" for name, run in found.items())
    what = f"{wanted.rows:,} payments in {wanted.files} files, server to core (CPU: {cpu})"
    note = f"whole way; medians of {wanted.runs} interleaved runs, memory of the process tree"
    tell(note, Figure("whole_way", what, found["ours"].s, "s", found["bound"].s, found["ours"].mb))


if __name__ == "__main__":
    main()
