"""The SQL models: one select a file, with a header that says what it holds and what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pipelines.errors import StoreError

FOLDER = Path(__file__).parent
LAYERS = ("mart", "list")  # what is built here; other schemas that models read are there before
_GIVEN = ("list.tier_previous",)  # in a layer of ours, but filled by the publication
_LABELS = ("grain", "key", "reads", "rule")
_LABEL = re.compile(rf"({'|'.join(_LABELS)}): (.*)")
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Model:
    """A table as a model makes it: `name` is schema and table, `reads` the tables that must be there before."""

    name: str
    what: str
    grain: str
    key: str
    reads: tuple[str, ...]
    rule: str
    sql: str
    parameters: frozenset[str]


def load_models(folder: Path = FOLDER) -> tuple[Model, ...]:
    """The models of all layers, each after those that it reads, otherwise by name.

    Raises StoreError for a file without a complete header, for a table that is read and that no model makes, and for
    models that read each other in a circle.
    """
    models = {model.name: model for model in _read_all(folder)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, model in sorted(models.items()):
        made_here = [table for table in model.reads if table.split(".")[0] in LAYERS and table not in _GIVEN]
        for table in made_here:
            if table not in models:
                raise StoreError(f"{name}: reads {table}, which no model makes; expected {_path(table)}")
        sorter.add(name, *sorted(made_here))
    try:
        return tuple(models[name] for name in sorter.static_order())
    except CycleError as error:
        raise StoreError(f"models read each other in a circle: {' <- '.join(error.args[1])}") from error


def _read_all(folder: Path) -> Iterator[Model]:
    for layer in LAYERS:
        for path in sorted((folder / layer).glob("*.sql")):
            yield _read(path, f"{layer}.{path.stem}")


def _read(path: Path, name: str) -> Model:
    text = path.read_text(encoding="utf-8")
    header = _header(text, name)
    for label in ("what", *_LABELS):
        if not header.get(label):
            raise StoreError(f"{_path(name)}: expected `{label}` in the header, found none")
    sql = re.sub(r"--[^\n]*", "", text)
    return Model(
        name=name,
        what=header["what"],
        grain=header["grain"],
        key=header["key"],
        reads=tuple(re.findall(r"[a-z_]+\.[a-z_0-9]+", header["reads"])),
        rule=header["rule"],
        sql=text,
        parameters=frozenset(_PARAMETER.findall(sql)),
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


def _path(name: str) -> str:
    return f"{name.replace('.', '/')}.sql"
