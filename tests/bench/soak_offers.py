"""The producers of the soak: small sound batches, and every way in which a producer's files can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from offers import Offer, batch

LIMIT = {"PAYM": 3, "CHNG": 5, "USER": 10}  # rejected rows that a small file may have, as these feeds' contracts say
_MOST_USERS = 9_000
_TOTALS = ("PAYM", "USER")  # of amounts and balances; the other has no control column


@dataclass(frozen=True)
class Sheet:
    """The records of a batch: `keys` of the sound ones by line, and how many are to be rejected."""

    records: tuple[str, ...]
    keys: dict[int, str]
    bad: int
    total: int


@dataclass(frozen=True)
class Sent:
    """A batch as it is offered, and what must become of it; `code` is of a refusal or of a stale version."""

    offer: Offer
    sheet: Sheet
    what: str
    state: str
    code: str | None = None

    @property
    def records(self) -> int:
        return len(self.sheet.records)


@dataclass
class Slot:
    """One SEQ of a cycle: what was accepted of it, by version, and what is on its way."""

    feed: str
    source: str
    cycle: str
    seq: int
    plan: Sent = field(init=False)  # what the producer means by version 00
    accepted: dict[int, Sent] = field(default_factory=dict)
    ended: list[tuple[str, str]] = field(default_factory=list)  # stem and state of what was never accepted
    tried: set[int] = field(default_factory=set)
    on_its_way: Sent | None = None
    half: Sent | None = None  # its check file is there, its data comes later
    last_id: int = 0

    def stem(self, version: int) -> str:
        return f"{self.feed}_{self.source}_I_{self.cycle}_{self.seq:04d}_{version:02d}"

    @property
    def standing(self) -> Sent | None:
        return self.accepted[max(self.accepted)] if self.accepted else None


def sheet(dice: random.Random, slot: Slot, rows: int, bad: int) -> Sheet:
    """Records of a feed; some keys were in files before, and the last `bad` are to be rejected."""
    users = dice.sample(range(1, _MOST_USERS), rows)
    at = datetime.strptime(slot.cycle[:8], "%Y%m%d") + timedelta(seconds=dice.randrange(86_400))
    lines, keys, total = [], dict[int, str](), 0
    for number, user in enumerate(users):
        is_bad = number >= rows - bad
        key = _key(dice, slot, number)
        amount = dice.randrange(1, 90_000)
        total += amount if slot.feed in _TOTALS else 0
        lines.append(_record(slot, key, user, amount, at, is_bad))
        if not is_bad:
            keys[number + 2] = key if slot.feed != "USER" else f"U{user:06d}"
    return Sheet(tuple(lines), keys, bad, total)


def _key(dice: random.Random, slot: Slot, number: int) -> str:
    """A key of its own; one in ten is met in other SEQs of the cycle too, where the newest is to stand."""
    shared = dice.random() < 0.1
    return f"{slot.cycle}{'00' if shared else slot.source[:2]}{0 if shared else slot.seq:04d}{number:03d}"


def _record(slot: Slot, key: str, user: int, amount: int, at: datetime, is_bad: bool) -> str:
    odd, hour = "Z" if is_bad else "", f"{slot.cycle}1500"
    if slot.feed == "PAYM":
        return f"P{key}|A{user:06d}|U{user:06d}|138{user:08d}|{hour}|{amount}|1|CASH{odd}|APP||||"
    if slot.feed == "CHNG":
        return f"E{key}|U{user:06d}|C{user:06d}|138{user:08d}|08|{hour}|{hour}||PLAN{amount:05d}||APP{odd}|"
    area = "110105" if slot.source == "110" else "440105"
    return (
        f"U|{at:%Y%m%d%H%M%S}|U{user:06d}|C{user:06d}|A{user:06d}|138{user:08d}|MOB{odd}|PLAN0A|PRE|1|20260101000000"
        f"|20260101||{area}|||{amount}|||"
    )


def _digest_of_others(offer: Offer) -> Offer:
    return replace(offer, digest=hashlib.sha256(b"other bytes").hexdigest())


def _without_trailer(offer: Offer) -> Offer:
    return replace(offer, lines=offer.lines[:-1])


def _other_header(offer: Offer) -> Offer:
    return replace(offer, lines=(offer.lines[0].replace("|I|", "|F|"), *offer.lines[1:]))


def _other_total(offer: Offer) -> Offer:
    kind, count, total = offer.lines[-1].split("|")
    return replace(offer, lines=(*offer.lines[:-1], f"{kind}|{count}|{int(total) + 1}"))


def _check_of_another(offer: Offer) -> Offer:
    return replace(offer, check=f"X{offer.check}")


def _packed_and(change: Callable[[bytes], bytes]) -> Callable[[Offer], Offer]:
    return lambda offer: replace(offer, ending=".DAT.gz", change=change)


# What is done to a sound batch, and the code that it must be refused with.
HARM: dict[str, tuple[Callable[[Offer], Offer], str]] = {
    "digest": (_digest_of_others, "E203"),
    "longer than said": (lambda offer: replace(offer, size_off=-1), "E202"),
    "shorter than said": (lambda offer: replace(offer, size_off=7), "E202"),
    "check file of another": (_check_of_another, "E201"),
    "empty check file": (lambda offer: replace(offer, check=""), "E201"),
    "wrong count": (lambda offer: replace(offer, records=offer.records + 1), "E302"),
    "gzip that breaks off": (_packed_and(lambda data: data[: len(data) // 2]), "E204"),
    "bytes behind a gzip": (_packed_and(lambda data: data + b"\1"), "E204"),
    "header of another": (_other_header, "E301"),
    "no trailer": (_without_trailer, "E304"),
    "other control total": (_other_total, "E303"),
}


def sent(dice: random.Random, slot: Slot, version: int, rows: int, bad: int = 0) -> Sent:
    """A batch that must be accepted, plain or packed."""
    made = sheet(dice, slot, rows, bad)
    offer = batch(slot.stem(version), made.records, made.total)
    offer = _packed(offer) if dice.random() < 0.25 else offer
    return Sent(offer, made, "rejected rows" if bad else "sound", "loaded")


def _packed(offer: Offer) -> Offer:
    """The same bytes whenever they are packed, so that a duplicate is one."""
    packed = gzip.compress(("\n".join(offer.lines) + "\n").encode(), mtime=0)
    return replace(offer, ending=".DAT.gz", change=lambda _: packed)


def harmed(dice: random.Random, slot: Slot, good: Sent) -> Sent:
    """The same batch with something wrong that is found before or after its rows are looked at."""
    name = dice.choice([*HARM, "too many rejects", "too many rejects"])
    if name == "too many rejects":
        made = sheet(dice, slot, LIMIT[slot.feed] + 4, LIMIT[slot.feed] + 1)
        return Sent(batch(good.offer.stem, made.records, made.total), made, name, "refused", "E501")
    change, code = HARM[name]
    return replace(
        good, offer=change(replace(good.offer, ending=".DAT", change=bytes)), what=name, state="refused", code=code
    )
