"""Transfers against OpenSSH's `sftp` and `lftp` on the same servers: one large file, and thousands of small ones.

    python tests/bench/transfers.py --bytes 1000000000 --files 2000 --runs 3

Every figure is a median over interleaved runs, each in a process of its own; the ratio is to the bound of the same run.
Ours digests what it reads and keeps it; `fetch` verifies, archives and notes besides. The bounds only copy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.digesting import Digester
from pipelines.transfer.base import Endpoint
from pipelines.transfer.connect import connect

NOW = "2026-11-22T12:00:00"
LARGE = "large.DAT"
SMALL_BYTES = 20_000
OUTGOING = "outgoing/PAYM"


@dataclass(frozen=True)
class Bench:
    """The servers over one directory, and a scratch directory for what is fetched."""

    sftp: Endpoint
    ftp: Endpoint
    root: Path
    scratch: Path
    connections: int

    def target(self, name: str) -> Path:
        """A new, empty place. Only large files of earlier runs are taken away.

        ext4 passes over the inodes of files that were deleted a moment ago, which makes new files 20 times slower.
        """
        for large in self.scratch.glob(f"{name}-*/{LARGE}"):
            large.unlink()
        path = self.scratch / f"{name}-{len(list(self.scratch.glob(f'{name}-*')))}"
        path.mkdir()
        return path


def make_files(root: Path, size: int, files: int) -> None:
    """One large file, and small ones with their check files as a producer offers them."""
    block = random.Random(1).randbytes(1_000_000)
    with (root / LARGE).open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    (root / OUTGOING).mkdir(parents=True)
    for number in range(1, files + 1):
        stem = f"PAYM_110_I_2026112210_{number:04}_00"
        content = number.to_bytes(4, "big") + block[: SMALL_BYTES - 4]
        digest = hashlib.sha256(content).hexdigest()
        (root / OUTGOING / f"{stem}.DAT").write_bytes(content)
        line = f"{stem}.DAT|{len(content)}|100|sha256:{digest}|20261122110231\n"
        (root / OUTGOING / f"{stem}.CHK").write_text(line)


def ours(bench: Bench, endpoint: Endpoint) -> dict[str, float]:
    """The large file by our transport in a process of its own: seconds from connecting on, and its peak memory."""
    target = bench.target("ours") / LARGE
    command = [sys.executable, __file__, "--child", json.dumps(vars(endpoint)), str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def child(endpoint: Endpoint, target: Path) -> None:
    begun = time.perf_counter()
    with connect(endpoint) as transport, target.open("wb") as file, Digester(["sha256"]) as digester:

        def sink(block: bytes) -> None:
            file.write(block)
            digester.update(block)

        transport.read(LARGE, sink)
    seconds = time.perf_counter() - begun
    print(json.dumps({"s": seconds, "mb": peak_mb("self")}))  # noqa: T201


def by_sftp(bench: Bench, batch: str) -> dict[str, float]:
    """OpenSSH's client with a batch of commands."""
    known = bench.scratch / "known_hosts"
    known.write_text(f"[{bench.sftp.host}]:{bench.sftp.port} {bench.sftp.host_key}\n")
    command = ["sftp", "-q", "-F", "none", "-b", "-", "-i", str(bench.sftp.key_file), "-P", str(bench.sftp.port)]
    command += ["-o", f"UserKnownHostsFile={known}", f"{bench.sftp.user}@{bench.sftp.host}"]
    return timed(command, batch)


def sftp_large(bench: Bench) -> dict[str, float]:
    return by_sftp(bench, f"get {bench.root / LARGE} {bench.target('sftp') / LARGE}\n")


def lftp_large(bench: Bench) -> dict[str, float]:
    target = bench.target("lftp") / LARGE
    script = f"open -u {bench.ftp.user},{bench.ftp.secret} ftp://{bench.ftp.host}:{bench.ftp.port}\n"
    return timed(["lftp"], f"{script}get {bench.root / LARGE} -o {target}\nbye\n")


def sftp_small(bench: Bench) -> dict[str, float]:
    target = bench.target("small")
    names = sorted(os.listdir(bench.root / OUTGOING))
    figures = by_sftp(bench, "".join(f"get {bench.root / OUTGOING / name} {target / name}\n" for name in names))
    assert len(list(target.iterdir())) == len(names), "sftp did not fetch all files"
    return figures


def fetch_small(bench: Bench) -> dict[str, float]:
    """The real command on a new home: verified, archived, noted in the ledger."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from running import make_home  # here, as the child is to measure the memory of a transfer and of nothing else

    home = make_home(bench.target("homes") / "home", bench.sftp)
    configuration = home / "tierline.yaml"
    source = configuration.read_text().replace("    feeds:", f"    connections: {bench.connections}\n    feeds:")
    configuration.write_text(source)
    figures = timed([sys.executable, "-m", "pipelines.cli.app", "--home", str(home), "fetch"], "")
    kept = len(list((home / "archive").rglob("*.DAT")))
    assert 2 * kept == len(os.listdir(bench.root / OUTGOING)), f"{kept} files were archived"
    return figures


def timed(command: list[str], text: str) -> dict[str, float]:
    """Run a program whole: its seconds, and the peak memory of the process."""
    environment = os.environ | {"TIERLINE_NOW": NOW}
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(text)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_mb(process.pid))
        time.sleep(0.01)
    seconds = time.perf_counter() - begun
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}"
    return {"s": seconds, "mb": peak}


def peak_mb(pid: int | str) -> float:
    """The most memory that a process had so far; getrusage would count the parent before exec."""
    try:
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0  # it has ended
    return int(found[1]) / 1024 if found else 0


@contextmanager
def prepared(arguments: argparse.Namespace) -> Iterator[Bench]:
    from sftp_fixtures.sshd import sshd_server
    from sftp_fixtures.vsftpd import vsftpd_server

    with tempfile.TemporaryDirectory() as name:
        root, scratch = Path(name) / "root", Path(name) / "scratch"
        root.mkdir()
        scratch.mkdir()
        make_files(root, arguments.bytes, arguments.files)
        with sshd_server(root) as sftp, vsftpd_server(root) as ftp:
            yield Bench(sftp, ftp, root, scratch, arguments.connections)


KINDS = {
    "sftp": ("OpenSSH sftp, one file", sftp_large, None),
    "ours_sftp": ("ours over SFTP, one file", lambda bench: ours(bench, bench.sftp), "sftp"),
    "lftp": ("lftp, one file", lftp_large, None),
    "ours_ftp": ("ours over FTP, one file", lambda bench: ours(bench, bench.ftp), "lftp"),
    "sftp_small": ("OpenSSH sftp -b, small files", sftp_small, None),
    "fetch": ("tierline fetch, small files", fetch_small, "sftp_small"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the large file")
    parser.add_argument("--files", type=int, default=2_000, help="small ones, each with its check file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--connections", type=int, default=1, help="of the source, for fetch")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(Endpoint(**json.loads(arguments.child[0])), Path(arguments.child[1]))
        return
    figures: dict[str, list[dict[str, float]]] = {kind: [] for kind in arguments.only}
    with prepared(arguments) as bench:
        for _ in range(arguments.runs):
            for kind in arguments.only:
                figures[kind].append(KINDS[kind][1](bench))
    _report(figures, arguments)


def _report(figures: dict[str, list[dict[str, float]]], arguments: argparse.Namespace) -> None:
    what = f"one file of {arguments.bytes / 1e6:,.0f} MB; {arguments.files:,} files of 20 KB with check files"
    how = f"medians of {arguments.runs} interleaved runs; Python {platform.python_version()}"
    print(f"{what}; {how}\n")  # noqa: T201
    print("| what | s | rate | ratio to bound | peak MB |\n| --- | --- | --- | --- | --- |")  # noqa: T201
    median = {kind: statistics.median(run["s"] for run in runs) for kind, runs in figures.items()}
    for kind, runs in figures.items():
        title, _, bound = KINDS[kind]
        is_small = title.endswith("small files")
        rate = f"{arguments.bytes / median[kind] / 1e6:,.0f} MB/s"
        if is_small:
            rate = f"{2 * arguments.files / median[kind]:,.0f} files/s"
        ratio = f"{median[bound] / median[kind]:.2f}" if bound in median else ""
        peak = max(run["mb"] for run in runs)
        print(f"| {title} | {median[kind]:.2f} | {rate} | {ratio} | {peak:.0f} |")  # noqa: T201


if __name__ == "__main__":
    main()
