"""The command rebuild: a new warehouse from the archive, and whether it equals the present one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.context import JsonOption, home_path, open_site
from pipelines.cli.output import Exit, complain, progress, say, say_json, show_rows
from pipelines.rebuilding import Rebuilt
from pipelines.rebuilding import rebuild as rebuild_into

_SHOWN = 20  # stems; --json has them all
_PLACE = "to put it in the place of the present one: docs/operators/rebuild.md"


def rebuild(
    context: typer.Context,
    into: Annotated[Path, typer.Option("--into", help="A new or empty directory for the new warehouse.")],
    as_json: JsonOption = False,
) -> None:
    """Make a new warehouse from the archive, and say whether it equals the present one; nothing of it is changed.

    Example: tierline rebuild --into /data/rebuilt
    """
    site = open_site(home_path(context))
    rebuilt = rebuild_into(site, into, _no_progress if as_json else progress)
    if as_json:
        say_json(_described(rebuilt, into))
    else:
        _say(rebuilt, into)
    raise typer.Exit(Exit.DONE if rebuilt.is_sound else Exit.FAILED)


def _no_progress(what: str) -> AbstractContextManager[Any]:
    return nullcontext(lambda done, total: None)


def _described(rebuilt: Rebuilt, into: Path) -> dict[str, Any]:
    comparison = rebuilt.comparison
    return {
        "into": str(into),
        "batches": rebuilt.batches,
        "not_proven": rebuilt.unproven,
        "failed": [asdict(each) for each in rebuilt.failed],
        "as_of_date": rebuilt.marts,
        "marts_compared": comparison is not None and rebuilt.marts is not None and not rebuilt.marts_stale,
        "equal": None if comparison is None else not comparison.differences,
        "nothing_to_compare_with": rebuilt.why_not or None,
        "tables": 0 if comparison is None else comparison.tables,
        "differences": [] if comparison is None else [asdict(each) for each in comparison.differences],
    }


def _say(rebuilt: Rebuilt, into: Path) -> None:
    marts = f"; marts as of {rebuilt.marts}" if rebuilt.marts else "; no marts, for none were built"
    say(f"rebuild: {rebuilt.batches} batches judged again from the archive into {into}{marts}")
    if rebuilt.unproven:
        say(
            f"  {len(rebuilt.unproven)} batches taken from staged/, their archive copy was deleted after the feed's "
            f"retention: their rows are not proven: {_listed(rebuilt.unproven)}"
        )
    for each in rebuilt.failed:
        complain(f"{each.stem}: {each.file}: {each.found}; it is not in the new warehouse; {each.to_do}")
    if rebuilt.comparison is None:
        say(f"rebuild: nothing to compare with: {rebuilt.why_not}")
        say(f"  {_PLACE}")
    else:
        _say_comparison(rebuilt)


def _listed(stems: tuple[str, ...]) -> str:
    more = f" and {len(stems) - _SHOWN} more" if len(stems) > _SHOWN else ""
    return ", ".join(stems[:_SHOWN]) + more


def _say_comparison(rebuilt: Rebuilt) -> None:
    assert rebuilt.comparison is not None, "asked by the caller"
    if rebuilt.marts_stale:
        say("  marts and lists were not compared: the present ones are older than core; 'tierline build', then again")
    tables, differences = rebuilt.comparison.tables, rebuilt.comparison.differences
    if not differences:
        say(f"rebuild: equal: {tables} tables, value by value")
        return
    complain(f"rebuild: not equal: {len(differences)} of {tables} tables differ from the present warehouse")
    columns = ["table", "present", "rebuilt", "only_present", "only_rebuilt", "columns", "examples"]
    rows = [
        [each.table, each.present_rows, each.rebuilt_rows, each.only_present, each.only_rebuilt,
         ", ".join(each.columns), "; ".join(each.examples)]
        for each in differences
    ]  # fmt: skip
    show_rows(columns, rows, as_json=False)
    if rebuilt.failed:
        complain("mend the archive first: what is named above is missing in the new one")
    else:
        complain(
            "where a contract, code list or policy changed since: 'tierline replay' and 'tierline build' bring the "
            f"present one along; else it is damaged, and the new one is right: {_PLACE}"
        )
