"""policy show says what holds, policy try what another policy would change: what a real build with it comes to."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mart_tables import DEFAULT_POLICY, default_policy
from running import Run, tierline
from trial_homes import NOW, WorldHome, changed_policy, content, world_home

from pipelines.cli.trials import sound_date
from pipelines.policy import Policy
from warehouse.trial import PublishedState

MOVED = {
    "tier": "select user_id, source, tier from mart.tier",
    "warning level": "select user_id, source, level from mart.churn_warning",
    "loyalty class": "select customer_id, source, class from mart.loyalty",
    "segment": "select customer_id, source, segment from mart.value",
}
SERVICE = """
    select t.user_id, t.source, row(l.ivr_entry, l.priority, l.skill_group, l.overflow_group, l.overflow_after_s,
        l.answer_rate, l.answer_within_s, l.work_order_due_s)
    from mart.tier as t inner join policy.service_level as l on l.source = t.source and l.tier = t.tier
"""
CHANGES = (
    ('version: "2026.1"', 'version: "2026.2"'),
    ("D: {spend_fen: 50000, tenure_spend_fen: 30000", "D: {spend_fen: 40000, tenure_spend_fen: 25000"),
    ("products: [MOB, FIX] # the others", "products: [MOB] # the others"),
    ("C4: {points: 25", "C4: {points: 65"),
    ("key_score: 70", "key_score: 60"),
    ("new_months: 3", "new_months: 9"),
    ("answer_rate: 0.90", "answer_rate: 0.91"),
    ("answer_rate: 0.85", "answer_rate: 0.86"),
    ("work_order_due_s: 129600", "work_order_due_s: 129000"),
    ("sources: {}", 'sources: {"440": {tiers: {S: {spend_fen: 9000, tenure_spend_fen: 8000}}}}'),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> WorldHome:
    return world_home(tmp_path_factory.mktemp("policy") / "home", 8)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Policy]:
    path = tmp_path_factory.mktemp("other") / "next.yaml"
    return path, changed_policy(path, *CHANGES)


def tried(home: WorldHome, path: Path, *options: str) -> dict[str, Any]:
    run = tierline(home.path, "policy", "try", "--policy", str(path), "--json", *options, now=NOW)
    assert (run.exit_status, run.err) == (0, "")
    found: dict[str, Any] = json.loads(run.out)
    return found


class Built:
    """What a real build came to: values by key, with the source of each."""

    def __init__(self, path: Path) -> None:
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = {what: connection.execute(query).fetchall() for what, query in [*MOVED.items(), ("served", SERVICE)]}
            self.of = {what: {key: (source, value) for key, source, value in found} for what, found in rows.items()}
            last = dict(connection.execute("select source, bill_month from mart.bill_month").fetchall())
            last["ALL"] = max(last.values())
            self.kpis = {
                (month, source, tier, feed, kpi): (value, target)
                for month, source, tier, feed, kpi, value, target in connection.execute(
                    "select month, source, tier, feed, kpi, value, target from mart.kpi"
                ).fetchall()
                if month == last.get(source)
            }


def moves(before: Built, after: Built, what: str, source: str | None) -> Counter[tuple[Any, Any]]:
    found: Counter[tuple[Any, Any]] = Counter()
    for key in before.of[what].keys() | after.of[what].keys():
        old, new = before.of[what].get(key), after.of[what].get(key)
        if (old and old[1]) != (new and new[1]) and source in (None, (new or old or ("",))[0]):
            found[old and old[1], new and new[1]] += 1
    return found


def require_as_built(found: dict[str, Any], before: Built, after: Built, source: str | None = None) -> None:
    for what in MOVED:
        said = Counter({(row["from"], row["to"]): row["count"] for row in found["moves"][what]})
        assert said == moves(before, after, what, source), what
    assert found["service_levels"] == moves(before, after, "served", source).total()
    said_kpis = {
        (row["month"], row["source"], row["tier"], row["feed"], row["kpi"]): (
            (row["before"], row["target_before"]), (row["after"], row["target_after"]),
        )
        for row in found["kpis"]
    }  # fmt: skip
    nothing = (None, None)
    expected = {
        key: (before.kpis.get(key, nothing), after.kpis.get(key, nothing)) for key in {*before.kpis, *after.kpis}
    }
    assert said_kpis == {
        key: (old, new) for key, (old, new) in expected.items() if old != new and source in (None, key[1])
    }
    assert all(row["difference"] is None or row["difference"] == row["after"] - row["before"] for row in found["kpis"])


def test_a_policy_moves_whom_a_build_with_it_moves(home: WorldHome, other: tuple[Path, Policy], tmp_path: Path) -> None:
    path, policy = other
    untouched = content(home.path)
    found = tried(home, path)
    assert content(home.path) == untouched
    before, after = Built(home.state), Built(home.rebuilt(tmp_path / "after", policy, home.as_of, home.bill_month))
    require_as_built(found, before, after)
    assert len([what for what, rows in found["moves"].items() if rows]) >= 3
    assert any(row["to"] is None for row in found["moves"]["tier"]), "a product without tiers now"
    assert len(found["kpis"]) > 10
    assert any(row["target_before"] != row["target_after"] and row["difference"] == 0 for row in found["kpis"])
    assert (found["before"], found["after"], found["as_of"]) == ("2026.1", "2026.2", home.as_of.isoformat())


def test_and_at_an_earlier_date_those_of_one_source(
    home: WorldHome, other: tuple[Path, Policy], tmp_path: Path
) -> None:
    day = home.as_of - timedelta(days=40)
    found = tried(home, other[0], "--as-of", day.isoformat(), "--source", "440")
    before = Built(home.rebuilt(tmp_path / "before", default_policy(), day, None))
    after = Built(home.rebuilt(tmp_path / "after", other[1], day, None))
    require_as_built(found, before, after, "440")
    assert found["moves"]["tier"]
    assert date.fromisoformat(found["as_of"]) == day


def test_what_the_state_was_built_with_is_not_what_is_configured(
    home: WorldHome, other: tuple[Path, Policy], tmp_path: Path
) -> None:
    """Before is the policy in use now, though nothing was built with it yet."""
    configured = home.path / "policy.yaml"
    configured.write_text(other[0].read_text(encoding="utf-8"), encoding="utf-8")
    try:
        found = tried(home, DEFAULT_POLICY)
    finally:
        configured.write_text(DEFAULT_POLICY.read_text(encoding="utf-8"), encoding="utf-8")
    built = Built(home.rebuilt(tmp_path / "before", other[1], home.as_of, home.bill_month))
    require_as_built(found, built, Built(home.state))


def test_people_read_tables_or_that_nothing_changes(home: WorldHome, other: tuple[Path, Policy]) -> None:
    changed = tierline(home.path, "policy", "try", "--policy", str(other[0]), now=NOW).out
    assert changed.splitlines()[0].endswith("policy 2026.1 → 2026.2")
    lines = [line.split() for line in changed.splitlines()]
    assert ["what", "from", "to", "count"] in lines
    assert any(line[:1] == ["tier"] for line in lines)
    assert any(line[:2] == ["service", "levels"] for line in lines)
    assert any(line[-1:] == ["target_after"] for line in lines)
    same = tierline(home.path, "policy", "try", "--policy", str(DEFAULT_POLICY), now=NOW)
    assert (same.out.splitlines()[1:], same.err) == (["no difference"], "")


@pytest.mark.parametrize("source", ["110", "440", None])
def test_numbers_that_are_not_compared_are_named(home: WorldHome, tmp_path: Path, source: str | None) -> None:
    """They decide lists and what agents read, of which nothing is worked out: that is no "no difference"."""
    path = tmp_path / "next.yaml"
    changed_policy(
        path, CHANGES[0], ("quiet_days: 7", "quiet_days: 300"), ("advice: ", "advice: 先问"),
        ("sources: {}", 'sources: {"440": {work_orders: {complaint_days: 1}}}'),
    )  # fmt: skip
    of_source = ("--source", source) if source else ()
    named = ["loyalty.actions", "calls"] + ["work_orders"] * (source != "110")
    assert tried(home, path, *of_source)["not_compared"] == named
    run = tierline(home.path, "policy", "try", "--policy", str(path), *of_source, now=NOW)
    assert (run.out.splitlines()[1:], run.err) == (
        ["no difference in what is compared", f"not compared, though it may differ: {', '.join(named)}"], ""
    )  # fmt: skip


def test_what_moves_with_tiers_and_is_not_compared_is_named(home: WorldHome, tmp_path: Path) -> None:
    """A customer's lifetime value by the closings of its tier, calls and work orders by tier and warning."""
    changed_policy(tmp_path / "next.yaml", *CHANGES[:2])
    assert tried(home, tmp_path / "next.yaml")["not_compared"] == ["value.clv", "calls", "work_orders"]


def test_other_numbers_under_the_same_version_are_named(home: WorldHome, tmp_path: Path) -> None:
    changed_policy(tmp_path / "next.yaml", *CHANGES[1:])
    run = tierline(home.path, "policy", "try", "--policy", str(tmp_path / "next.yaml"), now=NOW)
    assert run.exit_status == 0
    assert run.err.startswith(f"{tmp_path / 'next.yaml'}: version: it says 2026.1 like the policy of now")


def test_the_bill_month_that_was_set_for_the_state_holds_for_its_day_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    day, other = date(2026, 11, 21), date(2026, 11, 20)
    with duckdb.connect() as connection:
        state = PublishedState(connection, day, "202609")
        assert sound_date(state, None, None) == (day, "202609")
        assert sound_date(state, day.isoformat(), None) == (day, "202609")
        assert sound_date(state, None, "202608") == (day, "202608")
        assert sound_date(state, other.isoformat(), None) == (other, None)


BAD = [
    (
        ("D: {spend_fen: 50000", "D: {spend_fen: 20000"),
        "next.yaml, line 28, key policy.tiers.G.spend_fen: expected less",
    ),
    (("risk_cap: 100", "risk_top: 100"), "next.yaml, line 53, key risk_top: expected one of the keys C1, "),
    (('"2026.1"', "2026"), "next.yaml, line 7, key version: expected a text"),
]


@pytest.mark.fault(25)
@pytest.mark.parametrize(("change", "message"), BAD, ids=[change[1] for change, _ in BAD])
@pytest.mark.parametrize("command", ["show", "try"])
def test_a_policy_that_is_not_sound_is_named_by_place(
    home: WorldHome, tmp_path: Path, command: str, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "next.yaml"
    path.write_text(DEFAULT_POLICY.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    refused(tierline(home.path, "policy", command, "--policy", str(path), now=NOW), message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("try", "--policy", "/no/such.yaml"), "such.yaml: expected a readable file"),
        (
            ("try", "--policy", str(DEFAULT_POLICY), "--source", "999"),
            "--source 999: expected one of 110, 120, 310, 440",
        ),
        (("try", "--policy", str(DEFAULT_POLICY), "--as-of", "2030-01-01"), "expected a day up to today, 2028-12-31"),
        (("show", "--section", "tier"), "--section tier: expected one of history, quality, tiers"),
    ],
)
def test_what_cannot_be_tried_is_named(home: WorldHome, words: tuple[str, ...], message: str) -> None:
    refused(tierline(home.path, "policy", *words, now=NOW), message)


def refused(run: Run, message: str) -> None:
    assert (run.exit_status, run.out) == (2, "")
    assert message in run.err.replace("\n", " ")


def test_show_has_every_number_with_its_unit_and_what_a_source_overrides(
    home: WorldHome, other: tuple[Path, Policy]
) -> None:
    path, policy = other
    run = tierline(home.path, "policy", "show", "--policy", str(path), "--source", "440", "--json", now=NOW)
    shown = {row["name"]: row for row in json.loads(run.out)}
    assert shown.keys() == policy.default.keys()
    assert {name for name, row in shown.items() if row["overridden"]} == {
        "tiers.S.spend_fen", "tiers.S.tenure_spend_fen",
    }  # fmt: skip
    assert shown["tiers.S.spend_fen"] == {
        "name": "tiers.S.spend_fen", "value": 9000, "unit": "fen", "default": 15000, "overridden": True,
    }  # fmt: skip
    assert shown["service_levels.G.answer_rate"]["value"] == 0.91
    assert shown["value.spend_bands"]["value"][-1] == {"below": None, "points": 40}
    units = {ending: {row["unit"] for name, row in shown.items() if name.endswith(ending)} for ending in UNITS}
    assert units == {ending: {unit} for ending, unit in UNITS.items()}


UNITS = {"_fen": "fen", "_months": "months", "_days": "days", "_s": "s", "_rate": "fraction", "points": "points"}


def test_show_is_a_table_of_what_is_configured(home: WorldHome) -> None:
    run = tierline(home.path, "policy", "show", "--section", "tiers", now=NOW)
    lines = [line.split() for line in run.out.splitlines()]
    assert lines[1:3] == [["name", "value", "unit"], ["tiers.D.spend_fen", "50000", "fen"]]
    assert len(lines) == 2 + 9
