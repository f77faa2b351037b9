"""Transfers against OpenSSH's `sftp` and `lftp` on the same servers: one large file, and thousands of small ones.

    python tests/bench/transfers.py --bytes 1000000000 --files 2000 --runs 3

Every figure is a median over interleaved runs, each in a process of its own; the ratio is to the bound of the same run.
`fetch` verifies, archives and notes in the ledger; `read` is our transport alone, digesting. The bounds only copy.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from figures import Figure, tell
from measuring import Run, answer, child_run, interleaved, timed_process

from pipelines.digesting import Digester
from pipelines.transfer.base import Endpoint
from pipelines.transfer.connect import connect

NOW = "2026-11-22T12:00:00"
LARGE = "PAYM_110_I_2026112210_0001_00"
SMALL_BYTES = 20_000
OUTGOING = "outgoing/PAYM"


@dataclass(frozen=True)
class Bench:
    """The servers over one directory with `large/` and `small/`, and a scratch directory for what is fetched."""

    sftp: Endpoint
    ftp: Endpoint
    root: Path
    scratch: Path
    connections: int

    def target(self, name: str) -> Path:
        """A new, empty place. Only large files of earlier runs are taken away.

        ext4 passes over the inodes of files that were deleted a moment ago, which makes new files 20 times slower.
        """
        for large in self.scratch.glob(f"{name}-*/**/{LARGE}.DAT"):
            if "large" in name:
                large.unlink()
        path = self.scratch / f"{name}-{len(list(self.scratch.glob(f'{name}-*')))}"
        path.mkdir()
        return path

    def outgoing(self, shape: str) -> Path:
        return self.root / shape / OUTGOING


def make_files(root: Path, size: int, files: int) -> None:
    """One large file, and small ones with their check files as a producer offers them."""
    from payment_files import offer  # here, as a child is to measure the memory of a transfer and of nothing else

    block = random.Random(1).randbytes(1_000_000)
    offer(root / "large", LARGE, block * max(size // len(block), 1), 1)
    for number in range(1, files + 1):
        content = number.to_bytes(4, "big") + block[: SMALL_BYTES - 4]
        offer(root / "small", f"{LARGE[:-7]}{number:04}_00", content, 100)


def read_large(bench: Bench, endpoint: Endpoint) -> Run:
    """The large file by our transport in a process of its own, from connecting on."""
    target = bench.target("read-large") / f"{LARGE}.DAT"
    return child_run(__file__, json.dumps(vars(endpoint)), str(target))


def child(endpoint: Endpoint, target: Path) -> None:
    begun = time.perf_counter()
    with connect(endpoint) as transport, target.open("wb") as file, Digester(["sha256"]) as digester:

        def sink(block: bytes) -> None:
            file.write(block)
            digester.update(block)

        transport.read(f"large/{OUTGOING}/{LARGE}.DAT", sink)
    answer(s=time.perf_counter() - begun)


def by_sftp(bench: Bench, shape: str) -> Run:
    """OpenSSH's client with a batch of commands."""
    known, target = bench.scratch / "known_hosts", bench.target(f"sftp-{shape}")
    known.write_text(f"[{bench.sftp.host}]:{bench.sftp.port} {bench.sftp.host_key}\n")
    command = ["sftp", "-q", "-F", "none", "-b", "-", "-i", str(bench.sftp.key_file), "-P", str(bench.sftp.port)]
    command += ["-o", f"UserKnownHostsFile={known}", f"{bench.sftp.user}@{bench.sftp.host}"]
    paths = sorted(bench.outgoing(shape).iterdir())
    return copied(target, paths, timed_process(command, "".join(f"get {p} {target / p.name}\n" for p in paths)))


def by_lftp(bench: Bench, shape: str) -> Run:
    """One session, a connection, one file after the other."""
    target, paths = bench.target(f"lftp-{shape}"), sorted(bench.outgoing(shape).iterdir())
    script = f"open -u {bench.ftp.user},{bench.ftp.secret} ftp://{bench.ftp.host}:{bench.ftp.port}\n"
    gets = "".join(f"get {path} -o {target / path.name}\n" for path in paths)
    return copied(target, paths, timed_process(["lftp", "-f", "/dev/stdin"], f"{script}{gets}bye\n"))


def copied(target: Path, paths: list[Path], run: Run) -> Run:
    """A run that copied all that it was to."""
    found = sorted((path.name, path.stat().st_size) for path in target.iterdir())
    assert found == sorted((path.name, path.stat().st_size) for path in paths), f"{target}: not all files came"
    return run


def fetched(bench: Bench, server: Endpoint, shape: str) -> Run:
    """The real command on a new home and a copy of the files, as it moves them: verified, archived, in the ledger."""
    from running import make_home

    place = bench.target(f"{server.scheme}-fetch-{shape}")
    mirror(bench.outgoing(shape), place / "producer" / OUTGOING)
    home = make_home(place / "home", replace(server, root=str(place / "producer")))
    configuration = home / "tierline.yaml"
    source = configuration.read_text().replace("    feeds:", f"    connections: {bench.connections}\n    feeds:")
    configuration.write_text(source)
    command = [sys.executable, "-m", "pipelines.cli", "--home", str(home), "fetch"]
    run = timed_process(command, environment={"TIERLINE_NOW": NOW})
    kept = len(list((home / "archive").rglob("*.DAT")))
    assert 2 * kept == len(os.listdir(bench.outgoing(shape))), f"{kept} files were archived"
    return run


def mirror(source: Path, target: Path) -> None:
    """The same files under other names; no bytes are copied."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        os.link(path, target / path.name)


@contextmanager
def prepared(wanted: argparse.Namespace) -> Iterator[Bench]:
    from sftp_fixtures.sshd import sshd_server
    from sftp_fixtures.vsftpd import vsftpd_server

    with tempfile.TemporaryDirectory() as name:
        root, scratch = Path(name) / "root", Path(name) / "scratch"
        scratch.mkdir()
        make_files(root, wanted.bytes, wanted.files)
        with sshd_server(root) as sftp, vsftpd_server(Path(name)) as ftp:
            yield Bench(sftp, replace(ftp, root=str(root)), root, scratch, wanted.connections)


KINDS: dict[str, Callable[[Bench], Run]] = {
    "sftp_large": lambda bench: by_sftp(bench, "large"),
    "fetch_sftp_large": lambda bench: fetched(bench, bench.sftp, "large"),
    "read_sftp_large": lambda bench: read_large(bench, bench.sftp),
    "lftp_large": lambda bench: by_lftp(bench, "large"),
    "fetch_ftp_large": lambda bench: fetched(bench, bench.ftp, "large"),
    "read_ftp_large": lambda bench: read_large(bench, bench.ftp),
    "sftp_small": lambda bench: by_sftp(bench, "small"),
    "fetch_sftp_small": lambda bench: fetched(bench, bench.sftp, "small"),
    "lftp_small": lambda bench: by_lftp(bench, "small"),
    "fetch_ftp_small": lambda bench: fetched(bench, bench.ftp, "small"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the large file")
    parser.add_argument("--files", type=int, default=2_000, help="small ones, each with its check file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--connections", type=int, default=1, help="of the source, for fetch")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(Endpoint(**json.loads(wanted.child[0])), Path(wanted.child[1]))
        return
    with prepared(wanted) as bench:
        works = {kind: lambda kind=kind: KINDS[kind](bench) for kind in wanted.only}  # type: ignore[misc]
        found = interleaved(works, wanted.runs)
    figures = [_figure(kind, found, wanted) for kind in found if kind.startswith(("fetch", "read"))]
    tell(f"transfers; medians of {wanted.runs} interleaved runs, memory of the process tree", *figures)


def _figure(kind: str, found: dict[str, Run], wanted: argparse.Namespace) -> Figure:
    how, protocol, shape = kind.split("_")
    copying = found.get(f"{'sftp' if protocol == 'sftp' else 'lftp'}_{shape}")
    amount, unit = (wanted.bytes / 1e6, "MB/s") if shape == "large" else (2 * wanted.files, "files/s")
    one = f"one file of {wanted.bytes / 1e6:,.0f} MB" if shape == "large" else f"{wanted.files:,} files of 20 KB"
    what = f"{one} over {protocol.upper()}, {'verified and archived' if how == 'fetch' else 'digested alone'}"
    bound = f"{protocol}_{shape}" if how == "fetch" else ""
    run = found[kind]
    return Figure(bound, what, amount / run.s, unit, amount / copying.s if copying else None, run.mb)


if __name__ == "__main__":
    main()
