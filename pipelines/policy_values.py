"""What one value of a policy may be: readers by unit and form, each with its range.

Each takes a value with its place, and raises ConfigurationError (file, line, key, expected, found) for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pipelines.contracts.yaml_lines import Item

TIERS = ("D", "G", "S", "N")  # best first, as the code list `tier` has them
LEVELS = ("HIGH", "MEDIUM", "LOW")  # of a warning, as mart.churn_warning has them
CODE = "[0-9A-Za-z_]{1,20}"

# Numbers beyond these are slips of the hand, for which columns and intervals of the warehouse need have no room.
_MOST_FEN = 10**12
_MOST_MONTHS = 1_200
_MOST_DAYS = 36_500
_MOST_SECONDS = 366 * 86_400
_MOST = 1_000_000
_DECIMALS = 4  # as decimal(18, 4) of warehouse/policy_tables.py

Reader = Callable[[Item], Any]


@dataclass(frozen=True)
class Band:
    """Values below `below` (None: all that are left), and at or above the bound of the band before, earn `points`."""

    below: Decimal | None
    points: int

    def __str__(self) -> str:
        return f"else {self.points}" if self.below is None else f"below {self.below}: {self.points}"


@dataclass(frozen=True)
class Optional:
    """A value that may be left out, or be null."""

    reader: Reader

    def __call__(self, item: Item) -> Any:
        return None if item.value is None else self.reader(item)


def _decimal(item: Item, most: int, expected: str) -> Decimal:
    value = item.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise item.error(expected)
    found = Decimal(str(value))
    if found != round(found, _DECIMALS):
        raise item.error(f"at most {_DECIMALS} decimals")
    return found


def number(item: Item) -> Decimal:
    return _decimal(item, _MOST, f"a number from 0 to {_MOST}, such as 1.20")


def rate(item: Item) -> Decimal:
    return _decimal(item, 1, "a fraction from 0 to 1, such as 0.95 for 95 %")


def amount(item: Item) -> int:
    if isinstance(item.value, float):
        raise item.error("whole fen (1 yuan = 100 fen)")
    return item.whole(0, _MOST_FEN)


def count(item: Item) -> int:
    return item.whole(1, _MOST)


def months(item: Item) -> int:
    return item.whole(1, _MOST_MONTHS)


def months_ahead(item: Item) -> int:
    return item.whole(0, _MOST_MONTHS)


def few_months(item: Item) -> int:
    return item.whole(1, 60)  # sets of months are bits of one number (mart.customer_product, step_customer_bill)


def days(item: Item) -> int:
    return item.whole(1, _MOST_DAYS)


def seconds(item: Item) -> int:
    return item.whole(1, _MOST_SECONDS)


def points(item: Item) -> int:
    return item.whole(0, _MOST)


def code(item: Item) -> str:
    return item.text(CODE)


def codes(item: Item) -> tuple[str, ...]:
    return item.texts()  # which there are, check_codes of policy_checks says


def tier(item: Item) -> str:
    return item.choice(TIERS)


def tiers(item: Item) -> tuple[str, ...]:
    return item.texts(TIERS)


def levels(item: Item) -> tuple[str, ...]:
    return item.texts(LEVELS)


def time_of_day(item: Item) -> str:
    return item.text("([01][0-9]|2[0-3]):[0-5][0-9]")


def words(item: Item) -> str:
    return item.text("[^|\\r\\n]{1,60}")


def bands(bound: str, reader: Reader) -> Reader:
    """A list of bands that rise by `bound`; the last one has none."""

    def read(item: Item) -> tuple[Band, ...]:
        *bounded, last = (replace(entry, key=item.key) for entry in item.items())
        found = [_band(entry.fields([bound, "points"]), bound, reader, item.key) for entry in bounded]
        for above, below, entry in zip(found[1:], found, bounded[1:], strict=False):
            if above.below <= below.below:  # type: ignore[operator]  # every one of these has a bound
                raise entry.error(f"{bound} above {below.below}, that of the band before", str(above.below))
        if isinstance(last.value, dict) and bound in last.value:
            raise last.value[bound].error("none in the last band, which takes all that is left over", bound)
        return (*found, Band(None, points(last.fields(["points"])["points"])))

    return read


def _band(fields: Mapping[str, Item], bound: str, reader: Reader, key: str) -> Band:
    below = reader(replace(fields[bound], key=f"{key}.{bound}"))
    return Band(Decimal(below), points(replace(fields["points"], key=f"{key}.points")))
