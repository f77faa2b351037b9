"""What `schemas/` agrees: columns, codes and settings as the feeds' tables say, and rules that judge rows as agreed."""

from datetime import datetime

import polars as pl
import pytest

from pipelines.contracts.conditions import CONTEXT_TYPES, POLARS_TYPES
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Cadence, Contract, Rule, RuleKind, Type

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)

# Read from the feeds' tables by hand: name:type, ! required, P personal, (at most) characters.
COLUMNS = {
    "CUST": """op:code! op_time:timestamp! customer_id:id! customer_type:code! customer_name:text(100)!P id_type:code
        id_number:text(30)P gender:code birth_date:dateP contact_phone:textP email:text(100)P address:text(200)P
        postcode:text industry:code manager_id:id credit_class:code blacklisted:code! marketing_consent:code!
        created_date:date!""",
    "USER": """op:code! op_time:timestamp! user_id:id! customer_id:id! account_id:id! service_number:text(20)!P
        product:code! plan_code:id! pay_mode:code! status:code! status_time:timestamp! open_date:date! close_date:date
        area_code:text! dealer_id:id credit_limit_fen:money balance_fen:money! balance_expiry:date contract_end:date
        member_level:code""",
    "PAYM": """payment_id:id! account_id:id! user_id:id service_number:text(20)P paid_at:timestamp! amount_fen:money!
        kind:code! method:code! channel:code! reversed_payment_id:id billing_cycle:month balance_after_fen:money
        operator_id:id""",
    "CHNG": """change_id:id! user_id:id! customer_id:id! service_number:text(20)!P change_type:code!
        changed_at:timestamp! effective_at:timestamp! old_value:text(60)P new_value:text(60)P reason:text(60)
        channel:code! operator_id:id""",
    "BILL": """bill_id:id! account_id:id! customer_id:id! user_id:id! service_number:text(20)!P billing_cycle:month!
        rental_fen:money! voice_fen:money! long_distance_fen:money! roaming_fen:money! message_fen:money!
        data_fen:money! value_added_fen:money! other_fen:money! discount_fen:money! total_fen:money! paid_fen:money!
        outstanding_fen:money! issued_at:timestamp! due_date:date!""",
    "USGE": """record_id:id(32)! user_id:id! service_number:text(20)!P usage_type:code! direction:code
        counterpart:text(32)P started_at:timestamp! duration_s:integer! volume_kb:integer! visited_area:text
        roaming:code! fee_fen:money! counterpart_network:code""",
    "CONT": """contact_id:id(32)! user_id:id service_number:text(20)!P channel:code! skill_group:text tier_served:code
        arrived_at:timestamp! queued_at:timestamp answered_at:timestamp ended_at:timestamp! outcome:code! purpose:code
        work_order_id:id satisfaction:integer agent_id:id retention_result:code""",
    "WORD": """op:code! op_time:timestamp! work_order_id:id! contact_id:id(32) user_id:id category:code!
        department:text(60)! priority:code! opened_at:timestamp! due_at:timestamp! status:code! closed_at:timestamp
        satisfaction:integer""",
}

# table, key, control column, foreign keys, rejects, expected / late / missing in hours, days kept
FEEDS = {
    "CUST": "customer customer_id,op_time - - 10,0.01 2,1,6 180",
    "USER": "subscriber user_id,op_time balance_fen customer_id:CUST.customer_id 10,0.01 2,1,6 180",
    "PAYM": "payment payment_id amount_fen user_id:USER.user_id 3,0.001 0.25,0.25,2 90",
    "CHNG": "subscriber_change change_id - user_id:USER.user_id 5,0.005 0.25,0.25,2 90",
    "BILL": "bill user_id,billing_cycle total_fen user_id:USER.user_id,customer_id:CUST.customer_id"
    " 3,0.001 54,12,48 1096",
    "USGE": "usage record_id fee_fen user_id:USER.user_id 5,0.005 4,2,12 180",
    "CONT": "contact contact_id - user_id:USER.user_id 10,0.01 3,2,12 180",
    "WORD": "work_order work_order_id,op_time - user_id:USER.user_id 10,0.01 3,2,12 180",
}

CODES = {
    "CUST": "op=I,U,D customer_type=1,2,3,4 id_type=01,02,03,04,09 gender=M,F"
    " industry=A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T credit_class=A,B,C,D,E blacklisted=Y,N marketing_consent=Y,N",
    "USER": "op=I,U,D product=MOB,FIX,BBD,TVS,IOT pay_mode=PRE,POST status=1,2,3,4,9 member_level=D,G,S",
    "PAYM": "kind=1,2,3,4,9 method=CASH,CARD,BANK,WALLET,VOUCHER,OTHER channel=HALL,WEB,APP,BANK,AGENT,IVR",
    "CHNG": "change_type=01,02,03,04,05,06,07,08,09,10,11,12,13,14 channel=HALL,WEB,APP,BANK,AGENT,IVR,SYS",
    "BILL": "",
    "USGE": "usage_type=V,M,D,S direction=O,I roaming=0,1,2 counterpart_network=1,2,9",
    "CONT": "channel=IVR,AGENT,OUTBOUND,WEB,HALL tier_served=D,G,S,N outcome=ANSWERED,ABANDONED,OVERFLOW,SELF"
    " purpose=INQUIRY,REQUEST,COMPLAINT,FAULT,RETENTION,SURVEY retention_result=KEPT,LOST,PENDING",
    "WORD": "op=I,U category=COMPLAINT,FAULT,REQUEST,RETENTION priority=1,2,3"
    " status=OPEN,ASSIGNED,RESOLVED,CLOSED,REOPENED",
}

# Of every rule: a row at the edge for which it holds, and one just beyond. For required_when and only_when: for which
# the condition is true, and not. Times are cut short where only zeros follow.
RULES = """
CUST op_time range | op_time=20261123 | op_time=20261123000001
CUST id_number required_when | id_type=02 | id_type=
CUST id_number check_digit | id_type=02 | id_type=01
CUST id_number check_digit | id_type=02 | id_type=04
CUST birth_date range | birth_date=19000101 | birth_date=18991231
CUST birth_date range | birth_date=20261122 | birth_date=20261123
CUST contact_phone pattern | contact_phone=13800001234 | contact_phone=12800001234
CUST contact_phone pattern | contact_phone=0123456789 | contact_phone=012345678
CUST contact_phone pattern | contact_phone=012345678901 | contact_phone=0123456789012
CUST email pattern | email=a.b@c | email=a@b@c
CUST email pattern | email=a@c.cn | email=a b@c.cn
CUST postcode pattern | postcode=012345 | postcode=01234
CUST created_date rule | created_date=20261122,op_time=20261122 | created_date=20261123,op_time=20261122235959
USER op_time range | op_time=20261123 | op_time=20261123000001
USER service_number pattern | product=MOB,service_number=13800001234 | product=MOB,service_number=A13800
USER service_number pattern | product=FIX,service_number=01012345678 | product=FIX,service_number=1012345678
USER service_number pattern | product=BBD,service_number=A13800 | product=IOT,service_number=A1380
USER status_time rule | status_time=20261122,op_time=20261122 | status_time=20261122000001,op_time=20261122
USER close_date required_when | status=9 | status=4
USER close_date only_when | status=9 | status=4
USER close_date rule | close_date=20261122,open_date=20261122 | close_date=20261121,open_date=20261122
USER area_code pattern | area_code=110101 | area_code=11010
USER area_code rule | area_code=110101 | area_code=120101
USER credit_limit_fen range | credit_limit_fen=0 | credit_limit_fen=-1
PAYM paid_at range | paid_at=2026111510 | paid_at=20261115095959
PAYM paid_at range | paid_at=20261122105959 | paid_at=2026112211
PAYM amount_fen range | amount_fen=-1 | amount_fen=0
PAYM amount_fen rule | amount_fen=-1,kind=4 | amount_fen=1,kind=9
PAYM amount_fen rule | amount_fen=1,kind=1 | amount_fen=-1,kind=2
PAYM reversed_payment_id required_when | kind=9 | kind=4
PAYM reversed_payment_id only_when | kind=9 | kind=4
CHNG changed_at range | changed_at=2026111510 | changed_at=20261115095959
CHNG changed_at range | changed_at=20261122105959 | changed_at=2026112211
CHNG effective_at rule | effective_at=20261202,changed_at=20261001 | effective_at=20261202000001,changed_at=20261001
CHNG effective_at rule | effective_at=20261001,changed_at=20261202 | effective_at=20260930235959,changed_at=20261202
CHNG new_value required_when | change_type=11 | change_type=12
CHNG new_value pattern | change_type=07,new_value=C00001 | change_type=07,new_value=C0001
CHNG new_value pattern | change_type=08,new_value=13800001234 | change_type=08,new_value=1380000-1234
CHNG new_value pattern | change_type=10,new_value=PLAN01 | change_type=10,new_value=计划000001
CHNG new_value pattern | change_type=11,new_value=彩铃 | change_type=10,new_value=彩铃
BILL billing_cycle range | billing_cycle=202611 | billing_cycle=202610
BILL total_fen rule | total_fen=7,{items},discount_fen=1 | total_fen=8,{items},discount_fen=1
BILL outstanding_fen rule | outstanding_fen=1,total_fen=3,paid_fen=2 | outstanding_fen=0,total_fen=3,paid_fen=2
BILL issued_at range | issued_at=20261201000001 | issued_at=20261201
BILL due_date rule | due_date=20261202,issued_at=20261202235959 | due_date=20261201,issued_at=20261202
USGE direction required_when | usage_type=V | usage_type=D
USGE counterpart required_when | usage_type=M | usage_type=S
USGE started_at range | started_at=20261119 | started_at=20261118235959
USGE started_at range | started_at=20261122235959 | started_at=20261123
USGE duration_s range | duration_s=86400 | duration_s=86401
USGE duration_s range | duration_s=0 | duration_s=-1
USGE duration_s rule | duration_s=1,usage_type=V | duration_s=0,usage_type=V
USGE volume_kb range | volume_kb=0 | volume_kb=-1
USGE volume_kb rule | volume_kb=0,usage_type=V | volume_kb=0,usage_type=D
USGE visited_area pattern | visited_area=110000 | visited_area=11000A
USGE fee_fen range | fee_fen=0 | fee_fen=-1
CONT skill_group pattern | skill_group=SK_GOLD | skill_group=S
CONT skill_group required_when | channel=AGENT | channel=IVR
CONT arrived_at range | arrived_at=20261122 | arrived_at=20261121235959
CONT arrived_at range | arrived_at=20261122235959 | arrived_at=20261123
CONT queued_at rule | queued_at=2026112210,arrived_at=2026112210 | queued_at=20261122095959,arrived_at=2026112210
CONT queued_at required_when | channel=AGENT | channel=OUTBOUND
CONT answered_at rule | answered_at=2026112210,queued_at=2026112210 | answered_at=20261122095959,queued_at=2026112210
CONT answered_at required_when | outcome=ANSWERED,channel=AGENT | outcome=ANSWERED,channel=WEB
CONT ended_at rule | ended_at=2026112210,{stages} | ended_at=2026112210,arrived_at=20261122100001
CONT ended_at rule | ended_at=2026112210,{stages} | ended_at=2026112210,arrived_at=20261122,queued_at=20261122100001
CONT ended_at rule | ended_at=2026112210,{stages} | ended_at=2026112210,arrived_at=20261122,answered_at=20261122100001
CONT satisfaction range | satisfaction=5 | satisfaction=6
CONT satisfaction range | satisfaction=1 | satisfaction=0
CONT retention_result only_when | purpose=RETENTION | purpose=
WORD op_time range | op_time=20261123 | op_time=20261123000001
WORD opened_at rule | opened_at=20261122,op_time=20261122 | opened_at=20261122000001,op_time=20261122
WORD due_at rule | due_at=20261122000001,opened_at=20261122 | due_at=20261122,opened_at=20261122
WORD closed_at required_when | status=CLOSED | status=RESOLVED
WORD closed_at only_when | status=CLOSED | status=RESOLVED
WORD satisfaction range | satisfaction=5 | satisfaction=6
WORD satisfaction range | satisfaction=1 | satisfaction=0
"""
ITEMS = ["rental", "voice", "long_distance", "roaming", "message", "data", "value_added", "other"]
PARTS = {
    "{items}": ",".join(f"{name}_fen=1" for name in ITEMS),
    "{stages}": "arrived_at=2026112210,queued_at=2026112210,answered_at=2026112210",
}
AMOUNTS = [f"{name}_fen" for name in (*ITEMS, "discount", "total", "paid", "outstanding")]
CYCLES = {
    Cadence.HOURLY: ("2026112210", datetime(2026, 11, 22, 10), datetime(2026, 11, 22, 11)),
    Cadence.DAILY: ("20261122", datetime(2026, 11, 22), datetime(2026, 11, 23)),
    Cadence.MONTHLY: ("202611", datetime(2026, 11, 1), datetime(2026, 12, 1)),
}


def rule_cases() -> list[list[str]]:
    text = RULES
    for name, fields in PARTS.items():
        text = text.replace(name, fields)
    amounts = [[f"BILL {name} range", f"{name}=0", f"{name}=-1"] for name in AMOUNTS]
    return [line.split(" | ") for line in text.strip().splitlines()] + amounts


def typed(text: str, column_type: Type) -> object:
    if text == "":
        return None
    if column_type in (Type.INTEGER, Type.MONEY):
        return int(text)
    if column_type in (Type.DATE, Type.TIMESTAMP):
        moment = datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S")
        return moment.date() if column_type is Type.DATE else moment
    return text


def one_row(contract: Contract, text: str) -> pl.DataFrame:
    """A row of which only the fields in `text` are there, with the context of its cycle."""
    values = dict(field.split("=") for field in text.split(",") if field)
    row = {column.name: typed(values.pop(column.name, ""), column.type) for column in contract.columns}
    assert values == {}
    cycle, start, end = CYCLES[contract.schedule.cadence]
    row |= {"cycle": cycle, "cycle_start": start, "cycle_end": end, "source": "110"}
    types = {column.name: POLARS_TYPES[column.type] for column in contract.columns}
    return pl.DataFrame([row], schema={**types, **CONTEXT_TYPES})


def judge(rule: Rule, column: str, row: pl.DataFrame) -> bool | None:
    """Whether the condition is true; of a pattern, whether it is obeyed; of a check digit, whether it is not asked."""
    applies = rule.when is None or row.select(pl.sql_expr(rule.when).alias("when")).item() is True
    if rule.kind is RuleKind.CHECK_DIGIT:
        return not applies
    if rule.kind is RuleKind.PATTERN:
        return not applies or row.select(pl.col(column).str.contains(f"^(?:{rule.expression})$")).item()
    return row.select(pl.sql_expr(rule.expression).alias("holds")).item()


def verdict(feed: str, column: str, kind: str, text: str) -> bool | None:
    row = one_row(CONTRACTS[feed], text)
    verdicts = [judge(rule, column, row) for rule in CONTRACTS[feed].column(column).rules if rule.kind == kind]
    assert verdicts
    return False if False in verdicts else None if None in verdicts else True


def test_feeds_are_the_eight():
    assert set(CONTRACTS.feed_names) == set(COLUMNS) == set(FEEDS) == set(CODES)
    assert {contract.feed for contract in CONTRACTS.feeds if contract.stateful} == {"CUST", "USER", "WORD"}
    assert {c.feed for c in CONTRACTS.feeds if c.modes == ("I", "F") and c.snapshot_drop_share == 0.05} == {
        "CUST",
        "USER",
    }
    assert {c.feed: c.delete_needs for c in CONTRACTS.feeds if c.delete_when == "op = 'D'"} == {
        "CUST": ("op", "op_time", "customer_id"),
        "USER": ("op", "op_time", "user_id"),
    }


@pytest.mark.parametrize("feed", COLUMNS)
def test_columns_are_those_of_the_table(feed):
    found = []
    for column in CONTRACTS[feed].columns:
        at_most = (
            "" if column.max_length in (None, 20 if column.type is Type.ID else None) else f"({column.max_length})"
        )
        assert column.min_length == (6 if column.type is Type.ID else None)
        found.append(f"{column.name}:{column.type}{at_most}{'!' * column.required}{'P' * column.personal}")
    assert found == COLUMNS[feed].split()


@pytest.mark.parametrize("feed", FEEDS)
def test_feed_settings_are_those_agreed(feed):
    contract, schedule, limits = CONTRACTS[feed], CONTRACTS[feed].schedule, CONTRACTS[feed].limits
    foreign_keys = ",".join(f"{key.column}:{key.feed}.{key.to_column}" for key in contract.foreign_keys) or "-"
    seconds = (schedule.expected_s, schedule.late_after_s, schedule.missing_after_s)
    hours = ",".join(f"{value / 3600:g}" for value in seconds)
    assert " ".join([
        contract.table, ",".join(contract.key), contract.control_column or "-", foreign_keys,
        f"{contract.rejects.rows},{contract.rejects.share}", hours, str(contract.retention_days),
    ]) == FEEDS[feed]  # fmt: skip
    assert (contract.delimiter, contract.format_version) == ("|", "1")
    assert (limits.file_bytes, limits.line_bytes, limits.gzip_ratio) == (4 * 2**30, 64 * 2**10, 200)


@pytest.mark.parametrize("feed", CODES)
def test_codes_are_those_of_the_table(feed):
    found = [f"{column.name}={','.join(column.codes)}" for column in CONTRACTS[feed].columns if column.code_list]
    assert found == CODES[feed].split()


def test_every_rule_has_a_case():
    cased = {tuple(case[0].split()) for case in rule_cases()}
    assert cased == {
        (c.feed, column.name, str(r.kind)) for c in CONTRACTS.feeds for column in c.columns for r in column.rules
    }


@pytest.mark.parametrize("case", rule_cases(), ids=lambda case: " ".join(case[::2]))
def test_rule_judges_as_agreed(case):
    rule, holds, breaks = case
    feed, column, kind = rule.split()
    assert verdict(feed, column, kind, holds) is True
    assert verdict(feed, column, kind, breaks) is not True
    if kind not in ("required_when", "only_when"):
        assert verdict(feed, column, kind, breaks) is False
        assert verdict(feed, column, kind, "") is not False  # what is missing breaks no rule


def test_events_have_times_where_freshness_means_something():
    assert {contract.feed: contract.event_time for contract in CONTRACTS.feeds} == {
        "CUST": "op_time", "USER": "op_time", "WORD": "op_time", "PAYM": "paid_at", "CHNG": "changed_at",
        "USGE": "started_at", "CONT": "arrived_at", "BILL": None,
    }  # fmt: skip


def test_half_of_the_bills_do_not_pass_unseen():
    rules = {contract.feed: contract.quality for contract in CONTRACTS.feeds if contract.quality}
    found = [(rule.measure, rule.least, rule.most, rule.severity) for rule in rules.pop("BILL")]
    assert found == [("row_count_ratio", 0.5, 2, "fail"), ("total_fen_sum_ratio", 0.5, 2, "fail")]
    assert rules == {}


def test_check_digit_schemes_follow_the_type_of_document():
    rules = CONTRACTS["CUST"].column("id_number").rules
    schemes = {rule.when: rule.expression for rule in rules if rule.kind is RuleKind.CHECK_DIGIT}
    assert schemes == {"id_type = '01'": "gb11643", "id_type = '04'": "gb32100"}


def test_personal_data_says_how_it_is_shown():
    masks = {c.feed: {column.name: column.mask for column in c.columns if column.personal} for c in CONTRACTS.feeds}
    assert masks.pop("CUST") == {
        "customer_name": "name", "id_number": "hidden", "birth_date": "hidden", "contact_phone": "phone",
        "email": "email", "address": "hidden",
    }  # fmt: skip
    assert masks.pop("USGE") == {"service_number": "phone", "counterpart": "phone"}
    assert masks.pop("WORD") == {}
    assert masks.pop("CHNG") == {"service_number": "phone", "old_value": "number", "new_value": "number"}
    assert all(mask == {"service_number": "phone"} for mask in masks.values())


def test_changes_patch_columns_of_the_subscriber():
    change_type = CONTRACTS["CHNG"].column("change_type").code_list
    patches = {code.value: tuple(dict(code.attributes).values()) for code in change_type.codes if code.attributes}
    status = {"02": "9", "03": "2", "04": "3", "05": "4", "06": "1", "14": "9"}
    assert patches == {code: ("status", value) for code, value in status.items()} | {
        "07": ("customer_id",), "08": ("service_number",), "10": ("plan_code",),
    }  # fmt: skip
    assert {patch[0] for patch in patches.values()} <= set(CONTRACTS["USER"].column_names)
