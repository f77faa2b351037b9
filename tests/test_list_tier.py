"""The full TIER list: who is listed for a number, how a caller is treated, and since when a row holds."""

from __future__ import annotations

from datetime import date

from mart_province import draw_province, empty_warehouse, fill, rows_of
from mart_tables import assert_rows, default_policy, run

from warehouse.build import build

SUBJECTS = """
user_id | service_number | open_date
U1      | '13800000001'  | 2020-01-01
U2      | '13800000001'  | 2021-01-01
U3      | '13800000001'  | 2021-01-01
U4      | '01082345678'  | 2020-01-01
"""
TIERS = """
user_id | source | tier | reason    | flag:text
U1      | '110'  | D    | SPEND     | -
U2      | '110'  | D    | SPEND     | -
U3      | '440'  | S    | HELD      | -
U4      | '440'  | N    | BLACKLIST | B
"""
COLUMNS = "op | service_number | user_id | tier | reason | priority | ivr_entry | skill_group | overflow_group:text"
PREVIOUS = f"{COLUMNS} | overflow_after_s:int | flag:text | valid_from:date | source:text"
SILVER = "I | '13800000001' | U3 | S | HELD | 3 | SHORT | SK_SILVER | SK_GENERAL | 20 | -"
STANDARD = "I | '01082345678' | U4 | N | BLACKLIST | 4 | FULL | SK_GENERAL | - | - | B"


def listed(previous: str = "", as_of: str = "2026-12-06", full: str = "") -> list[dict[str, object]]:
    given = {"list.tier_increment": f"{PREVIOUS}\n{previous}", "list.tier_full": f"{PREVIOUS}\n{full}"}
    return run("list.tier", {"mart.tier": TIERS, "mart.tier_subject": SUBJECTS, **given}, as_of=as_of)


def test_a_number_is_listed_once_with_its_service() -> None:
    expected = f"{SILVER} | 2026-12-06 | '440'\n{STANDARD} | 2026-12-06 | '440'"
    assert_rows(listed(), f"{PREVIOUS}\n{expected}")


def test_valid_from_is_kept_while_all_else_is_equal() -> None:
    found = listed(f"{SILVER} | 2026-11-01 | '440'\n{STANDARD} | 2026-11-02 | '110'")
    assert_rows(found, "user_id | valid_from\nU3 | 2026-11-01\nU4 | 2026-11-02")


def test_what_is_again_as_in_the_last_full_list_is_since_then() -> None:
    """Else an increment that rests on that list would not say so: a row that equals the full one's is not in it."""
    found = listed(f"{SILVER} | 2026-12-01 | '440'", full=f"{SILVER} | 2026-11-01 | '440'")
    assert_rows(found, "user_id | valid_from\nU3 | 2026-11-01\nU4 | 2026-12-06")


def test_any_other_column_that_differs_begins_anew() -> None:
    cells = [cell.strip() for cell in SILVER.split(" | ")]
    others = {1: "'1'", 2: "U9", 3: "G", 4: "SPEND", 5: "1", 6: "FULL", 7: "SK_X", 8: "-", 9: "-", 10: "B"}
    for place, other in others.items():
        changed = " | ".join([*cells[:place], other, *cells[place + 1 :]])
        found = [row for row in listed(f"{changed} | 2026-11-01 | '440'") if row["user_id"] == "U3"]
        assert [row["valid_from"] for row in found] == [date(2026, 12, 6)], place
    assert len(others) == len(cells) - 1


def test_a_later_list_says_nothing_about_an_earlier_day() -> None:
    found = listed(f"{SILVER} | 2026-11-03 | '440'\n{STANDARD} | 2026-11-02 | '440'", as_of="2026-11-02")
    assert_rows(found, "user_id | valid_from\nU3 | 2026-11-02\nU4 | 2026-11-02")


def test_those_who_are_not_listed_are_reported() -> None:
    found = run(
        "list.tier_number_conflict",
        {
            "mart.tier": TIERS,
            "mart.tier_subject": SUBJECTS,
            "list.tier": "service_number | user_id | source\n'13800000001' | U3 | '440'\n'01082345678' | U4 | '440'",
        },
    )
    assert_rows(
        found,
        """
        service_number | user_id | source | listed_user_id | listed_source
        '13800000001'  | U1      | '110'  | U3             | '440'
        '13800000001'  | U2      | '110'  | U3             | '440'
        """,
    )


def test_every_subscriber_with_a_tier_is_listed_or_reported() -> None:
    connection = empty_warehouse()
    seen = 0
    for seed in range(6):
        as_of = date(2026, 9, 6 + seed)
        fill(connection, draw_province(seed, as_of))
        build(connection, default_policy(), as_of)
        tiers = {row["user_id"]: row for row in rows_of(connection, "from mart.tier")}
        rows = rows_of(connection, "from list.tier")
        conflicts = rows_of(connection, "from list.tier_number_conflict")
        assert sorted([row["user_id"] for row in [*rows, *conflicts]]) == sorted(tiers)
        assert len({row["service_number"] for row in rows}) == len(rows)
        for row in rows:
            names = ("tier", "reason", "flag", "source")
            assert [row[name] for name in names] == [tiers[row["user_id"]][name] for name in names]
        seen += len(conflicts)
    assert seen > 5
