"""Commands on the copies of batches: backups verify, restore, prune."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from pipelines import backups, pruning
from pipelines.backups import Range
from pipelines.cli.context import FeedOption, JsonOption, SourceOption, home_path, open_site, scope_of
from pipelines.cli.fetch import tell_alarms_of
from pipelines.cli.output import PLAIN, Exit, complain, progress, say, show_rows
from pipelines.copies import Copies, CopyState
from pipelines.errors import StoreError, TransferError
from pipelines.lanes import Lanes
from pipelines.ledger.offerings import Offering
from pipelines.operating import offerings_of
from pipelines.site import Scope, Site

backups_app = typer.Typer(
    help="The copies of batches: in archive/ here, in backup/ on the servers.", no_args_is_help=True, **PLAIN
)
FromOption = Annotated[str | None, typer.Option("--from", help="First cycle: YYYYMM, YYYYMMDD or YYYYMMDDHH.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Last cycle, in any of these forms.")]
StemArgument = Annotated[str | None, typer.Argument(help="One batch; else all of the range.")]
_COLUMNS = ("stem", "state", "archive", "server", "kept_in", "server_place", "problem")


@backups_app.command("verify")
def verify(
    context: typer.Context,
    stem: StemArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    source: SourceOption = None,
    feed: FeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read both copies of every batch and compare them with what was recorded: sound, missing or damaged, and where.

    Example: tierline backups verify --feed PAYM --from 20261101 --to 20261121
    """
    site = open_site(home_path(context))
    found, failed = _verify(site, scope_of(site, source, feed, None), Range.between(first, last), stem)
    unsound = [each for each in found if not each.are_sound]
    _show(found if as_json else unsound, as_json=as_json)
    if not as_json:
        counts = Counter(f"archive {each.archive}, server {each.server}" for each in found)
        for what, count in sorted(counts.items()):
            say(f"{count} batches: {what}")
    tell_alarms_of(site)
    if unsound:
        complain("mend what one sound copy is left of: tierline backups restore")
    raise typer.Exit(Exit.FAILED if unsound or failed else Exit.DONE)


@backups_app.command("restore")
def restore(
    context: typer.Context,
    stem: StemArgument = None,
    first: FromOption = None,
    last: ToOption = None,
    source: SourceOption = None,
    feed: FeedOption = None,
) -> None:
    """Verify, and put damaged or lost copies back from the other side's sound one; a sound copy is never touched.

    Example: tierline backups restore PAYM_110_I_2026112210_0001_00
    """
    site = open_site(home_path(context))
    scope = scope_of(site, source, feed, None)
    found, failed = _verify(site, scope, Range.between(first, last), stem)
    results = [each for each in found if each.are_sound]
    for copies, is_mended, done in _restored(site, [each for each in found if not each.are_sound]):
        results.append(replace(copies, archive=CopyState.SOUND, server=CopyState.SOUND) if is_mended else copies)
        say(done) if is_mended else complain(done)
    with site.ledger.transaction() as connection:
        backups.settle_copies(connection, results, site.now)
    tell_alarms_of(site)
    say(f"{len(found)} batches verified")
    is_lost = not all(each.are_sound for each in results)
    raise typer.Exit(Exit.FAILED if failed or is_lost else Exit.DONE)


@backups_app.command("prune")
def prune(
    context: typer.Context,
    first: FromOption = None,
    last: ToOption = None,
    source: SourceOption = None,
    feed: FeedOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Do it; without this only say what would go.")] = False,
    of_archive: Annotated[
        bool, typer.Option("--archive", help="The copies here instead of those on the servers.")
    ] = False,
) -> None:
    """Delete copies that are older than their feed's retention, while they are safe elsewhere.

    On a server: of loaded, superseded or discarded batches whose archive copy is sound. Here (--archive): where the
    staged rows stand; a batch without its bytes can no longer be replayed.

    Example: tierline backups prune --feed PAYM --delete
    """
    site = open_site(home_path(context))
    scope, cycles, kept = scope_of(site, source, feed, None), Range.between(first, last), 0
    for name in _sources(site, scope):
        found = backups.kept_offerings(site, name, scope, cycles)
        due = pruning.due_for_pruning(site, found, of_archive=of_archive)
        say(f"source {name}: {len(due)} of {len(found)} copies are older than their feed's retention")
        if delete and due:
            for current, why_not in _pruned(site, name, due, of_archive=of_archive):
                kept += bool(why_not)
                say(f"{current.stem}: {why_not or 'deleted'}")
    if not delete:
        say("nothing was deleted; --delete does it")
    raise typer.Exit(Exit.FAILED if kept else Exit.DONE)


def _verify(site: Site, scope: Scope, cycles: Range, stem: str | None) -> tuple[list[Copies], bool]:
    """Both copies of all batches; and whether a source could not be asked. Raises UsageError for an unknown stem."""
    if stem is not None:
        offerings_of(site, stem)
    found, failed = [], False
    due = {name: backups.kept_offerings(site, name, scope, cycles, stem) for name in _sources(site, scope)}
    total, done = sum(map(len, due.values())), 0
    with progress("backups: comparing copies") as tell:

        def advance() -> None:
            nonlocal done
            done += 1
            tell(done, total)

        for name, offered in due.items():
            try:
                if offered:
                    with Lanes(site.source(name)) as lanes:
                        found += backups.verify(site, lanes, offered, advance)
            except TransferError as error:
                failed = True
                complain(f"source {name}: {error}")
    return found, failed


def _restored(site: Site, unsound: list[Copies]) -> Iterator[tuple[Copies, bool, str]]:
    """Each unsound batch with whether it was mended, and what was done."""
    for name in sorted({each.current.source for each in unsound}):
        with Lanes(site.source(name)) as lanes:
            for copies in unsound:
                if copies.current.source == name:
                    try:
                        is_mended, done = backups.restore(site, lanes.first, copies)
                    except (TransferError, StoreError) as error:
                        is_mended, done = False, str(error)
                    yield copies, is_mended, f"{copies.current.stem}: {done}"


def _pruned(site: Site, source: str, due: list[Offering], *, of_archive: bool) -> Iterator[tuple[Offering, str]]:
    if of_archive:
        yield from ((current, pruning.prune(site, None, current)) for current in due)
        return
    with Lanes(site.source(source)) as lanes:
        yield from ((current, pruning.prune(site, lanes.first, current)) for current in due)


def _sources(site: Site, scope: Scope) -> list[str]:
    return [name for name in site.config.sources if not scope.sources or name in scope.sources]


def _show(found: list[Copies], *, as_json: bool) -> None:
    rows = [
        [each.current.stem, _overall(each), each.archive.value, each.server.value, each.current.kept_in,
         each.server_place, each.problem]
        for each in found
    ]  # fmt: skip
    if rows or as_json:
        show_rows(_COLUMNS, rows, as_json=as_json)


def _overall(copies: Copies) -> str:
    """One word for a batch: that of its worse copy."""
    worse = [state.value for state in (copies.archive, copies.server) if state not in ("sound", "expired")]
    return worse[0] if worse else "sound"
