"""The marts, each by itself: rows in, rows out."""

# ruff: noqa: E501 — a drawn table is as wide as it is

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mart_tables import assert_rows, model, policy_with, run

from pipelines.errors import StoreError
from warehouse.models import GIVEN, Model, load_models

HORIZON = """
as_of      | end_at           | first_month_index | last_month_index | last_bill_month_index | bill_reach
2026-12-06 | 2026-12-07 00:00 | 24310             | 24323            | 24322                 | 4
"""
MONTHS = """
month    | month_index | first_date | next_date
'202610' | 24321       | 2026-10-01 | 2026-11-01
'202611' | 24322       | 2026-11-01 | 2026-12-01
'202612' | 24323       | 2026-12-01 | 2027-01-01
"""
BILL_MONTHS = """
source | bill_month | month_index
'110'  | '202611'   | 24322
'440'  | '202610'   | 24321
"""
CYCLES = """
feed | source | mode | cycle    | state
BILL | '110'  | I    | '202609' | complete
BILL | '110'  | I    | '202610' | late
BILL | '110'  | I    | '202611' | complete
BILL | '110'  | I    | '202612' | complete
USGE | '440'  | I    | '202611' | complete
BILL | '440'  | I    | '202611' | open
"""


def test_bill_month_is_the_latest_complete_one_before_the_month_of_the_day() -> None:
    found = run("mart.bill_month", {"ops.cycle": CYCLES}, as_of="2026-12-31")
    assert_rows(found, "source | bill_month | month_index\n'110' | '202611' | 24322")
    found = run("mart.bill_month", {"ops.cycle": CYCLES}, as_of="2026-11-30")
    assert_rows(found, "source | bill_month | month_index\n'110' | '202609' | 24320")


def test_bill_month_can_be_set_for_all_sources() -> None:
    found = run("mart.bill_month", {"ops.cycle": CYCLES}, bill_month="202608")
    assert_rows(found, "source | bill_month | month_index\n'110' | '202608' | 24319\n'440' | '202608' | 24319")


USAGE_DAYS = range(1130, 1131), range(1201, 1207)  # D-6 to D


def usage_cycles(source: str, but: str = "", state: str = "late") -> str:
    """Cycles of usage, two a day, all complete in D-6 to D `but` for one (left out: of the state "")."""
    cycles = [f"2026{day}{hour}" for days in USAGE_DAYS for day in days for hour in ("00", "23")]
    assert not but or but in cycles
    states = {cycle: state if cycle == but else "complete" for cycle in cycles}
    return "\n".join(f"USGE | '{source}' | I | '{cycle}' | {each}" for cycle, each in states.items() if each)


CYCLE = "feed | source | mode | cycle | state\n"
OTHERS = """
USGE | '110' | I | '2026112923' | complete
USGE | '110' | I | '2026120700' | complete
PAYM | '110' | I | '2026120100' | missing
USGE | '440' | I | '2026120100' | missing
"""


def test_usage_cover_has_the_sources_whose_usage_of_the_last_days_is_complete() -> None:
    found = run("mart.usage_cover", {"mart.horizon": HORIZON, "ops.cycle": CYCLE + usage_cycles("110") + OTHERS})
    assert_rows(found, "source | day_count\n'110' | 7")


@pytest.mark.parametrize("cycle", ["2026113000", "2026120323", "2026120623"])
@pytest.mark.parametrize("state", ["late", "missing", "held", "open"])
def test_usage_cover_asks_for_every_cycle_of_these_days(cycle: str, state: str) -> None:
    cycles = CYCLE + usage_cycles("110", cycle, state) + "\n" + usage_cycles("440")
    found = run("mart.usage_cover", {"mart.horizon": HORIZON, "ops.cycle": cycles})
    assert_rows(found, "source | day_count\n'440' | 7")


@pytest.mark.parametrize("day", ["20261130", "20261203", "20261206"])
def test_usage_cover_asks_for_every_day(day: str) -> None:
    cycles = "\n".join(line for line in usage_cycles("110").splitlines() if day not in line)
    found = run("mart.usage_cover", {"mart.horizon": HORIZON, "ops.cycle": CYCLE + cycles})
    assert found == []


def test_usage_cover_goes_by_the_days_of_the_source(tmp_path: Path) -> None:
    cycles = "\n".join(usage_cycles(source, "2026120323") for source in ("110", "440"))
    policy = policy_with(tmp_path, '{"440": {warnings: {C5: {silent_days: 3}}}}')
    found = run("mart.usage_cover", {"mart.horizon": HORIZON, "ops.cycle": CYCLE + cycles}, policy=policy)
    assert_rows(found, "source | day_count\n'440' | 3")


def test_horizon_reaches_from_the_first_kpi_month_to_the_end_of_the_day() -> None:
    found = run("mart.horizon", {"mart.bill_month": BILL_MONTHS})
    assert_rows(found, HORIZON.replace("24310", "24309"))


def test_horizon_without_a_closed_month_counts_from_the_month_before() -> None:
    found = run("mart.horizon", {"mart.bill_month": "source:text | bill_month:text | month_index:int"})
    assert_rows(found, HORIZON)


def test_month_has_the_first_days_of_all_months() -> None:
    found = run("mart.month", {"mart.horizon": HORIZON})
    assert len(found) == 14
    first = [row for row in found if row["month_index"] in (24310, 24323)]
    drawing = "month | month_index | first_date | next_date\n'202511' | 24310 | 2025-11-01 | 2025-12-01\n"
    assert_rows(first, f"{drawing}'202612' | 24323 | 2026-12-01 | 2027-01-01")


STATES = """
            {key} | source | valid_from       | valid_to:timestamp | {value}
            K1    | '110'  | 2026-01-01 00:00 | 2026-12-07 00:00   | before
            K1    | '110'  | 2026-12-07 00:00 | -                  | after
            K2    | '110'  | 2026-12-06 23:59 | -                  | late
            K3    | '110'  | 2026-01-01 00:00 | 2026-12-06 23:59   | ended
"""


@pytest.mark.parametrize(
    ("table", "key", "value"), [("customer", "customer_id", "address"), ("subscriber", "user_id", "plan_code")]
)
def test_state_is_the_period_that_holds_at_the_end_of_the_day(table: str, key: str, value: str) -> None:
    rows = STATES.format(key=key, value=value)
    found = run(f"mart.{table}_state", {"mart.horizon": HORIZON, f"core.{table}": rows})
    assert_rows(found, f"{key} | {value}\nK1 | before\nK2 | late")


def test_subscriber_names_those_that_are_known_once() -> None:
    found = run(
        "mart.subscriber",
        {
            "mart.horizon": HORIZON,
            "core.subscriber": """
                user_id | valid_from
                U2      | 2026-12-06 23:59
                U2      | 2026-01-01 00:00
                U1      | 2026-12-07 00:00
                U3      | 2026-01-01 00:00
            """,
        },
    )
    assert sorted(found, key=repr) == [{"user_id": "U2"}, {"user_id": "U3"}]


def test_customer_attribute_has_the_months_of_group_customers_and_blacklisted_ones() -> None:
    found = run(
        "mart.customer_attribute",
        {
            "mart.horizon": HORIZON,
            "core.customer": """
                customer_id | customer_type | blacklisted | valid_from       | valid_to:timestamp
                C1          | '1'           | N           | 2026-01-01 00:00 | 2026-10-01 00:00
                C1          | '3'           | N           | 2026-10-01 00:00 | 2026-11-05 00:00
                C1          | '1'           | N           | 2026-11-05 00:00 | -
                C2          | '1'           | Y           | 2026-10-05 00:00 | 2026-10-06 00:00
                C3          | '2'           | Y           | 2026-12-07 00:00 | -
            """,
        },
    )
    assert_rows(
        found,
        """
        customer_id | customer_type | is_blacklisted | from_month_index | to_month_index
        C1          | '3'           | false          | 24321            | 24321
        C2          | '1'           | true           | 24321            | 24323
        """,
    )


def test_arpu_is_the_mean_of_the_bills_of_three_months() -> None:
    found = run(
        "mart.arpu",
        {
            "mart.horizon": HORIZON,
            "mart.bill_month": BILL_MONTHS,
            "mart.subscriber_state": "user_id | source | status\nU1 | '110' | '1'\nU2 | '110' | '9'\nU3 | '440' | '3'",
            "step_subscriber": "user_id | subscriber_no\nU1 | 1\nU2 | 2\nU3 | 3",
            "step_span": "subscriber_no | to_month_index\n1 | 24323\n2 | 24323\n3 | 24323",
            "core.bill": """
                user_id | billing_cycle | total_fen | is_current
                U1      | '202612'      | 7000      | true
                U1      | '202611'      | 101       | true
                U1      | '202610'      | 102       | true
                U1      | '202609'      | 900       | false
                U1      | '202608'      | 200       | true
                U2      | '202611'      | 100       | true
                U3      | '202611'      | 100       | true
                U3      | '202606'      | 300       | true
            """,
        },
        steps=("step_bill", "step_arpu_month"),
    )
    assert_rows(
        found,
        """
        user_id | month_offset | total_fen | bill_count | arpu3_fen
        U1      | 0            | 203       | 2          | 102
        U1      | 1            | 302       | 2          | 151
        U1      | 2            | 200       | 1          | 200
        U3      | 2            | 300       | 1          | 300
        """,
    )


def test_tier_subject_is_open_and_of_a_product_with_tiers() -> None:
    found = run(
        "mart.tier_subject",
        {
            "mart.bill_month": BILL_MONTHS,
            "mart.subscriber_state": """
                user_id | source | customer_id | member_level:text | service_number | product | status | open_date
                U1      | '110'  | C1          | -                 | '1'            | MOB     | '1'    | 2024-12-01
                U2      | '110'  | C1          | -                 | '2'            | FIX     | '4'    | 2024-12-02
                U3      | '110'  | C1          | -                 | '3'            | BBD     | '1'    | 2024-12-01
                U4      | '110'  | C1          | -                 | '4'            | MOB     | '9'    | 2024-12-01
                U5      | '440'  | C1          | G                 | '5'            | MOB     | '1'    | 2026-11-05
            """,
        },
    )
    assert_rows(found, "user_id | tenure_months | member_level:text\nU1 | 24 | -\nU2 | 23 | -\nU5 | 0 | G")


def test_tier_subject_goes_by_the_products_of_its_own_source(tmp_path: Path) -> None:
    policy = policy_with(tmp_path, '{"440": {tiering: {products: [BBD]}}}')
    state = """
        user_id | source | customer_id | member_level:text | service_number | product | status | open_date
        U1      | '440'  | C1          | -                 | '1'            | BBD     | '1'    | 2024-12-01
        U2      | '440'  | C1          | -                 | '2'            | MOB     | '1'    | 2024-12-01
        U3      | '110'  | C1          | -                 | '3'            | BBD     | '1'    | 2024-12-01
    """
    inputs = {"mart.bill_month": BILL_MONTHS, "mart.subscriber_state": state}
    assert_rows(run("mart.tier_subject", inputs, policy=policy), "user_id\nU1")


def test_tier_subject_of_a_source_without_a_closed_month_has_no_tenure() -> None:
    state = "user_id | source | customer_id | member_level:text | service_number | product | status | open_date\n"
    subscriber = f"{state}U1 | '110' | C1 | - | '1' | MOB | '1' | 2020-01-01"
    none = "source:text | bill_month:text | month_index:int"
    found = run("mart.tier_subject", {"mart.bill_month": none, "mart.subscriber_state": subscriber})
    assert_rows(found, "user_id | tenure_months:int\nU1 | -")


SUBJECTS = """
user_id | source | customer_id | member_level:text | service_number | open_date  | tenure_months
"""
CUSTOMERS = """
customer_id | customer_type | blacklisted
C1          | '1'           | N
C2          | '2'           | N
C3          | '3'           | Y
"""
# ARPU3 in fen | tenure | tier by SPEND or TENURE of the requirements' table, and by which
BORDERS = """
50000 |  0 | D SPEND
49999 |  0 | G SPEND
30000 |  0 | G SPEND
29999 |  0 | S SPEND
15000 |  0 | S SPEND
14999 |  0 | none
30000 | 60 | D TENURE
30000 | 59 | G SPEND
29999 | 60 | G TENURE
20000 | 36 | G TENURE
20000 | 35 | S SPEND
19999 | 36 | S SPEND
10000 | 24 | S TENURE
10000 | 23 | none
9999  | 24 | none
"""


@pytest.mark.parametrize("border", BORDERS.strip().splitlines())
def test_tier_way_at_the_borders(border: str) -> None:
    amount, tenure, expected = (cell.strip() for cell in border.split("|"))
    found = run(
        "mart.tier_way",
        {
            "mart.customer_state": CUSTOMERS,
            "mart.tier_subject": f"{SUBJECTS}U1 | '110' | C1 | - | '1' | 2020-01-01 | {tenure}",
            "mart.arpu": "user_id | month_offset | total_fen | bill_count | arpu3_fen\n"
            f"U1 | 0 | {int(amount) * 3} | 3 | {amount}",
        },
    )
    best = min(((row["rank"], row["way"]) for row in found), default=(None, None))
    ranks = {"D": 1, "G": 2, "S": 3}
    assert best == ((None, None) if expected == "none" else (ranks[expected[0]], expected.split()[1]))


def test_tier_way_compares_the_mean_unrounded() -> None:
    found = run(
        "mart.tier_way",
        {
            "mart.customer_state": CUSTOMERS,
            "mart.tier_subject": f"{SUBJECTS}U1 | '110' | C1 | - | '1' | 2020-01-01 | 0",
            "mart.arpu": "user_id | month_offset | total_fen | bill_count | arpu3_fen\nU1 | 0 | 44999 | 3 | 15000",
        },
    )
    assert found == []


def test_tier_way_by_months_that_hold_and_by_floors() -> None:
    found = run(
        "mart.tier_way",
        {
            "mart.customer_state": CUSTOMERS,
            "mart.tier_subject": f"""{SUBJECTS.strip()}
                U1 | '110' | C1 | - | '1' | 2020-01-01 | 24
                U2 | '110' | C2 | G | '1' | 2020-01-01 | 24
            """,
            "mart.arpu": """
                user_id | month_offset | total_fen | bill_count
                U1      | 0            | 10000     | 1
                U1      | 1            | 10000     | 1
                U1      | 2            | 15000     | 1
            """,
        },
    )
    assert_rows(found, "user_id | way | rank\nU1 | TENURE | 3\nU1 | HELD | 3\nU2 | MANUAL | 2\nU2 | GROUP | 3")


def test_tier_is_the_best_and_names_the_first_way_that_gives_it() -> None:
    found = run(
        "mart.tier",
        {
            "mart.customer_state": CUSTOMERS,
            "mart.tier_subject": f"""{SUBJECTS.strip()}
                U1 | '110' | C1 | - | '1' | 2020-01-01 | 24
                U2 | '110' | C1 | - | '1' | 2020-01-01 | 24
                U3 | '110' | C3 | D | '1' | 2020-01-01 | 24
                U4 | '110' | C9 | - | '1' | 2020-01-01 | 24
                U5 | '440' | C1 | G | '1' | 2020-01-01 | 24
                U6 | '440' | C2 | - | '1' | 2020-01-01 | 24
            """,
            "mart.tier_way": """
                user_id | way    | rank
                U1      | SPEND  | 3
                U1      | TENURE | 2
                U1      | HELD   | 2
                U2      | SPEND  | 3
                U2      | TENURE | 3
                U3      | SPEND  | 1
                U5      | HELD   | 3
                U5      | MANUAL | 2
                U6      | GROUP  | 3
            """,
            "mart.arpu": """
                user_id | month_offset | arpu3_fen
                U1      | 0            | 21000
                U1      | 1            | 99000
            """,
        },
    )
    assert_rows(
        found,
        """
        user_id | source | tier | reason    | flag:text | arpu3_fen:int | tenure_months
        U1      | '110'  | G    | TENURE    | -         | 21000         | 24
        U2      | '110'  | S    | SPEND     | -         | -             | 24
        U3      | '110'  | N    | BLACKLIST | B         | -             | 24
        U4      | '110'  | N    | NONE      | -         | -             | 24
        U5      | '440'  | G    | MANUAL    | -         | -             | 24
        U6      | '440'  | S    | GROUP     | -         | -             | 24
        """,
    )


STEPS = {
    "mart.month": MONTHS,
    "step_subscriber": "user_id | subscriber_no\nU1 | 1\nU2 | 2",
    "step_tier_month": """
        subscriber_no | month_index | source | rank | is_later
        1             | 24321       | '110'  | 1    | false
        1             | 24322       | '440'  | 1    | true
        2             | 24321       | '110'  | 4    | false
    """,
    "step_attribute": """
        subscriber_no | customer_id | product | open_date  | source | from_month_index | to_month_index | open_month_index | first_whole_month_index
        1             | C1          | MOB     | 2026-10-02 | '110'  | 0                | 24321          | 24321            | 24322
        1             | C2          | MOB     | 2026-10-03 | '440'  | 24322            | 24323          | 24321            | 24322
        2             | C1          | TVS     | 2026-08-01 | '110'  | 0                | 24323          | 24319            | 24319
    """,
    "step_bill": """
        subscriber_no | month_index | source | total_fen | rental_fen | voice_fen | long_distance_fen | roaming_fen | message_fen | data_fen | value_added_fen | other_fen | discount_fen | paid_fen | outstanding_fen
        1             | 24321       | '110'  | 101       | 20         | 81        | 0                 | 0           | 0           | 0        | 0               | 0         | 0            | 1        | 100
        1             | 24322       | '110'  | 7         | 7          | 0         | 0                 | 0           | 0           | 0        | 0               | 0         | 0            | 7        | 0
        2             | 24322       | '110'  | 9         | 9          | 0         | 0                 | 0           | 0           | 0        | 0               | 0         | 0            | 4        | 5
    """,
}


def test_subscriber_closing_names_the_subscriber() -> None:
    closings = "subscriber_no | closing_date | is_by_status\n2 | 2026-11-01 | true"
    found = run("mart.subscriber_closing", STEPS | {"step_closing": closings})
    assert_rows(found, "user_id | closing_date | is_by_status\nU2 | 2026-11-01 | true")


def test_subscriber_opening_is_in_the_month_whose_attributes_say_so() -> None:
    found = run("mart.subscriber_opening", STEPS)
    assert_rows(found, "user_id | month | open_date | source | tier\nU1 | '202610' | 2026-10-02 | '110' | D")
    tiers = "subscriber_no | month_index | source | rank | is_later\n2 | 24321 | '110' | 4 | false"
    found = run("mart.subscriber_opening", STEPS | {"step_tier_month": tiers})
    assert_rows(found, "user_id | month | source | tier:text\nU1 | '202610' | '110' | -")


def test_subscriber_later_month_has_the_last_tier() -> None:
    found = run("mart.subscriber_later_month", STEPS)
    assert_rows(found, "user_id | month | source | tier\nU1 | '202611' | '440' | D")


def test_subscriber_month_brings_all_together() -> None:
    found = run(
        "mart.subscriber_month",
        STEPS
        | {
            "step_status_month": """
                subscriber_no | month_index | is_open_at_start | is_open_at_end | closing_count | active_days | suspended_days | barred_outgoing_days | barred_days | closed_days
                1             | 24321       | false            | false          | 1             | 20          | 0              | 0                    | 0           | 9
                2             | 24321       | true             | true           | 0             | 31          | 0              | 0                    | 0           | 0
            """,
            "step_arpu_month": "subscriber_no | month_index | total_fen | bill_count\n1 | 24321 | 201 | 2",
            "step_activity_month": """
                subscriber_no | month_index | usage_day_count | voice_s | message_count | data_kb | payment_count | payment_fen | contact_count | complaint_count
                1             | 24321       | 2               | 100     | 3             | 1536    | 4             | 500         | 6             | 1
            """,
        },
    )
    assert_rows(
        found,
        """
        user_id | month    | source | tier | customer_id | tenure_months | closing_count | active_days | arpu3_fen:int | total_fen:int | voice_fen:int | outstanding_fen:int
        U1      | '202610' | '110'  | D    | C1          | 0             | 1             | 20          | 101           | 101           | 81            | 100
        U2      | '202610' | '110'  | N    | C1          | 3             | 0             | 31          | -             | -             | -             | -
        """,
    )
    activity = "usage_day_count | message_count | payment_count | payment_fen | contact_count | complaint_count"
    assert_rows(found, f"user_id | {activity}\nU1 | 2 | 3 | 4 | 500 | 6 | 1\nU2 | 0 | 0 | 0 | 0 | 0 | 0")
    assert [(str(row["voice_minutes"]), str(row["data_mb"])) for row in found if row["user_id"] == "U1"] == [
        ("1.67", "1.50")
    ]


def test_stray_bill_goes_by_the_last_tier_and_without_a_tier_by_the_file() -> None:
    """Of a month in which the subscriber was open, or closed, the bill is with the subscriber month."""
    status = "subscriber_no | month_index | is_open_at_end\n1 | 24321 | false\n2 | 24321 | true\n2 | 24323 | true"
    found = run("mart.stray_bill", STEPS | {"step_status_month": status})
    assert_rows(
        found,
        """
        user_id | month    | source | tier:text | total_fen | outstanding_fen
        U1      | '202611' | '440'  | D         | 7         | 0
        U2      | '202611' | '110'  | -         | 9         | 5
        """,
    )


def test_kpi_cell_reaches_from_the_last_closed_month_a_year_back() -> None:
    months = "\n".join(f"'{202500 + n if n < 13 else 202588 + n}' | {24299 + n}" for n in range(8, 25))
    found = run("mart.kpi_cell", {"mart.bill_month": BILL_MONTHS, "mart.month": f"month | month_index\n{months}"})
    spans = {}
    for source in ("110", "440", "ALL"):
        covered = sorted({row["month"] for row in found if row["source"] == source})
        spans[source] = (covered[0], covered[-1], len(covered))
    assert spans == {"110": ("202511", "202611", 13), "440": ("202510", "202610", 13), "ALL": ("202511", "202611", 13)}
    assert {row["tier"] for row in found} == {"D", "G", "S", "N", "ALL"}
    assert len(found) == 3 * 13 * 5


CELLS = """
month    | source | tier
'202610' | '110'  | G
'202610' | '110'  | N
'202610' | '110'  | ALL
'202610' | '440'  | N
'202610' | ALL    | N
'202610' | ALL    | ALL
'202611' | '110'  | ALL
'202611' | ALL    | ALL
"""


def test_closed_month_sums_up_what_its_source_has_closed() -> None:
    found = run(
        "mart.closed_month",
        {
            "mart.bill_month": BILL_MONTHS,
            "mart.subscriber_month": """
                month    | month_index | source | tier | is_open_at_start | is_open_at_end | closing_count | total_fen:int | outstanding_fen:int | usage_day_count
                '202610' | 24321       | '110'  | N    | true             | true           | 0             | 90            | 10                  | 3
                '202610' | 24321       | '110'  | N    | true             | false          | 2             | 10            | 0                   | 0
                '202610' | 24321       | '110'  | N    | false            | true           | 0             | -             | -                   | 4
                '202611' | 24322       | '440'  | N    | true             | true           | 0             | 1000          | 0                   | 1
            """,
        },
    )
    assert_rows(
        found,
        """
        month    | source | tier | open_at_start | open_at_end | kept_count | closed_count | closing_count | bill_count | total_fen | outstanding_fen | usage_day_count
        '202610' | '110'  | N    | 2             | 2           | 1          | 1            | 2             | 2          | 100       | 10              | 7
        """,
    )


def test_kpi_subscriber_counts_by_source_and_tier_and_all() -> None:
    found = run(
        "mart.kpi_subscriber",
        {
            "mart.bill_month": BILL_MONTHS,
            "mart.kpi_cell": CELLS,
            "mart.closed_month": """
                month    | source | tier | open_at_start | open_at_end | closed_count
                '202610' | '110'  | N    | 2             | 1           | 1
                '202610' | '440'  | N    | 0             | 1           | 0
                '202611' | '110'  | N    | 1             | 1           | 0
            """,
            "mart.subscriber_opening": """
                month    | source | tier:text
                '202610' | '110'  | -
                '202610' | '440'  | N
            """,
        },
    )
    assert_rows(
        found,
        """
        month    | source | tier | kpi           | numerator | denominator
        '202610' | '110'  | G    | customer_base | 0         | 1
        '202610' | '110'  | G    | gross_adds    | 0         | 1
        '202610' | '110'  | G    | churn_rate    | 0         | 0
        '202610' | '110'  | N    | customer_base | 1         | 1
        '202610' | '110'  | N    | gross_adds    | 0         | 1
        '202610' | '110'  | N    | churn_rate    | 1         | 2
        '202610' | '110'  | ALL  | customer_base | 1         | 1
        '202610' | '110'  | ALL  | gross_adds    | 1         | 1
        '202610' | '110'  | ALL  | churn_rate    | 1         | 2
        '202610' | '440'  | N    | customer_base | 1         | 1
        '202610' | '440'  | N    | gross_adds    | 1         | 1
        '202610' | '440'  | N    | churn_rate    | 0         | 0
        '202610' | ALL    | N    | customer_base | 2         | 1
        '202610' | ALL    | N    | gross_adds    | 1         | 1
        '202610' | ALL    | N    | churn_rate    | 1         | 2
        '202610' | ALL    | ALL  | customer_base | 2         | 1
        '202610' | ALL    | ALL  | gross_adds    | 2         | 1
        '202610' | ALL    | ALL  | churn_rate    | 1         | 2
        '202611' | '110'  | ALL  | customer_base | 1         | 1
        '202611' | '110'  | ALL  | gross_adds    | 0         | 1
        '202611' | '110'  | ALL  | churn_rate    | 0         | 1
        '202611' | ALL    | ALL  | customer_base | 1         | 1
        '202611' | ALL    | ALL  | gross_adds    | 0         | 1
        '202611' | ALL    | ALL  | churn_rate    | 0         | 1
        """,
    )


def test_kpi_bill_counts_unknown_subscribers_only_under_all_tiers() -> None:
    found = run(
        "mart.kpi_bill",
        {
            "mart.bill_month": BILL_MONTHS,
            "mart.kpi_cell": CELLS,
            "mart.subscriber": "user_id\nU1",
            "mart.closed_month": """
                month    | source | tier | total_fen | outstanding_fen | bill_count
                '202610' | '110'  | N    | 100       | 10              | 2
                '202610' | '110'  | G    | 0         | 0               | 0
            """,
            "mart.stray_bill": """
                month    | source | tier:text | total_fen | outstanding_fen
                '202610' | '110'  | N         | 50        | 5
                '202610' | '440'  | N         | 1000      | 0
            """,
            "core.bill": """
                user_id | billing_cycle | source | total_fen | outstanding_fen | is_current
                U9      | '202610'      | '110'  | 7         | 7               | true
                U9      | '202610'      | '110'  | 8         | 8               | false
                U1      | '202610'      | '110'  | 9         | 9               | true
            """,
        },
    )
    assert_rows(
        found,
        """
        month    | source | tier | kpi          | numerator | denominator
        '202610' | '110'  | N    | arpu         | 150       | 3
        '202610' | '110'  | N    | arrears_rate | 15        | 150
        '202610' | '110'  | ALL  | arpu         | 157       | 4
        '202610' | '110'  | ALL  | arrears_rate | 22        | 157
        '202610' | '440'  | N    | arpu         | 1000      | 1
        '202610' | '440'  | N    | arrears_rate | 0         | 1000
        '202610' | ALL    | N    | arpu         | 1150      | 4
        '202610' | ALL    | N    | arrears_rate | 15        | 1150
        '202610' | ALL    | ALL  | arpu         | 1157      | 5
        '202610' | ALL    | ALL  | arrears_rate | 22        | 1157
        """,
    )


def test_kpi_divides_and_leaves_out_what_has_no_denominator() -> None:
    columns = "month | source | tier | kpi | numerator | denominator"
    inputs = {
        "mart.kpi_subscriber": f"{columns}\n'202611' | '110' | D | churn_rate | 1 | 4\n'202611' | '110' | G | churn_rate | 1 | 0",
        "mart.kpi_bill": f"{columns}\n'202611' | '110' | ALL | answer_in_target_rate | 3 | 4\n"
        "'202611' | '110' | S | answer_in_target_rate | 3 | 4",
    }
    nothing = "month:text | source:text | tier:text | feed:text | kpi:text | numerator:int | denominator:int"
    tables = {name: inputs.get(name, nothing) for name in model("mart.kpi").reads if name.startswith("mart.")}
    found = run("mart.kpi", tables)
    shown = [(row["tier"], row["feed"], row["kpi"], row["value"], row["target"]) for row in found]
    assert sorted(shown, key=repr) == [
        ("ALL", None, "answer_in_target_rate", 0.75, None),
        ("D", None, "churn_rate", 0.25, None),
        ("S", None, "answer_in_target_rate", 0.75, 0.88),
    ]


@pytest.mark.parametrize("wanted", load_models(), ids=lambda wanted: wanted.name)
def test_a_header_names_the_tables_that_the_model_reads(wanted: Model) -> None:
    code = re.sub(r"--[^\n]*", "", wanted.sql)
    read = set(re.findall(r"\b(?:from|join)\s+((?:core|ops|policy|mart|list)\.[a-z_]+|step_[a-z_]+)", code))
    assert read == set(wanted.reads)


@pytest.mark.parametrize("wanted", load_models(), ids=lambda wanted: wanted.name)
def test_a_model_holds_no_number_of_the_domain(wanted: Model) -> None:
    """What is left are those of calendar and clock, of arithmetic, and 0 and 1."""
    code = re.sub(r"--[^\n]*|'[^']*'|decimal\(18, [026]\)|substr\([^)]*\)", "", wanted.sql)
    six_places = {"2000000", "000001"}
    assert set(re.findall(r"\b\d+\b", code)) <= {"0", "1", "2", "12", "60", "100", "1024", "1900", "3000"} | six_places


def test_every_model_follows_those_that_it_reads() -> None:
    seen: list[str] = []
    for each in load_models():
        made_here = [table for table in each.reads if table.startswith(("mart.", "step_", "list."))]
        assert set(made_here) - set(GIVEN) <= set(seen), each.name
        seen.append(each.name)
    phases = "".join("part " if each.by_part else "all " for each in load_models())
    assert re.fullmatch("(all )+(part )+(all )+", phases)


HEADER = (
    "-- mart.{name}: what.\n-- grain: a row\n-- key: a\n-- by: {by}\n-- reads: {reads}\n-- rule: none\nselect 1 as a\n"
)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": ("all", "mart.b"), "b": ("all", "mart.a")}, "in a circle: mart"),
        ({"a": ("all", "mart.c")}, "mart.a: reads mart.c, which no model makes; expected mart/c.sql"),
        ({"a": ("part", "core.bill"), "b": ("all", "mart.a"), "c": ("part", "mart.b")}, "mart.c: is by part"),
    ],
)
def test_models_that_cannot_be_run_are_refused(files: dict[str, tuple[str, str]], message: str, tmp_path: Path) -> None:
    (tmp_path / "mart").mkdir()
    for name, (by, reads) in files.items():
        (tmp_path / "mart" / f"{name}.sql").write_text(HEADER.format(name=name, by=by, reads=reads))
    with pytest.raises(StoreError, match=re.escape(message)):
        load_models(tmp_path)


@pytest.mark.parametrize(("line", "expected"), [("", None), ("-- entity: user_id\n", "user_id")])
def test_a_header_names_whose_the_rows_are(line: str, expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "mart").mkdir()
    text = HEADER.format(name="a", by="all", reads="core.bill")
    (tmp_path / "mart" / "a.sql").write_text(text.replace("-- by:", f"{line}-- by:"))
    assert [each.entity for each in load_models(tmp_path)] == [expected]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- grain: a row\n", "", "mart/a.sql: expected `grain` in the header, found none"),
        ("-- mart.a: what", "-- mart.b: what", "mart/a.sql: expected the header to begin with `-- mart.a: `"),
    ],
)
def test_a_header_that_is_not_complete_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mart").mkdir()
    text = HEADER.format(name="a", by="all", reads="core.bill")
    assert old in text
    (tmp_path / "mart" / "a.sql").write_text(text.replace(old, new))
    with pytest.raises(StoreError, match=re.escape(message)):
        load_models(tmp_path)
