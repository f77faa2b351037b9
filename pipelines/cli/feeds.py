"""Commands about contracts: feeds, feeds show, feeds diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.context import JsonOption, home_path, open_contracts
from pipelines.cli.output import PLAIN, say, say_json, show_rows
from pipelines.config import FILE_NAME, load_config
from pipelines.contracts.differences import installation_differences, version_differences
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract, Contracts
from pipelines.errors import UsageError

feeds_app = typer.Typer(invoke_without_command=True, **PLAIN)
_COLUMNS = ["what", "was", "becomes", "effect"]


@feeds_app.callback()
def feeds(context: typer.Context, as_json: JsonOption = False) -> None:
    """The contracts, checked, as a table.

    Example: tierline feeds
    """
    if context.invoked_subcommand is not None:
        return
    home = home_path(context)
    contracts = open_contracts(home)
    if (home / FILE_NAME).exists():
        load_config(home, contracts.feed_names)  # a source may name a feed that has none
    columns = ["feed", "title", "versions", "cadence", "modes", "key", "columns", "control", "rejects", "table"]
    rows = [
        [c.feed, f"{c.title_en} {c.title_zh}", ", ".join(_versions(c)), c.schedule.cadence.value, "".join(c.modes),
         ", ".join(c.key), len(c.columns), c.control_column, f"{c.rejects.rows} rows or {c.rejects.share:.1%}",
         f"core.{c.table}"]
        for c in contracts.feeds
    ]  # fmt: skip
    show_rows(columns, rows, as_json=as_json)


@feeds_app.command("show")
def feeds_show(
    context: typer.Context,
    feed: str,
    version: Annotated[str | None, typer.Option("--version", help="An older version; default: the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """One contract: its columns, rules and codes.

    Example: tierline feeds show PAYM
    """
    newest = _contract(open_contracts(home_path(context)), feed)
    contract = _version(newest, "--version", version) if version else newest
    columns = ["column", "type", "required", "personal", "title", "codes", "rules"]
    rows = [
        [column.name, column.type.value, column.required, column.personal, f"{column.title_en} {column.title_zh}",
         " ".join(column.codes), "; ".join(rule.description for rule in column.rules)]
        for column in contract.columns
    ]  # fmt: skip
    show_rows(columns, rows, as_json=as_json, title=_title(contract))


@feeds_app.command("diff")
def feeds_diff(
    context: typer.Context,
    feed: Annotated[str | None, typer.Argument(help="The feed, such as PAYM; with --with it may be left out.")] = None,
    was: Annotated[str | None, typer.Option("--from", help="A version; default: the one before the newest.")] = None,
    becomes: Annotated[str | None, typer.Option("--to", help="A version; default: the newest.")] = None,
    other: Annotated[
        Path | None, typer.Option("--with", help="A directory of schemas that is to take the place of the one in use.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What changes between two versions of a contract, or with other contracts, and what follows from it.

    Example: tierline feeds diff PAYM
    """
    contracts = open_contracts(home_path(context))
    if other is not None:
        if was or becomes:
            raise UsageError("--with: expected it without --from and --to, for it compares the newest versions")
        _diff_with(contracts, other, feed, as_json=as_json)
    elif feed is None:
        raise UsageError("feeds diff: expected a feed such as PAYM, or --with and a directory, found neither")
    else:
        _diff_versions(_contract(contracts, feed), was, becomes, as_json=as_json)


def _diff_versions(newest: Contract, was: str | None, becomes: str | None, *, as_json: bool) -> None:
    if not newest.former:
        raise UsageError(
            f"feeds diff {newest.feed}: expected a contract of two versions or more, found version "
            f"{newest.format_version} alone; --with DIRECTORY compares it with one that is to take its place"
        )
    first = _version(newest, "--from", was or newest.former[-1].format_version).format_version
    second = _version(newest, "--to", becomes or newest.format_version).format_version
    found = version_differences(newest, first, second)
    rows = [[each.what, each.was, each.becomes, each.effect] for each in found]
    _show(_COLUMNS, rows, f"{newest.feed}, version {first} to {second}", as_json=as_json)


def _diff_with(contracts: Contracts, directory: Path, feed: str | None, *, as_json: bool) -> None:
    if not directory.is_dir():
        raise UsageError(f"--with {directory}: expected a directory with feeds/ and codes/, found none")
    others = load_contracts(directory)
    known = sorted({*contracts.feed_names, *others.feed_names})
    if feed is not None and feed not in known:
        raise UsageError(f"feed {feed}: expected one of {', '.join(known)}")
    found = installation_differences(contracts, others, (feed,) if feed else tuple(known))
    rows = [
        [each.feed, each.difference.what, each.difference.was, each.difference.becomes, each.difference.effect]
        for each in found
    ]
    _show(["feed", *_COLUMNS], rows, f"{feed or 'all feeds'}, with {directory}", as_json=as_json)


def _show(columns: list[str], rows: list[list[str | None]], title: str, *, as_json: bool) -> None:
    if not rows:
        say_json([]) if as_json else say(f"{title}: no difference")
        return
    show_rows(columns, rows, as_json=as_json, title=title)


def _contract(contracts: Contracts, feed: str) -> Contract:
    if feed not in contracts:
        raise UsageError(f"feed {feed}: expected one of {', '.join(contracts.feed_names)}")
    return contracts[feed]


def _version(newest: Contract, option: str, version: str) -> Contract:
    for each in newest.versions:
        if each.format_version == version:
            return each
    raise UsageError(f"{option} {version}: expected a version of {newest.feed}: {', '.join(_versions(newest))}")


def _versions(newest: Contract) -> list[str]:
    return [each.format_version for each in newest.versions]


def _title(contract: Contract) -> str:
    """Feed and title, version and the days for which it is read."""
    days = [f"from {contract.holds_from} on"] if contract.holds_from else []
    days += [f"until {contract.read_until}"] if contract.read_until else []
    version = f"version {contract.format_version}" + (f", read {' and '.join(days)}" if days else "")
    return f"{contract.feed} {contract.title_en} {contract.title_zh} ({version})"
