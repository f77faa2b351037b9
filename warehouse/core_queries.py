"""How core follows from staged rows, as queries: of one text for every engine, with what a contract says put in."""

from __future__ import annotations

from pathlib import Path

from pipelines.contracts.model import Contract
from warehouse.store import feed_tables, state_columns

PATCHED_TABLE = "subscriber"  # the one history that takes CHNG patches; the others are plain
_CORE = Path(__file__).parent / "core"
_PATCHED = ("customer_id", "service_number", "plan_code", "status", "status_time", "close_date")
_PERIOD = ("valid_from", "valid_to", "is_current")


def core_model(name: str) -> str:
    """The text of a model of core that has no table of its own name for all feeds."""
    return (_CORE / f"{name}.sql").read_text()


def facts_of(columns: str, staged: str) -> str:
    """Rows of a fact table from these columns of relation `staged` and the batches of relation `adding`."""
    return f"""
        select staged.*, adding.source, adding.cycle, adding.seq, true as is_current
        from (select {columns} from {staged}) as staged
        inner join adding on staged.batch_stem = adding.stem
    """


def records_of(columns: str, staged: str) -> str:
    """Records of a stateful feed; one of a full snapshot applies at the end of its cycle."""
    return f"""
        select
            staged.*, adding.source, adding.cycle, adding.seq, adding.mode,
            case when adding.mode = 'F' then adding.cycle_end else staged.op_time end as applies_at
        from (select {columns} from {staged}) as staged
        inner join adding on staged.batch_stem = adding.stem
    """


def candidates_of(contract: Contract, rows: str) -> str:
    """What model `newest` reads: rows with their key as one value."""
    key = ", ".join(f"{name} := {name}" for name in contract.key)
    return f"select *, struct_pack({key}) as row_key from {rows}"


def record_of(contract: Contract, records: str) -> str:
    """What the models of histories read of records, for the entities in relation `touched`.

    Grain: one row per record. `attributes` is one value of all whose change opens a period, but for those that changes
    set; these stand beside it.
    """
    is_patched = contract.table == PATCHED_TABLE
    beside = _PATCHED if is_patched else ()
    within = [column.name for column in state_columns(contract) if column.name not in beside]
    attributes = ", ".join(f"{name} := {name}" for name in ("source", *within))
    is_end = f"coalesce({contract.delete_when}, false)" if contract.delete_when else "false"
    return f"""
        select
            {contract.entity_key} as entity_id, applies_at, op_time, cycle, mode, source, seq, line, batch_stem,
            {is_end} as is_end, {"".join(f"{name}, " for name in beside)}struct_pack({attributes}) as attributes
        from {records} as record
        semi join touched on touched.entity_id = record.{contract.entity_key}
    """


def periods_of(contract: Contract, records: str) -> str:
    """The rows of a history from relations `record`, `absence` and `patch`, in the columns of its table."""
    columns = [name for name in feed_tables(contract)[contract.table] if name not in _PERIOD]
    if contract.table == PATCHED_TABLE:
        beside = {*_PATCHED, "user_id", "op_time", "batch_stem", "line"}
        listed = [name if name in beside else f"attributes.{name} as {name}" for name in columns]
        return f"""
            select {", ".join(listed)}, valid_from, valid_to, valid_to is null as is_current
            from ({core_model("subscriber")}) as period
        """
    listed = [f"record.{name}" for name in columns]
    return f"""
        select {", ".join(listed)}, period.valid_from, period.valid_to, period.valid_to is null as is_current
        from ({core_model("history")}) as period
        inner join {records} as record on period.batch_stem = record.batch_stem and period.line = record.line
    """


def ended_of(contract: Contract, periods: str, before: str) -> str:
    """How many entities a load ended for being absent from a snapshot: feed, source and cycle of it, and their number.

    Reads `absence`; `before` has the periods of before the load, of all who are absent anywhere at least.
    """
    entity = f"absence.entity_id = {{}}.{contract.entity_key} and absence.applies_at ="
    return f"""
        select '{contract.feed}' as feed, absence.source, absence.cycle, count(*) as entities
        from absence
        inner join {periods} as made on {entity.format("made")} made.valid_to
        anti join {before} as was_ended on {entity.format("was_ended")} was_ended.valid_to
        anti join {periods} as following on {entity.format("following")} following.valid_from
        group by absence.source, absence.cycle
    """
