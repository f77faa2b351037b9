"""The lists that go out with a publication: what each is."""

from __future__ import annotations

from dataclasses import dataclass

NATION = "000"  # the source in the name of a list that holds rows of source ALL; who has every source has it too
# A dialler may work from the top: campaigns in their order, and of each the best tiers first.
_CALL_ORDER = """
    (select priority from policy.campaign as p where p.source = listed.source and p.campaign = listed.campaign),
    (select rank from policy.tier as p where p.source = listed.source and p.tier = listed.tier),
    customer_id, user_id
"""


@dataclass(frozen=True)
class ListKind:
    """One list: `table` in schema `list` has its columns and, last, the source by which it is parted.

    With `key` there are increments; `op` and `valid_from`, where it has them, are no content of a row. A `monthly` list
    is of the last month in its rows, the others of the as-of date. `order` is that of its rows, which are `listed`: no
    two are equal in it.
    """

    name: str
    key: tuple[str, ...] = ()
    is_monthly: bool = False
    order: str = "all"

    @property
    def table(self) -> str:
        return f"list.{self.name.lower()}"


LISTS = (
    ListKind("TIER", key=("service_number",)),
    ListKind("WARN"),
    ListKind("CALL", order=_CALL_ORDER),
    ListKind("CARD", key=("user_id",)),
    ListKind("WORK"),
    ListKind("KPIM", is_monthly=True),
)
