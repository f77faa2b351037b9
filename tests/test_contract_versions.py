"""The versions of a feed's contract: how they are loaded, and which one reads a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from contract_edits import HOLDS_FROM, add_column, drop_column, edit, turn_page, two_versions

from pipelines.contracts.load import load_contracts
from pipelines.errors import ConfigurationError

# file | text in it | what stands there instead (⏎ for a new line) | key that the message names | words that it holds
DISAGREEING = r"""
CUST | value: customer} | value: client} | table | expected customer in every version, as in feeds/CUST@1.yaml
CUST | modes, value: [I, F] | modes, value: [F] | modes | expected F, I in every version
CUST | "op = 'D'" | "op <> 'D'" | deleteWhen | expected op = 'D' in every version
CUST | [op, op_time, customer_id] | [op, op_time, customer_id, gender] | deleteNeeds | found customer_id, gender, op
CUST | frequency, value: daily | frequency, value: hourly | frequency | expected daily in every version
PAYM | physicalType: month | physicalType: text | physicalType | expected month in every version, as in feeds/PAYM@1
CUST | mask, value: phone | mask, value: hidden | mask | expected phone in every version
CUST | version: "2" | version: "1" | version | expected a version above 1, that of feeds/CUST@1.yaml
CUST | holdsFrom, value: "2026-12-01" | titleEn, value: x | property | found the text "titleEn"
CUST | holdsFrom, value: "2026-12-01" | holdsFrom, value: "2026-12-32" | holdsFrom | a day such as "2026-12-01"
CUST | holdsFrom, value: "2026-12-01" | holdsFrom, value: 20261201 | holdsFrom | a day such as "2026-12-01"
CUST | holdsFrom, value: "2026-12-01"} | readUntil, value: "2026-12-01"} | readUntil | newest version
CUST@1 | version: "1" | version: "3" | version | expected 1, found the text "3"
CUST@1 | customProperties:⏎ | customProperties:⏎  - {property: holdsFrom, value: "2026-01-01"}⏎ | holdsFrom | no older
CUST@1 | customProperties:⏎ | customProperties:⏎  - {property: readUntil, value: "2026-11-29"}⏎ | readUntil | 2026-11-30
CUST@1 | name: CUST⏎ | name: USER⏎ | name | expected CUST
PAYM@1 | to: USER.user_id | to: USER.usr_id | to | the column of a feed that has a contract
PAYM | to: USER.user_id | to: CUST.email | to | the column of a feed that has a contract
"""


def cases() -> list[list[str]]:
    return [line.replace("⏎", "\n").split(" | ") for line in DISAGREEING.strip().split("\n")]


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return two_versions(tmp_path)


def refusal(schemas: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_contracts(schemas)
    return str(caught.value)


@pytest.mark.fault(25)
@pytest.mark.parametrize("case", cases(), ids=lambda case: " | ".join(case[:3]))
def test_versions_that_do_not_fit_are_refused_with_file_line_and_key(schemas: Path, case: list[str]) -> None:
    file, old, new, key, words = case
    path = schemas / "feeds" / f"{file}.yaml"
    if key == "table":
        edit(path, "- name: customer\n", "- name: client\n")
    line = 1 + path.read_text(encoding="utf-8").split(old)[0].count("\n") + new.rstrip("\n").count("\n")
    edit(path, old, new)
    message = refusal(schemas)
    place = f"feeds/{file}.yaml, line {line}, key {key}: expected "
    # A mask is pointed at by the list that it stands in.
    assert message.startswith(place) or (key == "mask" and f", key {key}: expected " in message), message
    assert words in message
    assert ", found" in message


@pytest.mark.parametrize("name", ["PAYM@01", "PAYM@", "PAYM@x", "paym@1", "PAYM@1@2"])
def test_a_file_of_another_name_is_no_contract(schemas: Path, name: str) -> None:
    (schemas / "feeds" / "PAYM@1.yaml").rename(schemas / "feeds" / f"{name}.yaml")
    assert refusal(schemas).startswith(f"feeds/{name}.yaml, line 1, key (top): expected a file named FEED.yaml")


def test_a_date_is_asked_for_where_there_is_an_older_version(schemas: Path) -> None:
    edit(schemas / "feeds/PAYM.yaml", '  - {property: holdsFrom, value: "2026-12-01"}\n', "")
    message = refusal(schemas)
    assert "key holdsFrom: expected the property holdsFrom, the first day of cycles in it" in message
    assert "older feeds/PAYM@1.yaml, found none" in message


def test_an_older_version_alone_is_refused(schemas: Path) -> None:
    (schemas / "feeds/PAYM.yaml").unlink()
    assert "the newest version of its feed beside it, as feeds/PAYM.yaml, found none" in refusal(schemas)


def test_dates_grow_from_version_to_version(schemas: Path) -> None:
    turn_page(schemas, "PAYM", holds_from=HOLDS_FROM)
    assert f"expected a day after {HOLDS_FROM}, the one in feeds/PAYM@2.yaml" in refusal(schemas)


def test_a_key_is_the_same_in_every_version(schemas: Path) -> None:
    path = schemas / "feeds/PAYM.yaml"
    edit(path, "        primaryKey: true\n        primaryKeyPosition: 1\n", "")
    edit(path, "description: Account that was paid.\n",
         "description: Account that was paid.\n        primaryKey: true\n        primaryKeyPosition: 1\n")  # fmt: skip
    expected = "key properties: expected the key payment_id in every version, as in feeds/PAYM@1.yaml"
    assert f"{expected}, found the key account_id" in refusal(schemas)


def test_a_column_that_comes_back_is_the_column_that_it_was(schemas: Path) -> None:
    """Version 2 lacks it; core still holds it."""
    add_column(turn_page(schemas, "PAYM", holds_from="2027-01-01"), "operator_id")
    message = refusal(schemas)
    assert "key physicalType: expected id in every version, as in feeds/PAYM@1.yaml" in message
    assert message.startswith("feeds/PAYM.yaml")


def test_versions_are_one_contract_with_the_newest_before_all(schemas: Path) -> None:
    add_column(turn_page(schemas, "PAYM", holds_from="2027-01-01"), "voucher", "id", "string")
    drop_column(schemas / "feeds/PAYM.yaml", "points")
    contract = load_contracts(schemas)["PAYM"]
    assert [each.format_version for each in contract.versions] == ["1", "2", "3"]
    assert [each.former for each in contract.former] == [(), ()]
    stored = [column.name for column in contract.stored_columns]
    assert stored == [*contract.column_names, "points", "operator_id"]
    assert stored[-3] == "voucher"
    assert [column.name for column in contract.former[0].stored_columns] == list(contract.former[0].column_names)
    assert contract.stored_columns[stored.index("channel")] is contract.column("channel")


def test_what_is_no_matter_of_files_is_the_newest_s(schemas: Path) -> None:
    edit(schemas / "feeds/PAYM.yaml", "lateAfter, value: 15", "lateAfter, value: 30")
    edit(schemas / "feeds/PAYM.yaml", "retention, value: 90", "retention, value: 60")
    edit(schemas / "feeds/CUST.yaml", "snapshotDropShare, value: 0.05", "snapshotDropShare, value: 0.1")
    contracts = load_contracts(schemas)
    (first,) = contracts["PAYM"].former
    assert (first.schedule, first.retention_days) == (contracts["PAYM"].schedule, 60)
    assert first.schedule.late_after_s == 1800
    assert contracts["CUST"].former[0].snapshot_drop_share == 0.1


@pytest.mark.parametrize(
    ("version", "day", "read_as"),
    [
        ("1", date(2026, 1, 1), "1"),
        ("1", date(2026, 12, 31), "1"),
        ("1", date(2027, 1, 1), None),
        ("2", date(2026, 11, 30), None),
        ("2", date(2026, 12, 1), "2"),
        ("2", date(2030, 1, 1), "2"),
        ("3", date(2026, 12, 31), None),
        ("3", date(2027, 1, 1), "3"),
        ("4", date(2027, 1, 1), None),
        ("01", date(2026, 12, 1), None),
        ("", date(2026, 12, 1), None),
    ],
)
def test_the_day_of_the_cycle_decides_which_versions_are_read(
    schemas: Path, version: str, day: date, read_as: str | None
) -> None:
    turn_page(schemas, "PAYM", holds_from="2027-01-01")
    edit(schemas / "feeds/PAYM@1.yaml", "customProperties:\n",
         'customProperties:\n  - {property: readUntil, value: "2026-12-31"}\n')  # fmt: skip
    contract = load_contracts(schemas)["PAYM"]
    found = contract.reads(version, day)
    assert (found.format_version if found else None) == read_as
    if found is not None:
        assert found in contract.versions
