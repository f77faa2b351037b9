"""Codes and sources that a policy names are those of the home: its code lists, its sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from mart_tables import DEFAULT_POLICY
from offers import change_schema
from running import make_home, tierline

from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.errors import ConfigurationError
from pipelines.policy import load_policy
from pipelines.transfer.base import Endpoint
from warehouse.policy_tables import write_policy

NOW = "2026-11-22T12:00:00"
NEW_PRODUCT = ("codes/product.yaml", "codes:", 'codes:\n  - {code: "SAT", titleEn: Satellite, titleZh: 卫星}')
# Texts of the default policy, and the most that may stand there.
MOST = {
    "{spend_fen: 50000": "{spend_fen: 1000000000000",
    "below_fen: 30000": "below_fen: 1000000000000",
    "below_months: 60": "below_months: 1200",
    "unbroken_days: 5": "unbroken_days: 36500",
    "work_order_due_s: 172800": "work_order_due_s: 31622400",
    "remaining_rate: 0.60": "remaining_rate: 0.9999",
    "below_rate: 1.20": "below_rate: 999999.9999",
    "complaints_per: 10000": "complaints_per: 1000000",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a policy of its own, in which 999 has numbers of its own, and 110 calls satellites."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path)))
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    own = 'sources: {"110": {calls: {products: [SAT]}}, "999": {calls: {quiet_days: 3}}}'
    (home / "policy.yaml").write_text(text.replace("sources: {}", own), encoding="utf-8")
    with (home / "tierline.yaml").open("a") as configuration:
        configuration.write("policy: policy.yaml\n")
    return home


def test_codes_are_those_of_the_home(home: Path) -> None:
    for words in (["policy", "show"], ["batches"]):
        ran = tierline(home, *words, now=NOW)
        assert ran.exit_status == 2, words
        assert "key sources.110.calls.products: expected one of MOB, FIX" in ran.err
    change_schema(home, *NEW_PRODUCT)
    for words in (["policy", "show"], ["batches"]):
        assert tierline(home, *words, now=NOW).exit_status == 0, words


def test_contracts_without_a_list_that_a_policy_needs_are_named(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT_SCHEMAS, tmp_path / "schemas")
    for path in ("codes/payment_kind.yaml", "feeds/PAYM.yaml"):
        (tmp_path / "schemas" / path).unlink()
    with pytest.raises(ConfigurationError, match="expected contracts with the code list payment_kind, found none"):
        load_policy(DEFAULT_POLICY, load_contracts(tmp_path / "schemas"))


def test_what_a_policy_says_of_no_source_is_told(home: Path) -> None:
    change_schema(home, *NEW_PRODUCT)
    ran = tierline(home, "policy", "show", now=NOW)
    assert "policy.yaml: sources: 999: expected sources of tierline.yaml (110)" in ran.err
    (home / "tierline.yaml").write_text((home / "tierline.yaml").read_text().replace('"110"', '"999"'))
    assert "expected sources" in tierline(home, "policy", "show", now=NOW).err, "now 110 is none"


def test_the_tables_have_room_for_the_most_that_a_policy_may_say(tmp_path: Path) -> None:
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    for old, new in MOST.items():
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    connection = duckdb.connect()
    write_policy(connection, load_policy(tmp_path / "policy.yaml"), ["110"])
    bands = (
        "select max(below) from policy.band where scale = 'spend' union all select max(from_fen) from policy.tier_rule"
    )
    assert connection.execute(bands).fetchall() == [(10**12,), (10**12,)]
