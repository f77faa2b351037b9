"""From when to when a subscriber of the window can use and pay, and which number he has at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sftp_fixtures.draws import Flags, Ints, Times

_NEVER = np.datetime64("2999-12-31T00:00:00", "ms")
# Changes after which a subscriber is no longer served: closed, suspended, barred, ported out.
_ENDING = ("02", "03", "04", "05", "14")


@dataclass(frozen=True)
class Activity:
    """One entry a subscriber in each array, by row number: active in [since, until), renumbered at `renumbered_at`."""

    since: Times
    until: Times
    renumbered_at: Times
    numbers: pl.Series
    new_numbers: pl.Series

    def active(self, users: Ints, times: Times) -> Flags:
        """Whether each subscriber was active strictly after its beginning and before its end."""
        return (times > self.since[users]) & (times < self.until[users])

    def numbers_at(self, users: Ints, times: Times) -> pl.Series:
        """The service number of each subscriber at the time."""
        changed = pl.Series(times >= self.renumbered_at[users])
        return pl.select(
            pl.when(changed).then(self.new_numbers.gather(users)).otherwise(self.numbers.gather(users))
        ).to_series()


def make_activity(subscribers: pl.DataFrame, changes: pl.DataFrame) -> Activity:
    """What the subscribers' state at the start of the window and their changes in it say."""
    served = (subscribers["status"] == "1").to_numpy()
    since = np.where(served, subscribers["opened_at"].to_numpy(), _NEVER)
    until = np.full(subscribers.height, _NEVER)
    renumbered_at = until.copy()
    new_numbers = pl.DataFrame({"user": subscribers["user"]}).join(
        changes.filter(pl.col("change_type") == "08").select("user", "to_service_number"),
        on="user",
        how="left",
        maintain_order="left",
    )["to_service_number"]
    kinds, users, times = changes["change_type"], changes["user"].to_numpy(), changes["changed_at"].to_numpy()
    ending, number = kinds.is_in(_ENDING).to_numpy(), (kinds == "08").to_numpy()
    resumed = (kinds == "06").to_numpy() & ~served[users]
    until[users[ending]] = times[ending]
    since[users[resumed]] = times[resumed]
    renumbered_at[users[number]] = times[number]
    return Activity(since, until, renumbered_at, subscribers["service_number"], new_numbers)
