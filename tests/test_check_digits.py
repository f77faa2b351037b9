"""Check characters against the examples of their standards, and the errors they exist to catch."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftp_fixtures.check_digits import credit_checks, organisation_checks, resident_checks


def test_resident_ids_of_the_standard() -> None:
    known = pl.Series(["11010519491231002X", "440524188001010014"])
    assert resident_checks(known.str.slice(0, 17)).to_list() == ["X", "4"]


def test_credit_code_of_the_standard() -> None:
    known = pl.Series(["91350100M000100Y43", "91110000802100433B"])
    assert credit_checks(known.str.slice(0, 17)).to_list() == ["3", "B"]
    assert organisation_checks(known.str.slice(8, 8)).to_list() == ["4", "3"]


def test_organisation_code_of_the_standard() -> None:
    assert organisation_checks(pl.Series(["D2143569"])).to_list() == ["X"]


@given(st.integers(0, 10**17 - 1), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_changes_the_check_character_of_a_resident_id(number: int, place: int, step: int) -> None:
    body = f"{number:017d}"
    wrong = body[:place] + str((int(body[place]) + step) % 10) + body[place + 1 :]
    right, other = resident_checks(pl.Series([body, wrong])).to_list()
    assert right != other


@pytest.mark.parametrize("body", ["1101051949123100", "1101051949123100A", ""])
def test_what_cannot_have_a_check_character_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        resident_checks(pl.Series([body]))
