"""build_marts on any feed that changed, publish_lists on the marts, deliver_lists on the lists."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_

from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from tierline_wiring import ALWAYS, CONTRACTS, LISTS, MARTS, OPERATED, core_asset, lineage, site, tell

from pipelines import delivering, publishing, steps
from pipelines.clock import SHANGHAI, now
from pipelines.errors import HeldError, TransferError
from pipelines.pools import WAREHOUSE_POOL
from pipelines.site import Site

AS_OF = Param(None, type=["null", "string"], format="date", title="As-of date", description="Default: the day before.")
BILL_MONTH = Param(None, type=["null", "string"], pattern="^[0-9]{6}$", title="Last closed bill month (YYYYMM)")
REPUBLISH = Param(False, type="boolean", title="Publish an as-of date before the last one")


def as_of_date(here: Site) -> date:
    """The as-of date of a run: as given, else the day before the run was due (Asia/Shanghai).

    That is the same when the run is cleared, unless a later day was published meanwhile: marts do not go back by
    themselves. Raises UsageError for a given day before the one published, unless it is to be published again.
    """
    context = get_current_context()
    if stated := context["params"]["as_of"]:
        day = date.fromisoformat(str(stated))
        if not context["params"]["republish"]:
            publishing.require_later(here, day)
        return day
    run_after: datetime = context["dag_run"].run_after
    due = min(run_after.astimezone(SHANGHAI).replace(tzinfo=None), now())  # earlier only in a rehearsal, TIERLINE_NOW
    return max((due - timedelta(days=1)).date(), publishing.last_as_of(here) or date.min)


@dag(
    schedule=reduce(or_, [core_asset(contract) for contract in CONTRACTS.feeds], OPERATED),
    **ALWAYS,
    params={"as_of": AS_OF, "bill_month": BILL_MONTH, "republish": REPUBLISH},
    tags=["tierline", "marts"],
    doc_md="Works out marts and lists for an as-of date from core and the policy, whenever a feed brought something.",
)
def build_marts() -> None:
    @task(outlets=[MARTS], pool=WAREHOUSE_POOL)
    def build() -> dict[str, str]:
        """core → mart; the last closed bill month of each source is what it returns."""
        here, context = site(), get_current_context()
        result = steps.build(here, as_of_date(here), context["params"]["bill_month"])
        context["outlet_events"][MARTS].extra = {"republish": bool(context["params"]["republish"])}
        if said := lineage():
            said.built(result)
        return result.bill_months

    build()


@dag(
    schedule=[MARTS],
    **ALWAYS,
    params={"republish": REPUBLISH},
    tags=["tierline", "publish"],
    doc_md="Shows readers the new state and publishes the lists made from it; nothing happens where nothing changed.",
)
def publish_lists() -> None:
    @task(outlets=[LISTS], pool=WAREHOUSE_POOL)
    def publish() -> str:
        """mart → published."""
        context = get_current_context()
        built = [event for events in context["triggering_asset_events"].values() for event in events]
        republish = context["params"]["republish"] or any(event.extra.get("republish") for event in built)
        try:
            published = publishing.publish(site(), republish=republish)
        except HeldError as error:  # it waits for people, not for another try
            raise AirflowFailException(str(error)) from error
        if published.is_new and (said := lineage()):
            said.published(published)
        return published.publication.publication_id

    publish()


@dag(
    schedule=[LISTS],
    **ALWAYS,
    tags=["tierline", "deliver"],
    doc_md="Brings the newest lists to their receivers and reads their receipts; what failed before is tried again.",
)
def deliver_lists() -> None:
    @task
    def deliver() -> int:
        """published → delivered; how many lists went out is what it returns."""
        here = site()
        delivered = delivering.deliver(here)
        tell(here)
        if said := lineage():
            said.delivered(here, [(each.receiver, each.stem) for each in delivered.done])
        if delivered.errors:
            failed = [f"receiver {name}: {'; '.join(messages)}" for name, messages in delivered.errors.items()]
            raise TransferError("; ".join(failed))
        return len(delivered.done)

    deliver()


build_marts()
publish_lists()
deliver_lists()
