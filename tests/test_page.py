"""The page "File batches" by itself: board, lists and stories, held against the commands and the ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from offers import MANY_BAD, STEM, batch, customers, payments, put_end
from running import make_home, tierline
from sqlalchemy import insert

from pipelines.cli.context import close_sites, open_site
from pipelines.ledger.tables import offering
from pipelines.operating import Action, decide
from pipelines.page.app import page_app
from pipelines.story import batch_story
from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T15:30:00"


class Cells(HTMLParser):
    """The cells of the board: the word of each by feed, source, mode and cycle."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: dict[tuple[str, ...], str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "a" and "/cycle/" in named.get("href", ""):
            self.words[tuple(named["href"].split("/cycle/")[1].split("/"))] = named["class"].split()[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TIERLINE_NOW", NOW)
    yield make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    close_sites()


def page(home: Path, *, may_act: bool = True) -> TestClient:
    return TestClient(page_app(home, lambda: "somebody", lambda user: may_act))


def test_the_board_says_of_every_cycle_what_the_command_says(home: Path) -> None:
    remote = home.parent / "remote"
    whole = payments("PAYM_110_I_2026112208_0001_00", "CARD")
    late = payments("PAYM_110_I_2026112212_0001_00", "CARD")
    for each in (whole, late, MANY_BAD):
        each.put(remote)
    put_end(remote, whole)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    shown = Cells(page(home).get("/").text).words
    cycles = json.loads(tierline(home, "cycles", "--json", now=NOW).out)
    said = {(each["feed"], each["source"], each["mode"], each["cycle"]): each["state"] for each in cycles}
    refused = ("PAYM", "110", "I", STEM.split("_")[3])
    assert said[refused] in ("late", "missing")
    assert shown == said | {refused: "refused"}
    assert {"complete", "late", "missing"} & set(shown.values()) >= {"complete", "missing"}
    day_before = Cells(page(home).get("/?day=2026-11-21").text).words
    assert all(cycle[3] <= "2026112123" for cycle in day_before)


def test_lists_are_paged_and_filtered_by_the_server(home: Path) -> None:
    """20,000 batches: every page is small, and together they show each batch once."""
    site, begin = open_site(home), datetime(2026, 11, 22)
    rows = []
    for number in range(20_000):
        hour = begin - timedelta(hours=number // 20)
        feed, cycle, seq = ("PAYM", "CHNG")[number % 2], f"{hour:%Y%m%d%H}", f"{number % 20 // 2 + 1:04d}"
        state = "refused" if number % 100 == 7 else "loaded"
        stem = f"{feed}_110_I_{cycle}_{seq}_00"
        rows.append(
            {"stem": stem, "feed": feed, "source": "110", "mode": "I", "cycle": cycle, "seq": seq, "version": "00",
             "file_name": f"{stem}.DAT", "state": state, "records": 1, "taken_at": hour, "acknowledged_at": hour}
        )  # fmt: skip
    with site.ledger.transaction() as connection:
        connection.execute(insert(offering), rows)
    shown = page(home)
    answer = shown.get("/batches?state=refused")
    assert len(answer.content) < 60_000
    assert "200 in all, 1 to 50" in " ".join(answer.text.split())
    stems: list[str] = []
    for number in range(1, 5):
        stems += re.findall(r"/batch/(\w+)", shown.get(f"/batches?state=refused&page={number}").text)
    assert sorted(stems) == sorted(each["stem"] for each in rows if each["state"] == "refused")
    assert len(shown.get("/batches?page=400").content) < 60_000
    found = re.findall(r"/batch/(\w+)", shown.get("/batches?feed=CHNG&cycle=20261121").text)
    assert len(found) == 50
    assert {stem[:19] for stem in found} <= {f"CHNG_110_I_20261121{hour:02d}"[:19] for hour in range(24)}
    assert shown.get("/batches?state=lost").status_code == 404
    assert shown.get("/batches?page=0").status_code == 422
    assert len(shown.get("/").content) < 60_000


def test_days_and_pages_that_cannot_be_are_refused(home: Path) -> None:
    shown = page(home)
    for day in ("0001-01-01", "1899-12-31", "3000-01-01", "9999-12-31", "yesterday", "2026-02-30"):
        answer = shown.get(f"/?day={day}")
        assert (answer.status_code, f"day {day}: expected a day such as" in answer.text) == (404, True)
    assert [shown.get(f"/?day={day}").status_code for day in ("1900-01-01", "2999-12-31")] == [200, 200]
    for path in ("/batches", "/alarms"):
        assert shown.get(f"{path}?page=99999999999999999999").status_code == 422


def test_what_files_and_people_say_is_text_and_never_markup(home: Path) -> None:
    MANY_BAD.put(home.parent / "remote")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    why = "<script>alert(1)</script>"
    tierline(home, "batch", "discard", STEM, "--why", why, now=NOW)
    answer = page(home).get(f"/batch/{STEM}")
    assert "&lt;script&gt;alert(1)" in answer.text
    assert why not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    asked = page(home).get('/batches?text="><script>alert(1)</script>')
    assert "<script>alert" not in asked.text


@pytest.mark.fault(23)
def test_the_reject_file_is_for_those_who_may_act(home: Path) -> None:
    MANY_BAD.put(home.parent / "remote")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    assert page(home, may_act=False).get(f"/batch/{STEM}/rejects").status_code == 403
    got = page(home).get(f"/batch/{STEM}/rejects")
    out = home.parent / "rejects"
    tierline(home, "batch", "rejects", STEM, "--out", str(out), now=NOW)
    assert got.content == out.read_bytes()
    shown = page(home, may_act=False).get(f"/batch/{STEM}").text
    assert "13800010001" not in shown
    assert "****" in shown
    assert "<button" not in shown.split("<main>")[1]
    assert page(home).get("/batch/PAYM_110_I_2026112299_0001_00").status_code == 404


@pytest.mark.fault(23)
def test_no_number_is_shown_wherever_it_stands_in_a_rejected_row(home: Path) -> None:
    """Values often stand in a wrong column there; ids and times that are some remain, to know the row by."""
    rows = [
        "X00000000012|13632117037|C00000000001|13632117038|1|20261122100215|BBD59889695|||13632117040为主叫|APP|OP0001",
        "X00000000013|IOT59889695|110101199003078515|||99991322100299|20261122100215|||A|13632117041|13632117042",
    ]
    offer = batch("CHNG_110_I_2026112210_0001_00", rows)
    offer.put(home.parent / "remote")
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    shown = page(home).get(f"/batch/{offer.stem}").text
    assert "X00000000012|136****|C00000000001|****|1|20261122100215|BBD****|||136****为主叫|APP|OP0001" in shown
    assert "X00000000013|IOT****|110****|||999****|20261122100215|||A|136****|136****" in shown
    assert not re.search("13632117|110101199|59889695", shown)


def test_buttons_belong_to_an_offering_and_are_done_once(home: Path) -> None:
    """The same stem with other bytes is refused (E503): to discard that leaves alone what stands."""
    remote = home.parent / "remote"
    payments(STEM, "CARD").put(remote)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    payments(STEM, "WALLET").put(remote)
    tierline(home, "fetch", now=NOW)
    shown = page(home).get(f"/batch/{STEM}").text
    buttons = re.findall(r'data-offering="(\d+)" value="(\w+)"', shown)
    assert buttons == [("2", "retry"), ("2", "discard"), ("1", "discard"), ("1", "replay")]
    site = open_site(home)
    for _ in range(2):
        decide(site, Action.DISCARD, STEM, "sent by mistake", 2)
    states = [each["state"] for each in batch_story(site, STEM)]
    assert states == ["loaded", "discarded"]


def test_a_held_snapshot_is_held_wherever_it_is_shown(home: Path) -> None:
    """E505, the snapshot before it older than the board reaches."""
    remote = home.parent / "remote"
    for cycle, count in (("20261101", 40), ("20261121", 10)):
        offer = customers(cycle, count)
        offer.put(remote)
        put_end(remote, offer)
    tierline(home, "fetch", now=NOW)
    tierline(home, "load", now=NOW)
    cycles = json.loads(tierline(home, "cycles", "--feed", "CUST", "--cycle", "20261121", "--json", now=NOW).out)
    assert "held" in {each["state"] for each in cycles}
    assert Cells(page(home).get("/").text).words["CUST", "110", "F", "20261121"] == "held"
    assert "held" in page(home).get("/cycle/CUST/110/F/20261121").text


def test_a_home_without_configuration_is_an_error_in_words(tmp_path: Path) -> None:
    answer = page(tmp_path / "nothing").get("/")
    assert answer.status_code == 503
    assert "expected a configuration, found none" in answer.text
