"""Publications: states that were prepared and published, with the lists made from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, cast, func, insert, select, update

from pipelines.ledger.tables import publication
from pipelines.names import BatchName, parse_stem

# What an id ends with, after the as-of date: by it the order is told in which publications were made.
_NUMBER = cast(func.substr(publication.c.publication_id, 10), Integer)


@dataclass(frozen=True)
class ListRecord:
    """One list of one source in a publication; `body_digest` is of its records."""

    stem: str
    records: int
    body_digest: str

    @property
    def name(self) -> BatchName:
        name = parse_stem(self.stem)
        assert name is not None, "we name our lists by the grammar"
        return name


@dataclass(frozen=True)
class Publication:
    """One row of the ledger's `publication` table. `fingerprint` is of all that the state was made from."""

    publication_id: str
    as_of_date: str
    state: str  # prepared, published
    fingerprint: str
    lists: tuple[ListRecord, ...]
    prepared_at: datetime
    published_at: datetime | None

    @property
    def number(self) -> int:
        """What its id ends with; later ones have greater."""
        return int(self.publication_id.rpartition("-")[2])


def prepare(connection: Connection, made: Publication) -> None:
    """Note a publication whose files all stand ready under temporary names."""
    lists = json.dumps([vars(each) for each in made.lists])
    connection.execute(insert(publication).values(vars(made) | {"lists": lists}))


def mark_published(connection: Connection, publication_id: str, at: datetime) -> None:
    """Note that readers and receivers meet it now."""
    connection.execute(
        update(publication)
        .where(publication.c.publication_id == publication_id)
        .values(state="published", published_at=at)
    )


def publications(connection: Connection) -> list[Publication]:
    """All publications in the order in which they were made, which a clock that steps back does not change.

    There may be many, each with all its lists: read them outside a transaction that keeps others waiting.
    """
    rows = connection.execute(select(publication).order_by(_NUMBER))
    return [_publication(dict(row._mapping)) for row in rows]


def last_publication(connection: Connection, *conditions: Any) -> Publication | None:
    """The one made last of those that meet SQLAlchemy conditions on the table; None where there is none."""
    row = connection.execute(select(publication).where(*conditions).order_by(_NUMBER.desc()).limit(1)).first()
    return None if row is None else _publication(dict(row._mapping))


def regular(known: Iterable[Publication]) -> list[Publication]:
    """Publications but those for an earlier as-of date than one before them had: receivers would go back in time."""
    found: list[Publication] = []
    for each in known:
        if not found or each.as_of_date >= found[-1].as_of_date:
            found.append(each)
    return found


def _publication(values: dict[str, Any]) -> Publication:
    lists = tuple(ListRecord(**each) for each in json.loads(values["lists"]))
    return Publication(**(values | {"lists": lists}))
