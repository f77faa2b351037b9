"""A running Airflow on PostgreSQL with LocalExecutor: hours of cycles in minutes, and the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUDPServer
from threading import Thread
from typing import Any

import duckdb
import pytest
import yaml
from offers import payments
from playwright.sync_api import Frame, Page, expect, sync_playwright
from running import make_home, tierline

from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from sftp_fixtures.airflow import Airflow, make_airflow, on_postgres, running
from sftp_fixtures.postgres import postgres_server
from sftp_fixtures.province import make_province
from sftp_fixtures.sshd import sshd_server
from warehouse.store import open_warehouse

FEEDS = load_contracts(DEFAULT_SCHEMAS).feed_names
DAGS = len(FEEDS) + 7
SENT = ("CUST", "USER", "PAYM", "CHNG")
REFUSED = "PAYM_110_I_2026112210_0009_00"
BEGIN = datetime(2026, 11, 22, 12, 0)
HOURS = 2
expect.set_options(timeout=30_000)  # two cores have Airflow, a browser and other tests to do


@dataclass(frozen=True)
class Live:
    """A running Airflow, its home, the producer's directory, and what holds the moment for all of its processes."""

    airflow: Airflow
    home: Path
    remote: Path
    clock: Path
    counted: Counter[str]  # what StatsD was sent, by metric with its tags

    def now(self) -> str:
        return self.clock.read_text()

    def batches(self) -> dict[str, dict[str, Any]]:
        shown = json.loads(tierline(self.home, "batches", "--json", now=self.now()).out)
        return {each["stem"]: each for each in shown}

    def run(self, dag_id: str, **conf: Any) -> tuple[str, dict[str, str]]:
        """A run to its end: its state, and the states of its tasks."""
        token = self.airflow.token("admin")
        run_id = self.airflow.trigger(dag_id, token, **conf)
        state = self.airflow.finished(dag_id, run_id, token)
        tasks = self.airflow.tasks(dag_id, run_id, token)
        return state, {f"{each['task_id']}[{each['map_index']}]": str(each["state"]) for each in tasks}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    work = tmp_path_factory.mktemp("live")
    remote, clock = work / "remote", work / "clock"
    last = BEGIN + timedelta(hours=HOURS)
    make_province(remote, subscribers=150, months=1, days=1, hours=HOURS + 2, end=last, seed=5, bad_share=0.02)
    for feed in set(FEEDS) - set(SENT):
        shutil.rmtree(remote / "outgoing" / feed)
    _hold_back(remote, work / "later")
    payments(REFUSED, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(remote)  # E501: 4 of 5 rows with an unknown channel
    clock.write_text(BEGIN.isoformat())
    with sshd_server(remote) as endpoint, postgres_server() as postgres, statsd() as (port, counted):
        database = on_postgres(postgres.trusted_url(postgres.new_database()))
        home = make_home(work / "home", endpoint)
        configuration = home / "tierline.yaml"
        configuration.write_text(re.sub(r"feeds: .*", f"feeds: [{', '.join(SENT)}]", configuration.read_text()))
        pools = tierline(home, "pools", now=clock.read_text()).out
        transport = {"type": "file", "log_file_path": str(work / "lineage.jsonl"), "append": True}
        settings = {
            "TIERLINE_NOW": f"@{clock}",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # a form that has tags
        }
        airflow = make_airflow(work / "airflow", home, pools, database | settings)
        with running(airflow, DAGS):
            yield Live(airflow, home, remote, clock, counted)


@contextmanager
def statsd() -> Iterator[tuple[int, Counter[str]]]:
    """A StatsD of one's own: its port, and the sums of counters by name and tags."""
    counted: Counter[str] = Counter()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            for line in self.request[0].decode().splitlines():
                name, value, kind = re.fullmatch(r"(.*):([-0-9.]+)\|(\w+).*", line).groups()  # type: ignore[union-attr]
                if kind == "c":
                    counted[name] += int(float(value))

    with ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], counted
        finally:
            server.shutdown()
            thread.join()


def _hold_back(remote: Path, later: Path) -> None:
    """Hourly files of cycles that end after the beginning come hour by hour."""
    later.mkdir()
    for path in sorted((remote / "outgoing").rglob("*.*")):
        cycle = path.stem.split("_")[3]
        if len(cycle) == 10 and datetime.strptime(cycle, "%Y%m%d%H") >= BEGIN:
            path.rename(later / path.name)


def _offer(live: Live, hour: datetime) -> int:
    """Put the files of the hour that ends now where the producer puts them; how many batches that are."""
    cycle = f"{hour - timedelta(hours=1):%Y%m%d%H}"
    found = sorted((live.remote.parent / "later").glob(f"*_{cycle}*"))
    for path in sorted(found, key=lambda path: path.suffix == ".END"):
        path.rename(live.remote / "outgoing" / path.name[:4] / path.name)
    return sum(path.suffix == ".CHK" for path in found)


def _await(is_so: Callable[[], object], otherwise: str) -> None:
    """Wait for what Airflow does by itself; fail where it does not come in a time that is long on any machine."""
    end = time.monotonic() + 600
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(1)


def test_hours_of_cycles_are_loaded_once_each(live: Live) -> None:
    """Hours pass in a minute or two: each cycle is loaded once, and what was loaded is published."""
    token = live.airflow.token("admin")
    runs = [(f"ingest_{feed.lower()}", live.airflow.trigger(f"ingest_{feed.lower()}", token)) for feed in SENT]
    offered = 0
    for number in range(1, HOURS + 1):
        hour = BEGIN + timedelta(hours=number)
        offered += _offer(live, hour)
        live.clock.write_text((hour + timedelta(minutes=20)).isoformat())
        runs += [(dag_id, live.airflow.trigger(dag_id, token)) for dag_id in ("ingest_paym", "ingest_chng")]
        live.airflow.finished(*runs[-1], token)
    assert offered >= HOURS
    assert {live.airflow.finished(*run, token) for run in runs} == {"success"}
    assert not list((live.remote / "outgoing").rglob("*.*")), "everything was taken and answered"
    for stem, each in live.batches().items():
        (story,) = json.loads(tierline(live.home, "batch", "show", stem, "--json", now=live.now()).out)
        states = [event["state"] for event in story["states"]]
        assert states.count("loaded") == (each["state"] == "loaded"), f"{stem}: {states}"
        assert each["state"] in ("loaded", "refused"), f"{stem}: {states}"
    cycles = json.loads(tierline(live.home, "cycles", "--json", now=live.now()).out)
    _await(lambda: list((live.home / "publish").rglob("TIER_110_F_*.END")), "the assets did not start marts and lists")
    hourly = [each for each in cycles if each["feed"] in ("PAYM", "CHNG") and each["cycle"] >= f"{BEGIN:%Y%m%d%H}"]
    assert len(hourly) >= 2 * HOURS


def test_lineage_goes_from_the_server_to_the_published_lists_with_row_counts(live: Live) -> None:
    """What OpenLineage's file transport got from the hours before, held against the ledger."""
    # A file is published while its task still runs, and a task tells its lineage after its end.
    _await(lambda: ("list.tier", "list/TIER") in _lineage(live)[0], "the publication told no lineage")
    edges, rows, inputs = _lineage(live)
    way = ["outgoing/PAYM", "archive/PAYM", "staged/PAYM", "core.payment", "mart.tier"]
    assert set(pairwise(way)) <= edges
    loaded = [each["loaded"] for stem, each in live.batches().items() if stem.startswith("PAYM")]
    assert rows["staged/PAYM"] == rows["core.payment"] == sum(each or 0 for each in loaded)
    assert rows["list/TIER"] > 100
    (server,) = {namespace for namespace, name in inputs if name == "outgoing/PAYM"}
    assert re.fullmatch(r"sftp://[^@/]+:[0-9]+", server), "neither user nor path nor secret"


def _lineage(live: Live) -> tuple[set[tuple[str, str]], Counter[str], set[tuple[str, str]]]:
    """Of all events told so far: pairs of what is read and written, rows written by name, namespace and name read."""
    edges, rows, inputs = set(), Counter[str](), set()
    # The line that is being written is told the next time.
    for line in (live.home.parent / "lineage.jsonl").read_text().rpartition("\n")[0].splitlines():
        event = json.loads(line)
        read = [(each["namespace"], each["name"]) for each in event.get("inputs", [])]
        inputs |= set(read)
        for output in event.get("outputs", []):
            counted = output.get("outputFacets", {}).get("outputStatistics", {})
            rows[output["name"]] += counted.get("rowCount") or 0
            edges |= {(name, output["name"]) for _, name in read}
    return edges, rows, inputs


def test_airflows_metrics_count_batches(live: Live) -> None:
    loaded = Counter(stem[:4] for stem, each in live.batches().items() if each["state"] == "loaded")
    for feed, number in loaded.items():
        assert live.counted[f"airflow.tierline.batches_loaded,feed={feed}"] == number, live.counted
    assert live.counted["airflow.tierline.batches_verified,feed=PAYM,source=110"] == loaded["PAYM"] + 1, (
        "one was refused"
    )


def test_a_backfill_of_past_cycles_changes_nothing(live: Live) -> None:
    before, token = live.batches(), live.airflow.token("admin")
    live.airflow.command(
        "backfill", "create", "--dag-id", "ingest_paym", "--max-active-runs", "1",
        "--from-date", "2026-11-21T02:00:00+00:00", "--to-date", "2026-11-21T03:00:00+00:00",
    )  # fmt: skip
    runs = live.airflow.call("GET", "/api/v2/dags/ingest_paym/dagRuns?run_type=backfill", token)["dag_runs"]
    assert runs
    assert {live.airflow.finished("ingest_paym", run["dag_run_id"], token) for run in runs} == {"success"}
    assert live.batches() == before


def test_an_idle_poll_is_one_task_and_a_cleared_run_changes_nothing(live: Live) -> None:
    before = live.batches()
    state, tasks = live.run("ingest_paym")
    assert state == "success"
    assert tasks.pop("fetch_110[-1]") == "success"
    assert set(tasks.values()) == {"skipped"}, tasks
    token = live.airflow.token("admin")
    runs = live.airflow.call("GET", "/api/v2/dags/ingest_paym/dagRuns?order_by=run_after&limit=1", token)["dag_runs"]
    run_id = runs[0]["dag_run_id"]  # the one that took the most
    live.airflow.call("POST", f"/api/v2/dags/ingest_paym/dagRuns/{run_id}/clear", token, {"dry_run": False})
    assert live.airflow.finished("ingest_paym", run_id, token) == "success"
    assert live.batches() == before


def test_a_past_day_is_published_again_where_that_is_asked_for(live: Live) -> None:
    """The word goes on from the build to the publication that it starts."""
    past = f"{BEGIN - timedelta(days=7):%Y-%m-%d}"
    assert live.run("build_marts", as_of=past)[0] == "failed"
    assert live.run("build_marts", as_of=past, republish=True)[0] == "success"
    _await(lambda: _published(live) == past, "the past day was not published")
    assert live.run("build_marts")[0] == "success"


def _published(live: Live) -> str:
    """The as-of date of the newest state."""
    with duckdb.connect(str(live.home / "bi" / "current.duckdb"), read_only=True) as state:
        ((day,),) = state.execute("select max_by(as_of_date, right(publication_id, 6)) from ops.publication").fetchall()
    return f"{day:%Y-%m-%d}"


def test_the_page_is_for_those_who_are_logged_in_and_buttons_for_those_who_may_act(live: Live) -> None:
    addresses = ("/", "/batches", f"/batch/{REFUSED}", f"/batch/{REFUSED}/rejects", "/alarms", "/page.js")
    for address in addresses:
        assert _status(live, address, None) == 401, address
        assert _status(live, address, "not a token") in (401, 403), address
    viewer, operator = live.airflow.token("viewer"), live.airflow.token("operator")
    assert [_status(live, address, viewer) for address in addresses] == [200, 200, 200, 403, 200, 200]
    assert [_status(live, address, operator) for address in addresses] == [200] * 6
    assert 'value="accept"' in _text(live, f"/batch/{REFUSED}", operator)
    assert 'value="accept"' not in _text(live, f"/batch/{REFUSED}", viewer)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        live.airflow.trigger("operate_batches", viewer, action="accept", why="may I?", stem=REFUSED)
    assert live.batches()[REFUSED]["state"] == "refused"
    assert _status(live, "/batch/PAYM_999_I_2026112210_0001_00", operator) == 404
    assert _status(live, "/cycle/PAYM/110/I/2026x", operator) == 404
    assert _status(live, "/?day=yesterday", operator) == 404


@pytest.mark.fault(23)
def test_rejected_rows_are_masked_on_the_page(live: Live) -> None:
    rows = json.loads(tierline(live.home, "batch", "rejects", REFUSED, "--json", now=live.now()).out)
    contract = load_contracts(DEFAULT_SCHEMAS)["PAYM"]
    page = _text(live, f"/batch/{REFUSED}", live.airflow.token("operator"))
    personal = [number for number, column in enumerate(contract.columns) if column.personal]
    assert personal
    shown = 0
    for row in rows:
        fields = row["record"].split(contract.delimiter)
        if len(fields) == len(contract.columns):
            shown += 1
            for number in personal:
                assert not fields[number] or fields[number] not in page
    assert shown, "no row of which the fields can be told apart"


def test_an_operator_accepts_a_refused_batch_in_the_browser(live: Live) -> None:
    pictures = live.home.parent
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        _log_in(live, page, "operator")
        page.goto(f"{live.airflow.url}/plugin/file-batches")
        frame = _frame(page)
        expect(frame.locator("h1")).to_contain_text("Cycles up to")
        page.screenshot(path=pictures / "board.png")
        frame.get_by_role("link", name="Refused").click()
        frame.get_by_role("link", name=REFUSED).click()
        expect(frame.locator("section").first).to_contain_text("E501")
        expect(frame.locator("section").first).to_contain_text("What to do")
        expect(frame.locator("#rejects")).to_be_visible()
        page.screenshot(path=pictures / "batch.png")
        frame.get_by_role("button", name="accept").click()
        expect(frame.locator("#outcome")).to_contain_text("A reason is needed")
        frame.get_by_label("Reason").fill("known fault, ticket 4711")
        frame.get_by_role("button", name="accept").click()
        expect(frame.locator("h2").first).to_contain_text("loaded", timeout=90_000)
        page.screenshot(path=pictures / "accepted.png")
        browser.close()
    assert live.batches()[REFUSED]["state"] == "loaded"
    (story,) = json.loads(tierline(live.home, "batch", "show", REFUSED, "--json", now=live.now()).out)
    said = [(event["cause"], event["actor"]) for event in story["states"]]
    assert ("E501 waived: known fault, ticket 4711", "operator (airflow operate_batches)") in said


def _log_in(live: Live, page: Page, user: str) -> None:
    page.goto(live.airflow.url)
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password", exact=True).fill(live.airflow.password(user))
    page.get_by_role("button", name="Sign in").click()
    # The page of the log-in has an address of Airflow too, and goes on by itself: whoever goes elsewhere before it
    # has arrived has two ways under way, of which the browser drops one.
    page.wait_for_url(lambda address: "/auth/" not in address)
    expect(page.get_by_role("link", name="Dags", exact=True)).to_be_visible()


def _frame(page: Page) -> Frame:
    page.wait_for_selector("iframe")
    frame = page.query_selector("iframe")
    assert frame is not None
    content = frame.content_frame()
    assert content is not None
    return content


def _status(live: Live, address: str, token: str | None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{live.airflow.url}/tierline{address}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _text(live: Live, address: str, token: str) -> str:
    request = urllib.request.Request(
        f"{live.airflow.url}/tierline{address}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.fault(23)
def test_no_person_and_no_secret_is_in_what_airflow_keeps(live: Live) -> None:
    """Logs of tasks and of Airflow itself, lineage, XCom, rendered fields of task instances, metrics."""
    token = live.airflow.token("admin")
    every = "/api/v2/dags/~/dagRuns/~/taskInstances"
    kept = {
        "xcom": json.dumps(live.airflow.call("GET", f"{every}/~/xcomEntries?limit=1000", token), ensure_ascii=False),
        "task instances": json.dumps(live.airflow.call("GET", f"{every}?limit=1000", token), ensure_ascii=False),
        "lineage": (live.home.parent / "lineage.jsonl").read_text(),
        "metrics": str(live.counted),
    }
    kept |= {str(path): path.read_text() for path in live.airflow.directory.rglob("*.log")}
    assert len(kept) > 20
    assert sum(len(text) for text in kept.values()) > 10_000
    # A scheduled run may have it open just now, which is waited for.
    with open_warehouse(live.home / "warehouse", load_contracts()) as warehouse:
        found = warehouse.execute(
            "select service_number from core.payment union select service_number from core.subscriber "
            "union select customer_name from core.customer union select id_number from core.customer"
        )
        people = {value for (value,) in found.fetchall() if value and len(value) > 2}
    assert len(people) > 200
    key = Path(yaml.safe_load((live.home / "tierline.yaml").read_text())["sources"]["110"]["key_file"])
    secret = key.read_text().splitlines()[1]
    for name, text in kept.items():
        assert [person for person in people if person in text] == [], name
        assert secret not in text, name
