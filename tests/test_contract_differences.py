"""How contracts differ: between versions and between installations, as values and by the real command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from contract_edits import HOLDS_FROM, add_column, copy_schemas, drop_column, edit, two_versions
from running import tierline

from pipelines.contracts.differences import installation_differences, version_differences
from pipelines.contracts.load import load_contracts
from pipelines.contracts.model import Contract

NOW = "2026-11-22T12:00:00"


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return two_versions(tmp_path)


def told(schemas: Path, feed: str = "PAYM") -> dict[str, tuple[str | None, str | None, str]]:
    """What `schemas` would change for those that ship."""
    found = installation_differences(load_contracts(), load_contracts(schemas), (feed,))
    return {
        each.difference.what: (each.difference.was, each.difference.becomes, each.difference.effect) for each in found
    }


def test_differences_of_versions_say_what_follows(schemas: Path) -> None:
    contract: Contract = load_contracts(schemas)["PAYM"]
    found = [(each.what, each.was, each.becomes, each.effect) for each in version_differences(contract, "1", "2")]
    assert found == [
        ("version", "1", "2", "files of version 1 are read on, for cycles of any day"),
        ("holdsFrom", None, HOLDS_FROM, "files of version 2 for cycles that begin before it will be refused: E305"),
        ("column points", None, "field 13 integer", "files of version 1 lack it: null"),
        ("column operator_id", "field 13 id of 6 to 20 characters", None,
         "core.payment keeps it; rows of version 2 lack it: null"),
        ("column channel, codes", "HALL WEB APP BANK AGENT IVR", "HALL WEB APP BANK AGENT",
         "rows with IVR will be rejected: E406"),
    ]  # fmt: skip
    back = {each.what: each.effect for each in version_differences(contract, "2", "1")}
    assert back["column channel, codes"] == "rows with IVR are accepted"
    assert version_differences(contract, "2", "2") == ()


EDITS: list[tuple[str, str, str, str | None, str | None, str]] = [
    ("maxLength: 20", "maxLength: 16", "column service_number, length", "0 to 20", "0 to 16", "longer value"),
    ("maxLength: 20", "minLength: 2", "column service_number, length", "0 to 20", "2 to any", "a shorter value"),
    ("maxLength: 20", "maxLength: 30", "column service_number, length", "0 to 20", "0 to 30", "are accepted"),
    ("        physicalType: month\n", "        physicalType: month\n        required: true\n",
     "column billing_cycle, required", "false", "true", "rejected: E402"),
    ("        physicalType: timestamp\n        required: true\n", "        physicalType: timestamp\n",
     "column paid_at, required", "true", "false", "accepted: null"),
    ('"amount_fen <> 0"', '"amount_fen > 5"', "column amount_fen, range", "never zero (amount_fen <> 0)",
     "never zero (amount_fen > 5)", "rejected: E407"),
    ("description: never zero", "description: not zero", "column amount_fen, range", "never zero (amount_fen <> 0)",
     "not zero (amount_fen <> 0)", "judged as before"),
    ("physicalType: month", "physicalType: text", "column billing_cycle, type", "month", "text", "rejected: E403"),
    ("mask, value: phone", "mask, value: hidden", "column service_number, mask", "phone", "hidden", "masked as hidden"),
    ("controlColumn, value: amount_fen", "controlColumn, value: balance_after_fen", "controlColumn", "amount_fen",
     "balance_after_fen", "E303"),
    ('delimiter, value: "|"', 'delimiter, value: ";"', "delimiter", "|", ";", "split at ;"),
    ("share: 0.001", "share: 0.0005", "rejects", "3 rows or 0.1%", "3 rows or 0.05%", "E501"),
    ("lineBytes: 65536", "lineBytes: 1024", "limits lineBytes", "65536", "1024", "E205"),
    ("frequency, value: hourly", "frequency, value: daily", "frequency", "hourly", "daily",
     "never within a feed: nothing is fetched or loaded"),
    ("      - name: account_id\n",
     "      - name: account_id\n        primaryKey: true\n        primaryKeyPosition: 2\n",
     "key", "payment_id", "payment_id, account_id", "never within a feed: nothing is loaded while core has batches"),
    ("missingAfter, value: 2", "missingAfter, value: 3", "missingAfter", "2 h", "3 h", "asked for again"),
    ("expected, value: 15", "expected, value: 0", "expected", "15 min", "0 s", "of every version"),
    ("retention, value: 90", "retention, value: 60", "retention", "90 d", "60 d", "pruned"),
    ("to: USER.user_id", "to: CUST.customer_id", "relationships", "user_id to USER.user_id",
     "user_id to CUST.customer_id", "E506"),
    ("description: Account that was paid.", "description: The account.", "column account_id, description",
     "Account that was paid.", "The account.", "wording only"),
    ("  - {property: eventTime, value: paid_at}\n", "", "eventTime", "paid_at", None, "measured by none"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "what", "was", "becomes", "effect"), EDITS, ids=lambda text: str(text)[:30])
def test_an_edit_is_told_as_one_difference(
    tmp_path: Path, old: str, new: str, what: str, was: str | None, becomes: str | None, effect: str
) -> None:
    schemas = copy_schemas(tmp_path)
    edit(schemas / "feeds/PAYM.yaml", old, new)
    found = told(schemas)
    assert [each for each in found if each != "version"] == [what]  # a new delimiter wants a new version too
    assert found[what][:2] == (was, becomes)
    assert effect in found[what][2]


QUALITY = [
    ("severity: error", "severity: warning", "warning: ", "is told as a warning; nothing is held back"),
    ("least: 0.5, most: 2", "least: 0.1", "least 0.1, error: ", "holds publications back"),
    ("description: Bills", "description: All bills", "least 0.5, most 2, error: All bills", "judged as before"),
]


@pytest.mark.parametrize(("old", "new", "becomes", "effect"), QUALITY, ids=lambda text: text)
def test_expectations_are_told_by_measure(tmp_path: Path, old: str, new: str, becomes: str, effect: str) -> None:
    schemas = copy_schemas(tmp_path)
    edit(schemas / "feeds/BILL.yaml", old, new)
    ((what, found),) = told(schemas, "BILL").items()
    assert what == "quality row_count_ratio"
    assert str(found[0]).startswith("least 0.5, most 2, error: Bills against the usual")
    assert becomes in str(found[1])
    assert effect in found[2]


def test_an_expectation_more_and_one_less_are_told(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    edit(schemas / "feeds/BILL.yaml", "{expect: row_count_ratio, least: 0.5", "{expect: user_id_orphan_share, least: 0")
    edit(schemas / "feeds/BILL.yaml", "least: 0, most: 2", "most: 0.01")
    found = told(schemas, "BILL")
    gone, come = found.pop("quality row_count_ratio"), found.pop("quality user_id_orphan_share")
    assert found == {}
    assert gone[1] is come[0] is None
    assert "the policy's bounds hold" in gone[2]
    assert str(come[1]).startswith("most 0.01, error: ")


def test_a_column_that_changes_places_moves_and_those_behind_it_do_not(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    path = schemas / "feeds/PAYM.yaml"
    text = path.read_text(encoding="utf-8")
    begin, end = text.index("      - name: account_id\n"), text.index("      - name: user_id\n")
    path.write_text(text[:begin] + text[end:].rstrip("\n") + "\n" + text[begin:end], encoding="utf-8")
    found = told(schemas)
    assert found["column account_id, place"][:2] == ("field 2", "field 13")
    assert "keep the contract of now as PAYM@1.yaml" in found["version"][2]
    assert len(found) == 2


def test_a_change_without_a_new_version_is_told_with_what_it_breaks(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    drop_column(schemas / "feeds/PAYM.yaml", "operator_id")
    add_column(schemas / "feeds/PAYM.yaml", "points")
    found = told(schemas)
    assert "give the new one a version of its own" in found["version"][2]
    assert found["column points"][2] == "rows without the field will be rejected: E401"
    assert "nothing loads until PAYM@1.yaml stands beside" in found["column operator_id"][2]


def changes_of_former(directory: Path) -> None:
    edit(directory / "feeds/PAYM@1.yaml", "rows: 3", "rows: 4")


def drops_the_former(directory: Path) -> None:
    (directory / "feeds/PAYM@1.yaml").unlink()
    edit(directory / "feeds/PAYM.yaml", '  - {property: holdsFrom, value: "2026-12-01"}\n', "")


@pytest.mark.parametrize(
    ("change", "what", "effect"),
    [(changes_of_former, "version 1, rejects", "E501"), (drops_the_former, "version", "will be refused: E305")],
)
def test_what_becomes_of_older_versions_is_told(
    schemas: Path, change: Callable[[Path], None], what: str, effect: str
) -> None:
    change(schemas)
    assert effect in told(schemas)[what][2]


def test_a_feed_more_and_a_feed_less_are_told(tmp_path: Path) -> None:
    schemas = copy_schemas(tmp_path)
    (schemas / "feeds/WORD.yaml").unlink()
    now, then = load_contracts(), load_contracts(schemas)
    (gone,) = installation_differences(now, then, ("WORD",))
    (come,) = installation_differences(then, now, ("WORD",))
    assert (gone.difference.was, gone.difference.becomes) == ("version 1", None)
    assert (come.difference.was, come.difference.becomes) == (None, "version 1")
    assert "E102" in gone.difference.effect


@pytest.fixture
def home(tmp_path: Path, schemas: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tierline.yaml").write_text(
        f'contracts: {schemas}\nsources:\n  "110":\n    url: file://{tmp_path}\n    feeds: [PAYM]\n'
    )
    return home


def test_feeds_diff_is_a_table_and_json(home: Path) -> None:
    table = tierline(home, "feeds", "diff", "PAYM", now=NOW)
    assert table.exit_status == 0, table.err
    title, head, *lines = table.out.splitlines()
    assert title == "PAYM, version 1 to 2"
    assert head.split() == ["what", "was", "becomes", "effect"]
    rows = json.loads(tierline(home, "feeds", "diff", "PAYM", "--json", now=NOW).out)
    assert len(lines) == len(rows) == 5
    assert rows[0] == {
        "what": "version", "was": "1", "becomes": "2", "effect": "files of version 1 are read on, for cycles of any day"
    }  # fmt: skip
    back = json.loads(tierline(home, "feeds", "diff", "PAYM", "--from", "2", "--to", "1", "--json", now=NOW).out)
    assert back[0]["was"] == "2"
    help_text = " ".join(tierline(home, "feeds", "diff", "--help", now=NOW).out.split())
    assert "Example: tierline feeds diff PAYM" in help_text


def test_feeds_diff_with_other_schemas_is_of_one_feed_or_of_all(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    others = copy_schemas(other)
    rows = json.loads(tierline(home, "feeds", "diff", "--with", str(others), "--json", now=NOW).out)
    assert {row["feed"] for row in rows} == {"CUST", "PAYM"}
    assert list(rows[0]) == ["feed", "what", "was", "becomes", "effect"]
    mine = json.loads(tierline(home, "feeds", "diff", "CUST", "--with", str(others), "--json", now=NOW).out)
    assert mine == [row for row in rows if row["feed"] == "CUST"] != []
    same = tierline(home, "feeds", "diff", "BILL", "--with", str(others), now=NOW)
    assert (same.exit_status, same.out.strip()) == (0, f"BILL, with {others}: no difference")
    same = tierline(home, "feeds", "diff", "PAYM", "--from", "1", "--to", "1", "--json", now=NOW)
    assert (same.exit_status, json.loads(same.out)) == (0, [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["diff"], "expected a feed such as PAYM, or --with"),
        (["diff", "XXXX"], "expected one of BILL"),
        (["diff", "BILL"], "found version 1 alone"),
        (["diff", "PAYM", "--from", "7"], "--from 7: expected a version of PAYM: 1, 2"),
        (["diff", "PAYM", "--to", "7"], "--to 7: expected a version of PAYM: 1, 2"),
        (["diff", "PAYM", "--with", "nowhere"], "expected a directory with feeds/ and codes/"),
        (["diff", "PAYM", "--with", ".", "--from", "1"], "without --from and --to"),
        (["diff", "--with", "."], "codes/: expected at least one file"),
        (["diff", "XXXX", "--with", "{schemas}"], "expected one of BILL"),
        (["show", "PAYM", "--version", "3"], "--version 3: expected a version of PAYM: 1, 2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_answered_with_what_is(home: Path, schemas: Path, words: list[str], says: str) -> None:
    ran = tierline(home, "feeds", *(word.format(schemas=schemas) for word in words), now=NOW)
    assert ran.exit_status == 2
    assert says in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


def test_feeds_shows_versions_and_an_older_one_on_demand(home: Path) -> None:
    rows = {each["feed"]: each["versions"] for each in json.loads(tierline(home, "feeds", "--json", now=NOW).out)}
    assert (rows["PAYM"], rows["BILL"]) == ("1, 2", "1")
    newest = tierline(home, "feeds", "show", "PAYM", now=NOW).out
    older = tierline(home, "feeds", "show", "PAYM", "--version", "1", now=NOW).out
    assert "points" in newest
    assert "operator_id" not in newest
    assert "(version 2, read from 2026-12-01 on)" in newest
    assert "points" not in older
    assert "operator_id" in older
