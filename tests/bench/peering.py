"""Other tools on the same files behind the same server, each in an environment of its own below `build/bench/envs`.

A peer is a folder of `tests/bench/peers`: `requirements.txt`, pinned, and `run.py`, which takes all that it needs from
its environment: `SFTP_HOST`, `SFTP_PORT`, `SFTP_USER`, `SFTP_KEY`, `SFTP_DIRECTORY`, `COLUMNS`, `VARIANT`, `STATE` (a
directory that is kept between runs) and `DATABASE`, in which it fills a table `payment`.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measuring import Run, timed_process

from pipelines.cli.output import say
from pipelines.contracts.load import load_contracts
from pipelines.transfer.base import Endpoint

_HERE = Path(__file__).parent / "peers"
_ENVIRONMENTS = Path(__file__).parents[2] / "build" / "bench" / "envs"


@dataclass(frozen=True)
class Peer:
    """A tool, and one of the ways to use it."""

    title: str
    folder: str
    variant: str = ""

    def run(self, server: Endpoint, directory: Path, place: Path) -> Run:
        """All files of a directory into `place / "peer.duckdb"`; again in the same place only what is new to it."""
        (place / "state").mkdir(parents=True, exist_ok=True)
        environment = {
            "SFTP_HOST": server.host, "SFTP_PORT": str(server.port), "SFTP_USER": server.user,
            "SFTP_KEY": str(server.key_file), "SFTP_DIRECTORY": str(directory), "VARIANT": self.variant,
            "COLUMNS": ",".join(column.name for column in load_contracts()["PAYM"].columns),
            "DATABASE": str(place / "peer.duckdb"), "STATE": str(place / "state"),
            # Nobody is told of these runs.
            "RUNTIME__DLTHUB_TELEMETRY": "false", "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        }  # fmt: skip
        return timed_process([str(self.python), str(_HERE / self.folder / "run.py")], environment=environment)

    @property
    def python(self) -> Path:
        return _ENVIRONMENTS / self.folder / "bin" / "python"

    def install(self) -> None:
        """Make its environment, unless it is there with what is asked today."""
        home, asked = _HERE / self.folder, hashlib.sha256()
        for path in sorted(each for each in home.iterdir() if each.is_file()):
            asked.update(path.read_bytes())
        stamp = _ENVIRONMENTS / self.folder / "installed"
        if stamp.exists() and stamp.read_text() == asked.hexdigest():
            return
        say(f"{self.folder}: making {_ENVIRONMENTS / self.folder}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENTS / self.folder)], check=True)
        pip = [str(self.python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(home / "requirements.txt")], check=True)
        if (home / "meltano.yml").exists():
            subprocess.run([str(self.python), str(home / "run.py"), "install"], check=True)
        stamp.write_text(asked.hexdigest())

    def versions(self) -> str:
        """What it pins, plugins included."""
        pinned = " ".join(
            path.read_text() for path in (_HERE / self.folder).iterdir() if path.suffix in (".txt", ".yml")
        )
        return ", ".join(
            re.sub("==", " ", each) for each in sorted(set(re.findall(r"[\w\-]+(?:\[[\w,]+\])?==[\w.]+", pinned)))
        )


PEERS = {
    "pandas": Peer("paramiko and pandas", "pandas", "plain"),
    "pandas_typed": Peer("paramiko and pandas, types given", "pandas", "typed"),
    "dlt_duckdb": Peer("dlt, read_csv_duckdb to Arrow", "dlt", "duckdb"),
    "dlt": Peer("dlt, read_csv", "dlt", "pandas"),
    "meltano": Peer("Meltano, tap-spreadsheets to target-duckdb", "meltano"),
}
