"""What loads changed, kept for as long as a published state may want to be brought on from before them.

Facts say by their batches what changed. Periods of histories do not, so a load notes whose it worked out anew.
"""

from __future__ import annotations

import duckdb

# A load that touches more entities says so for the whole table: such a state is filled anew in about the same time.
_MOST_ENTITIES = 500_000
_ALL = "*"
_KEPT_PUBLICATIONS = 3  # a state is brought on from the last but one; one more may be held by a reader


def count_load(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin the next load, within its transaction."""
    connection.execute("update ops.load_state set load_no = load_no + 1")


def note_touched(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Note the entities of temp table `touched` as changed by this load, in history core.`table`."""
    names = {"table": table, "most": _MOST_ENTITIES}
    connection.execute(
        """
        insert into ops.history_change
        select $table, entity_id, (select load_no from ops.load_state)
        from touched
        where (select count(*) from touched) <= $most
        """,
        names,
    )
    connection.execute(
        """
        insert into ops.history_log
        select $table, load_no from ops.load_state where (select count(*) from touched) > $most
        """,
        names,
    )


def forget_changes(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what is noted of loads before all states that are still kept."""
    oldest = connection.execute(
        "select min(load_no) from (select load_no from ops.publication order by published_at desc limit $kept)",
        {"kept": _KEPT_PUBLICATIONS},
    ).fetchall()[0][0]
    if oldest is not None:
        connection.execute("delete from ops.history_change where load_no <= $oldest", {"oldest": oldest})
        connection.execute("delete from ops.history_log where complete_from <= $oldest", {"oldest": oldest})
        connection.execute("insert into ops.history_log values ($all, $oldest)", {"all": _ALL, "oldest": oldest})


def changed_since(connection: duckdb.DuckDBPyConnection, table: str, load_no: int) -> bool:
    """Put into temp table `changed` whose periods loads after `load_no` changed; False: that is no longer known."""
    complete_from = connection.execute(
        "select max(complete_from) from ops.history_log where table_name in ($table, $all)",
        {"table": table, "all": _ALL},
    ).fetchall()[0][0]
    if complete_from is not None and complete_from > load_no:
        return False
    connection.execute(
        """
        create or replace temp table changed as
        select distinct entity_id from ops.history_change where table_name = $table and load_no > $load_no
        """,
        {"table": table, "load_no": load_no},
    )
    return True
