"""What loads changed, kept for as long as a published state may want to be brought on from before them.

Facts say by their batches what came. Whose rows went or were displaced they do not, nor do periods of histories say
whose were worked out anew, so a load notes both.
"""

from __future__ import annotations

import duckdb

from pipelines.contracts.model import Contract

# A load that touches more entities says so for the whole table: such a state is filled anew in about the same time.
_MOST_ENTITIES = 500_000
_ALL = "*"
_KEPT_PUBLICATIONS = 3  # a state is brought on from the last but one; one more may be held by a reader


def count_load(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin the next load, within its transaction."""
    connection.execute("update ops.load_state set load_no = load_no + 1")


def note_touched(
    connection: duckdb.DuckDBPyConnection, table: str, entities: str = "select entity_id from touched"
) -> None:
    """Note the entities that a query finds as changed by this load in core.`table`; else temp table `touched`."""
    rows = connection.execute(f"create or replace temp table noted as select distinct entity_id from ({entities})")
    (count,) = rows.fetchall()[0]
    if count > _MOST_ENTITIES:
        connection.execute("insert into ops.history_log select $table, load_no from ops.load_state", {"table": table})
    else:
        connection.execute(
            "insert into ops.history_change select $table, entity_id, load_no from noted, ops.load_state",
            {"table": table},
        )


def owners_of(table: str) -> str:
    """Under which name it is noted whose (user_id) the changed entities of a history of another kind were before."""
    return f"{table}.user_id"


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
    """Put into temp table `changed` of whom loads after `load_no` noted changes; False: that is no longer known."""
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


def users_of(contract: Contract, rows: str) -> str | None:
    """The query for the subscribers (user_id) on whom rows of a fact table bear; None where it names none.

    A reversal bears on the subscriber of the payment that it names, whoever its own is; a contact that names none on
    those who ever had its number.
    """
    columns = {column.name for column in contract.stored_columns}
    if "user_id" not in columns:
        return None
    query = f"select user_id {rows}"
    if "reversed_payment_id" in columns:
        query += (
            f" union select user_id from core.{contract.table} where payment_id in (select reversed_payment_id {rows})"
        )
    if "contact_id" in contract.key:
        query += (
            " union select user_id from core.subscriber where service_number in "
            f"(select service_number from (select user_id, service_number {rows}) where user_id is null)"
        )
    return f"select distinct user_id from ({query}) where user_id is not null"
