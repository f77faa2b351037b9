"""What the producers of the soak do hour by hour, and what of it is answered; the oracle is what they remember."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from offers import put_end
from soak_offers import LIMIT, Sent, Slot, harmed, sent

SOURCES = ("110", "440")
_HOURLY = {"PAYM": 36, "CHNG": 22}  # SEQs of a cycle and source
_DAILY = {"USER": 14}
_LATEST = """
select stem, offering_id, state, code, records, loaded, rejected, acknowledged_at from offering
where offering_id in (select max(offering_id) from offering group by stem)
"""


class Producers:
    """Both producers: what they offered, and what they were told."""

    def __init__(self, work: Path, dice: random.Random) -> None:
        self.work, self.dice = work, dice
        self.slots: list[Slot] = []
        self.open_cycles: list[list[Slot]] = []
        self.held_back: list[tuple[int, Slot]] = []  # SEQs that are missing, until a round
        self.digests: dict[str, str] = {}
        self.offered: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.round = 0

    def root(self, slot: Slot) -> Path:
        return self.work / slot.source

    def hour(self, now: datetime) -> None:
        """The files of the hour that ended, once a day those of the day, and what was left over from before."""
        self.round += 1
        self._complete_halves()
        self._send_what_was_missing()
        cycle = f"{now - timedelta(hours=1):%Y%m%d%H}"
        feeds = [(feed, cycle, count) for feed, count in _HOURLY.items()]
        if now.hour == 3:
            feeds += [(feed, f"{now - timedelta(days=1):%Y%m%d}", count) for feed, count in _DAILY.items()]
        for feed, of, count in feeds:
            for source in SOURCES:
                self._cycle([Slot(feed, source, of, seq) for seq in range(1, count + 1)])

    def _cycle(self, slots: list[Slot]) -> None:
        self.open_cycles.append(slots)
        self.slots += slots
        self.dice.shuffle(slots)
        for slot in slots:
            slot.plan = self._sound(slot, 0, (0, 0, 0, 1, LIMIT[slot.feed]))
            if self.dice.random() < 0.02:
                self.held_back.append((self.round + self.dice.randrange(2, 9), slot))
            else:
                self._first(slot)

    def _sound(self, slot: Slot, version: int, bad: tuple[int, ...]) -> Sent:
        """One that is to be accepted, with as many rejected rows as one of these numbers."""
        rejected = self.dice.choice(bad)
        return sent(self.dice, slot, version, rejected + self.dice.randrange(5, 45), rejected)

    def _first(self, slot: Slot) -> None:
        chance = self.dice.random()
        if chance < 0.03:  # the check file comes first, the data an hour later
            slot.plan.offer.put(self.root(slot), data=False)
            slot.half = slot.plan
        elif chance < 0.06:  # a newer version comes first
            self.offer(slot, sent(self.dice, slot, self.dice.choice((1, 2)), 9))
        else:
            self.offer(slot, self._maybe_harmed(slot, slot.plan, 0.16))

    def _maybe_harmed(self, slot: Slot, good: Sent, share: float) -> Sent:
        return harmed(self.dice, slot, good) if self.dice.random() < share else good

    def offer(self, slot: Slot, made: Sent) -> None:
        content = made.offer.put(self.root(slot))
        self.digests[hashlib.sha256(content).hexdigest()] = made.offer.stem
        self.offered[made.what] += 1
        slot.tried.add(int(made.offer.stem[-2:]))
        slot.on_its_way = made

    def _complete_halves(self) -> None:
        for slot in self.slots:
            if slot.half is not None:
                self.offer(slot, replace(slot.half, what="check file before its data"))
                slot.half = None

    def _send_what_was_missing(self) -> None:
        due = [each for each in self.held_back if each[0] <= self.round]
        for each in due:
            self.held_back.remove(each)
            self.offer(each[1], replace(each[1].plan, what="missing SEQ, sent later"))

    def again(self, count: int) -> None:
        """Whatever a producer may send of a SEQ of which something was answered."""
        kinds: tuple[Callable[[Slot], Sent | None], ...] = (
            self._duplicate, self._other_bytes, self._newer, self._newer, self._older, self._older,
        )  # fmt: skip
        at_rest = [slot for slot in self.slots if self._is_at_rest(slot)]
        refused = [slot for slot in at_rest if not slot.accepted]
        for slot in self.dice.sample(refused, len(refused) // 3):
            self.offer(slot, replace(slot.plan, what="sent well after a refusal"))
        accepted = [slot for slot in at_rest if slot.accepted]
        for slot in self.dice.sample(accepted, min(count, len(accepted))):
            made = self.dice.choice(kinds)(slot)
            if made is not None:
                self.offer(slot, made)

    @staticmethod
    def _is_at_rest(slot: Slot) -> bool:
        return slot.on_its_way is None and slot.half is None and bool(slot.tried)

    def _duplicate(self, slot: Slot) -> Sent:
        former = self.dice.choice(list(slot.accepted.values()))
        return replace(former, what="duplicate", state="duplicate", code=None)

    def _other_bytes(self, slot: Slot) -> Sent:
        version = self.dice.choice(list(slot.accepted))
        made = sent(self.dice, slot, version, 8)
        return replace(made, what="same stem, other bytes", state="refused", code="E503")

    def _newer(self, slot: Slot) -> Sent | None:
        version = max(slot.tried) + self.dice.choice((1, 2))
        if version > 20:
            return None
        made = self._sound(slot, version, (0, 0, LIMIT[slot.feed]))
        return self._maybe_harmed(slot, replace(made, what="new version"), 0.15)

    def _older(self, slot: Slot) -> Sent | None:
        untried = [version for version in range(max(slot.accepted)) if version not in slot.tried]
        if not untried:
            return self._newer(slot)
        made = sent(self.dice, slot, self.dice.choice(untried), 10)
        return replace(made, what="late older version", state="superseded", code="E504")

    def close_cycles(self, is_last: bool = False) -> None:
        """End files of cycles of which everything that came was answered; those of missing SEQs ask for them."""
        for slots in [*self.open_cycles]:
            if all(slot.on_its_way is None and slot.half is None for slot in slots) and (
                is_last or self.dice.random() < 0.7
            ):
                named = sorted(slots, key=lambda slot: slot.seq)
                put_end(self.root(slots[0]), *((slot.standing or slot.plan).offer for slot in named))
                self.open_cycles.remove(slots)

    def read_answers(self, ledger: Path) -> None:
        """What the ledger says of all that is on its way, held against what must become of it."""
        with closing(sqlite3.connect(ledger)) as connection:
            latest = {row[0]: row[1:] for row in connection.execute(_LATEST)}
        for slot in self.slots:
            made = slot.on_its_way
            if made is None or made.offer.stem not in latest:
                continue
            offering_id, state, code, *counts, acknowledged_at = latest[made.offer.stem]
            if offering_id > slot.last_id and acknowledged_at and state not in ("verified", "staged"):
                slot.last_id = offering_id
                self._answered(slot, made, (state, code), counts)

    def _answered(self, slot: Slot, made: Sent, said: tuple[str, str | None], counts: list[int]) -> None:
        slot.on_its_way = None
        if said != (made.state, made.code):
            self.wrong.append(f"{made.offer.stem} ({made.what}): expected {made.state} {made.code}, found {said}")
        if made.state == "loaded" and counts != [made.records, made.records - made.sheet.bad, made.sheet.bad]:
            self.wrong.append(f"{made.offer.stem}: records, loaded, rejected {counts}, {made.sheet.bad} are bad")
        if made.state in ("loaded", "superseded"):
            slot.accepted[int(made.offer.stem[-2:])] = made
        else:
            slot.ended.append((made.offer.stem, made.state))

    def finish(self) -> bool:
        """Send all that is missing or was refused, well; whether there is nothing left to send or to wait for."""
        self.round += 100
        self._complete_halves()
        self._send_what_was_missing()
        for slot in self.slots:
            if self._is_at_rest(slot) and not slot.accepted:
                self.offer(slot, replace(slot.plan, what="sent well after a refusal"))
        self.close_cycles(is_last=True)
        return not self.open_cycles and all(slot.on_its_way is None for slot in self.slots)
