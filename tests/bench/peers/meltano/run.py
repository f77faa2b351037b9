"""Meltano: tap-spreadsheets (sftp by fsspec) into target-duckdb.

`run.py install` makes the project once, from `meltano.yml` beside this file, below the virtual environment. The tap
passes over the first line when it is told the columns; the last one has no time of payment, and the tap leaves out
records that lack a part of the key.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(sys.prefix) / "project"
MELTANO = str(Path(sys.prefix) / "bin" / "meltano")


def install():
    PROJECT.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "meltano.yml", PROJECT)
    subprocess.run([MELTANO, "install"], cwd=PROJECT, check=True)


def files():
    address = "sftp://{SFTP_USER}@{SFTP_HOST}:{SFTP_PORT}{SFTP_DIRECTORY}/*.DAT".format_map(os.environ)
    integer = {"type": ["integer", "null"]}
    moment = {"type": ["string", "null"]}
    return {
        "path": address, "format": "csv", "table_name": "payment", "delimiter": "|", "quotechar": '"',
        "column_headers": os.environ["COLUMNS"].split(","), "primary_keys": ["payment_id", "paid_at"],
        "schema_overrides": {"amount_fen": integer, "balance_after_fen": integer, "paid_at": moment},
    }  # fmt: skip


def main():
    settings = {
        "TAP_SPREADSHEETS_FILES": json.dumps([files()]),
        "FSSPEC_SFTP_KEY_FILENAME": os.environ["SFTP_KEY"],
        "TARGET_DUCKDB_PATH": os.environ["DATABASE"],
        "TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": "main",
        "MELTANO_DATABASE_URI": f"sqlite:///{os.environ['STATE']}/meltano.db",
    }
    subprocess.run(
        [MELTANO, "run", "tap-spreadsheets", "target-duckdb"], cwd=PROJECT, env=os.environ | settings, check=True
    )


if __name__ == "__main__":
    install() if sys.argv[1:] == ["install"] else main()
