"""Spark itself: an optional extra of Python, and a Java beside it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config_engine import SparkConfig
from pipelines.errors import ConfigurationError
from pipelines.quality.loading import IMPORTING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OLDEST_JAVA = 17  # that Spark 4 runs on
_SETTINGS = {
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # times are wall clock of Asia/Shanghai, as everywhere here
    "spark.sql.session.timeZone": "Asia/Shanghai",
    "spark.sql.parquet.compression.codec": "zstd",
    # By the size of files, which grow many times in memory; several models are made at once.
    "spark.sql.autoBroadcastJoinThreshold": "2m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_ON_THIS_MACHINE = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}


def open_session(config: SparkConfig, scratch: Path) -> SparkSession:
    """The session of this process; a second call gets the same one.

    Raises ConfigurationError saying what to install where Spark or Java is not there.
    """
    with IMPORTING:
        require_spark()
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

    settings = dict(_SETTINGS) | {"spark.sql.warehouse.dir": str(scratch)}
    if config.master.startswith("local"):
        settings |= _ON_THIS_MACHINE
    log = Path(__file__).with_name("log4j2.properties")
    settings["spark.driver.defaultJavaOptions"] = f"-Dlog4j2.configurationFile={log.as_uri()}"
    builder = SparkSession.builder.appName("tierline").master(config.master)
    for name, value in (settings | dict(config.settings)).items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"engine: spark: expected a Spark at {config.master}, found: {str(error).splitlines()[0]}"
        ) from error


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
