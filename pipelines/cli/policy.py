"""Commands about the policy: policy show, policy try."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.context import JsonOption, home_path, open_contracts, published_home
from pipelines.cli.output import PLAIN, complain, say, say_json, show_rows
from pipelines.cli.trials import AsOfOption, MonthOption, configured_policy, open_trials, policy_path, sound_date
from pipelines.config import FILE_NAME, load_config
from pipelines.errors import UsageError
from pipelines.policy import Policy, load_policy
from pipelines.policy_values import Band
from warehouse.trial import make_trial
from warehouse.trial_changes import COMPARED, Changes, compare

policy_app = typer.Typer(
    help="The policy as a table, and what another one would change.", no_args_is_help=True, **PLAIN
)
# What only lists, agents and checks of cycles show, and no trial compares; and the parts of a policy that bear on it.
_TIERS = ("tiers.", "tiering.", "history.")
_NOT_COMPARED = {
    "quality": ("quality.",),
    "loyalty.actions": ("loyalty.actions.",),
    "value.clv": ("value.clv", *_TIERS),  # by the closings of a tier
    "value.pareto": ("value.pareto",),
    "calls": ("calls.", "warnings.", *_TIERS),
    "work_orders": ("work_orders.", "warnings.", *_TIERS),
}
OneSourceOption = Annotated[str | None, typer.Option("--source", help="Only this source, such as 110.")]
# Units by how a name ends, the longest end first; what is bounded by a band has that of the scale.
_UNITS = {
    "_fen": "fen", "_months": "months", "_days": "days", "days": "days", "_s": "s", "_rate": "fraction",
    "_mean_rating": "rating", "satisfied_rating": "rating", "points": "points", "_score": "points",
    "score_sum": "points", "risk_cap": "points", "medium_from": "points", "high_from": "points",
    "from_day_of_month": "day of the month", "spend_bands": "points by fen", "tenure_bands": "points by months",
    "product_bands": "points by products",
    "growth_bands": "points by fraction", "complaint_bands": "points by complaints", "_ratio.least": "ratio",
    "_ratio.most": "ratio", "_drift.most": "fraction", "orphan_share.most": "fraction", "age_share.most": "ratio",
    "not_before": "time of day", "not_after": "time of day",
}  # fmt: skip


@policy_app.command("show")
def policy_show(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--policy", help="A file that is not configured yet.")] = None,
    source: OneSourceOption = None,
    section: Annotated[str | None, typer.Option("--section", help="Only this section, such as tiers.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The effective policy, checked: every number with its unit; for a source also what it overrides.

    Example: tierline policy show --source 110 --section tiers
    """
    home = home_path(context)
    path = file or policy_path(home)
    policy = load_policy(path, open_contracts(home))
    _warn_of_strangers(home, path, policy)
    _require_source(home, policy, source)
    names = _names(policy, section)
    columns = ["name", "value", "unit"]
    values = policy.of(source) if source else policy.default
    rows = [[name, _shown(values[name], as_json), _unit(name)] for name in names]
    if source:
        columns += ["default", "overridden"]
        for name, row in zip(names, rows, strict=True):
            row += [_shown(policy.default[name], as_json), values[name] != policy.default[name]]
    title = f"policy {policy.version}, {path}" + (f", source {source}" if source else "")
    show_rows(columns, rows, as_json=as_json, title=title)
    if policy.sources and not source and not as_json:
        complain(f"sources with numbers of their own: {', '.join(sorted(policy.sources))}; --source shows them")


@policy_app.command("try")
def policy_try(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--policy", help="The file that would be the policy.")],
    as_of: AsOfOption = None,
    bill_month: MonthOption = None,
    source: OneSourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What would change if a file were the policy: who would move between tiers, levels, classes; KPIs. Writes nothing.

    Of calls, work orders, advice and quality it says no more than that their numbers differ.

    Example: tierline policy try --policy next.yaml --as-of 2026-11-21
    """
    home = published_home(context, "policy try")
    after, before = load_policy(file, open_contracts(home)), configured_policy(home)
    _warn_of_strangers(home, file, after)
    _require_source(home, before, source)
    if after.version == before.version and after != before:
        complain(
            f"{file}: version: it says {after.version} like the policy of now and has other numbers; raise it before "
            "it is used, for states say by it what they were made with"
        )
    with open_trials(home) as state:
        day, month = sound_date(state, as_of, bill_month)
        former = "state" if state.holds(before, day, month) else "before"
        if former == "before":
            make_trial(state, former, before, day, month, COMPARED)
        built = make_trial(state, "after", after, day, month, COMPARED)
        changes = compare(state.connection, former, "after", source)
    frame = {"as_of": day.isoformat(), "bill_months": built.bill_months, "source": source,
             "before": before.version, "after": after.version,
             "not_compared": _not_compared(before, after, source)}  # fmt: skip
    if as_json:
        say_json(frame | {"moves": changes.moves, "service_levels": changes.service_levels, "kpis": changes.kpis})
        return
    _say_changes(frame, changes)


def _say_changes(frame: dict[str, Any], changes: Changes) -> None:
    months = ", ".join(f"{source} {month}" for source, month in frame["bill_months"].items()) or "none"
    say(f"as of {frame['as_of']}, last closed month {months}: policy {frame['before']} → {frame['after']}")
    rows = [[what, row["from"], row["to"], row["count"]] for what, found in changes.moves.items() for row in found]
    if changes.service_levels:
        rows.append(["service levels", None, None, changes.service_levels])
    if rows:
        show_rows(["what", "from", "to", "count"], rows, as_json=False)
    if changes.kpis:
        show_rows(list(changes.kpis[0]), [list(row.values()) for row in changes.kpis], as_json=False)
    silent = frame["not_compared"]
    if not rows and not changes.kpis:
        say("no difference in what is compared" if silent else "no difference")
    if silent:
        say(f"not compared, though it may differ: {', '.join(silent)}")


def _not_compared(before: Policy, after: Policy, source: str | None) -> list[str]:
    """On what numbers bear that differ between two policies, of one source or any, and that is not compared."""
    sources = [source] if source else ["ALL", *before.sources, *after.sources]
    differing = [
        name for name in after.default if any(before.of(each)[name] != after.of(each)[name] for each in sources)
    ]
    return [part for part, bearing in _NOT_COMPARED.items() if any(name.startswith(bearing) for name in differing)]


def _warn_of_strangers(home: Path, path: Path, policy: Policy) -> None:
    configured = load_config(home).sources if (home / FILE_NAME).exists() else policy.sources
    if strangers := sorted(policy.sources.keys() - configured.keys()):
        complain(
            f"{path}: sources: {', '.join(strangers)}: expected sources of tierline.yaml ({', '.join(configured)}); "
            "correct the code, or name that source there"
        )


def _require_source(home: Path, policy: Policy, source: str | None) -> None:
    if source is None:
        return
    configured = load_config(home).sources if (home / FILE_NAME).exists() else {}
    known = sorted({*configured, *policy.sources})
    if source not in known and (known or not re.fullmatch("[0-9]{3}", source)):
        expected = f"one of {', '.join(known)}" if known else "three digits"
        raise UsageError(f"--source {source}: expected {expected}")


def _names(policy: Policy, section: str | None) -> list[str]:
    sections = list(dict.fromkeys(name.split(".")[0] for name in policy.default))
    if section is not None and section not in sections:
        raise UsageError(f"--section {section}: expected one of {', '.join(sections)}")
    return [name for name in policy.default if section in (None, name.split(".")[0])]


def _unit(name: str) -> str | None:
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)


def _shown(value: Any, as_json: bool) -> Any:
    """A value for a table, or for programs: numbers as numbers, lists as lists, bands as objects."""
    if not as_json:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else value
    if isinstance(value, tuple):
        return [_shown(each, True) for each in value]
    if isinstance(value, Band):
        return {"below": _shown(value.below, True), "points": value.points}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
