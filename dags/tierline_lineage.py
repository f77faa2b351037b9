"""OpenLineage: which datasets a task read and wrote, with row counts, said through Airflow's provider.

Datasets: what a producer's server offers (namespace its address), then `archive/<FEED>`, `staged/<FEED>`, `core.…`,
`mart.…` and `list/<LIST>` in namespace `tierline`. Asked for by `tierline_wiring.lineage` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from airflow.providers.openlineage.api import emit_dataset_lineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import output_statistics_output_dataset

from pipelines.config import ReceiverConfig, SourceConfig
from pipelines.ledger import offerings
from pipelines.ledger.tables import offering
from pipelines.publishing import Published
from pipelines.site import Site
from warehouse.build import BuildResult
from warehouse.models import load_models

_OURS = "tierline"
_AT_ONCE = 500  # databases bound the parameters of a statement


def fetched(here: Site, source: str, feed: str, files: int) -> None:
    """A producer's directory → the archive; counted are files."""
    _say([(_place(here.source(source)), f"outgoing/{feed}")], {f"archive/{feed}": (None, files)})


def checked(here: Site, stems: Iterable[str]) -> None:
    """The archive → staged rows, by feed."""
    rows = _rows(here, stems)
    _say(
        [(_OURS, f"archive/{feed}") for feed in rows], {f"staged/{feed}": (count, None) for feed, count in rows.items()}
    )


def loaded(here: Site, stems: Iterable[str]) -> None:
    """Staged rows → core, by feed."""
    rows = _rows(here, stems)
    tables = {f"core.{here.contracts[feed].table}": (count, None) for feed, count in rows.items()}
    _say([(_OURS, f"staged/{feed}") for feed in rows], tables)


def built(result: BuildResult) -> None:
    """Core → marts and the rows of lists; those of a renewal are the rows that were put in the place of others."""
    made = {each.name: each.rows for each in result.models if not each.name.startswith("step_")}
    read = {table for model in load_models() for table in model.reads if table.startswith("core.")}
    _say([(_OURS, table) for table in sorted(read)], {name: (rows, None) for name, rows in made.items()})


def published(result: Published) -> None:
    """The rows of lists → list files."""
    rows: Counter[str] = Counter()
    for each in result.publication.lists:
        rows[each.stem.split("_")[0]] += each.records
    _say([(_OURS, f"list.{name.lower()}") for name in rows], {f"list/{name}": (n, None) for name, n in rows.items()})


def delivered(here: Site, lists: Iterable[tuple[str, str]]) -> None:
    """List files → receivers; `lists` are receivers and stems."""
    for receiver, stem in lists:
        name = stem.split("_")[0]
        _say([(_OURS, f"list/{name}")], {f"{name}/{stem}": (None, 1)}, _place(here.config.receivers[receiver]))


def _rows(here: Site, stems: Iterable[str]) -> Counter[str]:
    """Rows that came through the checks, by feed."""
    known, rows = list(stems), Counter[str]()
    with here.ledger.reading() as connection:
        for start in range(0, len(known), _AT_ONCE):
            found = offerings.find(connection, offering.c.stem.in_(known[start : start + _AT_ONCE]))
            for each in found:
                if each.state in offerings.STANDING:
                    rows[each.feed] += each.loaded or 0
    return rows


def _place(configured: SourceConfig | ReceiverConfig) -> str:
    """A server as OpenLineage names one; no user, no path."""
    endpoint = configured.endpoint
    return f"{endpoint.scheme}://{endpoint.host}:{endpoint.port}" if endpoint.host else "file"


def _say(
    read: Iterable[tuple[str, str]], written: Mapping[str, tuple[int | None, int | None]], namespace: str = _OURS
) -> None:
    if not written:
        return
    outputs = []
    for name, (rows, files) in written.items():
        counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, fileCount=files)
        outputs.append(OutputDataset(namespace, name, outputFacets={"outputStatistics": counted}))
    emit_dataset_lineage(inputs=[InputDataset(place, name) for place, name in read], outputs=list(outputs))
