"""Conditions and patterns of contracts: what may stand in them, and a condition that fails on a value all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from contract_edits import copy_schemas, edit
from offers import NOW, ROWS, batch, change_schema, customers, in_core, ledger
from running import make_home, tierline

from pipelines.contracts.load import load_contracts
from pipelines.errors import ConfigurationError
from pipelines.transfer.base import Endpoint

OTHER_DAY = "20261121"
# Passes what is tried when the contract is read, and then fails on an operator such as OP0001.
FAILING = "cast(replace(operator_id, '(', '1') as bigint) > 0"


@pytest.fixture
def with_rule(tmp_path: Path) -> Callable[[str], None]:
    """Read the contracts with this condition in place of one of PAYM's."""
    schemas = copy_schemas(tmp_path)
    said = ["amount_fen <> 0"]

    def read(sql: str) -> None:
        edit(schemas / "feeds/PAYM.yaml", f'"{said[-1]}"', f'"{sql}"')
        said.append(sql)
        load_contracts(schemas)

    return read


ROWWISE = """
try_cast(operator_id as bigint) > 0
cast(billing_cycle as integer) > 202001
cast(amount_fen as double) / 3 > 1.5
cast(cycle as bigint) > 0 and cast(source as integer) between 110 and 999
cast(paid_at as date) <= cycle_end
case when amount_fen > balance_after_fen then balance_after_fen > 0 else true end
coalesce(operator_id, account_id) like 'OP%'
amount_fen in (1, 2, balance_after_fen) or kind not in ('1', '2', null)
greatest(amount_fen, balance_after_fen) / 0 > 1
substr(operator_id, 2, 3) = '123' or length(operator_id) > 5
paid_at > date '2026-01-01' + interval '3 days' or amount_fen = null
true or amount_fen > 1
cast(amount_fen as hugeint) * balance_after_fen >= 0
cast(extract(month from paid_at) as integer) * 100 > 0 and cast(length(operator_id) as integer) - 5 > 0
(amount_fen - balance_after_fen) % 100 <> 7 and amount_fen // balance_after_fen * 4 < 1 and mod(amount_fen, -3) < 3
abs(amount_fen) + 8 * balance_after_fen > -balance_after_fen and nullif(amount_fen, 3) - greatest(5, amount_fen) < 9
cast(amount_fen as double) * balance_after_fen > 0 and amount_fen * 1.5 > 2 and pow(cast(amount_fen as hugeint), 2) > 0
""".strip().split("\n")


@pytest.mark.parametrize("sql", ROWWISE)
def test_conditions_of_one_row_may_stand(with_rule: Callable[[str], None], sql: str) -> None:
    with_rule(sql)


BESIDE_OTHERS = """
amount_fen = max(amount_fen)
amount_fen = first(amount_fen)
amount_fen < count(*)
kind = '9' and amount_fen < sum(balance_after_fen)
amount_fen = max(amount_fen) over (partition by kind)
count(*) over (partition by account_id) = 1
kind <> '9' or lag(paid_at) over (order by amount_fen) < paid_at
row_number() over (order by amount_fen) < 1000
rank() over (order by amount_fen) < 1000
""".strip().split("\n")


@pytest.mark.parametrize("sql", BESIDE_OTHERS)
def test_a_condition_that_looks_at_other_rows_is_refused(with_rule: Callable[[str], None], sql: str) -> None:
    """It would depend on how a file is cut into blocks."""
    with pytest.raises(ConfigurationError, match="expected a condition of one row, without aggregates") as said:
        with_rule(sql)
    assert sql in str(said.value)


FAILS_ON_A_VALUE = """
cast(operator_id as bigint) > 0
operator_id::integer > 0
cast(amount_fen as integer) > 0
kind = '9' and cast(left(operator_id, 2) as tinyint) = 12
strptime(operator_id, '%Y%m%d') < paid_at
regexp_like(account_id, operator_id)
""".strip().split("\n")


@pytest.mark.parametrize("sql", FAILS_ON_A_VALUE)
def test_a_condition_that_fails_on_a_value_is_refused(with_rule: Callable[[str], None], sql: str) -> None:
    with pytest.raises(ConfigurationError, match=r"fails for no value \(try_cast gives none") as said:
        with_rule(sql)
    assert sql in str(said.value)


def test_what_try_cast_cannot_read_breaks_no_rule(tmp_path: Path) -> None:
    root, home = tmp_path / "remote", make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    change_schema(home, "feeds/PAYM.yaml", "amount_fen <> 0", "try_cast(operator_id as bigint) > 5")
    records = [
        f"{ROWS[0][:11]}{number}{ROWS[0][12:]}{value}" for number, value in enumerate(("OP0001", "000006", "000005"))
    ]
    batch("PAYM_110_I_2026112210_0001_00", records, 3000).put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert tierline(home, "load", now=NOW).exit_status == 3
    assert in_core(home, "select operator_id from core.payment order by 1") == [("000006",), ("OP0001",)]


def test_a_batch_on_which_a_condition_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    root, home = tmp_path / "remote", make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    change_schema(home, "feeds/PAYM.yaml", "amount_fen <> 0", FAILING)
    named = {cycle: f"PAYM_110_I_20261122{cycle}_0001_00" for cycle in ("08", "09", "10")}
    for cycle, stem in named.items():
        record = f"P000000{cycle}{ROWS[0][9:]}".replace("20261122100215", f"20261122{cycle}0215")
        batch(stem, [f"{record}{'OP0001' if cycle == '09' else '120012'}"], 1000).put(root)
    customers(OTHER_DAY, 2).put(root)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    for _ in range(2):
        ran = tierline(home, "load", now=NOW)
        assert ran.exit_status == 1
        (line,) = [line for line in (ran.out + ran.err).splitlines() if named["09"] in line]
        assert "PAYM" in line
        assert "a condition of the contract" in line
        assert "OP0001" not in ran.out + ran.err
    states = {each.stem: each.state for each in ledger(home)}
    assert states.pop(named["09"]) == "verified"
    assert set(states.values()) == {"loaded"}
    assert len(states) == 3
