"""What is measured of a cycle as a whole, and the suite that contracts and policy make of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from contract_edits import add_column, copy_schemas, edit, two_versions
from mart_tables import DEFAULT_POLICY, default_policy

from pipelines.contracts.load import load_contracts
from pipelines.contracts.measures import MeasureKind, QualityRule
from pipelines.contracts.model import Contract, Severity
from pipelines.errors import ConfigurationError
from pipelines.policy import Policy, load_policy
from pipelines.quality.expectations import Expected
from pipelines.quality.suite import suite_of

CONTRACTS = load_contracts()
WARN, FAIL = Severity.WARN, Severity.FAIL

# Read from the feeds' tables by hand, in order: columns of sum; null share; distribution; distinct; orphans; age.
MEASURES = {
    "CUST": """; id_type id_number gender birth_date contact_phone email address postcode industry manager_id
        credit_class; op customer_type id_type gender industry credit_class blacklisted marketing_consent;
        customer_id; ; op_time""",
    "USER": """balance_fen; close_date dealer_id credit_limit_fen balance_expiry contract_end member_level;
        op product pay_mode status member_level; customer_id user_id; customer_id; op_time""",
    "PAYM": """amount_fen; user_id service_number reversed_payment_id billing_cycle balance_after_fen operator_id;
        kind method channel; user_id; user_id; paid_at""",
    "CHNG": "; old_value new_value reason operator_id; change_type channel; user_id; user_id; changed_at",
    "BILL": "total_fen; ; ; user_id customer_id; user_id customer_id; ",
    "USGE": """fee_fen; direction counterpart visited_area counterpart_network;
        usage_type direction roaming counterpart_network; user_id; user_id; started_at""",
    "CONT": """; user_id skill_group tier_served queued_at answered_at purpose work_order_id satisfaction agent_id
        retention_result; channel tier_served outcome purpose retention_result; user_id; user_id; arrived_at""",
    "WORD": """; contact_id user_id closed_at satisfaction; op category priority status; user_id work_order_id; user_id;
        op_time""",
}
SUFFIXES = ["sum_ratio", "null_share_drift", "distribution_drift", "distinct_ratio", "orphan_share", "age_share"]

PAYM_SUITE = """
row_count_ratio | 0.5 | 2 | Rows against the usual number for this weekday and hour
amount_fen_sum_ratio | 0.5 | 2 | Sum of 'Amount (fen)' against the usual sum for this weekday and hour
user_id_null_share_drift | - | 0.1 | Share of missing values of 'Subscriber ID', difference from the usual
kind_distribution_drift | - | 0.2 | Shares of the codes of 'Kind of payment', distance from the usual (0 none, \
1 all differ)
user_id_distinct_ratio | 0.5 | 2 | Different values of 'Subscriber ID' a row against the usual
user_id_orphan_share | - | 0.05 | Share of the values of 'Subscriber ID' that are not found in USER
paid_at_age_share | - | 0.5 | Newest 'Paid at' before the end of the cycle, as a share of the cycle's length
"""

# A table's quality as contracts write it, put into PAYM.
RULE = """    quality:
      - type: custom
        engine: tierline
        severity: {severity}
        description: As usual
        implementation: {implementation}
    properties:
"""

# file | text in it | what stands there instead | key and the rest of the message
BROKEN = """
BILL | expect: row_count_ratio | expect: rows | expect | one of row_count_ratio, total_fen_sum_ratio, \
user_id_distinct_ratio, customer_id_distinct_ratio, user_id_orphan_share, customer_id_orphan_share, \
found the text "rows"
BILL | expect: total_fen_sum_ratio | expect: row_count_ratio | expect | every measure once, found row_count_ratio twice
BILL | row_count_ratio, least: 0.5, most: 2 | row_count_ratio | implementation | least, most or both, found neither
BILL | least: 0.5, | least: 2.5, | least | a number not above most (2), found the number 2.5
BILL | least: 0.5, | least: -1, | least | a number from 0 on, found the number -1
BILL | least: 0.5, | least: "0.5", | least | a number from 0 on, found the text "0.5"
BILL | most: 2 | most: true | most | a number from 0 on, found true
BILL | row_count_ratio, least: 0.5, most: 2 | user_id_orphan_share, most: 5 | most | a share from 0 to 1, \
found the number 5
BILL | least: 0.5, | lest: 0.5, | lest | one of the keys expect, least, most, found the unknown key lest
BILL | expect: row_count_ratio, least | least | expect | the key expect in implementation, found none
BILL | severity: error | severity: fail | severity | one of warning, error, found the text "fail"
BILL | severity: error | dimension: accuracy | dimension | one of the keys type, engine, severity, description, \
implementation, found the unknown key dimension
BILL | type: custom | type: sql | type | custom, found the text "sql"
BILL | engine: tierline | engine: soda | engine | tierline, found the text "soda"
BILL | from: bill.customer_id | from: bill.user_id | from | every column once, found bill.user_id twice
PAYM | eventTime, value: paid_at | eventTime, value: amount_fen | eventTime | paid_at, found the text "amount_fen"
CHNG | value: changed_at} | value: x} | eventTime | one of changed_at, effective_at, found the text "x"
"""

# text of the default policy | what stands there instead | key | the rest of the message
BROKEN_POLICY = """
history_least: 3 | history_least: 9 | quality.history_least | not above quality.history_cycles (8), found 9
history_least: 3 | history_least: 0 | quality.history_least | a whole number from 1 to 1000000, found the number 0
row_count_ratio: {least: 0.5 | row_count_ratio: {least: 3 | quality.row_count_ratio.least | not above \
quality.row_count_ratio.most (2), found 3
sum_ratio: {least: 0.5 | sum_ratio: {least: 2.1 | quality.sum_ratio.least | not above quality.sum_ratio.most (2), \
found 2.1
distinct_ratio: {least: 0.5 | distinct_ratio: {least: 3 | quality.distinct_ratio.least | not above \
quality.distinct_ratio.most (2), found 3
sum_ratio: {least: 0.5, | sum_ratio: { | least | the key least in quality.sum_ratio, found none
sum_ratio: {least: 0.5 | sum_ratio: {least: -1 | quality.sum_ratio.least | a number from 0 to 1000000, such as 1.20, \
found the number -1
null_share_drift: {most: 0.1} | null_share_drift: {most: 9} | quality.null_share_drift.most | a fraction from 0 to 1, \
such as 0.95 for 95 %, found the number 9
distribution_drift: {most: 0.2} | distribution_drift: {most: 2} | quality.distribution_drift.most | a fraction from 0 \
to 1, such as 0.95 for 95 %, found the number 2
orphan_share: {most: 0.05} | orphan_share: {most: 5} | quality.orphan_share.most | a fraction from 0 to 1, \
such as 0.95 for 95 %, found the number 5
orphan_share: {most: 0.05} | orphan_share: {least: 0.05} | least | one of the keys most, found the unknown key least
age_share: {most: 0.5} | age_share: {most: "1"} | quality.age_share.most | a number from 0 to 1000000, such as 1.20, \
found the text "1"
sources: {} | sources: {"110": {quality: {history_cycles: 2}}} | quality | what a source may override \
(quality is one for all sources), found quality
"""


def cases(text: str) -> list[list[str]]:
    return [line.split(" | ") for line in text.strip().split("\n")]


def with_rule(directory: Path, implementation: str, severity: str = "warning") -> Contract:
    path = copy_schemas(directory) / "feeds/PAYM.yaml"
    edit(path, "    properties:\n", RULE.format(severity=severity, implementation=implementation))
    return load_contracts(path.parents[1])["PAYM"]


def changed_policy(directory: Path, old: str, new: str) -> Policy:
    path = directory / "policy.yaml"
    path.write_text(DEFAULT_POLICY.read_text(encoding="utf-8"), encoding="utf-8")
    edit(path, old, new)
    return load_policy(path)


def test_every_contract_has_its_measures_in_order() -> None:
    assert set(MEASURES) == set(CONTRACTS.feed_names)
    for feed, text in MEASURES.items():
        groups = [group.split() for group in text.split(";")]
        expected = [f"{name}_{suffix}" for suffix, names in zip(SUFFIXES, groups, strict=True) for name in names]
        measures = CONTRACTS[feed].measures
        assert [measure.name for measure in measures] == ["row_count_ratio", *expected]
        assert measures[0].column is None
        assert all(measure.name == f"{measure.column}_{measure.kind}" for measure in measures[1:])


def test_a_column_of_one_code_has_no_distribution(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    edit(schemas / "feeds/WORD.yaml", 'codes, value: ["I", "U"]', 'codes, value: ["U"]')
    gone = set(CONTRACTS["WORD"].measures) - set(load_contracts(schemas)["WORD"].measures)
    assert [measure.name for measure in gone] == ["op_distribution_drift"]


def test_an_entity_that_is_a_foreign_key_too_is_counted_once(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    edit(schemas / "feeds/WORD.yaml", "from: work_order.user_id", "from: work_order.work_order_id")
    edit(schemas / "feeds/WORD.yaml", "to: USER.user_id", "to: CONT.work_order_id")
    names = [measure.name for measure in load_contracts(schemas)["WORD"].measures]
    assert names.count("work_order_id_distinct_ratio") == 1
    assert len(names) == len(set(names))


def test_the_suite_has_every_measure_with_the_policy_s_bounds() -> None:
    suite = {expected.measure: expected for expected in suite_of(CONTRACTS["PAYM"], default_policy())}
    assert list(suite) == [measure.name for measure in CONTRACTS["PAYM"].measures]
    kinds = set()
    for name, least, most, description in cases(PAYM_SUITE):
        bounds = None if least == "-" else float(least), float(most)
        assert suite[name] == Expected(name, *bounds, WARN, description)
        kinds |= {measure.kind for measure in CONTRACTS["PAYM"].measures if measure.name == name}
    assert kinds == set(MeasureKind)
    assert [default_policy().default[f"quality.history_{name}"] for name in ("cycles", "least")] == [8, 3]


def test_the_usual_is_told_by_the_cadence() -> None:
    contracts = (CONTRACTS["CHNG"], CONTRACTS["CUST"], replace(CONTRACTS["BILL"], quality=()))
    found = [suite_of(each, default_policy())[0].description.partition(" for ")[2] for each in contracts]
    assert found == ["this weekday and hour", "this weekday", "a month"]


@pytest.mark.parametrize("feed", CONTRACTS.feed_names)
def test_bills_alone_fail_and_whoever_reads_a_suite_can_tell_its_sentences_apart(feed: str) -> None:
    suite = suite_of(CONTRACTS[feed], default_policy())
    failing = {each.measure for each in suite if each.severity is FAIL}
    assert failing == ({"row_count_ratio", "total_fen_sum_ratio"} if feed == "BILL" else set())
    found = {each.description: each.measure for each in suite}
    assert len(found) == len(suite) > 3
    orphans = {f"{key.column}_orphan_share": key.feed for key in CONTRACTS[feed].foreign_keys}
    assert {found[text]: text[-4:] for text in found if " not found in " in text} == orphans


def test_a_contract_s_rule_stands_in_place_of_the_policy_s(tmp_path: Path) -> None:
    contract = with_rule(tmp_path, "{expect: amount_fen_sum_ratio, most: 3}", "error")  # a side left out is open
    assert contract.quality == (QualityRule("amount_fen_sum_ratio", None, 3, FAIL, "As usual"),)
    before, after = (suite_of(each, default_policy()) for each in (CONTRACTS["PAYM"], contract))
    assert [was for was, becomes in zip(before, after, strict=True) if was != becomes] == [before[1]]
    assert after[1] == Expected("amount_fen_sum_ratio", None, 3, FAIL, "As usual")


@pytest.mark.parametrize(
    ("implementation", "least", "most"),
    [("{expect: user_id_orphan_share, most: 1}", None, 1), ("{expect: row_count_ratio, least: 0}", 0, None),
     ("{expect: row_count_ratio, least: 1.5, most: 1.5}", 1.5, 1.5)],
)  # fmt: skip
def test_bounds_at_the_edge_are_sound(tmp_path: Path, implementation: str, least: float, most: float) -> None:
    (rule,) = with_rule(tmp_path, implementation).quality
    assert (rule.least, rule.most, rule.severity) == (least, most, WARN)


def test_another_policy_gives_other_bounds(tmp_path: Path) -> None:
    policy = changed_policy(tmp_path, "orphan_share: {most: 0.05}", "orphan_share: {most: 0}")
    found = {each.measure: each.bounds for each in suite_of(CONTRACTS["PAYM"], policy)}
    assert (found["user_id_orphan_share"], found["row_count_ratio"]) == ("at most 0", "0.5 to 2")
    assert changed_policy(tmp_path, "history_least: 3", "history_least: 8").default["quality.history_least"] == 8


def test_older_versions_follow_the_newest(tmp_path: Path) -> None:
    schemas = two_versions(tmp_path)
    newest = schemas / "feeds/PAYM.yaml"
    rule = RULE.format(severity="error", implementation="{expect: row_count_ratio, least: 0.1}")
    edit(newest, "    properties:\n", rule)
    add_column(newest, "booked_at", "timestamp", "timestamp")
    edit(newest, "eventTime, value: paid_at", "eventTime, value: booked_at")
    contract = load_contracts(schemas)["PAYM"]
    (former,) = contract.former
    assert former.event_time == contract.event_time == "booked_at"
    assert former.quality == contract.quality != ()


@pytest.mark.parametrize("case", cases(BROKEN), ids=lambda case: " | ".join(case[:3])[:60])
def test_a_contract_that_is_not_sound_is_refused(tmp_path: Path, case: list[str]) -> None:
    feed, old, new, key, words = case
    schemas = copy_schemas(tmp_path)
    path = schemas / "feeds" / f"{feed}.yaml"
    line = 1 + path.read_text(encoding="utf-8").split(old)[0].count("\n") + new.count("\n")
    edit(path, old, new)
    message = f"feeds/{feed}.yaml, line {line}, key {key}: expected {words}."
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        load_contracts(schemas)


@pytest.mark.parametrize("case", cases(BROKEN_POLICY), ids=lambda case: case[1])
def test_a_policy_that_is_not_sound_is_refused(tmp_path: Path, case: list[str]) -> None:
    old, new, key, words = case
    line = 1 + DEFAULT_POLICY.read_text(encoding="utf-8").split(old)[0].count("\n")
    message = f"policy.yaml, line {line}, key {key}: expected {words}."
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        changed_policy(tmp_path, old, new)
