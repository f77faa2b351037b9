"""What core's rows of a feed rest on: noted in the warehouse, and never changed while there are such rows."""

from __future__ import annotations

import duckdb

from pipelines.contracts.model import Contracts
from pipelines.contracts.versions import core_terms
from pipelines.errors import StoreError


def hold_terms(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """Note the terms of every feed; in a warehouse of before they were noted, those that are found now.

    Raises StoreError where a feed with batches in core has others than were noted: its rows would be told apart by one
    key before and another after, or lie in two tables.
    """
    loaded = {feed for (feed,) in connection.execute("select distinct feed from ops.loaded_batch").fetchall()}
    noted = {(feed, key): value for feed, key, value in connection.execute("from ops.history_term").fetchall()}
    rows = [(each.feed, key, value) for each in contracts.feeds for key, value in core_terms(each).items()]
    for feed, key, found in rows:
        was = noted.get((feed, key), found)
        if found != was and feed in loaded:
            raise StoreError(
                f"{feed}, key {key}: expected {was}, by which its rows in core were loaded, found {found}; put it "
                "back, or give what comes a feed of its own (docs/operators/feeds.md, 'How a contract changes')"
            )
    # Those of a feed without a contract stay: it may come back.
    connection.execute("delete from ops.history_term where list_contains($feeds, feed)",
                       {"feeds": list(contracts.feed_names)})  # fmt: skip
    connection.executemany("insert into ops.history_term values ($1, $2, $3)", rows)
