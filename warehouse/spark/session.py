"""Spark itself: an optional extra of Python, and a Java beside it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config_engine import SparkConfig
from pipelines.errors import ConfigurationError, SparkLostError, StoreError
from pipelines.quality.loading import IMPORTING
from warehouse.spark.lake import SPARK_ROOM, Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OLDEST_JAVA = 17  # that Spark 4 runs on
_SETTINGS = {
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # times are wall clock of Asia/Shanghai, as everywhere here
    "spark.sql.session.timeZone": "Asia/Shanghai",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.fs.permissions.umask-mode": "077",  # Hadoop sets modes itself, whatever the process's mask is
    # By the size of files, which grow many times in memory; several models are made at once.
    "spark.sql.autoBroadcastJoinThreshold": "2m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_ON_THIS_MACHINE = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
_STOPPED = ("stopped SparkContext", "SparkContext was shut down")  # as Spark says when its cluster left it
_ANSWER_S = 10
_END_S = 1


def open_session(config: SparkConfig, scratch: Path) -> SparkSession:
    """The session of this process; a second call gets the same one.

    Raises ConfigurationError saying what to install where Spark or Java is not there, SparkLostError where it ends as
    it starts, or its cluster does not answer.
    """
    with IMPORTING:
        require_spark()
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

    _keep_py4j_silent()
    reach_master(config.master)

    settings = dict(_SETTINGS) | {"spark.sql.warehouse.dir": str(scratch)}
    room = config.lake / SPARK_ROOM
    if config.master.startswith("local"):
        settings |= _ON_THIS_MACHINE | {"spark.local.dir": str(room)}
    if SparkContext._active_spark_context is None:  # what one that was killed left
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = Path(__file__).with_name("log4j2.properties")
    settings["spark.driver.defaultJavaOptions"] = f'-Dlog4j2.configurationFile={log.as_uri()} "-Djava.io.tmpdir={room}"'
    builder = SparkSession.builder.appName("tierline").master(config.master)
    for name, value in (settings | dict(config.settings)).items():
        builder = builder.config(name, value)
    try:
        with spark_failures_told():
            return builder.getOrCreate()
    except SparkLostError:
        raise
    except (StoreError, OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"engine: spark: expected a Spark at {config.master}, found: {first_line(error).removeprefix('Spark: ')}"
        ) from error


@contextmanager
def spark_failures_told() -> Iterator[None]:
    """Raises StoreError in the place of what Spark raises, wherever it is asked for rows; SparkLostError once it ended.

    An OSError of our own files is none of Spark's: Py4J raises a ConnectionError where nobody listens any more.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:  # Py4J: what Spark has no class for
        found = first_line(error)
        if isinstance(error, ConnectionError) or _has_ended():
            raise SparkLostError(
                f"Spark: expected its Java process to go on, found that it ended ({found}); often memory is short: see "
                "spark.driver.memory among the settings in tierline.yaml and the machine's log, then run it again"
            ) from error
        if any(words in str(error) for words in _STOPPED):
            raise SparkLostError(
                "Spark: expected its cluster to answer, found that it does not; see whether the master "
                "named in tierline.yaml runs, then run it again"
            ) from error
        raise StoreError(f"Spark: {found}") from error


def first_line(error: Exception) -> str:
    """What an error says first; Spark's go on for pages. Py4J says before it, in a line, who was called."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line[2:] for line in lines[1:2] if line.startswith(": ")), lines[0])


def reach_master(master: str) -> None:
    """See whether one of a cluster's masters can be reached. Raises SparkLostError where none can.

    Spark itself tries for a minute and a half, and says pages then.
    """
    scheme, _, addresses = master.partition("://")
    if scheme != "spark":
        return
    found = ""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
            return
        except ValueError as error:
            raise ConfigurationError(
                f"engine: spark: expected a master as spark://HOST:PORT, found {master}"
            ) from error
        except OSError as error:
            found = str(error)
    raise SparkLostError(
        f"engine: spark: expected a Spark at {master}, found none that answers ({found}); see whether it runs, then "
        "run it again"
    )


def _has_ended() -> bool:
    """Whether the Java process of this one is gone; a moment after it broke off it may not be as yet."""
    from pyspark import SparkContext

    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return False
    until = time.monotonic() + _END_S
    while process.poll() is None:
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def _keep_py4j_silent() -> None:
    """All that it logs it raises too; some of it, with a traceback, by the root logger."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_not_of_py4j)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in Path(record.pathname).parts


def look_at_spark(config: SparkConfig) -> str:
    """What there is of it, for doctor: Spark, Java, a master that answers, a lake that can be read.

    Raises ConfigurationError, SparkLostError or StoreError.
    """
    found = require_spark()
    reach_master(config.master)
    if config.lake.exists() or config.lake.is_symlink():
        Lake(config.lake)
    return found


def require_spark() -> str:
    """Which Spark and Java there are. Raises ConfigurationError saying what to install where one is missing."""
    java = _require_java()
    _require_pyspark()
    return f"PySpark {version('pyspark')}, Java {java}"


def _require_pyspark() -> None:
    """In this environment, or in the directory of its own where `make spark` puts it."""
    aside = Path(sys.prefix) / "spark"
    if find_spec("pyspark") is None and aside.is_dir():
        sys.path.append(str(aside))
    if find_spec("pyspark") is None:
        raise ConfigurationError(
            "engine: spark: expected PySpark, found none; install it with 'make spark', or the extra: "
            "pip install 'tierline[spark]'"
        )
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")  # which is not used with it


def _require_java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = f"install Java {_OLDEST_JAVA} or newer, such as Debian's openjdk-17-jre-headless, or set JAVA_HOME"
    if java is None or not Path(java).exists():
        raise ConfigurationError(f"engine: spark: expected a Java, found none{f' at {java}' if java else ''}; {hint}")
    release = Path(java).resolve().parents[1] / "release"  # a Java says there which it is; no process is started here
    found = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.is_file() else None
    if found is not None and int(found[1]) < _OLDEST_JAVA:
        raise ConfigurationError(f"engine: spark: expected Java {_OLDEST_JAVA} or newer, found {found[1]}; {hint}")
    return found[1] if found else "of unknown version"
