"""The SQL models: one select a file, with a header that says what it holds and what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pipelines.errors import StoreError

FOLDER = Path(__file__).parent
LAYERS = ("step", "mart", "list")  # what is built here; other schemas that models read are there before
_GIVEN = ("list.tier_previous",)  # in a layer of ours, but filled by the publication
_LABELS = ("grain", "key", "by", "reads", "rule")
_LABEL = re.compile(rf"({'|'.join(_LABELS)}): (.*)")
_TABLE = re.compile(r"[a-z]+\.[a-z_]+|step_[a-z_]+")
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Model:
    """A table as a model makes it, and the tables that must be there before.

    `name` is schema and table, or `step_…` for a temporary table. Models that are `by_part` are run once for each part
    of the subscribers: a step is made anew, a table of a schema gets the rows of every part.
    """

    name: str
    what: str
    grain: str
    key: str
    reads: tuple[str, ...]
    rule: str
    by_part: bool
    sql: str
    parameters: frozenset[str]

    @property
    def is_step(self) -> bool:
        return self.name.startswith("step_")


def load_models(folder: Path = FOLDER) -> tuple[Model, ...]:
    """The models of all layers, each after those that it reads: those before the parts, those by part, those after.

    Raises StoreError for a file without a complete header, for a table that is read and that no model makes, and for
    models that read each other in a circle.
    """
    models = {model.name: model for model in _read_all(folder)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, model in sorted(models.items()):
        made_here = [table for table in model.reads if _layer(table) in LAYERS and table not in _GIVEN]
        for table in made_here:
            if table not in models:
                raise StoreError(f"{name}: reads {table}, which no model makes; expected {_path(table)}")
        sorter.add(name, *sorted(made_here))
    try:
        ordered = [models[name] for name in sorter.static_order()]
    except CycleError as error:
        raise StoreError(f"models read each other in a circle: {' <- '.join(error.args[1])}") from error
    return _in_phases(ordered)


def _in_phases(ordered: list[Model]) -> tuple[Model, ...]:
    """What rests on a model by part comes after all of these, so it can be none itself."""
    resting: set[str] = set()
    phases: tuple[list[Model], list[Model], list[Model]] = ([], [], [])
    for model in ordered:
        on_parts = [table for table in model.reads if table in resting]
        if model.by_part:
            late = [other.name for other in phases[2] if other.name in on_parts]
            if late:
                raise StoreError(f"{model.name}: is by part, so it cannot read {late[0]}, which needs all parts")
        phases[1 if model.by_part else 2 if on_parts else 0].append(model)
        if model.by_part or on_parts:
            resting.add(model.name)
    return (*phases[0], *phases[1], *phases[2])


def _read_all(folder: Path) -> Iterator[Model]:
    for layer in LAYERS:
        for path in sorted((folder / layer).glob("*.sql")):
            yield _read(path, f"step_{path.stem}" if layer == "step" else f"{layer}.{path.stem}")


def _read(path: Path, name: str) -> Model:
    text = path.read_text(encoding="utf-8")
    header = _header(text, name)
    is_step = name.startswith("step_")
    header.setdefault("by", "part" if is_step else "all")
    for label in ("what", *_LABELS):
        if not header.get(label):
            raise StoreError(f"{_path(name)}: expected `{label}` in the header, found none")
    return Model(
        name=name,
        what=header["what"],
        grain=header["grain"],
        key=header["key"],
        reads=tuple(_TABLE.findall(header["reads"])),
        rule=header["rule"],
        by_part=header["by"] == "part",
        sql=text,
        parameters=frozenset(_PARAMETER.findall(re.sub(r"--[^\n]*", "", text))),
    )


def _header(text: str, name: str) -> dict[str, str]:
    """The labelled parts of the comment that a file begins with; the first line is `-- <name>: <what>`."""
    parts: dict[str, str] = {}
    label = "what"
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line.removeprefix("--").strip()
        if not parts and not content.startswith(f"{name}: "):
            raise StoreError(f"{_path(name)}: expected the header to begin with `-- {name}: `, found `{line}`")
        labelled = _LABEL.match(content)
        if labelled:
            label, content = labelled.groups()
        parts[label] = f"{parts.get(label, '')} {content.removeprefix(f'{name}: ')}".strip()
    return parts


def _layer(table: str) -> str:
    return "step" if table.startswith("step_") else table.split(".")[0]


def _path(name: str) -> str:
    return f"{name.replace('step_', 'step/', 1) if name.startswith('step_') else name.replace('.', '/')}.sql"
