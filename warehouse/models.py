"""The SQL models: one select a file, with a header that says what it holds and what it reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pipelines.errors import StoreError

FOLDER = Path(__file__).parent
LAYERS = ("step", "mart", "list")  # what is built here; other schemas that models read are there before
GIVEN = ("list.recalled", "list.tier_full", "list.tier_increment")  # in a layer of ours, but filled by publications
_LABELS = ("grain", "key", "entity", "by", "for", "reads", "rule")
_LABEL = re.compile(rf"({'|'.join(_LABELS)}|title|column|columns of [a-z]+\.[a-z_]+): (.*)")
_TITLE = re.compile(r".+ / .*[\u4e00-\u9fff].*")
_TABLE = re.compile(r"[a-z]+\.[a-z_]+|step_[a-z_]+")
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Model:
    """A table as a model makes it, and the tables that must be there before.

    `name` is schema and table, or `step_…` for a temporary table. Models that are `by_part` are run once for each part
    of the subscribers: a step is made anew, a table of a schema gets the rows of every part. `entity` is the column by
    which rows can be made anew for some subscribers or customers alone (`warehouse.renewal`); None: only all at once.
    Those not `for_readers` are stored for other models and builds alone, and not published.
    `title` and `columns` are `English / 中文`; `carried` names the table from which a column is carried along with all
    that is said of it there.
    """

    name: str
    title: str
    what: str
    grain: str
    key: str
    reads: tuple[str, ...]
    rule: str
    columns: Mapping[str, str]
    carried: Mapping[str, str]
    by_part: bool
    entity: str | None
    for_readers: bool
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
    models = {model.name: model for layer in LAYERS for model in _read_layer(folder, layer)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, model in sorted(models.items()):
        made_here = [table for table in model.reads if _layer(table) in LAYERS and table not in GIVEN]
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


def part_column(columns: Collection[str]) -> str | None:
    """The column by which a table of these columns is kept in parts: a month of subscribers is one; None: it is one."""
    return "month" if {"user_id", "month"} <= {*columns} else None


def load_views(folder: Path = FOLDER) -> tuple[Model, ...]:
    """The views for BI tools, by name. Raises StoreError for a file without a complete header."""
    return tuple(_read_layer(folder, "bi"))


def load_reference(name: str, folder: Path = FOLDER) -> Model:
    """The model of a reference table such as `core.plan`. Raises StoreError for a file without a complete header."""
    return _read(folder / _path(name), name)


def _read_layer(folder: Path, layer: str) -> Iterator[Model]:
    for path in sorted((folder / layer).glob("*.sql")):
        yield _read(path, f"step_{path.stem}" if layer == "step" else f"{layer}.{path.stem}")


def _read(path: Path, name: str) -> Model:
    text = path.read_text(encoding="utf-8")
    entries = list(_entries(text, name))
    header = dict(entries)
    is_step = name.startswith("step_")
    header = {"by": "part" if is_step else "all", "entity": "none", "for": "build" if is_step else "readers"} | header
    for label in ("what", *_LABELS):
        if not header.get(label):
            raise StoreError(f"{_path(name)}: expected `{label}` in the header, found none")
    columns, carried = _columns(entries, name)
    return Model(
        name=name,
        title=header.get("title", ""),
        what=header["what"],
        grain=header["grain"],
        key=header["key"],
        reads=tuple(_TABLE.findall(header["reads"])),
        rule=header["rule"],
        columns=columns,
        carried=carried,
        by_part=header["by"] == "part",
        entity=None if header["entity"] == "none" else header["entity"],
        for_readers=header["for"] == "readers",
        sql=text,
        parameters=frozenset(_PARAMETER.findall(re.sub(r"--[^\n]*", "", text))),
    )


def _entries(text: str, name: str) -> Iterator[tuple[str, str]]:
    """The labelled parts of the comment that a file begins with; the first line is `-- <name>: <what>`."""
    label, content = "what", ""
    for number, line in enumerate(text.splitlines()):
        if not line.startswith("--"):
            break
        part = line.removeprefix("--").strip()
        if number == 0 and not part.startswith(f"{name}: "):
            raise StoreError(f"{_path(name)}: expected the header to begin with `-- {name}: `, found `{line}`")
        labelled = _LABEL.match(part)
        if labelled:
            yield label, content
            label, content = labelled[1], labelled[2]
        else:
            content = f"{content} {part.removeprefix(f'{name}: ')}".strip()
    yield label, content


def _columns(entries: Iterable[tuple[str, str]], name: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a header says of columns: the titles of its own, and from which table the others are carried along."""
    columns: dict[str, str] = {}
    carried: dict[str, str] = {}
    for label, content in entries:
        if label == "column":
            column, _, title = content.partition(": ")
            if not _TITLE.fullmatch(title):
                raise StoreError(f"{_path(name)}: column {column}: expected `English / 中文`, found `{title}`")
            named, into = {column: title}, columns
        elif label.startswith("columns of "):
            named, into = dict.fromkeys(content.split(", "), label.removeprefix("columns of ")), carried
        else:
            continue
        for column in sorted(named.keys() & (columns.keys() | carried.keys())):
            raise StoreError(f"{_path(name)}: column {column}: expected it once in the header, found it twice")
        into.update(named)
    return columns, carried


def _layer(table: str) -> str:
    return "step" if table.startswith("step_") else table.split(".")[0]


def _path(name: str) -> str:
    return f"{name.replace('step_', 'step/', 1) if name.startswith('step_') else name.replace('.', '/')}.sql"
