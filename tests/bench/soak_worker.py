"""The process that lives as long as the soak and does all steps, round after round; and others that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from pipelines.cli.context import open_site
from pipelines.fetching import fetch
from pipelines.publishing import publish
from pipelines.site import Scope, Site
from pipelines.steps import build, load

# Where each command can be killed, and how often it passes there at most.
POINTS = {
    "fetch": ("list", "claim", "download", "verify", "archive"),
    "load": ("check", "stage", "load", "commit", "backup", "receipt", "judge"),
}


@dataclass(frozen=True)
class Round:
    """What the steps of a round said, and how long they took; `broken` is a traceback where one raised."""

    errors: dict[str, str]
    seconds: float
    broken: str = ""


def _steps(site: Site, now: datetime, is_published: bool) -> dict[str, str]:
    fetched = fetch(site, Scope())
    loaded = load(site, Scope())
    errors = {**{f"fetch {source}": text for source, text in fetched.errors.items()},
              **{f"load {source}": text for source, text in loaded.errors.items()}}  # fmt: skip
    errors |= {f"check {number}": str(each) for number, each in enumerate(loaded.checked.failed)}
    if is_published:
        build(site, now.date())
        publish(site)
    return errors


def work(home: Path, channel: Connection) -> None:
    """Do rounds of all steps on one site until told to end."""
    site = open_site(home)
    while (asked := channel.recv()) is not None:
        now, is_published = asked
        os.environ["TIERLINE_NOW"] = now.isoformat()
        began, errors, broken = time.monotonic(), dict[str, str](), ""
        try:
            errors = _steps(site, now, is_published)
        except Exception:
            broken = traceback.format_exc()  # told to the driver, which ends the soak with it
        channel.send(Round(errors, time.monotonic() - began, broken))
    site.close()


class Worker:
    """The long-lived process as the driver sees it."""

    def __init__(self, home: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(home, theirs))
        self._process.start()

    def begin(self, now: datetime, is_published: bool) -> None:
        self._channel.send((now, is_published))

    def end_round(self) -> Round:
        while not self._channel.poll(1):
            if not self._process.is_alive():
                raise SystemExit(f"the process of the soak ended by itself: {self._process.exitcode}")
        done: Round = self._channel.recv()
        return done

    def close(self) -> None:
        self._channel.send(None)
        self._process.join(30)

    def measure(self) -> tuple[int, int, int]:
        """Memory in KiB, open file descriptors and threads of the process."""
        place = Path(f"/proc/{self._process.pid}")
        said = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
        return int(said["VmRSS"].split()[0]), len(list((place / "fd").iterdir())), int(said["Threads"])


class Doomed:
    """The real command in a process of its own that is killed: at a fault point, or whenever the driver likes."""

    def __init__(self, home: Path, now: datetime, dice: random.Random, log: Path) -> None:
        self.word = dice.choice(list(POINTS))
        fault = f"{dice.choice(POINTS[self.word])}:{dice.randrange(1, 12)}" if dice.random() < 0.5 else ""
        environment = os.environ | {"TIERLINE_NOW": now.isoformat(), "TIERLINE_FAULT": fault}
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.cli", "--home", str(home), self.word],
                env=environment, stdout=said, stderr=said,
            )  # fmt: skip
        self._moment = time.monotonic() + dice.uniform(0.8, 4)

    def end(self) -> bool:
        """Kill it at its moment, if it is still there then; whether it was killed."""
        try:
            self._process.wait(max(self._moment - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
        return self._process.wait() == -signal.SIGKILL
