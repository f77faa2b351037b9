"""Commands for whoever watches from outside: digest, metrics, and the pools that Airflow's tasks run in."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from pipelines.cli.context import JsonOption, home_path, open_site
from pipelines.cli.output import Exit, complain, say, say_json
from pipelines.config import load_config
from pipelines.cycles import parse_day
from pipelines.metrics import metrics_text
from pipelines.pools import pools_of
from pipelines.telling.digest import make_digest, send_digest


def digest(
    context: typer.Context,
    day: Annotated[str | None, typer.Option("--day", help="The day, such as 2026-11-21; default: yesterday.")] = None,
    send: Annotated[bool, typer.Option("--send", help="To webhook and mail too, where they have not got it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A day in a few lines: what came, what did not, what went out, what waits for somebody.

    Example: tierline digest --day 2026-11-21
    """
    site = open_site(home_path(context))
    chosen = parse_day(day) if day else (site.now - timedelta(days=1)).date()
    made = make_digest(site, chosen)
    if as_json:
        say_json(made.content())
    else:
        say(f"digest of {chosen}")
        for line in made.lines():
            say(f"  {line}")
    errors = send_digest(site, made) if send else []
    for message in errors:
        complain(message)
    raise typer.Exit(Exit.FAILED if errors else Exit.DONE)


def metrics(context: typer.Context) -> None:
    """The ledger's counts as OpenMetrics text, for a monitoring system to read.

    Example: tierline metrics > /var/lib/node_exporter/tierline.prom
    """
    sys.stdout.write(metrics_text(open_site(home_path(context))))


def pools(context: typer.Context) -> None:
    """The pools that the DAGs need, as `airflow pools import` reads them.

    Example: tierline pools > pools.json
    """
    say_json(pools_of(load_config(home_path(context))))
