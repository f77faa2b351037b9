"""A generated province, read again: its files, and that the feeds say the same of the same thing."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from province_reader import Read, Row, read

from sftp_fixtures.defects import DEFECT_CODES
from sftp_fixtures.province import main, make_province
from sftp_fixtures.settings import FEEDS, Rates

END = datetime(2026, 11, 22, 12)
KEYS = {
    "CUST": ["customer_id", "op_time"], "USER": ["user_id", "op_time"], "PAYM": ["payment_id"], "CHNG": ["change_id"],
    "BILL": ["user_id", "billing_cycle"], "USGE": ["record_id"], "CONT": ["contact_id"],
    "WORD": ["work_order_id", "op_time"],
}  # fmt: skip


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Read:
    root = tmp_path_factory.mktemp("province")
    return read(root, make_province(root, end=END, seed=3))


def test_every_check_file_describes_its_data_file(province: Read) -> None:
    checks = list(province.root.glob("outgoing/*/*.CHK"))
    assert len(checks) == sum(len(batches) for batches in province.summary.batches.values()) > 50
    for path in checks:
        name, size, records, digest, _ = path.read_text().removesuffix("\n").split("|")
        data = path.with_name(name).read_bytes()
        assert (int(size), digest) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        assert int(records) == data.count(b"\n") - 2
    assert not list(province.root.rglob("*.tmp"))


def test_every_cycle_that_ended_has_an_end_file_that_agrees_with_its_batches(province: Read) -> None:
    hours = [END - timedelta(hours=n) for n in range(1, 61)]
    days = ["20261119", "20261120", "20261121"]
    expected = {f"{feed}_110_I_{hour:%Y%m%d%H}" for feed in ("PAYM", "CHNG") for hour in hours}
    expected |= {f"{feed}_110_I_{day}" for feed in ("CUST", "USER") for day in days}
    expected |= {f"{feed}_110_I_{day}" for feed in ("USGE", "CONT", "WORD") for day in days[1:]}
    expected |= {f"BILL_110_I_{month}" for month in ("202608", "202609", "202610")}
    assert set(province.ends) == expected
    batches = [batch for batches in province.summary.batches.values() for batch in batches]
    for cycle, (first, *rest) in province.ends.items():
        own = [batch for batch in batches if batch.stem.startswith(f"{cycle}_")]
        assert first == f"{len(own)}|{sum(b.records for b in own)}|{sum(b.control_total for b in own)}"
        assert rest == [f"{batch.stem}|{batch.records}" for batch in own]
    assert ["0|0|0"] in province.ends.values()


def test_keys_are_unique_and_foreign_keys_are_found(province: Read) -> None:
    for feed, key in KEYS.items():
        found = Counter(tuple(row[name] for name in key) for row in province.rows[feed])
        assert found
        assert max(found.values()) == 1, feed
    customers = {row["customer_id"] for row in province.rows["CUST"]}
    users = {row["user_id"] for row in province.rows["USER"]}
    orders = {row["work_order_id"] for row in province.rows["WORD"]}
    contacts = {row["contact_id"] for row in province.rows["CONT"]}
    for feed in FEEDS:
        assert province.rows[feed]
        for row in province.rows[feed]:
            assert row.get("user_id", "") in users | {""}
            assert row.get("customer_id", "") in customers | {""}
            assert row.get("work_order_id", "") in orders | {""}
            assert row.get("contact_id", "") in contacts | {""}


def test_changes_agree_with_the_states_of_the_next_day(province: Read) -> None:
    states = {(row["user_id"], row["op_time"]): row for row in province.rows["USER"]}
    column = {"07": "customer_id", "08": "service_number", "10": "plan_code"}
    status = {"01": "1", "02": "9", "03": "2", "04": "3", "05": "4", "06": "1", "13": "1", "14": "9"}
    seen, compared = Counter[str](), set()
    for change in province.rows["CHNG"]:
        kind = change["change_type"]
        seen[kind] += 1
        if change["effective_at"] < "20261122" and kind in column | status:
            compared.add(kind)
            state = states[change["user_id"], change["effective_at"]]
            found = state[column.get(kind, "status")]
            assert found == change["new_value"] if kind in column else found == status[kind]
            if kind in status:
                assert state["status_time"] == change["effective_at"]
    assert set(seen) >= {"09", "11", "12", "14"}
    assert compared >= {"01", "02", "03", "04", "05", "06", "07", "08", "10"}


def test_states_of_a_subscriber_follow_from_each_other(province: Read) -> None:
    """What no change and no payment touched is as it was: number, plan, owner and status."""
    changed = {change["user_id"] for change in province.rows["CHNG"]}
    before: dict[str, Row] = {}
    compared = 0
    for row in sorted(province.rows["USER"], key=lambda row: row["op_time"]):
        former = before.get(row["user_id"])
        if former and row["op"] == "U" and row["cycle"] >= "20261120" and row["user_id"] not in changed:
            compared += 1
            same = [name for name in row if name not in ("op", "op_time", "balance_fen", "cycle")]
            assert [row[name] for name in same] == [former[name] for name in same]
        before[row["user_id"]] = row
    assert compared > 10


def test_a_busy_province_keeps_one_state_a_second_and_every_work_order(tmp_path: Path) -> None:
    rates = Rates(usage=0, payments=300, contacts=300)
    found = read(tmp_path, make_province(tmp_path, subscribers=40, days=1, months=1, end=END, rates=rates))
    payments = [row for row in found.rows["PAYM"] if row["user_id"]]
    seconds = Counter((row["user_id"], row["paid_at"]) for row in payments)
    states = Counter((row["user_id"], row["op_time"]) for row in found.rows["USER"])
    assert max(seconds.values()) > 1
    assert max(states.values()) == 1
    assert {second for second in seconds if second[1] < "20261122"} <= set(states)
    balances: dict[str, int] = {}
    for row in sorted(payments, key=lambda row: (row["paid_at"], row["payment_id"])):
        after, amount = int(row["balance_after_fen"]), int(row["amount_fen"])
        assert balances.get(row["user_id"], after - amount) + amount == after
        balances[row["user_id"]] = after
    orders = {row["work_order_id"] for row in found.rows["CONT"]} - {""}
    assert orders == {row["work_order_id"] for row in found.rows["WORD"]} != set()


def test_payments_move_the_balance_and_reversals_name_one_of_them(province: Read) -> None:
    states = {(row["user_id"], row["op_time"]): row for row in province.rows["USER"]}
    payments = {row["payment_id"]: row for row in province.rows["PAYM"]}
    known = [row for row in payments.values() if row["user_id"] and row["paid_at"] < "20261122"]
    assert known
    for row in known:
        assert states[row["user_id"], row["paid_at"]]["balance_fen"] == row["balance_after_fen"]
    reversals = [row for row in payments.values() if row["kind"] == "9"]
    assert reversals
    for row in reversals:
        former = payments[row["reversed_payment_id"]]
        assert int(former["amount_fen"]) == -int(row["amount_fen"])
        assert (former["user_id"], former["paid_at"] < row["paid_at"]) == (row["user_id"], True)


def test_usage_and_contacts_are_of_subscribers_open_at_the_time(province: Read) -> None:
    closed_at = {row["user_id"]: row["status_time"] for row in province.rows["USER"] if row["status"] == "9"}
    opened_at = {row["user_id"]: row["op_time"] for row in province.rows["USER"] if row["op"] == "I"}
    times = [(row["user_id"], row["started_at"]) for row in province.rows["USGE"]]
    times += [(row["user_id"], row["arrived_at"]) for row in province.rows["CONT"] if row["user_id"]]
    # A reversal may follow the payment that it names into the time after a closing.
    times += [
        (row["user_id"], row["paid_at"]) for row in province.rows["PAYM"] if row["user_id"] and row["kind"] != "9"
    ]
    assert len(times) > 1000
    for user_id, time in times:
        assert opened_at[user_id] < time < closed_at.get(user_id, "9")
    assert province.summary.cases["C5_SILENT"] not in {row["user_id"] for row in province.rows["USGE"]}


def bytes_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")}


def test_a_seed_fixes_every_byte(tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        make_province(tmp_path / name, subscribers=60, days=1, hours=3, end=END, seed=seed)
    one, two, three = (bytes_of(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert len(one) > 20
    assert one != three


@pytest.mark.parametrize("subscribers", [1, 7, 20, 45])
def test_small_provinces_are_sound_too(tmp_path: Path, subscribers: int) -> None:
    found = read(tmp_path, make_province(tmp_path, subscribers=subscribers, months=1, days=1, end=END))
    assert len({row["user_id"] for row in found.rows["USER"] if row["cycle"] == "20261120"}) == subscribers


def test_gb18030_gzip_and_several_files_a_cycle(tmp_path: Path) -> None:
    make = partial(make_province, subscribers=900, days=1, hours=2, months=1, end=END)
    plain = read(tmp_path / "plain", make(tmp_path / "plain"))
    summary = make(tmp_path / "other", encoding="gb18030", gzip=True, rows_per_file=300)
    other = read(tmp_path / "other", summary, "gb18030")
    assert other.rows == plain.rows
    assert [batch.stem for batch in summary.batches["BILL"]] == [f"BILL_110_I_202610_{n:04d}_00" for n in (1, 2, 3)]
    assert other.ends["BILL_110_I_202610"][0].startswith("3|")
    names = "".join(row["customer_name"] + row["address"] for row in plain.rows["CUST"])
    assert any(len(character.encode("gb18030")) == 4 for character in names)
    assert any(b"|" in character.encode("gb18030") for character in names)


def test_broken_payments_are_counted_by_the_code_they_earn(tmp_path: Path) -> None:
    summary = make_province(tmp_path, subscribers=2000, days=1, end=END, bad_share=0.3)
    lines = [line for path in tmp_path.glob("outgoing/PAYM/*.DAT") for line in path.read_bytes().splitlines()]
    fields = [line.split(b"|") for line in lines if line[:1] == b"P"]
    trailers = [line.split(b"|") for line in lines if line[:1] == b"T"]
    found = Counter(code for row in fields if (code := code_of(row)))
    assert dict(found) == dict(summary.broken)
    assert set(found) == set(DEFECT_CODES)
    counted = sum(int(row[5]) for row in fields if code_of(row) not in ("E401", "E403", "E410"))
    assert counted == sum(int(row[2]) for row in trailers) == summary.control_total("PAYM")


def code_of(row: list[bytes]) -> str | None:
    """The one code that a broken payment earns."""
    faults = {
        "E401": len(row) != 13,
        "E402": not row[1],
        "E403": b"." in row[5],
        "E404": len(row[12]) > 20,
        "E405": b"-" in row[12],
        "E406": row[7] == b"COIN",
        "E407": row[5] == b"0",
        "E408": (row[5][:1] == b"-") != (row[6] in (b"4", b"9")),
        "E410": b"\xff" in row[3],
    }
    earned = [code for code, holds in faults.items() if holds]
    assert len(earned) < 2
    return earned[0] if earned else None


def test_the_command_writes_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        ["--root", str(tmp_path), "--subscribers", "30", "--days", "1", "--hours", "1", "--end", "2026-11-22T12:00:00"]
    )
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [*FEEDS, "source 110"]
    assert (tmp_path / "outgoing" / "PAYM" / "PAYM_110_I_2026112211.END").exists()


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source: expected 3 digits"):
        make_province(tmp_path, source="11", end=END)
    with pytest.raises(ValueError, match="days: expected at least 1"):
        make_province(tmp_path, days=0, end=END)
