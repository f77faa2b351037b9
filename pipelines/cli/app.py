"""The command line: which commands there are, and how errors become messages and exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from pipelines.cli.context import close_sites
from pipelines.cli.output import PLAIN, Exit, complain, name_home, say
from pipelines.errors import TierlineError
from pipelines.rights import keep_to_owner

# In the order of --help. Each is loaded when it is asked for: a poll needs neither DuckDB nor a demo's servers.
COMMANDS = {
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "run": "work:run",
    "fetch": "fetch:fetch",
    "load": "work:load",
    "build": "work:build",
    "publish": "work:publish",
    "deliver": "deliver:deliver",
    "deliveries": "deliver:deliveries_app",
    "batches": "show:batches",
    "batch": "operate:batch_app",
    "replay": "operate:replay",
    "cycles": "cycles:cycles_app",
    "quality": "quality:quality_app",
    "backups": "backups:backups_app",
    "rebuild": "rebuild:rebuild",
    "feeds": "feeds:feeds_app",
    "check-file": "check_file:check_file",
    "policy": "policy:policy_app",
    "explain": "explain:explain_app",
    "dictionary": "dictionary:dictionary",
    "query": "show:query",
    "digest": "monitor:digest",
    "metrics": "monitor:metrics",
    "pools": "monitor:pools",
}
_STORES = ("duckdb", "_duckdb", "polars", "pyarrow")  # whose errors are those of a store that cannot be used


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        found: typer.Typer | Callable[..., Any] = getattr(import_module(f"pipelines.cli.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(**PLAIN)
            alone.command(name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = name
        return command


app = typer.Typer(
    name="tierline",
    cls=_Commands,
    help="A file-fed customer warehouse for telecom customer service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    **PLAIN,
)


def _say_version(asked: bool) -> None:
    if asked:
        say(f"tierline {version('tierline')}")
        raise typer.Exit


@app.callback()
def options(
    home: Annotated[
        Path | None, typer.Option("--home", help="Home directory; else TIERLINE_HOME, else ./home.")
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Say which release this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""
    name_home(home)


def main() -> None:
    """Entry point of the command `tierline`."""
    keep_to_owner()
    try:
        app()
    except TierlineError as error:
        complain(f"tierline: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        complain("tierline: interrupted; run it again, it goes on where it was")
        sys.exit(Exit.FAILED)
    except Exception as error:
        if not (isinstance(error, OSError | SQLAlchemyError) or type(error).__module__.split(".")[0] in _STORES):
            raise
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        from warehouse.damage import TO_DO, is_damage  # only where something went wrong: it needs DuckDB

        to_do = TO_DO if is_damage(error) else "check rights and free space, then run it again: it goes on where it was"
        complain(f"tierline: {first}; {to_do}")
        sys.exit(Exit.FAILED)
    finally:
        close_sites()
