"""Soak: thousands of small batches with every kind of fault at random, through one process that lives all the while.

    PYTHONPATH=tests python tests/bench/soak.py --batches 10000 --seed 1

Two producers, on OpenSSH and on vsftpd with TLS, each behind a proxy that cuts, stalls and corrupts. A round is an
hour: files come, a command of its own may be killed meanwhile, the process takes and loads what there is. Written is
build/soak/report.md. Exit status 1: a rule of the file interface does not hold, or the process grew. Bounds: memory
in the end at most 1.25 times that of a new process that does a round and a publication on the same home; descriptors
and threads of the last fifth of the rounds at most those of the second fifth.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from soak_offers import Slot
from soak_producers import SOURCES, Producers
from soak_report import Sample, growth, write_report
from soak_rules import broken_rules
from soak_worker import Doomed, Round, Worker

from pipelines.cli.output import say
from pipelines.transfer.base import Endpoint
from sftp_fixtures.proxy import Proxy, Trouble, proxy
from sftp_fixtures.sshd import sshd_server
from sftp_fixtures.vsftpd import vsftpd_server

BUILD = Path(__file__).parents[2] / "build" / "soak"
_BEGIN = datetime(2026, 11, 2, 1, 10)
_NEVER = 1 << 40
_PUBLISHED_EVERY = 12  # rounds, which are hours
_MOST_LAST_ROUNDS = 40


def make_home(home: Path, endpoints: dict[str, Endpoint]) -> None:
    """A home of both sources; a stalled server is left after a second, and told apart from one that is down."""
    home.mkdir(parents=True)
    lines = ["sources:"]
    for source, each in endpoints.items():
        lines += [f'  "{source}":', f"    url: {each.scheme}://{each.user}@{each.host}:{each.port}{each.root}"]
        lines += ["    encoding: utf-8", "    feeds: [PAYM, CHNG, USER]", "    settle: 0"]
        lines += ["    connect_timeout: 2", "    idle_timeout: 1", "    retries: 2"]
        for key in ("host_key", "key_file", "ca_file"):
            lines += [f'    {key}: "{value}"'] if (value := getattr(each, key)) else []
        if each.secret:
            (home / f"secret_{source}").write_text(each.secret)
            lines.append(f"    secret: file:secret_{source}")
    (home / "tierline.yaml").write_text("\n".join(lines) + "\n")


class Soak:
    """Everything at work, and what was seen."""

    def __init__(self, work: Path, proxies: dict[str, Proxy], seed: int) -> None:
        self.dice = random.Random(seed)
        self.home = work / "home"
        make_home(self.home, {source: between.endpoint for source, between in proxies.items()})
        self.producers = Producers(work, self.dice)
        self.proxies, self.log = proxies, work / "killed.log"
        self.worker = Worker(self.home)
        self.samples: list[Sample] = []
        self.met: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.new_kb = 0
        self.now = _BEGIN

    @property
    def batches(self) -> int:
        return sum(self.producers.offered.values())

    def hour(self) -> None:
        """A round with files and faults."""
        self.now += timedelta(hours=1)
        self.producers.hour(self.now)
        self.producers.again(50)
        self.producers.close_cycles()
        troubled = [source for source in SOURCES if self._trouble(self.proxies[source])]
        chance = self.dice.random()
        doomed = Doomed(self.home, self.now, self.dice, self.log) if chance < 0.5 else None
        if doomed and chance < 0.3:  # else it is killed while the other process is at work
            self._count_killed(doomed)
            doomed = None
        self._steps(troubled, len(self.samples) % _PUBLISHED_EVERY == _PUBLISHED_EVERY - 1, is_alone=chance >= 0.5)
        if doomed:
            self._count_killed(doomed)
        self.producers.read_answers(self.home / "ledger.sqlite")

    def _count_killed(self, doomed: Doomed) -> None:
        self.met[f"{doomed.word} {'killed' if doomed.end() else 'ended before it was killed'}"] += 1

    def _trouble(self, between: Proxy) -> bool:
        """Arm the proxy, more often than not."""
        trouble = self.dice.choice((None, None, Trouble.CUT, Trouble.CUT, Trouble.CORRUPT, Trouble.STALL))
        if trouble is not None:
            moments = [self.dice.randrange(200_000) for _ in range(self.dice.randrange(1, 5))]
            between.arm(moments[0], trouble, moments[1:] if trouble is not Trouble.STALL else ())
        return trouble is not None

    def _steps(self, troubled: Sequence[str], is_published: bool, is_alone: bool) -> None:
        before = {source: each.troubles for source, each in self.proxies.items()}
        self.worker.begin(self.now, is_published)
        done = self.worker.end_round()
        for source, between in self.proxies.items():
            self.met[f"{source}: connections troubled"] += between.troubles - before[source]
            between.flow()
            between.arm(_NEVER, Trouble.CUT)
        self._judge(done, troubled)
        memory_kb, descriptors, threads = self.worker.measure()
        landing = sum(path.is_file() for path in (self.home / "landing").rglob("*"))
        ledger_kb = sum(path.stat().st_size for path in self.home.glob("ledger.sqlite*")) >> 10
        calm = is_alone and not troubled and not is_published
        measured = (memory_kb, descriptors, threads, landing, ledger_kb, calm)
        self.samples.append(Sample(self.batches, done.seconds, *measured))

    def _judge(self, done: Round, troubled: Sequence[str]) -> None:
        """An error is right where there was trouble, and names source or batch."""
        if done.broken:
            self.wrong.append(f"round {len(self.samples)}: {done.broken}")
        for step, text in done.errors.items():
            self.met[f"{step}: ended by an error that names the cause"] += 1
            if step.split()[-1] not in troubled or not re.search(r"://|_I_\d+_", text):
                self.wrong.append(f"round {len(self.samples)}: {step}: {text}")

    def calm_down(self) -> None:
        """Rounds without faults until everything that was offered is answered."""
        for source in SOURCES:
            self.proxies[source].arm(_NEVER, Trouble.CUT)
        for _ in range(_MOST_LAST_ROUNDS):
            is_done = self.producers.finish()
            self._steps((), is_done, is_alone=True)
            self.producers.read_answers(self.home / "ledger.sqlite")
            if is_done:
                return
        self.wrong += [f"{_words(slot)}: never answered" for slot in self.producers.slots if slot.on_its_way]

    def end(self) -> None:
        self.calm_down()
        self.new_kb = self._memory_of_a_new_process()
        self.wrong += self.producers.wrong
        self.wrong += broken_rules(self.home, self.producers)
        self.wrong += growth(self.samples, self.new_kb)
        words = ["--home", str(self.home), "rebuild", "--into", f"{self.home}_2"]
        command = [sys.executable, "-m", "pipelines.cli", *words]
        rebuilt = subprocess.run(command, capture_output=True, text=True, check=False)
        if rebuilt.returncode:
            self.wrong.append(f"made anew from the archive: {rebuilt.stdout[-2000:]}{rebuilt.stderr[-2000:]}")

    def _memory_of_a_new_process(self) -> int:
        """What one needs that does the same now: an hour with its files, all that follows, and a publication."""
        self.worker.close()
        samples, self.worker = [*self.samples], Worker(self.home)
        self.now += timedelta(hours=1)
        self.producers.hour(self.now)
        self.calm_down()
        memory_kb, _, _ = self.worker.measure()
        self.worker.close()
        self.samples = samples
        return memory_kb


def _words(slot: Slot) -> str:
    return f"{slot.on_its_way.offer.stem} ({slot.on_its_way.what})" if slot.on_its_way else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    work = BUILD / "work"
    shutil.rmtree(work, ignore_errors=True)
    with ExitStack() as stack:
        for source in SOURCES:
            (work / source / "outgoing").mkdir(parents=True)
        servers = {
            "110": stack.enter_context(sshd_server(work / "110", work / "sshd.log")),
            "440": stack.enter_context(vsftpd_server(work / "440", work / "vsftpd.log", tls=True)),
        }
        proxies = {source: stack.enter_context(proxy(endpoint)) for source, endpoint in servers.items()}
        soak = Soak(work, proxies, wanted.seed)
        began = time.monotonic()
        while soak.batches < wanted.batches and not soak.wrong:
            soak.hour()
            if len(soak.samples) % 10 == 0:
                say(f"{soak.batches:,} batches, {len(soak.samples)} rounds, {time.monotonic() - began:.0f} s")
        soak.end()
        producers = soak.producers
        write_report(
            BUILD / "report.md", wanted.seed, soak.samples, soak.new_kb, producers.offered, soak.met, soak.wrong
        )
    say((BUILD / "report.md").read_text())
    sys.exit(1 if soak.wrong else 0)


if __name__ == "__main__":
    main()
