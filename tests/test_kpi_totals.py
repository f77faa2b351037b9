"""The KPIs of service, usage, top customers and feeds: rows in, rows out."""

# ruff: noqa: E501 — a drawn table is as wide as it is

from __future__ import annotations

from pathlib import Path

from mart_tables import assert_rows, policy_with, run
from test_kpi_models import GIVEN, HORIZON, STEPS, numbers

BASE = """
month    | source | tier | kpi           | numerator
'202610' | '110'  | G    | customer_base | 4
'202610' | '110'  | N    | customer_base | 0
'202610' | '110'  | N    | gross_adds    | 9
'202610' | '110'  | ALL  | customer_base | 4
'202610' | '440'  | ALL  | customer_base | 2
'202610' | ALL    | ALL  | customer_base | 6
'202611' | '110'  | ALL  | customer_base | 1
'202611' | ALL    | ALL  | customer_base | 1
"""
SERVED = """
user_id:text | month    | source | tier:text | usage_day_count | complaint_count | rated_count | satisfied_count | kept_count | lost_count | order_count | on_time_count
U1           | '202610' | '110'  | G         | 0               | 3               | 2           | 1               | 0          | 0          | 7           | 6
U4           | '202610' | '110'  | G         | 1               | 0               | 0           | 0               | 1          | 3          | 0           | 0
-            | '202610' | '440'  | -         | 0               | 1               | 1           | 1               | 0          | 0          | 1           | 1
U5           | '202611' | '440'  | N         | 9               | 9               | 9           | 9               | 9          | 9          | 9           | 9
"""
USED = """
user_id | month    | source | tier | usage_day_count
U1      | '202610' | '110'  | G    | 2
U6      | '202610' | '110'  | G    | 3
U7      | '202610' | '440'  | N    | 20
U7      | '202611' | '440'  | N    | 9
"""
USAGE = {"mart.closed_month": USED, "mart.service_tier_month": SERVED, "mart.kpi_subscriber": BASE}


def test_service_kpis_by_source_and_tier_and_all(tmp_path: Path) -> None:
    inputs = GIVEN | {"mart.service_tier_month": SERVED, "mart.kpi_subscriber": BASE}
    policy = policy_with(tmp_path, '{"110": {kpis: {complaints_per: 1000}}}')
    shown = numbers(run("mart.kpi_service", inputs, policy=policy), "month", "source", "tier", "kpi")
    assert {key: value for key, value in shown.items() if value[1] != 0} == {
        ("202610", "110", "G", "complaint_satisfaction"): (1, 2),
        ("202610", "110", "ALL", "complaint_satisfaction"): (1, 2),
        ("202610", "440", "ALL", "complaint_satisfaction"): (1, 1),
        ("202610", "ALL", "G", "complaint_satisfaction"): (1, 2),
        ("202610", "ALL", "ALL", "complaint_satisfaction"): (2, 3),
        ("202610", "110", "G", "winback_rate"): (1, 4),
        ("202610", "110", "ALL", "winback_rate"): (1, 4),
        ("202610", "ALL", "G", "winback_rate"): (1, 4),
        ("202610", "ALL", "ALL", "winback_rate"): (1, 4),
        ("202610", "110", "G", "work_order_on_time_rate"): (6, 7),
        ("202610", "110", "ALL", "work_order_on_time_rate"): (6, 7),
        ("202610", "440", "ALL", "work_order_on_time_rate"): (1, 1),
        ("202610", "ALL", "G", "work_order_on_time_rate"): (6, 7),
        ("202610", "ALL", "ALL", "work_order_on_time_rate"): (7, 8),
        ("202610", "110", "G", "complaints_per_10k"): (3000, 4),
        ("202610", "110", "ALL", "complaints_per_10k"): (3000, 4),
        ("202610", "440", "ALL", "complaints_per_10k"): (10000, 2),
        ("202610", "ALL", "ALL", "complaints_per_10k"): (40000, 6),
        ("202611", "110", "ALL", "complaints_per_10k"): (0, 1),
        ("202611", "ALL", "ALL", "complaints_per_10k"): (0, 1),
    }


def test_answer_kpis_by_source_and_tier_and_all() -> None:
    answers = """
        user_id:text | month    | source | tier | contact_count | answered_count | in_target_count | abandoned_count
        U1           | '202610' | '110'  | N    | 4             | 2              | 1               | 1
        -            | '202610' | '110'  | N    | 1             | 1              | 1               | 0
        U2           | '202610' | '440'  | N    | 2             | 1              | 0               | 0
        U2           | '202611' | '440'  | N    | 9             | 9              | 9               | 9
    """
    shown = numbers(run("mart.kpi_answer", GIVEN | {"mart.answer_tier_month": answers}), "source", "tier", "kpi")
    kpis = ("answer_rate", "answer_in_target_rate", "abandon_rate")
    sums = {"110": (3, 2, 1, 5), "440": (1, 0, 0, 2), "ALL": (4, 2, 1, 7)}
    assert shown == {
        (source, tier, kpi): (found[place], found[3])
        for source, found in sums.items()
        for tier in ("N", "ALL")
        for place, kpi in enumerate(kpis)
    }


def test_customer_share_leaves_a_source_out_of_all_whose_months_are_too_far_back() -> None:
    """Months as bits: those of a source that closed none for years cannot be moved on to the last month of all."""
    long_ago = "source | bill_month | month_index\n'110' | '202611' | 24322\n'440' | '202001' | 24240"
    products = "source | tier | customer_id | product | months\n'110' | N | C1 | MOB | 1\n'440' | N | C2 | MOB | 8191"
    found = run("mart.kpi_customer", GIVEN | {"mart.bill_month": long_ago, "mart.customer_product": products})
    shown = numbers(found, "month", "source", "tier")
    assert shown["202611", "ALL", "ALL"] == shown["202611", "110", "ALL"] == (1, 5)


def test_subscribers_that_were_first_open_within_the_horizon_or_never() -> None:
    spans = "subscriber_no | from_month_index\n1 | 24320\n1 | 24323\n2 | 24322\n2 | 24321"
    found = run("mart.subscriber_first_month", STEPS | {"step_span": spans})
    assert_rows(found, "user_id | first_month_index:int\nU2 | 24321\nU3 | -")


def test_usage_of_who_is_not_known_or_not_open_yet_counts_by_its_files() -> None:
    usage = """
        user_id | source | started_at       | is_current
        U9      | '110'  | 2026-10-01 00:00 | true
        U9      | '110'  | 2026-10-01 23:59 | true
        U9      | '440'  | 2026-10-01 10:00 | true
        U9      | '440'  | 2026-10-02 10:00 | true
        U9      | '440'  | 2026-11-02 10:00 | true
        U9      | '110'  | 2026-10-03 10:00 | false
        U1      | '110'  | 2026-10-04 10:00 | true
        U2      | '110'  | 2026-10-31 23:59 | true
        U2      | '110'  | 2026-11-01 00:00 | true
        U3      | '110'  | 2026-10-05 00:00 | true
    """
    known = {
        "mart.subscriber": "user_id\nU1\nU2\nU3",
        "mart.subscriber_first_month": "user_id | first_month_index:int\nU2 | 24322\nU3 | -",
    }
    inputs = GIVEN | known | USAGE | {"core.usage": usage}
    assert numbers(run("mart.kpi_usage", inputs), "month", "source", "tier") == {
        ("202610", "110", "G"): (6, 4),  # 2 and 3 of open ones, 1 after a closing
        ("202610", "110", "N"): (0, 0),
        ("202610", "110", "ALL"): (9, 4),  # 1 of U9, U2, U3
        ("202610", "440", "ALL"): (22, 2),  # 20 of an open one, 2 of U9
        ("202610", "ALL", "ALL"): (30, 6),  # 6, 20, and 2 of U9, U2, U3
        ("202611", "110", "ALL"): (0, 1),
        ("202611", "ALL", "ALL"): (0, 1),
    }


def test_usage_of_days_to_come_does_not_count() -> None:
    horizon = HORIZON.replace("2026-12-07", "2026-10-02")
    usage = "user_id | source | started_at | is_current\nU9 | '110' | 2026-10-01 23:59 | true\nU9 | '110' | 2026-10-02 00:00 | true"
    known = {
        "mart.subscriber": "user_id\nU1",
        "mart.subscriber_first_month": "user_id | first_month_index\nU1 | 1",
    }
    inputs = GIVEN | known | USAGE | {"core.usage": usage}
    shown = numbers(run("mart.kpi_usage", inputs | {"mart.horizon": horizon}), "month", "source", "tier")
    assert shown["202610", "110", "ALL"] == (7, 4)


def test_a_bill_is_moved_where_the_month_has_another_source() -> None:
    bills = "subscriber_no | month_index | source\n1 | 24321 | '110'\n1 | 24322 | '110'\n2 | 24321 | '440'\n3 | 24321 | '110'"
    found = run("mart.moved_bill", STEPS | {"step_bill": bills})
    assert_rows(found, "user_id | month | source\nU1 | '202611' | '440'\nU2 | '202610' | '110'")


BILLS = """
user_id | customer_id | billing_cycle | source | total_fen | is_current
U1      | C1          | '202610'      | '110'  | 300       | true
U2      | C1          | '202610'      | '440'  | 200       | true
U3      | C2          | '202610'      | '110'  | 400       | true
U4      | C3          | '202610'      | '110'  | 10        | true
U5      | C4          | '202610'      | '110'  | 10        | true
U6      | C5          | '202610'      | '110'  | 5         | true
U7      | C6          | '202610'      | '440'  | 100       | true
U8      | C7          | '202610'      | '110'  | 9999      | false
U1      | C1          | '202609'      | '110'  | 9999      | true
U7      | C6          | '202611'      | '440'  | 9999      | true
U1      | C1          | '202611'      | '110'  | 0         | true
"""


def top(bills: str, moved: str = "user_id:text | month:text | source:text") -> dict[tuple[str, ...], tuple[int, int]]:
    inputs = GIVEN | {"core.bill": bills, "mart.moved_bill": moved}
    return numbers(run("mart.kpi_top", inputs, steps=("step_billed_customer",)), "month", "source", "tier")


def test_top_customers_are_a_fifth_of_those_billed_rounded_up() -> None:
    assert top(BILLS) == {
        ("202610", "110", "ALL"): (400, 725),  # one of five
        ("202610", "440", "ALL"): (200, 300),  # one of two
        ("202610", "ALL", "ALL"): (900, 1025),  # two of six: the parts of C1 are summed up
        ("202611", "110", "ALL"): (0, 0),
        ("202611", "ALL", "ALL"): (0, 0),
    }


def test_a_moved_bill_counts_for_its_subscribers_source() -> None:
    found = top(BILLS, "user_id | month | source\nU2 | '202610' | '110'")
    assert found["202610", "110", "ALL"] == (500, 925)
    assert found["202610", "440", "ALL"] == (100, 100)
    assert found["202610", "ALL", "ALL"] == (900, 1025)


def test_a_tie_takes_in_only_as_many_as_there_may_be() -> None:
    rows = "\n".join(f"U{n} | C{n} | '202610' | '110' | 10 | true" for n in range(6))
    header = BILLS.strip().splitlines()[0]
    assert top(f"{header}\n{rows}")["202610", "110", "ALL"] == (20, 60)


def test_feeds_by_their_cycles_and_batches_of_the_month() -> None:
    cycles = """
        feed | source | mode | cycle        | state    | is_on_time:bool
        PAYM | '110'  | I    | '2026103123' | complete | true
        PAYM | '110'  | I    | '2026101200' | complete | false
        PAYM | '110'  | I    | '2026101201' | missing  | false
        PAYM | '110'  | I    | '2026101202' | held     | true
        PAYM | '110'  | I    | '2026110100' | open     | -
        PAYM | '440'  | I    | '2026101200' | complete | true
        PAYM | '440'  | I    | '2026110100' | complete | true
        BILL | '440'  | I    | '202610'     | complete | true
    """
    batches = """
        feed | source | cycle        | state      | records | rejected | offered_no
        PAYM | '110'  | '2026103123' | loaded     | 10      | 1        | 1
        PAYM | '110'  | '2026103123' | superseded | 99      | 9        | 1
        PAYM | '110'  | '2026101200' | staged     | 5       | 0        | 2
        PAYM | '110'  | '2026101201' | refused    | 7       | 7        | 1
        PAYM | '440'  | '2026101200' | loaded     | 0       | 0        | 1
    """
    found = run("mart.kpi_feed", GIVEN | {"ops.cycle": cycles, "ops.batch": batches})
    assert {row["tier"] for row in found} == {"ALL"}
    assert numbers(found, "month", "source", "feed", "kpi") == {
        ("202610", "110", "PAYM", "feed_on_time_rate"): (1, 4),
        ("202610", "110", "PAYM", "feed_first_pass_rate"): (1, 2),
        ("202610", "110", "PAYM", "reject_rate"): (1, 15),
        ("202610", "440", "PAYM", "feed_on_time_rate"): (1, 1),
        ("202610", "440", "PAYM", "feed_first_pass_rate"): (1, 1),
        ("202610", "440", "PAYM", "reject_rate"): (0, 0),
        ("202610", "440", "BILL", "feed_on_time_rate"): (1, 1),
        ("202610", "440", "BILL", "feed_first_pass_rate"): (0, 0),
        ("202610", "440", "BILL", "reject_rate"): (0, 0),
        ("202610", "ALL", "PAYM", "feed_on_time_rate"): (2, 5),
        ("202610", "ALL", "PAYM", "feed_first_pass_rate"): (2, 3),
        ("202610", "ALL", "PAYM", "reject_rate"): (1, 15),
        ("202610", "ALL", "BILL", "feed_on_time_rate"): (1, 1),
        ("202610", "ALL", "BILL", "feed_first_pass_rate"): (0, 0),
        ("202610", "ALL", "BILL", "reject_rate"): (0, 0),
    }
