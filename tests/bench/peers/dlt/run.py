"""dlt: the sftp filesystem source into DuckDB, new files only, as its documentation shows it.

`VARIANT` is `duckdb` (DuckDB reads, Arrow batches are loaded: the fastest of its readers) or `pandas` (its default).
The first line of a file is skipped by the readers' own option, the last one by a step that leaves it out.
"""

import os

import dlt
import pyarrow.compute
from dlt.sources.filesystem import readers

COLUMNS = os.environ["COLUMNS"].split(",")
INTEGERS = ("amount_fen", "balance_after_fen")


def read_by_duckdb(source):
    types = dict.fromkeys(COLUMNS, "VARCHAR") | dict.fromkeys(INTEGERS, "BIGINT") | {"paid_at": "TIMESTAMP"}
    reader = source.read_csv_duckdb(
        chunk_size=50_000, use_pyarrow=True, sep="|", header=False, skiprows=1, names=COLUMNS,
        dtype=types, timestamp_format="%Y%m%d%H%M%S", null_padding=True,
    )  # fmt: skip
    return reader.add_map(lambda batch: batch.filter(pyarrow.compute.not_equal(batch["payment_id"], "T")))


def read_by_pandas(source):
    types = {name: str for name in COLUMNS if name not in INTEGERS} | dict.fromkeys(INTEGERS, "Int64")
    reader = source.read_csv(
        chunksize=10_000, sep="|", header=None, skiprows=1, names=COLUMNS,
        dtype=types, parse_dates=["paid_at"], date_format="%Y%m%d%H%M%S",
    )  # fmt: skip
    return reader.add_filter(lambda row: row["payment_id"] != "T")


def main():
    address = f"sftp://{os.environ['SFTP_HOST']}{os.environ['SFTP_DIRECTORY']}"
    credentials = {
        "sftp_port": int(os.environ["SFTP_PORT"]),
        "sftp_username": os.environ["SFTP_USER"],
        "sftp_key_filename": os.environ["SFTP_KEY"],
    }
    source = readers(
        bucket_url=address, credentials=credentials, file_glob="*.DAT",
        incremental=dlt.sources.incremental("modification_date"),
    )  # fmt: skip
    rows = (read_by_duckdb if os.environ["VARIANT"] == "duckdb" else read_by_pandas)(source).with_name("payment")
    pipeline = dlt.pipeline(
        "payments", pipelines_dir=os.environ["STATE"], dataset_name="main",
        destination=dlt.destinations.duckdb(os.environ["DATABASE"]),
    )  # fmt: skip
    # Its default for DuckDB is files of INSERT statements: minutes and gigabytes for what Parquet does in seconds.
    pipeline.run(rows, write_disposition="append", loader_file_format="parquet")


if __name__ == "__main__":
    main()
