"""The models of KPIs, each by itself: rows in, rows out. Source 110 has closed 2026-11, 440 the month before."""

# ruff: noqa: E501 — a drawn table is as wide as it is

from __future__ import annotations

from pathlib import Path
from typing import Any

from mart_tables import assert_rows, policy_with, run

HORIZON = """
end_at           | first_month_index | last_month_index
2026-12-07 00:00 | 24320             | 24323
"""
MONTHS = """
month    | month_index | first_date | next_date
'202609' | 24320       | 2026-09-01 | 2026-10-01
'202610' | 24321       | 2026-10-01 | 2026-11-01
'202611' | 24322       | 2026-11-01 | 2026-12-01
"""
BILL_MONTHS = "source | bill_month | month_index\n'110' | '202611' | 24322\n'440' | '202610' | 24321"
CELLS = "month | source | tier\n" + "\n".join(
    f"'{month}' | '{source}' | {tier}"
    for source, months in (("110", (202610, 202611)), ("440", (202610,)), ("ALL", (202610, 202611)))
    for month in months
    for tier in ("G", "N", "ALL")
)
GIVEN = {"mart.month": MONTHS, "mart.bill_month": BILL_MONTHS, "mart.kpi_cell": CELLS, "mart.horizon": HORIZON}
STEPS = GIVEN | {
    "step_subscriber": "user_id | subscriber_no\nU1 | 1\nU2 | 2\nU3 | 3",
    "step_attribute": """
        subscriber_no | source | customer_id | product | open_month_index | from_month_index | to_month_index
        1             | '110'  | C1          | MOB     | 24318            | 0                | 24321
        1             | '440'  | C1          | FIX     | 24319            | 24322            | 24323
        2             | '110'  | C1          | MOB     | 24318            | 0                | 24323
        3             | '440'  | C2          | MOB     | 24318            | 0                | 24323
    """,
    "step_tier_month": """
        subscriber_no | month_index | source | rank | is_later
        1             | 24320       | '110'  | 2    | false
        1             | 24321       | '110'  | 2    | false
        1             | 24322       | '440'  | 2    | false
        2             | 24321       | '110'  | 4    | true
        2             | 24322       | '110'  | 4    | true
    """,
    "step_status_month": """
        subscriber_no | month_index | is_open_at_end
        1             | 24320       | true
        1             | 24321       | true
        1             | 24322       | true
        2             | 24321       | false
    """,
}


def numbers(found: list[dict[str, Any]], *keys: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """Numerator and denominator by some columns; no two rows are of one cell."""
    shown = {tuple(row[key] for key in keys): (int(row["numerator"]), int(row["denominator"])) for row in found}
    assert len(shown) == len(found)
    return shown


def test_the_cohort_of_a_month_was_opened_three_months_before_by_what_stands_for_that_month() -> None:
    found = run("mart.cohort_member", STEPS)
    assert_rows(
        found,
        """
        user_id | month    | source | tier:text | is_retained
        U1      | '202610' | '110'  | G         | true
        U2      | '202610' | '110'  | N         | false
        U1      | '202611' | '440'  | G         | true
        U3      | '202610' | '440'  | -         | false
        """,
    )


def test_the_cohort_goes_by_the_months_of_the_source(tmp_path: Path) -> None:
    found = run("mart.cohort_member", STEPS, policy=policy_with(tmp_path, '{"440": {kpis: {new_retention_months: 4}}}'))
    assert_rows(found, "user_id | month | source\nU1 | '202610' | '110'\nU2 | '202610' | '110'\nU3 | '202611' | '440'")


def test_retention_counts_who_stays() -> None:
    found = run(
        "mart.kpi_retention",
        GIVEN
        | {
            "mart.closed_month": """
                month    | source | tier | open_at_start | kept_count
                '202610' | '110'  | N    | 2             | 1
                '202610' | '110'  | G    | 0             | 0
                '202610' | '440'  | N    | 1             | 1
                '202609' | '110'  | N    | 1             | 1
            """,
            "mart.cohort_member": """
                user_id | month    | source | tier:text | is_retained
                U1      | '202610' | '110'  | N         | true
                U2      | '202610' | '110'  | N         | false
                U3      | '202610' | '110'  | N         | true
                U4      | '202610' | '110'  | N         | true
                U5      | '202610' | '110'  | N         | true
                U6      | '202610' | '440'  | -         | false
                U7      | '202611' | '440'  | N         | true
            """,
        },
    )
    shown = numbers(found, "month", "source", "tier", "kpi")
    assert {key: value for key, value in shown.items() if value != (0, 0)} == {
        ("202610", "110", "N", "retention_rate"): (1, 2),
        ("202610", "110", "ALL", "retention_rate"): (1, 2),
        ("202610", "440", "N", "retention_rate"): (1, 1),
        ("202610", "440", "ALL", "retention_rate"): (1, 1),
        ("202610", "ALL", "N", "retention_rate"): (2, 3),
        ("202610", "ALL", "ALL", "retention_rate"): (2, 3),
        ("202610", "110", "N", "new_retention_rate"): (4, 5),
        ("202610", "110", "ALL", "new_retention_rate"): (4, 5),
        ("202610", "440", "ALL", "new_retention_rate"): (0, 1),
        ("202610", "ALL", "N", "new_retention_rate"): (4, 5),
        ("202610", "ALL", "ALL", "new_retention_rate"): (4, 6),
    }


def test_customers_products_are_sets_of_months_back_from_the_last_closed_one() -> None:
    tiers = STEPS["step_tier_month"] + "        1 | 24310 | '110' | 2 | false\n        1 | 24309 | '110' | 2 | false\n"
    status = STEPS["step_status_month"] + "        1 | 24310 | true\n        1 | 24309 | true\n"
    found = run("mart.customer_product", STEPS | {"step_tier_month": tiers, "step_status_month": status})
    months = 2**1 + 2**2 + 2**12  # 202610, 202609, 202511; what 440 has not closed does not count
    assert_rows(
        found,
        f"""
        user_id | from_month_index | source | tier | customer_id | product | months
        U1      | 0                | '110'  | G    | C1          | MOB     | {months}
        """,
    )


def test_customers_products_are_told_by_subscriber_period_and_tier() -> None:
    found = run(
        "mart.customer_product",
        STEPS
        | {
            "step_attribute": """
                subscriber_no | source | customer_id | product | from_month_index | to_month_index
                1             | '110'  | C1          | MOB     | 0                | 24320
                1             | '110'  | C2          | FIX     | 24321            | 24323
                2             | '110'  | C1          | MOB     | 0                | 24323
            """,
            "step_tier_month": """
                subscriber_no | month_index | source | rank | is_later
                1             | 24320       | '110'  | 2    | false
                1             | 24321       | '110'  | 2    | false
                1             | 24322       | '110'  | 4    | false
                2             | 24320       | '110'  | 2    | false
                2             | 24321       | '110'  | 2    | false
                2             | 24322       | '110'  | 2    | false
            """,
            "step_status_month": """
                subscriber_no | month_index | is_open_at_end
                1             | 24320       | true
                1             | 24321       | true
                1             | 24322       | true
                2             | 24320       | true
                2             | 24321       | false
                2             | 24322       | true
            """,
        },
    )
    assert_rows(
        found,
        """
        user_id | from_month_index | source | tier | customer_id | product | months
        U1      | 0                | '110'  | G    | C1          | MOB     | 4
        U1      | 24321            | '110'  | G    | C2          | FIX     | 2
        U1      | 24321            | '110'  | N    | C2          | FIX     | 1
        U2      | 0                | '110'  | G    | C1          | MOB     | 5
        """,
    )


def test_customer_share_counts_products_and_customers_once_in_every_cell() -> None:
    products = """
        source | tier | customer_id | product | months
        '110'  | G    | C1          | MOB     | 3
        '110'  | G    | C1          | MOB     | 2
        '110'  | N    | C1          | MOB     | 2
        '110'  | N    | C1          | FIX     | 2
        '110'  | N    | C2          | MOB     | 1
        '440'  | N    | C1          | MOB     | 1
        '440'  | N    | C3          | TVS     | 4097
    """
    shown = numbers(run("mart.kpi_customer", GIVEN | {"mart.customer_product": products}), "month", "source", "tier")
    assert shown == {
        ("202610", "110", "G"): (1, 5),
        ("202610", "110", "N"): (2, 5),
        ("202610", "110", "ALL"): (2, 5),
        ("202611", "110", "G"): (1, 5),
        ("202611", "110", "N"): (1, 5),
        ("202611", "110", "ALL"): (2, 10),
        ("202610", "440", "N"): (2, 10),
        ("202610", "440", "ALL"): (2, 10),
        ("202610", "ALL", "G"): (1, 5),
        ("202610", "ALL", "N"): (3, 10),
        ("202610", "ALL", "ALL"): (3, 10),
        ("202611", "ALL", "G"): (1, 5),
        ("202611", "ALL", "N"): (1, 5),
        ("202611", "ALL", "ALL"): (2, 10),
    }


NUMBERED = GIVEN | {"step_number": "user_id | subscriber_no\nU1 | 1\nU2 | 2"}


def test_contacts_count_up_to_the_end_of_the_day_and_from_the_first_month_on() -> None:
    contacts = """
        contact_id | user_id:text | source | arrived_at       | queued_at:timestamp | answered_at:timestamp | is_current
        A          | U1           | '440'  | 2026-12-06 23:59 | 2026-12-06 23:59    | 2026-12-07 00:01      | true
        B          | U1           | '440'  | 2026-12-07 00:00 | -                   | -                     | true
        C          | U9           | '110'  | 2026-09-01 00:00 | -                   | -                     | true
        D          | -            | '110'  | 2026-08-31 23:59 | -                   | -                     | true
        E          | -            | '110'  | 2026-09-30 23:59 | -                   | -                     | false
    """
    found = run("step_contact", NUMBERED | {"core.contact": contacts})
    assert_rows(
        found,
        "subscriber_no:int | month_index | source | wait_s:int\n1 | 24323 | '440' | 120\n- | 24320 | '110' | -",
    )


def test_work_orders_are_closed_by_the_end_of_the_day_and_in_time_at_the_very_second() -> None:
    orders = """
        work_order_id | user_id:text | source | due_at           | closed_at:timestamp
        A             | U2           | '110'  | 2026-11-30 23:59 | 2026-11-30 23:59
        B             | -            | '440'  | 2026-10-01 00:00 | 2026-10-01 00:01
        C             | U2           | '110'  | 2026-12-09 00:00 | 2026-12-07 00:00
        D             | U2           | '110'  | 2026-12-09 00:00 | -
        E             | U2           | '110'  | 2026-12-09 00:00 | 2026-08-31 23:59
    """
    found = run("step_closed_order", NUMBERED | {"mart.work_order_state": orders})
    assert_rows(
        found,
        "subscriber_no:int | month_index | source | is_on_time\n2 | 24322 | '110' | true\n- | 24321 | '440' | false",
    )


SERVICE = STEPS | {
    "step_activity_month": """
        subscriber_no | month_index | usage_day_count
        1             | 24322       | 7
        2             | 24322       | 2
        2             | 24321       | 3
        2             | 24320       | 9
        4             | 24321       | 5
    """,
    "step_contact": """
        subscriber_no:int | month_index | source | channel | tier_served:text | outcome   | purpose   | satisfaction:int | retention_result:text | wait_s:int
        1                 | 24322       | '110'  | AGENT   | D                | ANSWERED  | COMPLAINT | 4                | -                     | 10
        1                 | 24322       | '110'  | AGENT   | D                | ANSWERED  | COMPLAINT | 3                | -                     | 11
        2                 | 24320       | '440'  | AGENT   | -                | ANSWERED  | COMPLAINT | -                | -                     | 15
        -                 | 24321       | '440'  | AGENT   | -                | ABANDONED | RETENTION | 5                | KEPT                  | -
        2                 | 24321       | '440'  | IVR     | N                | ANSWERED  | RETENTION | -                | LOST                  | 1
        2                 | 24321       | '440'  | AGENT   | N                | OVERFLOW  | RETENTION | -                | PENDING               | 1
        3                 | 24321       | '440'  | AGENT   | -                | ANSWERED  | COMPLAINT | 3                | -                     | 16
        4                 | 24321       | '440'  | AGENT   | N                | ANSWERED  | COMPLAINT | 5                | -                     | 1
    """,
    "step_closed_order": """
        subscriber_no:int | month_index | source | is_on_time
        1                 | 24321       | '440'  | true
        1                 | 24321       | '110'  | false
        -                 | 24321       | '440'  | true
        4                 | 24321       | '440'  | true
    """,
}


def test_service_counts_for_the_month_of_the_subscriber_else_for_the_file() -> None:
    """Usage only of months without a subscriber month: of those in which U1 was open and U2 closed, these have it."""
    found = run("mart.service_tier_month", SERVICE)
    assert_rows(
        found,
        """
        user_id:text | month    | source | tier:text | usage_day_count | complaint_count | rated_count | satisfied_count | kept_count | lost_count | order_count | on_time_count
        U1           | '202611' | '440'  | G         | 0               | 2               | 2           | 1               | 0          | 0          | 0           | 0
        U2           | '202611' | '110'  | N         | 2               | 0               | 0           | 0               | 0          | 0          | 0           | 0
        U2           | '202609' | '440'  | -         | 0               | 1               | 0           | 0               | 0          | 0          | 0           | 0
        -            | '202610' | '440'  | -         | 0               | 0               | 0           | 0               | 1          | 0          | 1           | 1
        U3           | '202610' | '440'  | -         | 0               | 1               | 1           | 0               | 0          | 0          | 0           | 0
        U2           | '202610' | '110'  | N         | 0               | 0               | 0           | 0               | 0          | 1          | 0           | 0
        U1           | '202610' | '110'  | G         | 0               | 0               | 0           | 0               | 0          | 0          | 2           | 1
        """,
    )


def test_answers_count_for_the_tier_served_and_in_target_at_the_very_second() -> None:
    found = run("mart.answer_tier_month", SERVICE)
    assert_rows(
        found,
        """
        user_id:text | month    | source | tier | contact_count | answered_count | in_target_count | abandoned_count
        U1           | '202611' | '440'  | D    | 2             | 2              | 1               | 0
        U2           | '202609' | '440'  | N    | 1             | 1              | 1               | 0
        -            | '202610' | '440'  | N    | 1             | 0              | 0               | 1
        U3           | '202610' | '440'  | N    | 1             | 1              | 0               | 0
        U2           | '202610' | '110'  | N    | 1             | 0              | 0               | 0
        """,
    )
