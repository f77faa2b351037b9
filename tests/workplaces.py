"""Homes of several workers, each as on a machine of its own, and their commands as real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from running import make_home, tierline

from pipelines.transfer.base import Endpoint
from sftp_fixtures.rclone import Bucket

NOW = "2026-11-22T12:00:00"
SETTLED = (0, 3, 4)
PATIENCE_S = 60
_GROUP = 50  # so many files and locks at once are those of a group of batches
OF_LEDGER = int.from_bytes(b"tier")  # the upper half of the lock that orders the ledger's transactions
HELD = f"""
    select count(*) filter (where granted and classid::bigint <> {OF_LEDGER}),
        count(*) filter (where granted and classid::bigint = {OF_LEDGER}),
        count(*) filter (where not granted)
    from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())
"""


def in_bucket(bucket: Bucket, url: str = "s3://tierline/province", secret: str = "file:../s3-secret") -> str:
    """The part of a configuration that names a bucket."""
    return (
        f"store:\n  url: {url}\n  endpoint: {bucket.endpoint}\n  access_key: {bucket.access_key}\n  secret: {secret}\n"
    )


@dataclass(frozen=True)
class Place:
    """Homes of workers, by name, around one ledger and one directory, or bucket; the producer's files in `remote`."""

    root: Path
    url: str
    port: int
    bucket: Bucket | None = None

    def __post_init__(self) -> None:
        (self.root / "remote").mkdir(exist_ok=True)
        if self.bucket:
            (self.root / "s3-secret").write_text(self.bucket.secret)

    @property
    def kept(self) -> Path:
        """What all workers have, as files."""
        return self.bucket.directory / "province" if self.bucket else self.root / "shared"

    def home(self, name: str, role: str = "whole") -> Path:
        """A home; that of role whole makes what is shared."""
        common = in_bucket(self.bucket) if self.bucket else "shared: ../shared\n"
        extra = f'ledger: "{self.url}"\nrole: {role}\n{common}'
        made = make_home(self.root / name, Endpoint("file", root=str(self.root / "remote")), extra=extra)
        assert tierline(made, "batches", now=NOW).exit_status == 0
        return made

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        database = self.url.rpartition("/")[2]
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="trusted", dbname=database, autocommit=True
        ) as connection:
            return connection.execute(sql).fetchall()

    def work(self, home: Path) -> Path:
        """Where rows are written that have no place yet."""
        return (home if self.bucket else self.root / "shared") / "staged" / ".work"

    def written(self, home: Path) -> int:
        return len(list(self.work(home).glob("*")))

    def states(self) -> Counter[str]:
        return Counter(dict(self.ask("select state, count(*) from offering group by 1")))

    def until(self, is_so: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end, f"it never came to that: {self.states()}"
            time.sleep(0.005)


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own, which goes on while we look."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "--home", str(home), *words],
        env=os.environ | {"TIERLINE_NOW": NOW}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> str:
    """What it said, once it came to a good end."""
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in SETTLED, said
    return said


def counted(pattern: str, said: str) -> int:
    found = re.search(pattern, said)
    assert found, said
    return int(found[1])


def stop_in_the_middle(place: Place, home: Path) -> tuple[subprocess.Popen[str], int]:
    """A worker that judged some batches and stands still with others in hand, whose count is returned too."""
    worker = start(home, "load")
    while True:
        place.until(lambda: place.written(home) >= _GROUP and place.states()["staged"])
        worker.send_signal(signal.SIGSTOP)
        held, in_transaction, _ = place.ask(HELD)[0]
        if place.written(home) >= _GROUP and not in_transaction:  # it has rows that the ledger knows nothing of
            return worker, held
        worker.send_signal(signal.SIGCONT)
