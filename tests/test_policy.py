"""The policy: the numbers of the requirements, errors that name their place, overrides by source, and the tables."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mart_province import rows_of
from mart_tables import DEFAULT_POLICY, default_policy

from pipelines.errors import ConfigurationError
from pipelines.policy import load_policy
from warehouse.policy_tables import write_policy

# name | the number of the requirements (sections 0 to 5 of tiers and KPIs, and calls)
NUMBERS = """
history.arpu_months | 3
history.held_months | 3
history.kpi_months | 12
tiers.D.spend_fen | 50000
tiers.D.tenure_spend_fen | 30000
tiers.D.tenure_months | 60
tiers.G.spend_fen | 30000
tiers.G.tenure_spend_fen | 20000
tiers.G.tenure_months | 36
tiers.S.spend_fen | 15000
tiers.S.tenure_spend_fen | 10000
tiers.S.tenure_months | 24
service_levels.D.overflow_after_s | 10
service_levels.D.answer_within_s | 10
service_levels.D.answer_rate | 0.95
service_levels.D.work_order_due_s | 43200
service_levels.G.overflow_after_s | 15
service_levels.G.answer_within_s | 15
service_levels.G.answer_rate | 0.9
service_levels.G.work_order_due_s | 86400
service_levels.S.overflow_after_s | 20
service_levels.S.answer_within_s | 15
service_levels.S.answer_rate | 0.88
service_levels.S.work_order_due_s | 129600
service_levels.N.answer_within_s | 15
service_levels.N.answer_rate | 0.85
service_levels.N.work_order_due_s | 172800
warnings.C1.points | 30
warnings.C1.unbroken_days | 5
warnings.C2.points | 40
warnings.C2.from_day_of_month | 10
warnings.C3.points | 20
warnings.C3.payment_above_fen | 30000
warnings.C3.payment_days | 365
warnings.C3.balance_below_fen | 5000
warnings.C4.points | 25
warnings.C4.bill_above_fen | 5000
warnings.C4.remaining_rate | 0.6
warnings.C5.points | 35
warnings.C5.silent_days | 7
warnings.risk_cap | 100
warnings.medium_from | 30
warnings.high_from | 60
loyalty.new_months | 3
loyalty.inactive_days | 30
loyalty.core_months | 24
loyalty.advocate_months | 12
loyalty.advocate_ratings | 2
loyalty.advocate_mean_rating | 4.5
value.payment_points | 15
value.key_score | 70
value.potential_score | 50
value.growing_score | 35
value.normal_score | 20
value.clv_cap_months | 60
value.pareto_a_rate | 0.8
value.pareto_b_rate | 0.95
kpis.share_products | 5
kpis.complaints_per | 10000
kpis.top_share_rate | 0.2
calls.quiet_days | 7
calls.campaigns.WINBACK.days | 30
calls.campaigns.CARE.days | 3
calls.campaigns.SURVEY.days | 3
"""

SERVICE = """
D DIRECT 1 SK_DIAMOND SK_GOLD
G SHORT 2 SK_GOLD SK_SILVER
S SHORT 3 SK_SILVER SK_GENERAL
N FULL 4 SK_GENERAL None
"""

# text of the default policy | what stands there instead (⏎ for a new line) | key and words that the message names
BROKEN = """
tenure_months: 36 | tenure_months: 60 | tiers.G.tenure_months | less than tiers.D.tenure_months (60), found 60
D: {spend_fen: 50000 | D: {spend_fen: 30000 | tiers.G.spend_fen | less than tiers.D.spend_fen (30000)
tenure_spend_fen: 30000 | tenure_spend_fen: 50000 | tiers.D.tenure_spend_fen | less than tiers.D.spend_fen (50000)
D: {spend_fen: 50000 | D: {spend_yuan: 500 | spend_yuan | unknown key spend_yuan
spend_fen: 50000 | spend_fen: 500.5 | tiers.D.spend_fen | whole fen (1 yuan = 100 fen)
spend_fen: 50000 | spend_fen: "50000" | tiers.D.spend_fen | found the text "50000"
answer_rate: 0.95 | answer_rate: 95 | service_levels.D.answer_rate | 0.95 for 95 %
priority: 2, | priority: 1, | service_levels.D.priority | less than service_levels.G.priority (1)
overflow_group: SK_GOLD | overflow_group: SK_DIAMOND | service_levels.D.overflow_group | skill group of a lower tier
, overflow_after_s: 10 |  | service_levels.D | overflow_group and overflow_after_s, or neither
medium_from: 30 | medium_from: 60 | warnings.medium_from | less than warnings.high_from (60)
risk_cap: 100 | risk_cap: 50 | warnings.high_from | at most 50
from_day_of_month: 10 | from_day_of_month: 32 | warnings.C2.from_day_of_month | at most 31
below_fen: 8000 | below_fen: 3000 | value.spend_bands | below_fen above 3000, that of the band before
- {points: 40} | - {below_fen: 50000, points: 40} | below_fen | none in the last band, which takes all that is left over
payment_points: 15 | payment_points: 16 | value.score_sum | the sum of the best of all parts, 101
potential_score: 50 | potential_score: 70 | value.potential_score | less than value.key_score (70)
growing_points: 10 | growing_points: 9 | value.growing_points | one of growth_bands
pareto_a_rate: 0.80 | pareto_a_rate: 0.95 | value.pareto_a_rate | less than value.pareto_b_rate
not_after: "20:00" | not_after: "24:00" | calls.not_after | found the text "24:00"
not_after: "20:00" | not_after: "08:00" | calls.not_before | less than calls.not_after
RETAIN: {priority: 2 | RETAIN: {priority: 1 | calls.campaigns.RETAIN.priority | that of ARREARS
silent_days: 7 | silent_days: 0 | warnings.C5.silent_days | a whole number from 1 to 36500
unbroken_days: 5 | unbroken_days: 99999999999 | warnings.C1.unbroken_days | a whole number from 1 to 36500
spend_fen: 50000 | spend_fen: 1000000000001 | tiers.D.spend_fen | a whole number from 0 to 1000000000000
tenure_months: 60 | tenure_months: 1201 | tiers.D.tenure_months | a whole number from 1 to 1200
work_order_due_s: 43200 | work_order_due_s: 31622401 | service_levels.D.work_order_due_s | from 1 to 31622400
points: 30, statuses | points: 1000001, statuses | warnings.C1.points | a whole number from 0 to 1000000
clv_months: 12 | clv_months: 61 | value.clv_months | a whole number from 1 to 60
remaining_rate: 0.60 | remaining_rate: 0.66667 | warnings.C4.remaining_rate | at most 4 decimals, found the number
remaining_rate: 0.60 | remaining_rate: 0.00001 | warnings.C4.remaining_rate | at most 4 decimals
advocate_mean_rating: 4.5 | advocate_mean_rating: 4.33333 | loyalty.advocate_mean_rating | at most 4 decimals
below_rate: 1.20 | below_rate: 1.23456 | value.growth_bands.below_rate | at most 4 decimals
kpi_months: 12 | kpi_months: 61 | history.kpi_months | a whole number from 1 to 60
consent: false | consent: "no" | calls.campaigns.ARREARS.consent | true or false
core_months: 24 | core_months: 3 | loyalty.new_months | less than loyalty.core_months
group_tier: S | group_tier: X | tiering.group_tier | one of D, G, S, N
products: [MOB, FIX] # | products: [MOB, MOB] # | tiering.products | twice
products: [MOB, FIX] # | products: [MBO] # | tiering.products | one of MOB, FIX, BBD, TVS, IOT, found the text "MBO"
group_types: ["2", "3"] | group_types: ["2", "7"] | tiering.group_types | one of 1, 2, 3, 4, found the text "7"
statuses: ["2", "3", "4"] | statuses: ["9x"] | warnings.C1.statuses | one of 1, 2, 3, 4, 9, found the text "9x"
statuses: ["3", "4"] | statuses: ["5"] | warnings.C2.statuses | one of 1, 2, 3, 4, 9
statuses: ["1", "3"]} | statuses: ["5"]} | calls.campaigns.ARREARS.statuses | one of 1, 2, 3, 4, 9
customer_types: ["1"] | customer_types: ["x"] | calls.campaigns.CARE.customer_types | one of 1, 2, 3, 4
pay_mode: PRE | pay_mode: POS | warnings.C3.pay_mode | one of PRE, POST
payment_kind: "2" | payment_kind: "5" | warnings.C3.payment_kind | one of 1, 2, 3, 4, 9
status: "1", silent | status: "0", silent | warnings.C5.status | one of 1, 2, 3, 4, 9
at_risk_levels: [HIGH, | at_risk_levels: [HIHG, | loyalty.at_risk_levels | one of HIGH, MEDIUM, LOW, found
levels: [HIGH]} | levels: [ALL]} | calls.campaigns.RETAIN.levels | one of HIGH, MEDIUM, LOW
retention_levels: [HIGH] | retention_levels: [HIGH, HIGH] | work_orders.retention_levels | HIGH twice
tiers: [D, G], cust | tiers: [G, G, D], cust | calls.campaigns.CARE.tiers | every entry once, found G twice
core_tiers: [D, G] | core_tiers: [D, D] | loyalty.core_tiers | every entry once, found D twice
sources: {} | sources: {"110": {calls: {products: [MBO]}}} | sources.110.calls.products | found the text "MBO"
version: "2026.1" |  | version | the key version
sources: {} | sources: {"110": {tiers: {D: {spend_fen: 20000}}}} | sources.110.tiers.G.spend_fen | (20000), found 30000
sources: {} | sources: {"110": {tiers: {X: {}}}} | X | unknown key X
sources: {} | sources: {"110": {tiers: 5}} | sources.110.tiers | a mapping
sources: {} | sources: {"110": {warnings: {C1: {points: x}}}} | sources.110.warnings.C1.points | found the text "x"
sources: {} | sources: {"110": {history: {arpu_months: 2}}} | history | history is one for all sources
sources: {} | sources: {"11": {}} | 11 | [0-9]{3}
sources: {} | sources: [] | sources | a mapping from sources
"""


def cases(text: str) -> list[list[str]]:
    return [[cell.strip(" ") for cell in line.split(" | ")] for line in text.strip().splitlines()]


def test_the_default_policy_holds_the_numbers_of_the_requirements() -> None:
    values = default_policy().default
    for name, number in cases(NUMBERS):
        assert values[name] == Decimal(number), name
    for line in SERVICE.strip().splitlines():
        tier, *expected = line.split()
        names = ("ivr_entry", "priority", "skill_group", "overflow_group")
        assert [str(values[f"service_levels.{tier}.{name}"]) for name in names] == expected
    assert len(cases(NUMBERS)) == 64


def test_every_class_and_tier_has_service_actions() -> None:
    values = default_policy().default
    actions = [name for name in values if name.startswith("loyalty.actions.") and name.endswith(".action")]
    assert len(actions) == 8 * 4


@pytest.mark.fault(25)
@pytest.mark.parametrize("case", cases(BROKEN), ids=lambda case: case[2])
def test_errors_name_file_line_key_expected_and_found(case: list[str], tmp_path: Path) -> None:
    old, new, key, words = case
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(old, new.replace("⏎", "\n"), 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.startswith("policy.yaml, line ")
    assert f"{key}:" in message
    assert "expected" in message
    assert "found" in message
    assert words in message


def test_an_error_points_to_the_line_of_an_override(tmp_path: Path) -> None:
    path = changed(tmp_path, 'sources:\n  "110":\n    tiers:\n      D:\n        spend_fen: 1\n')
    line = path.read_text(encoding="utf-8").splitlines().index("        spend_fen: 1") + 1
    with pytest.raises(ConfigurationError, match="expected less than"):
        load_policy(path)
    path = changed(tmp_path, 'sources:\n  "110":\n    tiers:\n      D:\n        spend_fen: -1\n')
    with pytest.raises(ConfigurationError, match=rf"line {line}, key sources\.110\.tiers\.D\.spend_fen"):
        load_policy(path)


def changed(directory: Path, sources: str) -> Path:
    path = directory / "policy.yaml"
    path.write_text(DEFAULT_POLICY.read_text(encoding="utf-8").replace("sources: {}", sources), encoding="utf-8")
    return path


OVERRIDE = """sources:
  "110":
    tiers: {D: {spend_fen: 60000}}
    tiering: {products: [MOB]}
    service_levels: {S: {overflow_group: null, overflow_after_s: null}}
"""


def test_a_source_overrides_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    policy = load_policy(changed(tmp_path, OVERRIDE))
    differing = {name for name, value in policy.of("110").items() if value != policy.default[name]}
    assert differing == {
        "tiers.D.spend_fen",
        "tiering.products",
        "service_levels.S.overflow_group",
        "service_levels.S.overflow_after_s",
    }
    assert policy.of("110")["tiers.D.spend_fen"] == 60000
    assert policy.of("440") == policy.default == policy.of("ALL")


def test_a_policy_cannot_be_changed() -> None:
    policy = default_policy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.version = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        policy.default["tiers.D.spend_fen"] = 1  # type: ignore[index]


@pytest.fixture
def tables(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    write_policy(connection, load_policy(changed(tmp_path, OVERRIDE)), ["440", "110"])
    return connection


def test_tier_rules_by_source(tables: duckdb.DuckDBPyConnection) -> None:
    found = tables.execute("select source, from_fen, from_months from policy.tier_rule where tier = 'D' order by all")
    assert found.fetchall() == [
        ("110", 30000, 60),
        ("110", 60000, 0),
        ("440", 30000, 60),
        ("440", 50000, 0),
        ("ALL", 30000, 60),
        ("ALL", 50000, 0),
    ]
    ranks = tables.execute("select tier, rank from policy.tier where source = '110' order by rank").fetchall()
    assert ranks == [("D", 1), ("G", 2), ("S", 3), ("N", 4)]


def test_wide_tables_have_a_row_a_source(tables: duckdb.DuckDBPyConnection) -> None:
    row: dict[str, Any]
    for table in ("tiering", "warning", "loyalty", "value", "kpi", "call"):
        assert [row["source"] for row in rows_of(tables, f"from policy.{table} order by all")] == ["110", "440", "ALL"]
    (row,) = rows_of(tables, "from policy.warning where source = '110'")
    assert (row["c4_remaining_rate"], row["c3_pay_mode"], row["high_from"]) == (Decimal("0.6"), "PRE", 60)


def test_keyed_tables(tables: duckdb.DuckDBPyConnection) -> None:
    service = "select overflow_group, overflow_after_s, answer_rate, work_order_due_s from policy.service_level"
    query = f"{service} where tier = 'S' and source in ('110', '440') order by source"
    assert tables.execute(query).fetchall() == [
        (None, None, Decimal("0.88"), 129600),
        ("SK_GENERAL", 20, Decimal("0.88"), 129600),
    ]
    targets = "select tier, target from policy.kpi_target where source = '110' and kpi = 'answer_in_target_rate'"
    assert dict(tables.execute(targets).fetchall()) == {"D": 0.95, "G": 0.90, "S": 0.88, "N": 0.85}
    campaigns = "select campaign, consent, days from policy.campaign where source = 'ALL' order by priority"
    assert tables.execute(campaigns).fetchall() == [
        ("ARREARS", False, None),
        ("RETAIN", True, None),
        ("WINBACK", True, 30),
        ("CARE", True, 3),
        ("SURVEY", True, 3),
    ]
    assert tables.execute("select count(*) from policy.action").fetchall() == [(3 * 32,)]


def test_codes_and_bands(tables: duckdb.DuckDBPyConnection) -> None:
    products = "select source, code from policy.code where name = 'tiering.products' order by all"
    expected = [("110", "MOB"), ("440", "FIX"), ("440", "MOB"), ("ALL", "FIX"), ("ALL", "MOB")]
    assert tables.execute(products).fetchall() == expected
    columns = "cast(at_least as double), cast(below as double), points"
    bands = f"select {columns} from policy.band where source = '110' and scale = 'growth' order by position"
    assert tables.execute(bands).fetchall() == [(0, 0.8, 0), (0.8, 1.2, 5), (1.2, None, 10)]


def test_every_value_is_shown_by_source(tables: duckdb.DuckDBPyConnection) -> None:
    shown = dict(tables.execute("select name, value from policy.parameter where source = '110'").fetchall())
    assert list(shown) == list(default_policy().default)
    assert shown["tiers.D.spend_fen"] == "60000"
    assert shown["tiering.group_types"] == "2, 3"
    assert shown["service_levels.S.overflow_group"] is None
    assert shown["value.product_bands"] == "below 2: 3, below 3: 7, else 10"


MANUAL = DEFAULT_POLICY.parents[2] / "docs" / "policy.md"
EXAMPLES = re.findall("```yaml\n(sources:.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_manual_is_a_policy(example: str, tmp_path: Path) -> None:
    path = tmp_path / "next.yaml"
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    assert "\nsources: {}" in text
    path.write_text(text.replace("\nsources: {}", f"\n{example}"), encoding="utf-8")
    assert load_policy(path).sources


def test_the_manual_has_examples_of_policies() -> None:
    assert EXAMPLES
