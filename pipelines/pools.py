"""The pools that the DAGs' tasks run in: one writer of the warehouse, so many connections to a source."""

from __future__ import annotations

from pipelines.config import Config

WAREHOUSE_POOL = "tierline_warehouse"
_CONNECTIONS = 4  # tasks that talk to one source at the same time


def source_pool(source: str) -> str:
    """The pool of the tasks that connect to a source."""
    return f"tierline_source_{source}"


def pools_of(config: Config) -> dict[str, dict[str, str | int | bool]]:
    """Name to slots and description, as `airflow pools import` reads them."""
    found: dict[str, dict[str, str | int | bool]] = {
        WAREHOUSE_POOL: {"slots": 1, "description": "the one writer of the warehouse", "include_deferred": False}
    }
    for source in config.sources:
        described = f"connections to source {source}"
        found[source_pool(source)] = {"slots": _CONNECTIONS, "description": described, "include_deferred": False}
    return found
