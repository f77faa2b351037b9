"""Scenarios: what a producer offers step by step, and the outcome that the file interface demands of the consumer.

One folder each below `scenarios/`, with `expected.yaml` and the files of every step. To add one, add a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

SCENARIOS = Path(__file__).with_name("scenarios")


@dataclass(frozen=True)
class Step:
    """One offering and one run after it. What a step does not state (None, or a name that is absent) is left open.

    `files` is the folder whose content is put below the source's root (none: nothing new comes), `now` the clock of the
    run (naive, Asia/Shanghai). `batches` maps a stem to those columns of the ledger that are stated; `left` is all that
    stays in `outgoing/`; `rejects` has `line|codes|columns`; `rows` counts rows with is_current; `requests` is all that
    lies in `request/`; `queries` maps a query on the warehouse to its rows as text, without personal data.
    """

    now: datetime
    files: Path | None = None
    exit_status: int | None = None
    batches: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    cycles: Mapping[str, str] = field(default_factory=dict)
    left: Sequence[str] | None = None
    receipts: Mapping[str, str] = field(default_factory=dict)
    rejects: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    requests: Sequence[str] | None = None
    queries: Mapping[str, Sequence[Sequence[str | None]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One scenario; `sources` maps a source to its settings. Its files are all of the first of them."""

    name: str
    description: str
    sources: Mapping[str, Mapping[str, str]]
    steps: Sequence[Step]

    @property
    def source(self) -> str:
        return next(iter(self.sources))


def load_scenarios(folder: Path = SCENARIOS) -> list[Scenario]:
    """All scenarios by name; ValueError with file and key where `expected.yaml` says something unknown."""
    return [_scenario(path) for path in sorted(folder.glob("*/expected.yaml"))]


def _scenario(path: Path) -> Scenario:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    _refuse_unknown(path, content, {"description", "sources", "steps"})
    steps = [_step(path, step) for step in content["steps"]]
    return Scenario(path.parent.name, content["description"], content["sources"], steps)


def _step(path: Path, content: dict[str, Any]) -> Step:
    _refuse_unknown(path, content, {item.name for item in fields(Step)})
    if "files" in content:
        content["files"] = path.parent / content["files"]
    return Step(**content)


def _refuse_unknown(path: Path, content: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(content) - known):
        raise ValueError(f"{path}: unknown key {', '.join(unknown)}; expected one of {', '.join(sorted(known))}")
