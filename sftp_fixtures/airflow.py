"""Airflow, an installation of one's own on this machine: for `make airflow`, tests and benchmarks.

Its own command starts each part, so this imports nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_fixtures.ports import free_ports

USERS = {"admin": "admin", "operator": "op", "viewer": "viewer"}  # name: role
_AIRFLOW = [sys.executable, "-m", "airflow"]
_PARTS = ("api-server", "scheduler", "dag-processor")
_PATIENCE_S = 600  # a busy machine needs minutes for what a quiet one does in seconds
DAGS = Path(__file__).parent.parent / "dags"


@dataclass(frozen=True)
class Airflow:
    """An installation whose database is made, and the home that its DAGs work on."""

    directory: Path
    environment: dict[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> str:
        """What an `airflow` command prints. Raises RuntimeError with what it said where it fails."""
        ran = subprocess.run([*_AIRFLOW, *words], env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"airflow {' '.join(words)}: {ran.stderr[-2000:] or ran.stdout[-2000:]}")
        return ran.stdout

    def password(self, user: str) -> str:
        """What Airflow made up for a user when its API server first started."""
        path = self.directory / "simple_auth_manager_passwords.json.generated"
        return str(json.loads(path.read_text())[user])

    def token(self, user: str) -> str:
        """A token for the API, as a login gives it."""
        login = {"username": user, "password": self.password(user)}
        return str(self.call("POST", "/auth/token", None, login)["access_token"])

    def call(self, method: str, path: str, token: str | None, content: Any = None) -> Any:
        """The answer of Airflow's API as JSON. Raises urllib.error.HTTPError for a refusal."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def trigger(self, dag_id: str, token: str, **conf: Any) -> str:
        """Start a run; its id."""
        started = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", token, {"logical_date": None, "conf": conf})
        return str(started["dag_run_id"])

    def finished(self, dag_id: str, run_id: str, token: str) -> str:
        """The state in which a run ends. Raises TimeoutError where it does not."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            state = str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", token)["state"])
            if state in ("success", "failed"):
                return state
            time.sleep(0.3)
        raise TimeoutError(f"{dag_id} {run_id}: still not done after {_PATIENCE_S} s")

    def tasks(self, dag_id: str, run_id: str, token: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        answer = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000", token)
        return list(answer["task_instances"])


def make_airflow(
    directory: Path, home: Path, pools: str, settings: Mapping[str, str] | None = None, dags: Path = DAGS
) -> Airflow:
    """Make the database of an installation, on SQLite unless `settings` say otherwise, with the pools of the DAGs.

    `settings`: environment variables beside ours, such as AIRFLOW__DATABASE__SQL_ALCHEMY_CONN.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_ports(1)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(directory),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "TIERLINE_HOME": str(home.resolve()),
        "PYTHONWARNINGS": "ignore",
        **(settings or {}),
    }
    airflow = Airflow(directory, environment, port)
    airflow.command("db", "migrate")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(pools)
        file.flush()
        airflow.command("pools", "import", file.name)
    return airflow


def on_postgres(url: str) -> dict[str, str]:
    """The settings for a database on PostgreSQL, by the driver that our ledger uses too."""
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url}


@contextmanager
def running(airflow: Airflow, dag_count: int) -> Iterator[Airflow]:
    """API server, scheduler and DAG processor, until the block ends; ready once so many DAGs are known.

    Raises RuntimeError with the end of their log where they do not come up.
    """
    log = airflow.directory / "airflow.log"
    with log.open("ab") as output:
        started = [
            subprocess.Popen(
                [*_AIRFLOW, part], env=airflow.environment, stdout=output, stderr=output, start_new_session=True
            )
            for part in _PARTS
        ]
        try:
            _wait(airflow, started, dag_count, log)
            yield airflow
        finally:
            for part in started:
                if part.poll() is None:
                    os.killpg(part.pid, signal.SIGTERM)
            for part in started:
                try:
                    part.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(part.pid, signal.SIGKILL)
                    part.wait()


def _wait(airflow: Airflow, started: list[subprocess.Popen[bytes]], dag_count: int, log: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and all(part.poll() is None for part in started):
        try:
            token = airflow.token("admin")
            if airflow.call("GET", "/api/v2/dags?limit=1", token)["total_entries"] >= dag_count:
                return
        except (OSError, KeyError, ValueError, urllib.error.HTTPError):
            pass  # not up yet: whether it comes up is what the end of the wait says
        time.sleep(0.5)
    raise RuntimeError(f"Airflow did not come up; {log}: {log.read_text(errors='replace')[-3000:]}")
