"""What every command needs first: the site of the home directory, and options that many share."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from pipelines.config import FILE_NAME, load_config
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Contracts
from pipelines.errors import UsageError
from pipelines.ledger.tables import offering
from pipelines.policy import load_policy
from pipelines.rights import keep_to_owner
from pipelines.site import Home, Scope, Site

_opened: list[Site] = []

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
SourceOption = Annotated[list[str] | None, typer.Option("--source", help="Only this source, such as 110; repeatable.")]
FeedOption = Annotated[list[str] | None, typer.Option("--feed", help="Only this feed, such as PAYM; repeatable.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason; it stands in the ledger with your name.")]
CycleOption = Annotated[list[str] | None, typer.Option("--cycle", help="Only this cycle, such as 2026112210.")]


def home_path(context: typer.Context) -> Path:
    """The home directory of a command: `--home`, else TIERLINE_HOME, else `./home`."""
    stated: Path | None = context.find_root().params.get("home")
    return stated or Path(os.environ.get("TIERLINE_HOME", "home"))


def open_site(home: Path, actor: str = "", *, as_found: bool = False) -> Site:
    """Everything that is agreed for a home, checked. Raises ConfigurationError.

    `actor` stands in the ledger for whoever works; by default the user of this process. `as_found`: see Site.
    """
    keep_to_owner()  # here, for Airflow's tasks and the page come this way too
    config = load_config(home)
    contracts = load_contracts(config.contracts)
    config = load_config(home, contracts.feed_names)
    place = Home(home.resolve(), config.workers.shared and config.workers.shared.resolve())
    place.make(is_mounted=config.workers.is_intake and config.workers.shared is not None)
    policy = load_policy(config.policy, contracts)
    site = Site(place, config, contracts, policy, actor or f"{_user()} (tierline)", as_found)
    _opened.append(site)
    return site


def _user() -> str:
    """The user of this process; by number where this machine has no name for it, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second from Python 3.13 on
        return f"uid {os.getuid()}"


def close_sites() -> None:
    """End the ledger connections of every site that a command opened."""
    while _opened:
        _opened.pop().close()


def published_home(context: typer.Context, command: str) -> Path:
    """The home directory of a command that asks the published state. Raises UsageError in that of an intake worker."""
    home = home_path(context)
    if (home / FILE_NAME).exists():
        load_config(home).workers.require_warehouse(command)
    return home


def open_contracts(home: Path) -> Contracts:
    """The contracts of a home, or those that ship with the project where there is no configuration yet."""
    if (home / FILE_NAME).exists():
        return load_contracts(load_config(home).contracts)
    return load_contracts(DEFAULT_SCHEMAS)


def scope_of(
    site: Site, source: list[str] | None, feed: list[str] | None, cycle: list[str] | None, *, of_past: bool = False
) -> Scope:
    """The scope that options name. Raises UsageError for a source or feed that does not exist.

    `of_past`: sources too that the configuration names no longer; their batches can be looked at and verified.
    """
    known = list(site.config.sources)
    if of_past and not set(source or []) <= set(known):
        known += sorted(past_sources(site))
    for name in source or []:
        if name not in known:
            raise UsageError(f"--source {name}: expected one of {', '.join(known)}")
    for name in feed or []:
        if name not in site.contracts:
            raise UsageError(f"--feed {name}: expected one of {', '.join(site.contracts.feed_names)}")
    for name in cycle or []:
        if not re.fullmatch("[0-9]{6}([0-9]{2}){0,2}", name):
            raise UsageError(f"--cycle {name}: expected YYYYMM, YYYYMMDD or YYYYMMDDHH, as the feed's cadence says")
    return Scope(tuple(source or ()), tuple(feed or ()), tuple(cycle or ()))


def past_sources(site: Site) -> set[str]:
    """The sources of which the ledger has batches, but that the configuration names no longer."""
    with site.ledger.reading() as connection:
        return set(connection.scalars(select(offering.c.source).distinct())) - site.config.sources.keys()
