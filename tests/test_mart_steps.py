"""The steps, each by itself: rows in, rows out."""

# ruff: noqa: E501 — a drawn table is as wide as it is

from __future__ import annotations

from pathlib import Path

from mart_tables import assert_rows, policy_with, run

HORIZON = """
as_of      | end_at           | first_month_index | last_month_index | last_bill_month_index | bill_reach
2026-12-06 | 2026-12-07 00:00 | 24321             | 24323            | 24322                 | 4
"""
MONTHS = """
month    | month_index | first_date | next_date
'202610' | 24321       | 2026-10-01 | 2026-11-01
'202611' | 24322       | 2026-11-01 | 2026-12-01
'202612' | 24323       | 2026-12-01 | 2027-01-01
"""
SUBSCRIBERS = """
user_id | subscriber_no
U1      | 1
U2      | 2
U3      | 3
"""


def test_step_number_counts_known_subscribers_by_their_ids() -> None:
    found = run("step_number", {"mart.subscriber": "user_id\nU3\nU10\nU1"})
    assert_rows(found, "user_id | subscriber_no\nU1 | 1\nU10 | 2\nU3 | 3")


def test_step_subscriber_is_the_part() -> None:
    found = run("step_subscriber", {"step_number": SUBSCRIBERS + "U4 | 4"})
    assert_rows(found, SUBSCRIBERS)


def test_step_period_knows_no_later_end_and_adds_the_days_before() -> None:
    found = run(
        "step_period",
        {
            "mart.horizon": HORIZON,
            "step_subscriber": SUBSCRIBERS,
            "core.subscriber": """
                user_id | source | status | open_date  | close_date:date | valid_from       | valid_to:timestamp
                U1      | '110'  | '2'    | 2026-10-20 | -               | 2026-11-03 10:00 | 2026-12-06 23:59
                U1      | '440'  | '1'    | 2026-10-20 | -               | 2026-12-06 23:59 | 2026-12-07 00:00
                U1      | '440'  | '3'    | 2026-10-20 | -               | 2026-12-07 00:00 | -
                U2      | '110'  | '9'    | 2026-10-20 | 2026-10-25      | 2026-11-03 10:00 | -
                U3      | '110'  | '1'    | 2026-11-03 | -               | 2026-11-03 10:00 | -
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | source | status | valid_from       | valid_to:timestamp | is_before_first | from_date  | to_date:date
        1             | '110'  | '2'    | 2026-10-20 00:00 | 2026-11-03 10:00   | true            | 2026-10-20 | 2026-11-03
        1             | '110'  | '2'    | 2026-11-03 10:00 | 2026-12-06 23:59   | false           | 2026-11-03 | 2026-12-06
        1             | '440'  | '1'    | 2026-12-06 23:59 | -                  | false           | 2026-12-06 | -
        2             | '110'  | '1'    | 2026-10-20 00:00 | 2026-10-25 00:00   | true            | 2026-10-20 | 2026-10-25
        2             | '110'  | '9'    | 2026-11-03 10:00 | -                  | false           | 2026-11-03 | -
        3             | '110'  | '1'    | 2026-11-03 10:00 | -                  | false           | 2026-11-03 | -
        """,
    )


PERIODS = """
subscriber_no | status | close_date:date | valid_from       | valid_to:timestamp | is_before_first | from_date  | to_date:date
"""


def test_step_closing_ends_a_run_of_open_periods() -> None:
    found = run(
        "step_closing",
        {
            "step_period": PERIODS
            + """
            1 | '1' | -          | 2026-10-01 00:00 | 2026-10-05 09:00 | false | 2026-10-01 | 2026-10-05
            1 | '4' | -          | 2026-10-05 09:00 | 2026-10-20 00:00 | false | 2026-10-05 | 2026-10-20
            1 | '9' | 2026-10-19 | 2026-10-20 00:00 | 2026-11-01 08:00 | false | 2026-10-20 | 2026-11-01
            1 | '1' | -          | 2026-11-01 08:00 | 2026-11-02 08:00 | false | 2026-11-01 | 2026-11-02
            1 | '1' | -          | 2026-11-10 08:00 | -                | false | 2026-11-10 | -
            2 | '1' | 2026-10-25 | 2026-10-20 00:00 | 2026-10-25 00:00 | true  | 2026-10-20 | 2026-10-25
            2 | '9' | 2026-10-25 | 2026-11-03 10:00 | -                | false | 2026-11-03 | -
            3 | '1' | 2026-11-03 | 2026-11-03 00:00 | 2026-11-03 00:00 | true  | 2026-11-03 | 2026-11-03
            3 | '9' | 2026-11-03 | 2026-11-03 00:00 | -                | false | 2026-11-03 | -
            """.strip()
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | closing_date | is_by_status
        1             | 2026-10-20   | true
        1             | 2026-11-02   | false
        2             | 2026-10-25   | true
        3             | 2026-11-03   | true
        """,
    )


def test_step_span_joins_months_and_leaves_a_month_that_begins_closed() -> None:
    found = run(
        "step_span",
        {
            "mart.horizon": HORIZON,
            "step_period": PERIODS
            + """
            1 | '1' | - | 2025-01-15 00:00 | 2026-10-01 00:00 | true  | 2025-01-15 | 2026-10-01
            1 | '9' | - | 2026-10-01 00:00 | 2026-12-05 00:00 | false | 2026-10-01 | 2026-12-05
            1 | '1' | - | 2026-12-05 00:00 | -                | false | 2026-12-05 | -
            2 | '1' | - | 2026-10-03 00:00 | 2026-10-03 09:00 | false | 2026-10-03 | 2026-10-03
            2 | '2' | - | 2026-11-30 09:00 | 2026-12-01 00:01 | false | 2026-11-30 | 2026-12-01
            3 | '1' | - | 2026-10-01 00:00 | 2026-10-01 00:00 | true  | 2026-10-01 | 2026-10-01
            """.strip(),
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | from_month_index | to_month_index | until_month_index
        1             | 24300            | 24320          | 24322
        1             | 24323            | 24323          | 24323
        2             | 24321            | 24323          | 24323
        3             | 24321            | 24321          | 24323
        """,
    )


def test_step_attribute_takes_the_last_period_that_begins_before_the_end_of_the_month() -> None:
    found = run(
        "step_attribute",
        {
            "mart.horizon": HORIZON,
            "step_period": """
                subscriber_no | source | customer_id | product | member_level:text | open_date  | valid_from       | is_before_first | from_date
                1             | '110'  | C1          | MOB     | -                 | 2026-01-01 | 2026-01-01 00:00 | true            | 2026-01-01
                1             | '110'  | C1          | MOB     | -                 | 2026-01-01 | 2026-10-02 00:00 | false           | 2026-10-02
                1             | '440'  | C2          | MOB     | G                 | 2026-01-02 | 2026-11-02 00:00 | false           | 2026-11-02
                1             | '440'  | C3          | MOB     | G                 | 2026-01-02 | 2026-11-30 23:00 | false           | 2026-11-30
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | source | customer_id | from_month_index | to_month_index | open_month_index | first_whole_month_index
        1             | '110'  | C1          | 0                | 24321          | 24312            | 24312
        1             | '440'  | C3          | 24322            | 24323          | 24312            | 24313
        """,
    )


def test_step_status_month_counts_days_by_the_status_at_their_end() -> None:
    found = run(
        "step_status_month",
        {
            "mart.horizon": HORIZON,
            "mart.month": MONTHS,
            "step_closing": """
                subscriber_no | closing_date | is_by_status
                1             | 2026-11-11   | true
                2             | 2026-11-01   | false
                3             | 2026-11-01   | true
                3             | 2026-09-20   | true
            """,
            "step_period": PERIODS
            + """
            1 | '1' | - | 2026-09-15 00:00 | 2026-11-05 12:00 | false | 2026-09-15 | 2026-11-05
            1 | '3' | - | 2026-11-05 12:00 | 2026-11-11 00:00 | false | 2026-11-05 | 2026-11-11
            1 | '9' | - | 2026-11-11 00:00 | 2026-12-02 00:00 | false | 2026-11-11 | 2026-12-02
            1 | '2' | - | 2026-12-02 00:00 | -                | false | 2026-12-02 | -
            2 | '4' | - | 2026-10-31 23:00 | 2026-11-01 00:00 | false | 2026-10-31 | 2026-11-01
            3 | '1' | 2026-11-01 | 2026-10-20 00:00 | 2026-10-31 00:00 | true  | 2026-10-20 | 2026-10-31
            3 | '9' | 2026-11-01 | 2026-10-31 23:30 | -                | false | 2026-10-31 | -
            """.strip(),
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | is_open_at_start | is_open_at_end | closing_count | active_days | suspended_days | barred_outgoing_days | barred_days | closed_days
        1             | 24321       | true             | true           | 0             | 31          | 0              | 0                    | 0           | 0
        1             | 24322       | true             | false          | 1             | 4           | 0              | 6                    | 0           | 20
        1             | 24323       | false            | true           | 0             | 0           | 5              | 0                    | 0           | 1
        2             | 24321       | false            | true           | 0             | 0           | 0              | 0                    | 1           | 0
        2             | 24322       | true             | false          | 1             | 0           | 0              | 0                    | 0           | 0
        3             | 24321       | false            | false          | 0             | 11          | 0              | 0                    | 0           | 1
        3             | 24322       | false            | false          | 1             | 0           | 0              | 0                    | 0           | 0
        """,
    )


def test_step_bill_takes_current_bills_of_months_that_are_over() -> None:
    found = run(
        "step_bill",
        {
            "mart.horizon": HORIZON,
            "step_subscriber": SUBSCRIBERS,
            "step_span": """
                subscriber_no | to_month_index
                1             | 24323
                2             | 24200
                2             | 24310
            """,
            "core.bill": """
                user_id | billing_cycle | source | total_fen | paid_fen | is_current
                U1      | '202612'      | '110'  | 1         | 1        | true
                U1      | '202611'      | '110'  | 2         | 1        | true
                U1      | '202610'      | '110'  | 3         | 1        | false
                U1      | '202606'      | '110'  | 4         | 1        | true
                U1      | '202605'      | '110'  | 5         | 1        | true
                U2      | '201605'      | '110'  | 6         | 1        | true
                U2      | '201604'      | '110'  | 7         | 1        | true
                U3      | '202606'      | '440'  | 8         | 1        | true
                U9      | '202611'      | '110'  | 9         | 1        | true
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | source | total_fen
        1             | 24322       | '110'  | 2
        1             | 24317       | '110'  | 4
        2             | 24196       | '110'  | 6
        3             | 24317       | '440'  | 8
        """,
    )


def test_step_arpu_month_counts_the_months_that_have_a_bill() -> None:
    found = run(
        "step_arpu_month",
        {
            "step_bill": """
                subscriber_no | month_index | total_fen
                1             | 24310       | 100
                1             | 24312       | 400
            """
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | total_fen | bill_count
        1             | 24310       | 100       | 1
        1             | 24311       | 100       | 1
        1             | 24312       | 500       | 2
        1             | 24313       | 400       | 1
        1             | 24314       | 400       | 1
        """,
    )


def test_step_tier_subject_puts_floors_and_blacklisting_to_the_months() -> None:
    attribute = """
        subscriber_no | customer_id | source | product | member_level:text | from_month_index | to_month_index | first_whole_month_index
        1             | C1          | '110'  | MOB     | -                 | 0                | 24321          | 24322
        1             | C1          | '110'  | MOB     | G                 | 24322            | 24323          | 24320
        2             | C2          | '440'  | BBD     | D                 | 0                | 24323          | 24000
        3             | C2          | '440'  | FIX     | D                 | 0                | 24323          | 24000
    """
    found = run(
        "step_tier_subject",
        {
            "mart.horizon": HORIZON,
            "mart.month": MONTHS,
            "step_attribute": attribute,
            "step_span": """
                subscriber_no | from_month_index | to_month_index
                1             | 24310            | 24323
                2             | 24000            | 24100
                2             | 24322            | 24322
                3             | 24322            | 24322
            """,
            "mart.customer_attribute": """
                customer_id | customer_type | is_blacklisted | from_month_index | to_month_index
                C1          | '2'           | false          | 24000            | 24322
                C2          | '1'           | true           | 24322            | 24323
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | source | tenure_months | floor_rank | is_fixed
        1             | 24321       | '110'  | 0             | 3          | false
        1             | 24322       | '110'  | 3             | 2          | false
        1             | 24323       | '110'  | 4             | 2          | false
        2             | 24100       | '440'  | 101           | 4          | true
        2             | 24322       | '440'  | 323           | 4          | true
        3             | 24322       | '440'  | 323           | 4          | true
        """,
    )


def test_step_tier_subject_goes_by_the_policy_of_the_source(tmp_path: Path) -> None:
    found = run(
        "step_tier_subject",
        {
            "mart.horizon": HORIZON,
            "mart.month": MONTHS,
            "step_attribute": """
                subscriber_no | customer_id | source | product | member_level:text | from_month_index | to_month_index | first_whole_month_index
                1             | C1          | '440'  | BBD     | -                 | 0                | 24323          | 24000
                2             | C1          | '440'  | MOB     | -                 | 0                | 24323          | 24000
                3             | C1          | '110'  | MOB     | -                 | 0                | 24323          | 24000
            """,
            "step_span": """
                subscriber_no | from_month_index | to_month_index
                1             | 24322            | 24322
                2             | 24322            | 24322
                3             | 24322            | 24322
            """,
            "mart.customer_attribute": """
                customer_id | customer_type | is_blacklisted | from_month_index | to_month_index
                C1          | '4'           | false          | 24000            | 24323
            """,
        },
        policy=policy_with(tmp_path, '{"440": {tiering: {products: [BBD], group_types: ["4"], group_tier: G}}}'),
    )
    assert_rows(found, "subscriber_no | floor_rank | is_fixed\n1 | 2 | false\n2 | 4 | true\n3 | 4 | false")


def test_step_held_arpu_keeps_what_is_enough_for_a_tier_in_the_months_that_it_holds() -> None:
    found = run(
        "step_held_arpu",
        {
            "step_arpu_month": """
                subscriber_no | month_index | total_fen | bill_count
                1             | 24320       | 20000     | 2
                1             | 24321       | 29999     | 3
                2             | 24321       | 90000     | 1
            """,
            "step_tier_subject": """
                subscriber_no | month_index | source | tenure_months | floor_rank | is_fixed
                1             | 24320       | '110'  | 0             | 4          | false
                1             | 24321       | '110'  | 1             | 4          | false
                1             | 24322       | '110'  | 2             | 4          | false
                1             | 24323       | '110'  | 3             | 4          | false
                2             | 24321       | '110'  | 99            | 4          | true
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | month_offset | total_fen | bill_count | tenure_months
        1             | 24320       | 0            | 20000     | 2          | 0
        1             | 24321       | 1            | 20000     | 2          | 0
        1             | 24322       | 2            | 20000     | 2          | 0
        """,
    )


def test_step_tier_month_goes_on_after_a_closing() -> None:
    found = run(
        "step_tier_month",
        {
            "mart.horizon": HORIZON,
            "mart.month": MONTHS,
            "step_held_arpu": """
                subscriber_no | month_index | month_offset | source | total_fen | bill_count | tenure_months
                1             | 24321       | 0            | '110'  | 60000     | 2          | 59
                1             | 24321       | 1            | '110'  | 40000     | 2          | 36
            """,
            "step_tier_subject": """
                subscriber_no | month_index | source | floor_rank
                1             | 24321       | '110'  | 4
                2             | 24300       | '110'  | 1
                3             | 24322       | '110'  | 3
            """,
            "step_span": """
                subscriber_no | to_month_index | until_month_index
                1             | 24321          | 24322
                2             | 24300          | 24321
                3             | 24322          | 24322
            """,
            "step_attribute": """
                subscriber_no | source | from_month_index | to_month_index
                1             | '110'  | 0                | 24321
                1             | '440'  | 24322            | 24323
                2             | '110'  | 0                | 24323
                3             | '110'  | 0                | 24323
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | source | rank | is_later
        1             | 24321       | '110'  | 2    | false
        1             | 24322       | '440'  | 2    | true
        2             | 24321       | '110'  | 1    | true
        3             | 24322       | '110'  | 3    | false
        """,
    )


def test_step_activity_month_sums_up_to_the_end_of_the_as_of_date() -> None:
    found = run(
        "step_activity_month",
        {
            "mart.horizon": HORIZON,
            "step_number": SUBSCRIBERS,
            "core.usage": """
                user_id | usage_type | duration_s | volume_kb | started_at       | is_current
                U1      | V          | 90         | 5         | 2026-10-31 23:59 | true
                U1      | V          | 30         | 5         | 2026-10-31 00:00 | true
                U1      | D          | 30         | 2048      | 2026-10-01 00:00 | true
                U1      | M          | 30         | 5         | 2026-10-01 00:00 | false
                U1      | M          | 30         | 5         | 2026-11-01 00:00 | true
                U1      | M          | 30         | 5         | 2026-12-07 00:00 | true
                U1      | M          | 30         | 5         | 2026-09-30 23:59 | true
                U9      | M          | 30         | 5         | 2026-10-01 00:00 | true
            """,
            "core.payment": """
                user_id | kind | amount_fen | paid_at          | is_current
                U1      | '1'  | 500        | 2026-10-01 00:00 | true
                U1      | '9'  | -200       | 2026-10-02 00:00 | true
                U1      | '4'  | -100       | 2026-10-02 00:00 | true
                U1      | '2'  | 900        | 2026-10-02 00:00 | false
                -       | '2'  | 900        | 2026-10-02 00:00 | true
            """,
            "core.contact": """
                user_id | purpose:text | arrived_at       | is_current
                U2      | COMPLAINT    | 2026-12-06 23:59 | true
                U2      | -            | 2026-12-06 23:59 | true
                U2      | -            | 2026-12-07 00:00 | true
            """,
        },
    )
    assert_rows(
        found,
        """
        subscriber_no | month_index | usage_day_count | voice_s | message_count | data_kb | payment_count | payment_fen | contact_count | complaint_count
        1             | 24321       | 2               | 120     | 0             | 2048    | 1             | 200         | 0             | 0
        1             | 24322       | 1               | 0       | 1             | 0       | 0             | 0           | 0             | 0
        2             | 24323       | 0               | 0       | 0             | 0       | 0             | 0           | 2             | 1
        """,
    )


def test_step_silent_used_nothing_in_the_days_of_which_all_has_come() -> None:
    found = run(
        "step_silent",
        {
            "mart.horizon": HORIZON,
            "mart.usage_cover": "source | day_count\n'110' | 7",
            "mart.subscriber_state": """
                user_id | source | status
                U1      | '110'  | '1'
                U2      | '110'  | '1'
                U3      | '110'  | '9'
                U4      | '440'  | '1'
                U5      | '110'  | '4'
                U6      | '110'  | '1'
                U7      | '110'  | '1'
            """,
            "core.usage": """
                user_id | started_at       | is_current
                U2      | 2026-12-06 23:59 | true
                U5      | 2026-12-07 00:00 | true
                U5      | 2026-11-29 23:59 | true
                U6      | 2026-11-30 00:00 | true
                U7      | 2026-12-01 00:00 | false
            """,
        },
    )
    assert_rows(found, "user_id | day_count\nU1 | 7\nU5 | 7\nU7 | 7")
