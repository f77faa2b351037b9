"""What `tierline.yaml` says of the engine of core and marts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.config_fields import read_whole
from pipelines.config_keys import SPARK, optional, required
from pipelines.contracts.yaml_lines import Item


@dataclass(frozen=True)
class SparkConfig:
    """Spark as the engine: its master, how many months of facts are published, where the lake is, its own settings."""

    master: str
    recent_months: int
    lake: Path
    settings: tuple[tuple[str, str], ...]


def read_engine(home: Path, fields: dict[str, Item]) -> SparkConfig | None:
    """None where DuckDB is the engine. Raises ConfigurationError for keys of Spark beside it."""
    engine = fields["engine"].choice(["duckdb", "spark"]) if "engine" in fields else "duckdb"
    if engine == "duckdb":
        if "spark" in fields:
            raise fields["spark"].error("engine: spark beside it", "engine: duckdb")
        return None
    keys = fields["spark"].fields(required(SPARK), optional(SPARK)) if "spark" in fields else {}
    settings = keys["settings"].value if "settings" in keys else {}
    if not isinstance(settings, dict) or not all(name.startswith("spark.") for name in settings):
        raise keys["settings"].error("a mapping of Spark's settings, such as spark.executor.memory: 4g")
    return SparkConfig(
        master=keys["master"].text() if "master" in keys else str(SPARK["master"].default),
        recent_months=read_whole(keys, SPARK, "recent_months"),
        lake=home / (keys["lake"].text() if "lake" in keys else "lake"),
        settings=tuple((name, each.text()) for name, each in settings.items()),
    )
