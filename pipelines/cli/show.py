"""Commands that only look: batches, batch show, batch rejects, query."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from pipelines.acknowledging import kept_rejects
from pipelines.checks.staging import RejectLines, read_rejects
from pipelines.cli.context import (
    CycleOption,
    FeedOption,
    JsonOption,
    SourceOption,
    home_path,
    open_site,
    scope_of,
)
from pipelines.cli.output import PLAIN, Exit, complain, say, say_json, show_rows
from pipelines.codes import CODES
from pipelines.errors import UsageError
from pipelines.ledger import offerings
from pipelines.ledger.left_files import all_left
from pipelines.ledger.offerings import STANDING, Offering, State
from pipelines.ledger.quality import profiles, results
from pipelines.ledger.tables import offering, quality_result
from pipelines.site import Site

batch_app = typer.Typer(
    help="One batch: its story, its rejected rows, what to do about it.", no_args_is_help=True, **PLAIN
)
_LIMIT = 1000


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
    scope = scope_of(site, source, feed, cycle)
    with site.ledger.reading() as connection:
        every = offerings.find(connection)
        found = every if state else offerings.leading(every)
        left_files = all_left(connection)
    if left:
        columns = ["source", "directory", "file_name", "code", "reason", "first_seen_at"]
        show_rows(columns, [[row[name] for name in columns] for row in left_files], as_json=as_json)
        return
    columns = ["stem", "state", "code", "records", "loaded", "rejected", "taken_at", "reason"]
    rows = [
        [getattr(each, name) for name in columns]
        for each in found
        if (not state or each.state in state) and scope.has(each.source, each.feed, each.cycle)
    ]
    show_rows(columns, rows, as_json=as_json)


@batch_app.command("show")
def batch_show(context: typer.Context, stem: str, as_json: JsonOption = False) -> None:
    """One batch: its states with time, cause and actor; counts, digest, copies.

    Example: tierline batch show PAYM_110_I_2026112210_0001_00
    """
    site = open_site(home_path(context))
    offered = offerings_of(site, stem)
    with site.ledger.reading() as connection:
        story = offerings.history(connection, [each.offering_id for each in offered])
    described = [
        _described(site, each) | {"states": [event for event in story if event["offering_id"] == each.offering_id]}
        for each in offered
    ]
    if as_json:
        say_json(described)
        return
    for number, each in enumerate(described, start=1):
        say(f"{stem}, offering {number} of {len(described)}")
        states = each.pop("states")
        for name, value in each.items():
            say(f"  {name:<17} {'' if value is None else value}")
        if each["code"] in CODES:
            say(f"  {'what to do':<17} {CODES[each['code']].to_do}")
        for event in states:
            say(f"  {event['at']}  {event['state']:<11} {event['cause']}  [{event['actor']}]")


@batch_app.command("rejects")
def batch_rejects(
    context: typer.Context,
    stem: str,
    out: Annotated[Path | None, typer.Option("--out", help="Write them to a new file, byte for byte.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The rejected rows of a batch: line, codes, columns, record. They hold personal data as it came.

    Example: tierline batch rejects PAYM_110_I_2026112210_0001_00 --out rejects.txt
    """
    site = open_site(home_path(context))
    current = offerings_of(site, stem)[-1]
    if not current.rejected:
        say_json([]) if as_json else say(f"{stem}: no rejected rows ({current.state})")
        return
    encoding = site.source(current.source).encoding if current.source in site.config.sources else "utf-8"
    rows = list(read_rejects(kept_rejects(site, current)))
    if out is not None:
        try:
            with out.open("xb") as file:
                file.writelines(RejectLines(kept_rejects(site, current)))
        except FileExistsError:
            raise UsageError(f"--out {out}: expected a file that is not there yet; nothing was written") from None
        say(f"{stem}: {len(rows)} rejected rows written")
        return
    columns = ["line", "codes", "columns", "record"]
    shown = [
        [row["line"], row["codes"], row["columns"], row["record"].decode(encoding, "backslashreplace")] for row in rows
    ]
    show_rows(columns, shown, as_json=as_json)


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(help="One SQL query.")],
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option("--limit", help="Most rows to show.")] = _LIMIT,
) -> None:
    """Ask the published state, read-only; personal data is masked there.

    Example: tierline query "select tier, count(*) from mart.tier group by tier"
    """
    path = home_path(context) / "bi" / "current.duckdb"
    if not sql.strip(" \n\t;"):
        raise UsageError("query: expected one SQL query, found none")
    if not path.exists():
        raise UsageError(f"{path}: nothing is published yet; run 'tierline run' first")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("set enable_external_access = false")  # a query reads the state, and no file beside it
            result = connection.execute(sql)
            columns = [each[0] for each in result.description or []]
            rows: list[Any] = result.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise UsageError(f"query: {error}") from error
    show_rows(columns, rows[:limit], as_json=as_json)
    if len(rows) > limit:
        complain(f"only the first {limit} rows are shown; --limit shows more")
        raise typer.Exit(Exit.DONE)


def offerings_of(site: Site, stem: str) -> list[Offering]:
    """Every offering of a stem, oldest first. Raises UsageError for a stem that the ledger does not know."""
    with site.ledger.reading() as connection:
        found = offerings.find(connection, offering.c.stem == stem)
    if not found:
        raise UsageError(f"batch {stem}: the ledger knows no such stem; 'tierline batches' lists those it knows")
    return found


def _described(site: Site, each: Offering) -> dict[str, Any]:
    names = (
        "state", "code", "reason", "bytes", "digest", "records", "loaded", "rejected", "control_total",
        "control_loaded", "control_rejected", "format_version", "orphans", "limit_waived", "taken_at", "judged_at",
        "acknowledged_at",
        "server_pruned_at", "archive_pruned_at",
    )  # fmt: skip
    described = {name: getattr(each, name) for name in names}
    described["quality"] = _quality(site, each) if each.state in STANDING else None
    described["kept in"] = each.kept_in
    described["on the server"] = each.moved_to or ("gone" if each.acknowledged_at else f"outgoing/{each.feed}/")
    return described


def _quality(site: Site, each: Offering) -> str | None:
    """What was found of the batch's cycle as a whole, and the page that shows it."""
    key = each.name.cycle_key
    with site.ledger.reading() as connection:
        judged = profiles(connection, [key]).get(key)
        found = results(connection, *(quality_result.c[part] == value for part, value in vars(key).items()))
    if judged is None:
        return None
    failed = [result.measure for result in found if not result.success]
    verdict = f"failed: {', '.join(failed)}" if failed else "all met"
    page = f"; {judged.page}" if judged.page and (site.home.root / judged.page).exists() else ""
    return f"{len(found)} expectations of its cycle, {verdict}{page}"
