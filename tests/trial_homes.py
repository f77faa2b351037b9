"""Homes for commands that only read the published state: from a random world of rows, built by the real models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
from mart_province import fill
from mart_tables import DEFAULT_POLICY, default_policy
from mart_world import SOURCES, draw_world

from pipelines.contracts.load import load_contracts
from pipelines.policy import Policy, load_policy
from warehouse.build import Built, build, note_built
from warehouse.models import load_models
from warehouse.store import make_tables

ALL_MODELS = [model.name for model in load_models()]  # built as ever, only without comments, which take half the time
NOW = "2028-12-31T12:00:00"  # no world lies after it


@dataclass(frozen=True)
class WorldHome:
    """A home whose published state holds a world; it has no warehouse at all."""

    path: Path
    as_of: date
    bill_month: str | None

    @property
    def state(self) -> Path:
        return self.path / "bi" / "current.duckdb"

    def rebuilt(self, into: Path, policy: Policy, as_of: date, bill_month: str | None) -> Path:
        """A copy of the state, really built anew."""
        shutil.copy(self.state, into)
        with duckdb.connect(str(into)) as connection:
            build(connection, policy, as_of, bill_month, only=ALL_MODELS)
        return into


def world_home(path: Path, seed: int) -> WorldHome:
    (path / "bi").mkdir(parents=True)
    lines = ["sources:", *(f'  "{source}": {{url: "file:///nowhere", feeds: [CUST]}}' for source in SOURCES)]
    (path / "tierline.yaml").write_text("\n".join(lines) + "\npolicy: policy.yaml\n")
    shutil.copy(DEFAULT_POLICY, path / "policy.yaml")
    world = draw_world(seed)
    with duckdb.connect(str(path / "bi" / "current.duckdb")) as connection:
        make_tables(connection, load_contracts())
        fill(connection, world.rows)
        build(connection, default_policy(), world.as_of, world.bill_month, only=ALL_MODELS)
        note_built(connection, Built(world.as_of, world.bill_month, "by this test"), is_whole=True)
    return WorldHome(path, world.as_of, world.bill_month)


def changed_policy(path: Path, *changes: tuple[str, str]) -> Policy:
    """The default policy as a file with texts replaced, each of which it must have."""
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def content(home: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a home, byte for byte, with the time of its last change."""
    read: Callable[[Path], tuple[bytes, int]] = lambda path: (path.read_bytes(), path.stat().st_mtime_ns)  # noqa: E731
    return {str(path.relative_to(home)): read(path) for path in sorted(home.rglob("*")) if path.is_file()}
