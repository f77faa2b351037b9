"""Commands on the copies of batches: backups verify, restore, prune."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated

import typer

from pipelines import backups, pruning
from pipelines.backups import Range
from pipelines.cli.context import FeedOption, JsonOption, SourceOption, home_path, open_site, scope_of
from pipelines.cli.fetch import tell_alarms_of
from pipelines.cli.output import PLAIN, Exit, complain, progress, say, show_rows
from pipelines.copies import Copies, CopyState
from pipelines.errors import StoreError, TransferError, UsageError
from pipelines.lanes import GONE
from pipelines.ledger.offerings import Offering
from pipelines.operating import offerings_of
from pipelines.site import Scope, Site
from pipelines.transfer.base import StalledError, Transport

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
    found = _verify(site, scope_of(site, source, feed, None, of_past=True), Range.between(first, last), stem)
    unsound = [each for each in found if not each.are_sound]
    _show(found if as_json else unsound, as_json=as_json)
    if not as_json:
        counts = Counter(_both(each) for each in found)
        for what, count in sorted(counts.items()):
            say(f"{count} batches: {what}")
        if not found:
            say("0 batches: of none in this range are bytes kept")
    tell_alarms_of(site)
    if any(each.is_one_unsound for each in unsound):
        complain("mend what one sound copy is left of: tierline backups restore")
    raise typer.Exit(Exit.FAILED if unsound else Exit.DONE)


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
    scope = scope_of(site, source, feed, None, of_past=True)
    found = _verify(site, scope, Range.between(first, last), stem)
    results = [each for each in found if not each.is_one_unsound]
    for copies, is_mended, done in _restored(site, [each for each in found if each.is_one_unsound]):
        sound = replace(copies, archive=CopyState.SOUND, server=CopyState.SOUND, lost_rows="")
        results.append(sound if is_mended else copies)
        say(done) if is_mended else complain(done)
    with site.ledger.transaction() as connection:
        backups.settle_copies(connection, results, site.now)
    tell_alarms_of(site)
    say(f"{len(found)} batches verified")
    if expired := sum(each.archive is CopyState.EXPIRED for each in results):
        say(f"of {expired} the copy here was deleted after the retention; it is not restored")
    is_lost = not all(each.are_sound for each in results)
    raise typer.Exit(Exit.FAILED if is_lost else Exit.DONE)


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
    staged rows stand; a batch without its bytes can no longer be replayed. Without --delete each copy is named.

    Example: tierline backups prune --feed PAYM --delete
    """
    site = open_site(home_path(context))
    scope, cycles, kept = scope_of(site, source, feed, None, of_past=True), Range.between(first, last), 0
    for name in backups.kept_sources(site, scope):
        found = backups.kept_offerings(site, name, scope, cycles)
        due = pruning.due_for_pruning(site, found, of_archive=of_archive)
        where = "in archive/ and quarantine/" if of_archive else "on its server"
        say(f"source {name}: {len(due)} of {len(found)} copies {where} are older than their feed's retention")
        _say_last(name, due, of_archive=of_archive)
        for each in [] if delete else due:
            say(f"{each.stem}: {pruning.place(site, each, of_archive=of_archive)}")
        if delete and due and not of_archive and name not in site.config.sources:
            say(f"source {name}: not in tierline.yaml any more, so its server is left alone")
        elif delete and due:
            kept += _prune(site, name, due, of_archive=of_archive)
    if not delete:
        say("nothing was deleted; --delete does it")
    raise typer.Exit(Exit.FAILED if kept else Exit.DONE)


def _say_last(source: str, due: list[Offering], *, of_archive: bool) -> None:
    """Of how many the bytes go for good, for the other copy was deleted before."""
    if count := sum(bool(each.server_pruned_at if of_archive else each.archive_pruned_at) for each in due):
        say(f"source {source}: of {count} it is the last copy of the bytes: their staged rows are all that stays")


def _verify(site: Site, scope: Scope, cycles: Range, stem: str | None) -> list[Copies]:
    """Both copies of all batches; says what could not be read. Raises UsageError for a stem with nothing to compare."""
    states = sorted({each.state.value for each in offerings_of(site, stem)}) if stem is not None else []
    due = {name: backups.kept_offerings(site, name, scope, cycles, stem) for name in backups.kept_sources(site, scope)}
    total, done = sum(map(len, due.values())), 0
    if stem is not None and not total:
        raise UsageError(
            f"batch {stem} ({', '.join(states)}): expected bytes that were kept of it, of a source, feed and cycle "
            f"that is asked for, found none; see 'tierline batch show {stem}'"
        )
    found = []
    with progress("backups: comparing copies") as tell:

        def advance() -> None:
            nonlocal done
            done += 1
            tell(done, total)

        for name, offered in due.items():
            if offered:
                copies = backups.verify_source(site, name, offered, advance)
                for problem, count in Counter(each.problem for each in copies if each.problem).items():
                    complain(f"source {name}: {problem}; {count} copies on its server could not be read")
                found += copies
    return found


def _restored(site: Site, unsound: list[Copies]) -> Iterator[tuple[Copies, bool, str]]:
    """Each unsound batch with whether it was mended, and what was done. One that cannot be keeps no other."""
    for name in sorted({each.current.source for each in unsound}):
        waiting = [each for each in unsound if each.current.source == name]
        try:
            with backups.reach(site, name) as lanes:
                while waiting:
                    is_mended, done = _restore_one(site, lanes.first, waiting[0])
                    copies = waiting.pop(0)
                    yield copies, is_mended, f"{copies.current.stem}: {done}"
        except TransferError as error:  # no connection, and none to be had
            yield from ((copies, False, f"{copies.current.stem}: {error}") for copies in waiting)


def _restore_one(site: Site, transport: Transport, copies: Copies) -> tuple[bool, str]:
    try:
        return backups.restore(site, transport, copies)
    except (TransferError, StoreError, OSError) as error:
        if isinstance(error, GONE) and not isinstance(error, StalledError):
            raise
        return False, str(error)


def _prune(site: Site, source: str, due: list[Offering], *, of_archive: bool) -> int:
    """Delete copies of a source, and say of each what became of it; how many are kept. One keeps no other."""
    waiting, kept = list(due), 0
    try:
        with nullcontext() if of_archive else backups.reach(site, source) as lanes:
            while waiting:
                why_not = _prune_one(site, lanes.first if lanes else None, waiting[0])
                current = waiting.pop(0)
                say(f"{current.stem}: {why_not or f'deleted {pruning.place(site, current, of_archive=of_archive)}'}")
                kept += bool(why_not)
    except TransferError as error:  # no connection, and none to be had
        complain(f"source {source}: {error}; {len(waiting)} of its copies were not looked at")
    return kept + len(waiting)


def _prune_one(site: Site, transport: Transport | None, current: Offering) -> str:
    try:
        return pruning.prune(site, transport, current)
    except GONE:
        raise
    except (TransferError, StoreError, OSError) as error:
        return f"not deleted: {error}; run it again"


def _show(found: list[Copies], *, as_json: bool) -> None:
    rows = [
        [each.current.stem, _overall(each), each.archive.value, each.server.value, each.current.kept_in,
         each.server_place, each.lost_rows or each.problem]
        for each in found
    ]  # fmt: skip
    if rows or as_json:
        show_rows(_COLUMNS, rows, as_json=as_json)


def _overall(copies: Copies) -> str:
    """One word for a batch: that of its worse copy."""
    worse = [state.value for state in (copies.archive, copies.server) if state not in ("sound", "expired", "unasked")]
    return worse[0] if worse else "staged rows lost" if copies.lost_rows else "sound"


def _both(copies: Copies) -> str:
    staged = ", staged rows lost" if copies.lost_rows else ""
    return f"archive {copies.archive}, server {copies.server}{staged}"
