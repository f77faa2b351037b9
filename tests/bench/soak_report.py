"""What the soak measured, and whether the process grew."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MOST_GROWTH = 1.25  # memory of the process in the end to that of a new one that does the same on the same home
_LINES = 20


@dataclass(frozen=True)
class Sample:
    """A round: how many batches were offered by then, the steps' seconds, and what the process then holds."""

    batches: int
    seconds: float
    memory_kb: int
    descriptors: int
    threads: int
    in_landing: int
    ledger_kb: int
    is_calm: bool  # no trouble on the way and no other process


def growth(samples: list[Sample], new_kb: int) -> list[str]:
    """A sentence for whatever grew: memory against a new process, as what there is to know grows with the home.

    Descriptors and threads of the last fifth of the rounds against those of the second.
    """
    grown = []
    old_kb = samples[-1].memory_kb
    if old_kb > new_kb * MOST_GROWTH:
        grown.append(f"memory: {old_kb / 1024:.0f} MiB, a new process needs {new_kb / 1024:.0f} MiB for the same")
    fifth = max(len(samples) // 5, 1)
    for name in ("descriptors", "threads"):
        least, most = (
            statistics.median(getattr(each, name) for each in part)
            for part in (samples[fifth : 2 * fifth], samples[-fifth:])
        )
        if most > least:
            grown.append(f"{name} grew from {least:.0f} to {most:.0f}")
    return grown


def _table(samples: list[Sample]) -> list[str]:
    """Some of the rounds, evenly; seconds are the median since the line before, of rounds without trouble."""
    step = max(len(samples) // _LINES, 1)
    lines = ["| batches offered | seconds a round | memory, MiB | descriptors | threads | in landing | ledger, KiB |",
             "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for end in range(step, len(samples) + 1, step):
        part, last = samples[end - step : end], samples[end - 1]
        calm = [each.seconds for each in part if each.is_calm] or [each.seconds for each in part]
        lines.append(
            f"| {last.batches:,} | {statistics.median(calm):.1f} | {last.memory_kb / 1024:.0f} | {last.descriptors} "
            f"| {last.threads} | {last.in_landing} | {last.ledger_kb:,} |"
        )
    return lines


def _counted(title: str, counts: Counter[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {name}: {count:,}" for name, count in sorted(counts.items()))]


def write_report(
    place: Path,
    seed: int,
    samples: list[Sample],
    new_kb: int,
    offered: Counter[str],
    met: Counter[str],
    wrong: list[str],
) -> None:
    """A page of all that was measured, offered and met, and of what is wrong."""
    lines = [
        "# Soak",
        "",
        f"{sum(offered.values()):,} batches in {len(samples)} rounds, seed {seed}.",
        "",
        *_table(samples),
        "",
        f"A new process that does one round and a publication on the same home: {new_kb / 1024:.0f} MiB.",
        *_counted("Offered", offered),
        *_counted("Met on the way", met),
        "",
        "## Wrong",
        "",
        *([f"- {each}" for each in wrong] or ["Nothing."]),
    ]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines) + "\n")
