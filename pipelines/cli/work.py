"""Commands that do something: run, and its steps load, build, publish; fetch and deliver stand by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated

import typer

from pipelines import publishing, steps
from pipelines.cli.context import CycleOption, FeedOption, SourceOption, home_path, open_site, scope_of
from pipelines.cli.deliver import deliver_step
from pipelines.cli.fetch import fetch_step, say_errors, tell_alarms_of
from pipelines.cli.output import Exit, complain, progress, say
from pipelines.errors import HeldError, UsageError
from pipelines.list_rows import number_conflicts
from pipelines.quality.running import Judged, judge_cycles
from pipelines.site import Scope, Site
from pipelines.steps import Loaded

AsOfOption = Annotated[str | None, typer.Option("--as-of", help="The day to compute for; default: yesterday.")]
MonthOption = Annotated[
    str | None, typer.Option("--bill-month", help="Last closed month YYYYMM, instead of the ledger's.")
]
RepublishOption = Annotated[bool, typer.Option("--republish", help="Allow an as-of date before the last one.")]


def run(
    context: typer.Context,
    as_of: AsOfOption = None,
    bill_month: MonthOption = None,
    source: SourceOption = None,
    feed: FeedOption = None,
    cycle: CycleOption = None,
    republish: RepublishOption = False,
) -> None:
    """Fetch, load, build, publish and deliver all that is due; on an intake worker fetch and check.

    Example: tierline run --as-of 2026-11-21
    """
    site = open_site(home_path(context))
    if as_of or bill_month or republish:
        site.config.workers.require_warehouse("run with --as-of, --bill-month or --republish")
    day = _day(site, as_of)
    steps.require_sound_dates(site, day, bill_month)
    if as_of and not republish:
        publishing.require_later(site, day)
    scope = scope_of(site, source, feed, cycle)
    status = max(fetch_step(site, scope), load_step(site, scope, judge=False), key=_weight)
    if not site.config.workers.is_intake:
        status = max(status, _to_receivers(site, day, bill_month, republish), key=_weight)
    status = max(status, _cycles(site, scope), key=_weight)
    raise typer.Exit(status)


def _to_receivers(site: Site, day: date, bill_month: str | None, republish: bool) -> Exit:
    """core → delivered."""
    build_step(site, day, bill_month)
    status = max(judge_step(site), publish_step(site, republish), key=_weight)
    return max(status, deliver_step(site), key=_weight) if site.config.receivers else status


def load(
    context: typer.Context, source: SourceOption = None, feed: FeedOption = None, cycle: CycleOption = None
) -> None:
    """Check archived batches, load them into core, and send receipts.

    Example: tierline load --feed PAYM --cycle 2026112210
    """
    site = open_site(home_path(context))
    raise typer.Exit(load_step(site, scope_of(site, source, feed, cycle)))


def build(context: typer.Context, as_of: AsOfOption = None, bill_month: MonthOption = None) -> None:
    """Work out marts and lists for an as-of date; for that of the last build only what changed since.

    Example: tierline build --as-of 2026-11-21
    """
    site = open_site(home_path(context))
    build_step(site, _day(site, as_of), bill_month)


def publish(context: typer.Context, republish: RepublishOption = False) -> None:
    """Publish the marts as they were built last, and the lists made from them.

    Example: tierline publish
    """
    raise typer.Exit(publish_step(open_site(home_path(context)), republish))


def _day(site: Site, as_of: str | None) -> date:
    if as_of is None:
        return (site.now - timedelta(days=1)).date()
    try:
        return date.fromisoformat(as_of)
    except ValueError:
        raise UsageError(f"--as-of {as_of}: expected a day such as 2026-11-21") from None


def load_step(
    site: Site, scope: Scope, speak: Callable[[str], None] = say, *, judge: bool = True, tell_untold: bool = True
) -> Exit:
    """Check, load, acknowledge, and say what came of it; see `steps.load`.

    Without `judge` cycles as a whole are left to `judge_step`.
    """
    with progress("load: checking batches") as tell:
        loaded: Loaded = steps.load(site, scope, tell, judge=judge, tell_untold=tell_untold)
    checked = loaded.checked
    speak(
        f"load: {_core(loaded)}, {len(checked.partial)} with rejected rows, {len(checked.refused)} refused, "
        f"{len(loaded.acknowledged.stems)} acknowledged"
    )
    for feed, source, cycle, entities in loaded.core.ended if loaded.core else ():
        speak(f"  {entities} ended by absence from the snapshot {feed} {source} {cycle}")
    for status in loaded.released:
        speak(f"  no longer held, and not by 'cycles accept': {status.key}; whoever it does not name is ended")
    for stem in checked.partial:
        speak(f"  rejected rows: tierline batch rejects {stem}")
    for stem in checked.refused:
        speak(f"  refused: {stem}; why: tierline batch show {stem}")
    judged = _say_quality(loaded.quality, speak)
    for message in checked.failed:
        complain(message)
    if checked.elsewhere:
        speak(f"  {len(checked.elsewhere)} batches were judged by another process meanwhile")
    tell_alarms_of(site)
    failed = say_errors(loaded.errors) or (Exit.FAILED if checked.failed or loaded.acknowledged.alarms else Exit.DONE)
    return failed or (Exit.REFUSED if checked.partial or checked.refused else judged)


def _core(loaded: Loaded) -> str:
    if loaded.core is None:
        return f"{len(loaded.checked.staged)} batches checked, for the home with the warehouse to load"
    return f"{len(loaded.core.added)} batches into core, {len(loaded.core.removed)} taken out"


def judge_step(site: Site) -> Exit:
    """Judge closed cycles as a whole, and say what came of it."""
    judged = _say_quality(judge_cycles(site), say)
    tell_alarms_of(site)
    return judged


def _say_quality(judged: Judged, speak: Callable[[str], None]) -> Exit:
    if judged.cycles:
        failures = sum(each.severity == "fail" for each in judged.failed)
        warnings = len(judged.failed) - failures
        speak(f"quality: {judged.cycles} cycles judged as a whole, {failures} failures, {warnings} warnings")
    for key in judged.accepted:
        speak(f"  {key}: its failures were accepted before, as its files stand: tierline quality")
    if judged.failed:
        speak("  which: tierline quality --failed")
    return Exit.REFUSED if any(each.severity == "fail" for each in judged.failed) else Exit.DONE


def build_step(site: Site, day: date, bill_month: str | None) -> None:
    """Work out marts and lists, and say for when."""
    result = steps.build(site, day, bill_month)
    months = ", ".join(f"{source} {month}" for source, month in sorted(result.bill_months.items())) or "none"
    what = f"{len(result.models)} models" if result.renewed is None else f"renewed {result.renewed} subscribers"
    say(f"build: {what} as of {day}; last closed bill month: {months}")


def publish_step(site: Site, republish: bool) -> Exit:
    """Publish, and say what; or why that has to wait."""
    try:
        published = publishing.publish(site, republish=republish)
    except HeldError as error:
        complain(str(error))
        return Exit.REFUSED
    lists = ", ".join(f"{each.stem} ({each.records})" for each in published.publication.lists) or "none"
    word = "published" if published.is_new else "nothing changed since"
    say(f"publish: {word} {published.publication.publication_id}; lists {lists}")
    if conflicts := number_conflicts(site.home.bi):
        say(
            f"  {conflicts} subscribers are not in TIER, which gives their number to another: "
            "tierline query 'from list.tier_number_conflict'"
        )
    return Exit.DONE


def _cycles(site: Site, scope: Scope) -> Exit:
    overdue = [status for status in steps.statuses(site, scope, watched_only=True) if status.is_overdue]
    if overdue:
        say(f"cycles: {len(overdue)} late or missing; which: tierline cycles --state late --state missing")
    return Exit.LATE if overdue else Exit.DONE


def _weight(status: Exit) -> int:
    """Which of two statuses to report: a failure before a refusal before a late cycle."""
    return [Exit.DONE, Exit.LATE, Exit.REFUSED, Exit.USAGE, Exit.FAILED].index(status)
