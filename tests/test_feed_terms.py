"""What core's rows of a feed rest on stays while there are any: table, key, states or events, what deletes."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from offers import GOOD, NOW, change_schema, customers, in_core, put_end, take
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

Edits = list[tuple[str, str]]
PAYM, CUST = "feeds/PAYM.yaml", "feeds/CUST.yaml"
TABLE = [("value: payment}", "value: paid}"), ("  - name: payment\n", "  - name: paid\n"), (" payment.", " paid.")]
KEY = [("- name: account_id\n", "- name: account_id\n        primaryKey: true\n        primaryKeyPosition: 2\n")]
NEEDS = [("[op, op_time, customer_id]", "[op_time, customer_id]")]
WHEN = [("op = 'D'", "op = 'U'")]
TO_DO = "put it back, or give what comes a feed of its own (docs/operators/feeds.md, 'How a contract changes')"
CHANGES = [
    (PAYM, TABLE, "PAYM, key table: expected payment, ", "found paid; "),
    (PAYM, KEY, "PAYM, key properties: expected the key payment_id, ", "found the key payment_id, account_id; "),
    (CUST, NEEDS, "CUST, key deleteNeeds: expected customer_id, op, op_time, ", "found customer_id, op_time; "),
    (CUST, WHEN, "CUST, key deleteWhen: expected op = 'D', ", "found op = 'U'; "),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with batches of two feeds in core, built once."""
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    snapshot = customers("20261121", 2)
    for offer in (GOOD, snapshot):
        offer.put(root)
        put_end(root, offer)
    assert take(home).exit_status == 0
    assert tierline(home, "build", "--as-of", "2026-11-21", now=NOW).exit_status == 0
    return home


def change(home: Path, file: str, edits: Edits) -> None:
    for old, new in edits:
        change_schema(home, file, old, new)


def change_back(home: Path, file: str, edits: Edits) -> None:
    change(home, file, [(new, old) for old, new in edits])


@pytest.mark.parametrize(("file", "edits", "expected", "found"), CHANGES)
def test_a_change_in_place_stops_what_writes_and_doctor_names_it(
    home: Path, file: str, edits: Edits, expected: str, found: str
) -> None:
    held = in_core(home, "from core.payment order by all")
    change(home, file, edits)
    for words in (["load"], ["build", "--as-of", "2026-11-21"], ["publish"]):
        ran = tierline(home, *words, now=NOW)
        assert ran.exit_status == 1
        for part in (expected, "by which its rows in core were loaded", found, TO_DO):
            assert part in ran.err, ran.err
    (line,) = [line for line in tierline(home, "doctor", now=NOW).out.splitlines() if line.startswith("warehouse ")]
    assert expected in line
    assert line.endswith("do what it says")
    rebuilt = tierline(home, "rebuild", "--into", str(home.parent / "new"), now=NOW)
    assert "nothing to compare with: the present warehouse cannot be used: " + expected in rebuilt.out
    change_back(home, file, edits)
    assert tierline(home, "load", now=NOW).exit_status == 0
    assert in_core(home, "from core.payment order by all") == held


def test_a_feed_of_which_nothing_was_loaded_may_change(tmp_path: Path) -> None:
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    snapshot = customers("20261121", 2)
    snapshot.put(root)
    put_end(root, snapshot)
    assert take(home).exit_status == 0
    change(home, PAYM, KEY)
    GOOD.put(root)
    assert take(home).exit_status == 0
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    change_back(home, PAYM, KEY)
    assert "PAYM, key properties: expected the key payment_id, account_id" in tierline(home, "load", now=NOW).err


def test_an_older_warehouse_notes_what_it_finds(home: Path) -> None:
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb")) as connection:
        connection.execute("drop table ops.history_term")
        connection.execute("update ops.made_for set fingerprint = 'of an older release'")
    change(home, PAYM, KEY)
    assert tierline(home, "load", now=NOW).exit_status == 0
    change_back(home, PAYM, KEY)
    assert "PAYM, key properties: expected the key payment_id, account_id" in tierline(home, "load", now=NOW).err
