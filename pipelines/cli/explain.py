"""The command explain: why a subscriber has its tier and warnings, and a customer its class and value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer

from pipelines.cli.context import JsonOption, published_home
from pipelines.cli.output import PLAIN, say, say_json
from pipelines.cli.trials import AsOfOption, MonthOption, configured_policy, open_trials, sound_date
from pipelines.errors import UsageError
from pipelines.explained_tables import EXPLAINED, read_tables
from pipelines.explained_words import Words
from pipelines.explaining import Explainer
from warehouse.trial import PublishedState, make_trial_of, published_values


class Language(StrEnum):
    """The languages that explanations speak."""

    EN = "en"
    ZH = "zh"


explain_app = typer.Typer(help="Why a subscriber or customer is what it is.", no_args_is_help=True, **PLAIN)
LanguageOption = Annotated[Language, typer.Option("--lang", help="Language of the words.")]
Row = dict[str, Any]


@explain_app.command("user")
def explain_user(
    context: typer.Context,
    user_id: str,
    as_of: AsOfOption = None,
    bill_month: MonthOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Why a subscriber has its tier and its warnings, and what its customer is worth; ids are all that is named.

    Example: tierline explain user U110000000708
    """
    _explain(context, ("user", user_id), as_of, bill_month, language, as_json)


@explain_app.command("customer")
def explain_customer(
    context: typer.Context,
    customer_id: str,
    as_of: AsOfOption = None,
    bill_month: MonthOption = None,
    language: LanguageOption = Language.EN,
    as_json: JsonOption = False,
) -> None:
    """Why a customer has its loyalty class and its value, with its subscribers.

    Example: tierline explain customer C110000000426 --lang zh
    """
    _explain(context, ("customer", customer_id), as_of, bill_month, language, as_json)


def _explain(
    context: typer.Context,
    asked: tuple[str, str],
    as_of: str | None,
    bill_month: str | None,
    language: Language,
    as_json: bool,
) -> None:
    home = published_home(context, "explain")
    policy = configured_policy(home)
    with open_trials(home) as state:
        day, month = sound_date(state, as_of, bill_month)
        known = _known(state, asked, day)
        kind, entity_id = asked
        make_trial_of(state, "trial", policy, day, month, EXPLAINED, **{f"{kind}_ids": [entity_id]})
        tables = read_tables(state.connection)
        published = published_values(state) if state.holds(policy, day, month) else None
    explainer = Explainer(tables, day, published)
    told: Callable[[str], Row | None] = getattr(explainer, kind)
    found = told(entity_id)
    if found is None:
        raise UsageError(f"{kind} {entity_id}: expected one that is known at {day}, found one that is known {known}")
    if as_json:
        say_json(found)
        return
    for line in getattr(Words(tables.titles, language.value), kind)(found):
        say(line)


def _known(state: PublishedState, asked: tuple[str, str], day: date) -> str:
    """From when until when it is known; UsageError for one that the state does not know at all."""
    kind, entity_id = asked
    table, key = {"user": ("subscriber", "user_id"), "customer": ("customer", "customer_id")}[kind]
    known = state.known_between(table, key, entity_id)
    reaches = f"the published state reaches to the end of {state.as_of}"
    if known is None:
        raise UsageError(f"{kind} {entity_id}: expected one that is known at {day}, found none; {reaches}")
    begin, end = known
    return f"from {begin}{f' until {end}' if end else ' on'}; {reaches}"
