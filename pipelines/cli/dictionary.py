"""The command dictionary: what every table and column of the warehouse is, as pages to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.context import home_path, open_contracts
from pipelines.cli.output import say
from warehouse.dictionary import write_dictionary


def dictionary(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory to write to; default: bi/ of the home directory.")
    ] = None,
) -> None:
    """Write the data dictionary, dictionary.html and dictionary.md, from the contracts and models.

    Example: tierline dictionary --out docs
    """
    home = home_path(context)
    for path in write_dictionary(open_contracts(home), out or home / "bi"):
        say(f"dictionary: {path}")
