"""All contracts and code lists of an installation, read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from pipelines.contracts.code_lists import read_code_list
from pipelines.contracts.feeds import Draft, read_contract
from pipelines.contracts.model import Contracts
from pipelines.contracts.versions import join_versions
from pipelines.contracts.yaml_lines import Item, parse_yaml, read_text
from pipelines.errors import ConfigurationError

DEFAULT_SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"

# Tables of core that come from neither a feed nor a code list.
_OTHER_TABLES = ("date", "plan")

_Texts = tuple[tuple[str, str], ...]  # name of a file below the directory, and what it holds


def load_contracts(directory: Path = DEFAULT_SCHEMAS) -> Contracts:
    """The contracts in `feeds/` and the code lists in `codes/` of a directory, each by name.

    Raises ConfigurationError, one sentence with file (below the directory), line, key, what was expected and found.
    """
    return _contracts(*(_texts(directory, folder) for folder in ("codes", "feeds")))


@lru_cache(maxsize=8)  # reading them takes longer than most of what a page or a task then does with them
def _contracts(codes: _Texts, feeds: _Texts) -> Contracts:
    code_lists = {name: read_code_list(document, name) for name, document in _documents(codes)}
    drafts = join_versions(read_contract(document, name, code_lists) for name, document in _documents(feeds))
    _check_tables(drafts, code_lists)
    _check_targets(drafts)
    return Contracts(tuple(draft.contract for draft in drafts), tuple(code_lists.values()))


def _texts(directory: Path, folder: str) -> _Texts:
    """The YAML files of a folder, in the order of their names."""
    paths = sorted((directory / folder).glob("*.yaml"))
    for path in sorted((directory / folder).glob("*.*")):
        if path.suffix.lower() in (".yaml", ".yml") and path.suffix != ".yaml":
            raise ConfigurationError(
                f"{folder}/{path.name}: expected the ending .yaml, found {path.suffix}; rename it."
            )
    if not paths:
        raise ConfigurationError(f"{folder}/: expected at least one file *.yaml in {directory}, found none.")
    names = [f"{folder}/{path.name}" for path in paths]
    return tuple((name, read_text(path, name)) for name, path in zip(names, paths, strict=True))


def _documents(texts: _Texts) -> Iterator[tuple[str, Item]]:
    return ((Path(name).stem, parse_yaml(text, name)) for name, text in texts)


def _check_tables(drafts: Iterable[Draft], code_lists: Iterable[str]) -> None:
    """Every feed and every code list is a table of core of its own."""
    taken = {*code_lists, *_OTHER_TABLES}
    for draft in drafts:
        if draft.contract.table in taken:
            raise draft.places["table"].error(
                "a table of its own", f"{draft.contract.table}, which another feed or a code list has"
            )
        taken.add(draft.contract.table)


def _check_targets(drafts: list[Draft]) -> None:
    """Foreign keys lead to columns that there are now; those of older versions may lead to what there was."""
    contracts = [draft.contract for draft in drafts]
    now = {f"{contract.feed}.{name}" for contract in contracts for name in contract.column_names}
    ever = {f"{contract.feed}.{column.name}" for contract in contracts for column in contract.stored_columns}
    for draft in drafts:
        for target in draft.targets:
            _check_target(target, now)
        for former in draft.former:
            for target in former.targets:
                _check_target(target, ever)


def _check_target(target: Item, known: set[str]) -> None:
    if target.text() not in known:
        raise target.error("the column of a feed that has a contract, as FEED.column")
