"""The command line: which commands there are, and how errors become messages and exit statuses."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from sqlalchemy.exc import SQLAlchemyError

from pipelines.cli import demo, doctor, operate, show, work
from pipelines.cli.backups import backups_app
from pipelines.cli.context import close_sites
from pipelines.cli.cycles import cycles_app
from pipelines.cli.output import Exit, complain, say
from pipelines.errors import TierlineError

app = typer.Typer(
    name="tierline",
    help="A file-fed customer warehouse for telecom customer service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
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


app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(work.run)
app.command()(work.fetch)
app.command()(work.load)
app.command()(work.build)
app.command()(work.publish)
app.command()(show.batches)
app.command()(operate.replay)
app.command()(show.query)
app.add_typer(show.batch_app, name="batch")
app.add_typer(backups_app, name="backups")
app.add_typer(cycles_app, name="cycles")
app.add_typer(show.feeds_app, name="feeds")


def main() -> None:
    """Entry point of the command `tierline`."""
    os.umask(0o027)  # what we write holds personal data: nobody but owner and group reads it
    try:
        app()
    except TierlineError as error:
        complain(f"tierline: {error}")
        sys.exit(error.exit_status)
    except (OSError, SQLAlchemyError, duckdb.Error) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        complain(f"tierline: {first}; check rights and free space, then run it again: it goes on where it was")
        sys.exit(Exit.FAILED)
    except KeyboardInterrupt:
        complain("tierline: interrupted; run it again, it goes on where it was")
        sys.exit(Exit.FAILED)
    finally:
        close_sites()


if __name__ == "__main__":
    main()
