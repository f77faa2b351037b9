"""paramiko fetches, pandas reads, DuckDB takes the frames: the script that everybody writes.

`VARIANT` is `plain` (pandas guesses the types) or `typed` (the script says them).
"""

import os
import tempfile
from io import BytesIO
from pathlib import Path

import duckdb
import pandas as pd
import paramiko

COLUMNS = os.environ["COLUMNS"].split(",")
INTEGERS = ("amount_fen", "balance_after_fen")
TABLE = "create table if not exists payment ({})"


def fetch(directory):
    ssh = paramiko.SSHClient()
    ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    ssh.connect(
        os.environ["SFTP_HOST"], int(os.environ["SFTP_PORT"]), os.environ["SFTP_USER"],
        key_filename=os.environ["SFTP_KEY"], look_for_keys=False, allow_agent=False,
    )  # fmt: skip
    sftp, remote = ssh.open_sftp(), os.environ["SFTP_DIRECTORY"]
    for name in sorted(sftp.listdir(remote)):
        if name.endswith(".DAT"):
            sftp.get(f"{remote}/{name}", f"{directory}/{name}")
            yield Path(directory) / name
    ssh.close()


def read(path):
    """All but the first line and the last."""
    body = path.read_bytes().split(b"\n", 1)[1].rsplit(b"\nT|", 1)[0]
    types = None
    if os.environ["VARIANT"] == "typed":
        types = {name: "int64" if name in INTEGERS else str for name in COLUMNS}
    frame = pd.read_csv(BytesIO(body), sep="|", names=COLUMNS, dtype=types)
    frame["paid_at"] = pd.to_datetime(frame["paid_at"], format="%Y%m%d%H%M%S")
    return frame


def main():
    kinds = dict.fromkeys(COLUMNS, "VARCHAR") | dict.fromkeys(INTEGERS, "BIGINT") | {"paid_at": "TIMESTAMP"}
    with tempfile.TemporaryDirectory() as directory, duckdb.connect(os.environ["DATABASE"]) as connection:
        connection.execute(TABLE.format(", ".join(f"{name} {kind}" for name, kind in kinds.items())))
        for path in fetch(directory):
            frame = read(path)
            connection.register("frame", frame)
            connection.execute("insert into payment by name select * from frame")


if __name__ == "__main__":
    main()
