"""What a monitoring system scrapes: the ledger's counts as OpenMetrics text."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import Connection, func, select

from pipelines.clock import SHANGHAI
from pipelines.completeness import Within, cycle_statuses
from pipelines.ledger.publications import last_publication
from pipelines.ledger.tables import alarm, delivery, offering, publication
from pipelines.site import Site, require_cadences


def metrics_text(site: Site) -> str:
    """All of them, made from one state of the ledger; times are seconds since 1970 UTC."""
    registry = CollectorRegistry()
    registry.register(_Ledger(site))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class _Ledger(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> list[Any]:
        """Families in the order in which they are shown."""
        with self._site.ledger.reading() as connection:
            found = [*_batches(connection), _alarms(connection), _deliveries(connection), *_publication(connection)]
            return [*found, self._cycles(connection), self._free()]

    def _cycles(self, connection: Connection) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "tierline_cycles", "Cycles that are watched, by state", labels=["feed", "source", "state"]
        )
        counts: dict[tuple[str, str, str], int] = {}
        site = self._site
        require_cadences(site)
        for each in cycle_statuses(connection, site.config, site.contracts, site.now, Within(watched_only=True)):
            key = (each.key.feed, each.key.source, each.state.value)
            counts[key] = counts.get(key, 0) + 1
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        return family

    def _free(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("tierline_disk_free_bytes", "Free space below the home", labels=["directory"])
        for name in ("landing", "archive", "warehouse", "bi"):
            status = os.statvfs(getattr(self._site.home, name))
            family.add_metric([name], status.f_bavail * status.f_frsize)
        return family


def _batches(connection: Connection) -> list[GaugeMetricFamily]:
    columns: Any = [offering.c[name] for name in ("feed", "source", "state")]
    counts = GaugeMetricFamily("tierline_batches", "Offerings of batches, by state", labels=["feed", "source", "state"])
    rows = GaugeMetricFamily(
        "tierline_rows", "Rows of batches that stand: loaded, rejected", labels=["feed", "source", "result"]
    )
    last = GaugeMetricFamily(
        "tierline_last_batch_timestamp_seconds", "When the last batch was taken", labels=["feed", "source"]
    )
    query: Any = select(*columns, func.count()).group_by(*columns).order_by(*columns)
    for feed, source, state, count in connection.execute(query):
        counts.add_metric([feed, source, state], count)
    standing = offering.c.state.in_(("staged", "loaded"))
    totals = (func.sum(offering.c.loaded), func.sum(offering.c.rejected))
    query = select(*columns[:2], *totals).where(standing).group_by(*columns[:2]).order_by(*columns[:2])
    for feed, source, loaded, rejected in connection.execute(query):
        rows.add_metric([feed, source, "loaded"], float(loaded or 0))
        rows.add_metric([feed, source, "rejected"], float(rejected or 0))
    query = select(*columns[:2], func.max(offering.c.taken_at)).group_by(*columns[:2]).order_by(*columns[:2])
    for feed, source, taken_at in connection.execute(query):
        last.add_metric([feed, source], _seconds(taken_at))
    return [counts, rows, last]


def _alarms(connection: Connection) -> GaugeMetricFamily:
    family = GaugeMetricFamily("tierline_open_alarms", "Alarms that are not mended", labels=["kind"])
    query = select(alarm.c.kind, func.count()).where(alarm.c.cleared_at.is_(None)).group_by(alarm.c.kind)
    for kind, count in connection.execute(query.order_by(alarm.c.kind)):
        family.add_metric([kind], count)
    return family


def _deliveries(connection: Connection) -> GaugeMetricFamily:
    columns: Any = [delivery.c.receiver, delivery.c.state]
    family = GaugeMetricFamily("tierline_deliveries", "Lists to receivers, by state", labels=["receiver", "state"])
    query: Any = select(*columns, func.count()).group_by(*columns).order_by(*columns)
    for receiver, state, count in connection.execute(query):
        family.add_metric([receiver, state], count)
    return family


def _publication(connection: Connection) -> list[Any]:
    last = last_publication(connection, publication.c.state == "published")
    info = InfoMetricFamily("tierline_publication", "The publication that readers see")
    at = GaugeMetricFamily("tierline_publication_timestamp_seconds", "When it was published")
    if last and last.published_at:
        info.add_metric([], {"publication_id": last.publication_id, "as_of_date": last.as_of_date})
        at.add_metric([], _seconds(last.published_at))
    return [info, at]


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=SHANGHAI).timestamp()
