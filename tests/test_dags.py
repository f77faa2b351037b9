"""The DAGs under Airflow itself: parsed, and run to their end against OpenSSH's server."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from offers import payments
from running import make_home, tierline

from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from sftp_fixtures.ports import free_ports
from sftp_fixtures.postgres import postgres_server
from sftp_fixtures.province import make_province
from sftp_fixtures.sshd import sshd_server

ROOT = Path(__file__).parent.parent
NOW = "2026-11-22T12:00:00"
AS_OF = ("--as-of", "2026-11-21")
FEEDS = [contract.feed for contract in load_contracts(DEFAULT_SCHEMAS).feeds]
INGEST = [f"ingest_{feed.lower()}" for feed in FEEDS]
OTHERS = (
    "build_marts", "publish_lists", "deliver_lists", "watch_cycles", "audit_backups", "daily_digest", "operate_batches"
)  # fmt: skip
AIRFLOW = [sys.executable, "-m", "airflow"]
# The runner, with other settings of all tasks.
RUNNER = (
    f"import sys; sys.path[:0] = [{str(ROOT / 'dags')!r}, {str(ROOT / 'tests')!r}]\n"
    "import tierline_wiring; tierline_wiring.DEFAULTS.update({settings})\n"
    "import airflow_runner; airflow_runner.main()"
)
TRIED_ONCE = "retries=0"
TRIED_SOON = "retry_delay=__import__('datetime').timedelta(seconds=3)"


@dataclass(frozen=True)
class Installation:
    """An Airflow with its own database, and the home that its DAGs work on."""

    environment: dict[str, str]
    home: Path
    remote: Path

    def run(self, *dags: str, settings: str = "") -> dict[str, list[dict[str, object]]]:
        """Run DAGs one after the other; by DAG, the runs in their order."""
        found = self.home.parent / "runs.jsonl"
        runner = ["-c", RUNNER.replace("{settings}", settings)]
        ran = subprocess.run(
            [sys.executable, *runner, str(found), *dags],
            env=self.environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
        runs: dict[str, list[dict[str, object]]] = {}
        for line in found.read_text().splitlines():
            run = json.loads(line)
            runs.setdefault(run["dag"], []).append(run)
        return runs

    def batches(self) -> dict[str, dict[str, object]]:
        shown = tierline(self.home, "batches", "--json", now=NOW).out
        return {each["stem"]: each for each in json.loads(shown)}


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Installation]:
    """A small province behind sshd, a home, and an Airflow that has run nothing yet."""
    remote = tmp_path / "remote"
    end = datetime.fromisoformat(NOW)
    make_province(remote, subscribers=150, months=2, days=1, hours=2, end=end, seed=5, bad_share=0.02)
    with sshd_server(remote) as endpoint:
        receiver = f"receivers:\n  acd: {{url: 'file://{tmp_path / 'acd'}', lists: [TIER]}}\n"
        (tmp_path / "acd").mkdir()
        home = make_home(tmp_path / "home", endpoint, extra=receiver)
        environment = os.environ | {
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "TIERLINE_HOME": str(home),
            "TIERLINE_NOW": NOW,
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # `airflow standalone` starts `airflow`
        }
        migrated = subprocess.run(
            [*AIRFLOW, "db", "migrate"], env=environment, capture_output=True, text=True, check=False
        )
        assert migrated.returncode == 0, migrated.stderr
        pools = tmp_path / "pools.json"
        pools.write_text(tierline(home, "pools", now=NOW).out)
        imported = subprocess.run(
            [*AIRFLOW, "pools", "import", str(pools)], env=environment, capture_output=True, text=True, check=False
        )
        assert imported.returncode == 0, imported.stderr
        yield Installation(environment, home, remote)


def test_every_feed_runs_to_a_published_list_and_again_changes_nothing(airflow: Installation) -> None:
    runs = airflow.run(*INGEST, "build_marts", "publish_lists", "deliver_lists", "ingest_paym", "publish_lists")
    assert runs.pop("imported") == [{"dag": "imported", "errors": {}, "dags": sorted([*INGEST, *OTHERS])}]
    assert {run["state"] for each in runs.values() for run in each} == {"success"}
    batches = airflow.batches()
    assert {stem[:4] for stem in batches} == set(FEEDS)
    assert {each["state"] for each in batches.values()} == {"loaded"}
    receipts = {path.stem for path in (airflow.remote / "receipt").rglob("*.RCP")}
    assert receipts == set(batches)
    assert not list((airflow.remote / "outgoing").rglob("*.*"))
    first, again = runs["ingest_paym"]
    assert first["tasks"]["load[-1]"] == "success"
    assert again["tasks"]["load[-1]"] == "skipped", "nothing new, so no asset event"
    (listed,) = (airflow.home / "publish" / "TIER").glob("*.DAT")
    assert len(listed.read_text().splitlines()) > 100
    assert (airflow.remote.parent / "acd" / "TIER" / listed.name).read_bytes() == listed.read_bytes()
    with duckdb.connect(str(airflow.home / "bi" / "current.duckdb"), read_only=True) as state:
        assert state.execute("select count(*) from ops.publication").fetchall() == [(1,)]

    # A later day was published meanwhile: a build without a day of its own, such as a cleared one, goes on from there.
    assert tierline(airflow.home, "run", "--as-of", "2026-11-22", now=NOW).exit_status in (0, 4)
    stated = f"build_marts:{json.dumps({'as_of': '2026-11-14'})}"
    runs = airflow.run("build_marts", "publish_lists", stated, "publish_lists")
    assert [run["state"] for run in runs["build_marts"]] == ["success", "failed"], "a stated day must not be earlier"
    assert [run["state"] for run in runs["publish_lists"]] == ["success", "success"]
    with duckdb.connect(str(airflow.home / "bi" / "current.duckdb"), read_only=True) as state:
        published = state.execute("select as_of_date from ops.publication order by published_at").fetchall()
    assert [f"{day:%d}" for (day,) in published] == ["21", "22"]


@pytest.mark.fault(14)
def test_runs_and_airflow_at_once_load_each_batch_once(airflow: Installation) -> None:
    """Fault 14: Airflow's tasks and two commands on the same batches; each is loaded once, each receipt is there."""
    with ThreadPoolExecutor(1) as threads:
        scheduled = threads.submit(airflow.run, *INGEST)
        rounds = 0
        while not scheduled.done() or not rounds:
            command = [sys.executable, "-m", "pipelines.cli", "--home", str(airflow.home), "run", *AS_OF]
            environment = os.environ | {"TIERLINE_NOW": NOW}
            both = [
                subprocess.Popen(
                    [*command, "--as-of", "2026-11-21"], env=environment, stdout=subprocess.PIPE, text=True
                )
                for _ in range(2)
            ]
            outputs = [each.communicate(timeout=600)[0] for each in both]
            assert {each.returncode for each in both} <= {0, 3, 4}, outputs
            rounds += 1
        runs = scheduled.result()
    assert {run["state"] for name in INGEST for run in runs[name]} == {"success"}
    batches = airflow.batches()
    assert {each["state"] for each in batches.values()} <= {"loaded", "refused"}
    for stem in batches:
        (story,) = json.loads(tierline(airflow.home, "batch", "show", stem, "--json", now=NOW).out)
        states = [event["state"] for event in story["states"]]
        assert len(states) == len(set(states)), f"{stem}: {states}"
    assert {path.stem for path in (airflow.remote / "receipt").rglob("*.RCP")} == set(batches)


def test_what_operators_do_and_what_watches(airflow: Installation) -> None:
    """Watch, audit, digest; retry, discard, replay and rebuild with the form; and what cannot be done is said."""
    bad, good = "PAYM_110_I_2026112210_0009_00", "PAYM_110_I_2026112210_0008_00"
    payments(bad, "GIFT", "GIFT", "GIFT", "GIFT", "CARD").put(airflow.remote)
    payments(good, "CARD", "CARD").put(airflow.remote)
    runs = airflow.run("ingest_paym", "ingest_bill")
    assert runs["ingest_paym"][0]["state"] == "success", "a refused batch is no failure of Airflow"
    assert (airflow.batches()[bad]["state"], airflow.batches()[bad]["code"]) == ("refused", "E501")
    month = "BILL_110_I_202610_0001_00"  # it came days ago, of a cycle that began weeks ago
    for stem in (good, month):
        (kept,) = (airflow.home / "archive").rglob(f"{stem}.DAT*")
        kept.chmod(0o600)
        kept.write_bytes(b"damaged")
    waiting = "PAYM_110_I_2026112210_0006_00"
    payments(waiting, "CARD").put(airflow.remote)

    def asked(**conf: str) -> str:
        return f"operate_batches:{json.dumps({'why': 'ticket 4711', **conf})}"

    hours = {"feed": "PAYM", "source": "110", "first": "2026112210", "last": "2026112210"}
    runs = airflow.run(
        "watch_cycles", "audit_backups", "daily_digest",
        asked(action="retry", stem=bad), asked(action="accept", stem=good), asked(action="discard", stem=bad),
        asked(action="discard", stem=good, why=" "),
        asked(action="replay", **hours), asked(action="rebuild"),
        asked(action="replay", feed="PAYM", first="2025112210", last="2025112211"),
    )  # fmt: skip
    states = [str(run["state"]) for run in runs["operate_batches"]]
    assert [runs[name][0]["state"] for name in ("watch_cycles", "audit_backups", "daily_digest")] == ["success"] * 3
    # A retry ends in a state of the batch, whatever that is; what is loaded need not be accepted; replay and rebuild
    # want sound bytes; a replay of nothing is a mistake in the form.
    assert states == ["success", "success", "success", *["failed"] * 4], runs["operate_batches"]
    batches = airflow.batches()
    assert batches[bad]["state"] == "discarded"
    (story,) = json.loads(tierline(airflow.home, "batch", "show", bad, "--json", now=NOW).out)
    assert [event["state"] for event in story["states"]].count("refused") == 2, "and refused again by the retry"
    assert story["states"][-1]["cause"] == "discarded: ticket 4711"
    told = [json.loads(line) for line in (airflow.home / "logs" / "alarms.jsonl").read_text().splitlines()]
    kinds = {(each["kind"], each["subject"]) for each in told}
    assert {("E206", good), ("E206", month)} <= kinds
    assert ("refused", bad) in kinds
    assert waiting not in batches, "watching takes nothing"
    assert (airflow.home / "rebuilt").is_dir()


def test_what_failed_for_good_leaves_no_run_green(airflow: Installation) -> None:
    """A source that is down, a copy that could not be read, a batch that could not be judged."""
    home, hour = airflow.home, "PAYM_110_I_2026112210"
    kept, spare, waiting = (payments(f"{hour}_000{number}_00", "CARD") for number in (7, 8, 9))
    for offer in (kept, spare):
        offer.put(airflow.remote)
    for word in ("fetch", "load"):
        assert tierline(home, word, now=NOW).exit_status in (0, 3)
    waiting.put(airflow.remote)
    assert tierline(home, "fetch", now=NOW).exit_status == 0
    for name in (f"{waiting.stem}.CHK", kept.name):
        (path,) = (home / "archive").rglob(name)
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    (path,) = (airflow.remote / "backup").rglob(kept.name)
    path.unlink()
    path.mkdir()
    configuration = (home / "tierline.yaml").read_text()
    sources, _, receivers = configuration.removeprefix("sources:\n").partition("receivers:")
    down = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{free_ports(1)}", sources.replace('"110"', '"440"'))
    (home / "tierline.yaml").write_text(f"sources:\n{sources}{down}receivers:{receivers}")

    asked = {"why": "ticket 4711", "action": "discard", "stem": spare.stem}
    runs = airflow.run("watch_cycles", "audit_backups", f"operate_batches:{json.dumps(asked)}", settings=TRIED_ONCE)
    states = {name: (run["state"], run["tasks"]) for name, (run,) in runs.items() if name != "imported"}
    assert states["watch_cycles"] == (
        "failed", {"watch_110[-1]": "success", "watch_440[-1]": "failed", "judge[-1]": "failed"}
    )  # fmt: skip
    assert states["audit_backups"] == ("failed", {"verify_110[-1]": "failed", "verify_440[-1]": "success"})
    told = [json.loads(line) for line in (home / "logs" / "alarms.jsonl").read_text().splitlines()]
    assert kept.stem in {each["subject"] for each in told if each["kind"] == "E206"}, "what was found is noted first"
    assert states["operate_batches"] == (
        "failed", {"decide[-1]": "success", "load[-1]": "success", "acknowledge[-1]": "failed"}
    )  # fmt: skip
    found = {stem: each["state"] for stem, each in airflow.batches().items()}
    assert (found[spare.stem], found[waiting.stem], found[kept.stem]) == ("discarded", "verified", "loaded")


def test_a_moment_without_the_ledgers_server_fails_no_run(airflow: Installation) -> None:
    """What an operator asked for in that minute is done when the server is back."""
    stem = "PAYM_110_I_2026112210_0009_00"
    payments(stem, "CARD").put(airflow.remote)
    with postgres_server() as postgres, ThreadPoolExecutor(1) as threads:
        with (airflow.home / "tierline.yaml").open("a") as file:
            file.write(f"ledger: {postgres.trusted_url(postgres.new_database())}\n")
        for word in ("fetch", "load"):
            assert tierline(airflow.home, word, now=NOW).exit_status in (0, 3)
        asked = f"operate_batches:{json.dumps({'why': 'ticket 4711', 'action': 'discard', 'stem': stem})}"
        postgres.stop()
        running = threads.submit(airflow.run, asked, settings=TRIED_SOON)
        with socket.create_server(("127.0.0.1", postgres.port)) as server:
            server.settimeout(300)
            server.accept()[0].close()  # it was asked for
            server.settimeout(1)
            with suppress(TimeoutError):
                while True:
                    server.accept()[0].close()
        postgres.start()
        (run,) = running.result()["operate_batches"]
        assert run["state"] == "success", run
        assert airflow.batches()[stem]["state"] == "discarded"


def test_conventions() -> None:
    """Owner, tags and documentation on every DAG; parsing reads no secret and stays below two seconds."""
    code = (
        "import sys, json, time; sys.path.insert(0, sys.argv[1]); begun = time.perf_counter()\n"
        "import logging; logging.getLogger().setLevel(logging.INFO)\n"
        "import ingest, marts, operations\n"
        "print('LOUD', logging.getLogger('great_expectations._docs_decorators').isEnabledFor(logging.INFO))\n"
        "from airflow.sdk import DAG\n"
        "found = {d.dag_id: d for m in (ingest, marts, operations) for d in vars(m).values() if isinstance(d, DAG)}\n"
        "print('DAGS', json.dumps({n: [d.owner, sorted(d.tags), bool(d.doc_md)] for n, d in found.items()}))\n"
        "from tierline_wiring import DEFAULTS\n"
        "from pipelines.errors import ConfigurationError, HostKeyError, LedgerAwayError, SparkLostError, StoreError\n"
        "policy = DEFAULTS['retry_policy']\n"
        "errors = (HostKeyError, SparkLostError, LedgerAwayError, ConfigurationError, StoreError, ValueError)\n"
        "print('RETRY', [policy.evaluate(error('x'), 1, 5).action.value for error in errors])\n"
        "from tierline_wiring import CONTRACTS, timetable\n"
        "polls = {c.feed: [t.expression for t in timetable(c.schedule).timetables] for c in CONTRACTS.feeds}\n"
        "print('POLLS', json.dumps(polls))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(ROOT / "dags")], capture_output=True, text=True, check=True
    )
    assert "RETRY ['retry', 'retry', 'retry', 'fail', 'fail', 'fail']" in ran.stdout
    assert "LOUD False" in ran.stdout, "its hundreds of lines hide what a task says"
    dags = json.loads(ran.stdout.partition("DAGS ")[2].splitlines()[0])
    assert set(INGEST) <= set(dags)
    polls = json.loads(ran.stdout.partition("POLLS ")[2].splitlines()[0])
    assert polls["PAYM"] == ["15 * * * *", "30 * * * *"], "expected, late and missing"
    assert all(cron.endswith(" * * * *") for crons in polls.values() for cron in crons), "no feed waits for its cycle"
    for name, (owner, tags, has_doc) in dags.items():
        assert owner == "tierline", name
        assert "tierline" in tags, name
        assert has_doc, name
