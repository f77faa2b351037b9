"""Attacks from outside: what producers, servers and receivers write is data, wherever it is shown."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import duckdb
import pytest
from fastapi.testclient import TestClient
from offers import NOW, STEM, batch, files, in_core, ledger, payments, put_end, take
from running import make_home, tierline

from pipelines.cli.context import close_sites
from pipelines.delivery.receipts import _without_numbers
from pipelines.page.app import page_app
from pipelines.transfer.base import Endpoint

DAY = "CUST_110_I_20261121_0001_00"
ESCAPE = "\x1b]0;owned\x07\x1b[2J"
EVIL = {
    "sql": "'); drop table core.customer; --",
    "html": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "template": "{{ 7 * 7 }}{% raw %}",
    "formula": "=HYPERLINK(0)",
    "terminal": ESCAPE,
    "direction": "\u202etxt.exe",
    "one byte": "\x9b2J",
    "markup": "[red]x[/red][/]",
}


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def steers(text: str) -> list[str]:
    """What a terminal would act on instead of showing it, but for line ends."""
    return re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text)


NUMBERS = ["8613800010001", "+8613800010001", "tel13800010001", "请拨13800010001", "0102345678", "11010119900101001X",
           "BBD59889695"]  # fmt: skip
HOUR = "CHNG_110_I_2026112210_0001_00"
SOON = "2026-11-22T11:10:00"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that a hostile producer's files went through, up to the published state."""
    work = tmp_path_factory.mktemp("hostile")
    root = work / "remote"
    names = [
        f"I|20261101090000|C{number:09d}|1|{name}|||F|19900101|13900000811||北京市|100083|||B|N|Y|20261101"
        for number, name in enumerate(EVIL.values())
    ]
    changes = [
        f"X00000000{number}|U00000050{number}|C00000090{number}|13800010001|09|20261122100215|20261122100215"
        f"|{text}|{text}|{text}|APP|"
        for number, text in enumerate(NUMBERS)
    ]
    for offer in (batch(DAY, names), batch(HOUR, changes)):
        offer.put(root)
        put_end(root, offer)
    payments(STEM, *["CARD"] * 9, f"GIFT{ESCAPE}\x9b2J\u202e", EVIL["html"]).put(root)
    (root / "outgoing" / "PAYM" / f"evil{ESCAPE}\nforged: line.DAT").write_bytes(b"")
    (root / "outgoing" / f"dir{ESCAPE}").mkdir()
    home = make_home(work / "home", Endpoint("file", root=str(root)))
    ran = tierline(home, "run", "--as-of", "2026-11-21", now=SOON)
    assert ran.exit_status == 3, ran
    (work / "said").write_text(ran.out + ran.err)
    return home


def test_values_of_a_hostile_producer_are_loaded_as_they_are_and_do_nothing(hostile: Path) -> None:
    names = in_core(hostile, "select customer_name from core.customer order by customer_id")
    assert [name for (name,) in names] == list(EVIL.values())


def test_no_value_or_name_steers_a_terminal(hostile: Path) -> None:
    """Rejected records, names of files, values of the published state; as a table and as JSON."""
    said = [
        tierline(hostile, *words, *json_or_not, now=SOON)
        for words in (["batch", "rejects", STEM], ["batches", "--left"], ["digest", "--day", "2026-11-22"],
                      ["query", "select $$\x1b[2J\x9b\u202e$$ as value, chr(27) || 'x' as other"])
        for json_or_not in ([], ["--json"])
    ]  # fmt: skip
    shown = (hostile.parent / "said").read_text() + "".join(run.out + run.err for run in said)
    assert "GIFT\\x1b]0;owned\\x07" in shown
    assert "evil\\x1b" in shown
    assert steers(shown) == []
    assert "\nforged" not in shown
    rejects = json.loads(tierline(hostile, "batch", "rejects", STEM, "--json", now=SOON).out)
    assert ESCAPE in rejects[0]["record"], "a program gets what came"


def test_no_value_or_name_is_markup_on_a_page(hostile: Path) -> None:
    shown = TestClient(page_app(hostile, lambda: "somebody", lambda user: True))
    found = {address: shown.get(address).text for address in (f"/batch/{STEM}", "/batches", "/alarms", "/")}
    found |= {path.name: path.read_text() for path in (hostile / "bi").rglob("*.html")}
    close_sites()
    assert {"report.html", "report.zh.html"} <= found.keys()
    assert "&lt;script&gt;alert(1)" in found[f"/batch/{STEM}"]
    for name, page in found.items():
        assert not re.search(r"<script>alert|<img src=x|\{\{ 7|[^0-9]49[^0-9].*%raw", page), name


def test_a_number_in_a_free_text_is_hidden_in_the_published_state(hostile: Path) -> None:
    """Also where no contract says that it is one."""
    query = "select old_value, new_value, reason, user_id, customer_id from core.subscriber_change order by change_id"
    with duckdb.connect(str(hostile / "bi" / "current.duckdb"), read_only=True) as state:
        masked = state.execute(query).fetchall()
    with duckdb.connect(str(hostile / "bi" / "private.duckdb"), read_only=True) as state:
        private = state.execute(query).fetchall()
    assert [row[:3] for row in private] == [(text, text, text) for text in NUMBERS]
    assert [row[3:] for row in masked] == [row[3:] for row in private], "ids stay whole"
    for (*texts, _, _), number in zip(masked, NUMBERS, strict=True):
        assert all(number not in text and "****" in text for text in texts), texts


def test_words_of_an_operator_are_no_commands_to_the_next_ones_terminal(home: Path, root: Path) -> None:
    payments(STEM, "CARD").put(root)
    take(home)
    why = f"{ESCAPE}\nforged: line [red]"
    tierline(home, "batch", "discard", STEM, "--why", why, now=NOW)
    shown = tierline(home, "batch", "show", STEM, now=NOW).out
    assert steers(shown) == []
    assert "[red]" in shown


def test_what_is_no_check_or_end_file_is_quoted_without_numbers(home: Path, root: Path) -> None:
    """A file of records under the name of a check or end file: its numbers must not reach ledger, alarms and mails."""
    payments(STEM, "CARD").put(root)
    directory = root / "outgoing" / "PAYM"
    (directory / f"{STEM}.CHK").write_text("13800010001|110101199001010017|01012345678|C|D\n")
    (directory / f"{STEM[:-8]}.END").write_text("13800010001|110101199001010017|0102345678|BBD59889695\n")
    assert take(home).exit_status == 3
    (found,) = ledger(home)
    assert found.code == "E201"
    shown = "".join(tierline(home, *words, now=NOW).out for words in (["batches"], ["batches", "--left"]))
    assert "138****" in shown
    for path in [home / "ledger.sqlite", home / "ledger.sqlite-wal", *(home / "logs").rglob("*.jsonl")]:
        content = path.read_bytes() if path.exists() else b""
        assert not re.search(rb"13800010001|1101011990|0101?2345678|59889695", content), path.name


@pytest.mark.parametrize("link", ["outgoing/PAYM", "receipt", "receipt/PAYM", "backup"])
def test_a_producers_link_leads_no_read_and_no_write_out_of_the_drop_directory(
    tmp_path: Path, home: Path, root: Path, link: str
) -> None:
    payments(STEM, *["CARD"] * 9, "GIFT").put(root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if link == "outgoing/PAYM":
        (root / link).rename(elsewhere / "PAYM")
    place = root / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere / "PAYM" if link == "outgoing/PAYM" else elsewhere)
    before = files(elsewhere)
    os.chown(place, 65534, 65534, follow_symlinks=False)
    ran = take(home)
    assert ran.exit_status == 1
    assert "is a link of another user's" in ran.err
    assert files(elsewhere) == before
    os.chown(place, os.geteuid(), -1, follow_symlinks=False)
    assert take(home).exit_status in (0, 3), "a link of our own, or root's, is the operator's word"
    assert files(elsewhere) != before


def test_a_receipt_of_a_hostile_receiver_is_told_without_numbers_and_controls() -> None:
    said = _without_numbers(f"REFUSED 13800010001{ESCAPE}\n\0 110101199001010017\u202e BBD59889695")
    assert said == "REFUSED 138****0001\\x1b]0;owned\\x07\\x1b[2J \\x00 110****0017\\u202e BBD****9695"
