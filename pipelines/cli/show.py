"""Commands that only look: batches, batch show, batch rejects, query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from pipelines.checks.staging import RejectLines
from pipelines.cli.context import (
    CycleOption,
    FeedOption,
    JsonOption,
    SourceOption,
    home_path,
    open_site,
    published_home,
    scope_of,
)
from pipelines.cli.output import PLAIN, Exit, complain, say, say_json, show_rows
from pipelines.cli.spreadsheets import say_csv
from pipelines.codes import CODES
from pipelines.errors import UsageError
from pipelines.ledger import offerings
from pipelines.ledger.leading import Leading, leading
from pipelines.ledger.left_files import all_left
from pipelines.ledger.offerings import Offering, State
from pipelines.ledger.tables import offering
from pipelines.operating import numbered, offerings_of
from pipelines.rejects import has_rejects, kept_rejects
from pipelines.story import batch_story, rejected_rows, rejecting

batch_app = typer.Typer(
    help="One batch: its story, its rejected rows, what to do about it.", no_args_is_help=True, **PLAIN
)
RejectingOption = Annotated[
    int | None,
    typer.Option(
        "--offering",
        help="Which offering of the stem, as 'batch show' counts them; default: the accepted one, else the newest "
        "that has some.",
    ),
]
_LIMIT = 1000
_MOST = 1_000_000_000  # rows; DuckDB counts no further than a word of the machine
# A query reads the state: no file beside it, no network, no extension, nothing of the program that runs it.
_CONFINED: dict[str, str | bool | int | float | list[str]] = dict.fromkeys(
    ("enable_external_access", "autoinstall_known_extensions", "autoload_known_extensions",
     "allow_community_extensions", "python_enable_replacements"),
    False,
)  # fmt: skip


def batches(
    context: typer.Context,
    state: Annotated[
        list[State] | None, typer.Option("--state", help="Only batches in this state; repeatable.")
    ] = None,
    source: SourceOption = None,
    feed: FeedOption = None,
    cycle: CycleOption = None,
    left: Annotated[bool, typer.Option("--left", help="Files left on the servers instead, and why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The ledger: every batch with its state and counts; with --state every offering that is in that state.

    Example: tierline batches --state refused --feed PAYM
    """
    site = open_site(home_path(context))
    scope = scope_of(site, source, feed, cycle, of_past=True)
    if left:
        with site.ledger.reading() as connection:
            left_files = all_left(connection)
        columns = ["source", "directory", "file_name", "code", "reason", "first_seen_at"]
        show_rows(columns, [[row[name] for name in columns] for row in left_files], as_json=as_json)
        return
    parts = (("source", scope.sources), ("feed", scope.feeds), ("cycle", scope.cycles))
    within: list[Any] = [offering.c[part].in_(wanted) for part, wanted in parts if wanted]
    columns = ["stem", "state", "code", "records", "loaded", "rejected", "taken_at", "reason"]
    found: Sequence[Leading | Offering]
    with site.ledger.reading() as connection:
        if state:
            found = offerings.find(connection, offering.c.state.in_(state), *within)
        else:
            found = leading(connection, *within)
    show_rows(columns, [[getattr(each, name) for name in columns] for each in found], as_json=as_json)


@batch_app.command("show")
def batch_show(context: typer.Context, stem: str, as_json: JsonOption = False) -> None:
    """One batch: its states with time, cause and actor; counts, digest, copies.

    Example: tierline batch show PAYM_110_I_2026112210_0001_00
    """
    described = batch_story(open_site(home_path(context)), stem)
    if as_json:
        say_json(described)
        return
    for number, each in enumerate(described, start=1):
        say(f"{stem}, offering {number} of {len(described)}")
        states = each.pop("states")
        for name, value in each.items():
            say(f"  {name:<17} {'' if value is None else value}")
        code = "E505" if each["held"] else each["code"]
        if code in CODES:
            say(f"  {'what to do':<17} {CODES[code].to_do}")
        for event in states:
            say(f"  {event['at']}  {event['state']:<11} {event['cause']}  [{event['actor']}]")


@batch_app.command("rejects")
def batch_rejects(
    context: typer.Context,
    stem: str,
    out: Annotated[Path | None, typer.Option("--out", help="Write them to a new file, byte for byte.")] = None,
    number: RejectingOption = None,
    as_json: JsonOption = False,
) -> None:
    """The rejected rows of a batch: line, codes, columns, record. They hold personal data as it came.

    Example: tierline batch rejects PAYM_110_I_2026112210_0001_00 --out rejects.txt
    """
    site = open_site(home_path(context))
    offered = offerings_of(site, stem)
    current = rejecting(offered) if number is None else numbered(offered, number)
    if not has_rejects(site, current):
        say_json([]) if as_json else say(f"{stem}: no rejected rows ({current.state})")
        return
    if out is not None:
        try:
            with out.open("xb") as file:
                file.writelines(RejectLines(kept_rejects(site, current)))
        except FileExistsError:
            raise UsageError(f"--out {out}: expected a file that is not there yet; nothing was written") from None
        say(f"{stem}: {current.rejected} rejected rows written")
        return
    columns = ["line", "codes", "columns", "record"]
    shown = [[getattr(row, name) for name in columns] for row in rejected_rows(site, current, masked=False)]
    show_rows(columns, shown, as_json=as_json)


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(help="One SQL query.")],
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV for spreadsheets; no text in it is a formula.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="Most rows to show.")] = _LIMIT,
) -> None:
    """Ask the published state, read-only; personal data is masked there.

    Example: tierline query "select tier, count(*) from mart.tier group by tier"
    """
    path = published_home(context, "query") / "bi" / "current.duckdb"
    if not sql.strip(" \n\t;"):
        raise UsageError("query: expected one SQL query, found none")
    if not path.exists():
        raise UsageError(f"{path}: nothing is published yet; run 'tierline run' first")
    try:
        with duckdb.connect(str(path), read_only=True, config=_CONFINED) as connection:
            connection.execute("set lock_configuration = true")  # from here on: no setting opens anything again
            result = connection.execute(sql)
            columns = [each[0] for each in result.description or []]
            rows: list[Any] = result.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise UsageError(f"query: {error}") from error
    if as_json and (twice := sorted({name for name in columns if columns.count(name) > 1})):
        raise UsageError(f"query: expected columns of different names for --json, found {', '.join(twice)} twice")
    if as_csv:
        say_csv(columns, rows[:limit])
    else:
        show_rows(columns, rows[:limit], as_json=as_json)
    if len(rows) > limit:
        complain(f"only the first {limit} rows are shown; --limit shows more")
        raise typer.Exit(Exit.DONE)
