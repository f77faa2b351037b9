"""Airflow: what a poll costs that finds nothing, and 1,000 small files in one run.

    python tests/bench/scheduling.py --runs 7

Bounds: a poll with nothing new at most 1.5 times a bare run of one empty task on the same Airflow (PostgreSQL,
LocalExecutor); 1,000 files in one run of at most 12 tasks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from datetime import datetime
from pathlib import Path

from figures import Figure, tell
from offers import payments
from running import make_home

from pipelines.config import load_config
from pipelines.pools import pools_of
from pipelines.transfer.base import Endpoint
from sftp_fixtures.airflow import DAGS, Airflow, make_airflow, on_postgres, running
from sftp_fixtures.postgres import postgres_server
from sftp_fixtures.sshd import sshd_server

_BARE = """
from airflow.sdk import dag, task

@dag(schedule=None)
def bare():
    @task
    def nothing():
        pass
    nothing()

bare()
"""
_NOW = "2026-11-22T12:00:00"


def timed(airflow: Airflow, dag_id: str) -> tuple[float, list[str]]:
    """Seconds from the start of a run to its end, as Airflow notes them, and the states of its tasks."""
    token = airflow.token("admin")
    run_id = airflow.trigger(dag_id, token)
    state = airflow.finished(dag_id, run_id, token, 600)
    run = airflow.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", token)
    states = [str(each["state"]) for each in airflow.tasks(dag_id, run_id, token)]
    if state != "success":
        raise SystemExit(f"{dag_id} {run_id}: {state}, tasks {states}")
    begin, end = (datetime.fromisoformat(run[name].replace("Z", "+00:00")) for name in ("start_date", "end_date"))
    return (end - begin).total_seconds(), states


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--files", type=int, default=1000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        root = Path(name)
        dags = root / "dags"
        shutil.copytree(DAGS, dags, ignore=shutil.ignore_patterns("__pycache__"))
        (dags / "bare.py").write_text(_BARE)
        (root / "remote").mkdir()
        payments("PAYM_110_I_2026112209_0001_00", "CARD").put(root / "remote")
        with sshd_server(root / "remote") as endpoint:
            measure(root, endpoint, dags, on_postgres(postgres.trusted_url(postgres.new_database())), wanted)


def measure(root: Path, endpoint: Endpoint, dags: Path, database: dict[str, str], wanted: argparse.Namespace) -> None:
    home = make_home(root / "home", endpoint)
    pools = json.dumps(pools_of(load_config(home)))
    # Nothing but what is measured runs meanwhile: DAGs stay paused, and those triggered are let go by hand.
    settings = database | {"TIERLINE_NOW": _NOW, "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}
    airflow = make_airflow(root / "airflow", home, pools, settings, dags)
    with running(airflow, 16):
        token = airflow.token("admin")
        for dag_id in ("bare", "ingest_paym"):
            airflow.call("PATCH", f"/api/v2/dags/{dag_id}", token, {"is_paused": False})
        timed(airflow, "bare")
        timed(airflow, "ingest_paym")
        seconds: dict[str, list[float]] = {"bare": [], "ingest_paym": []}
        for _ in range(wanted.runs):
            for dag_id, found in seconds.items():
                found.append(timed(airflow, dag_id)[0])
        bare, poll = (statistics.median(found) for found in seconds.values())
        for number in range(wanted.files):
            payments(f"PAYM_110_I_2026112210_{number + 1:04d}_00", "CARD").put(root / "remote")
        took, states = timed(airflow, "ingest_paym")
    files = (
        f"{wanted.files:,} files of one payment, remote to core, in one run of {len(states)} tasks (asked at most 12)"
    )
    tell(
        f"Airflow on PostgreSQL, LocalExecutor; medians of {wanted.runs} interleaved runs, as Airflow notes them",
        Figure("poll", "poll with nothing new", poll, "s", bare),
        Figure("", files, took, "s"),
    )


if __name__ == "__main__":
    main()
