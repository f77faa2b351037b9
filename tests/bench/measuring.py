"""Processes timed from outside and from inside, with the peak memory of their tree; medians of interleaved runs."""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipelines.cli.output import say

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_BETWEEN_LOOKS_S = 0.02
_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Run:
    """Seconds and peak memory of one run, or the median and the most of several.

    `cpu_s`: of the processor, the descendants' too; where a machine has other work it tells more than the clock.
    """

    s: float
    mb: float
    cpu_s: float = 0


def timed_process(
    command: list[str], text: str = "", environment: Mapping[str, str] | None = None, allowed: Collection[int] = (0,)
) -> Run:
    """A program from start to end. Its output is shown when it ends with a status that is not allowed.

    Memory is the most that the resident memory of it and all its descendants came to.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(text.encode())
        given.seek(0)
        begun, cpu_begun = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(
            command, stdin=given, stdout=output, stderr=output, env=os.environ | dict(environment or {})
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid), sum(map(_resident_mb, _tree(process.pid))))
            time.sleep(_BETWEEN_LOOKS_S)
        seconds, cpu = time.perf_counter() - begun, _cpu_of_children() - cpu_begun
        output.seek(0)
        if process.returncode not in allowed:
            raise ProcessFailed(command, process.returncode, output.read().decode(errors="replace"))
    return Run(seconds, peak, cpu)


class ProcessFailed(Exception):
    """A program ended with a status that was not allowed."""

    def __init__(self, command: list[str], status: int, output: str) -> None:
        super().__init__(f"{Path(command[0]).name} ended with {status}\n{output[-4000:]}")
        self.status = status
        self.output = output


def _cpu_of_children() -> float:
    """Seconds of all children that ended so far, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def _resident_mb(pid: int) -> float:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE_MB if fields else 0


def peak_mb(pid: int | str = "self") -> float:
    """The most memory that one process had so far; getrusage would count the parent before exec."""
    found = re.search(r"VmHWM:\s*(\d+)", _read(Path(f"/proc/{pid}/status")))
    return int(found[1]) / 1024 if found else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended meanwhile
        return ""


def in_child(script: str, *words: str) -> dict[str, float]:
    """What a script answers when it is called with `--child`: work measured in a process of its own."""
    done = subprocess.run([sys.executable, script, "--child", *words], check=True, stdout=subprocess.PIPE)
    answered: dict[str, float] = json.loads(done.stdout)
    return answered


def answer(**figures: float) -> None:
    """Said by such a child, with its peak memory."""
    sys.stdout.write(json.dumps(figures | {"mb": peak_mb()}) + "\n")


def child_run(script: str, *words: str) -> Run:
    """A child that answers with its seconds only."""
    answered = in_child(script, *words)
    return Run(answered["s"], answered["mb"])


def interleaved(kinds: Mapping[_Key, Callable[[], Run]], runs: int) -> dict[_Key, Run]:
    """Every kind once, then every kind again: what disturbs the machine meets all. Median seconds, most memory."""
    found: dict[_Key, list[Run]] = {kind: [] for kind in kinds}
    for number in range(runs):
        for kind, work in kinds.items():
            found[kind].append(work())
            last = found[kind][-1]
            say(f"  run {number + 1}, {kind}: {last.s:.2f} s, {last.cpu_s:.1f} s of CPU, {last.mb:.0f} MB")
    return {kind: median_run(each) for kind, each in found.items()}


def median_run(runs: list[Run]) -> Run:
    """The medians of the seconds and the most memory."""
    cpu = statistics.median(each.cpu_s for each in runs)
    return Run(statistics.median(each.s for each in runs), max(each.mb for each in runs), cpu)


def timed(what: str, work: Callable[[], object]) -> float:
    """Seconds of a piece of work in this process, told with its peak memory so far."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    say(f"{what}: {seconds:.2f} s, {peak_mb():.0f} MB")
    return seconds
