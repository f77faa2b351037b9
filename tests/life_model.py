"""What the seven rules make of batches that were offered: a plain reading of them, and of the histories in core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from history_oracle import Change, Period, Record, Snapshot, history
from random_life import KEYS, Batch, Row

OPENED, CLOSED = datetime(2026, 1, 1), date(2026, 3, 1)
_DROPPED_SHARE = 0.05


@dataclass
class Offered:
    """An offering and what became of it: `accepted`, and then loaded or superseded; or how it ended."""

    batch: Batch
    content: bytes
    state: str = "accepted"


@dataclass
class Model:
    """All that was offered, in the order in which it was judged, and the end files of full snapshots."""

    offered: list[Offered] = field(default_factory=list)
    ends: dict[tuple[str, ...], dict[str, int]] = field(default_factory=dict)  # records by stem

    def judge(self, batch: Batch, content: bytes) -> None:
        former = self.accepted(batch.stem)
        state = "accepted" if former is None else "duplicate" if former.content == content else "refused"
        self.offered.append(Offered(batch, content, state))

    def accepted(self, stem: str) -> Offered | None:
        return next((each for each in self.offered if each.batch.stem == stem and each.state == "accepted"), None)

    def standing(self) -> list[Offered]:
        """The newest accepted version of each SEQ."""
        newest: dict[tuple[str, ...], Offered] = {}
        for each in self.offered:
            if each.state == "accepted":
                former = newest.get(each.batch.slot)
                if former is None or former.batch.version < each.batch.version:
                    newest[each.batch.slot] = each
        return list(newest.values())

    def states(self) -> Iterator[tuple[str, str]]:
        standing = self.standing()
        for each in self.offered:
            stands = "loaded" if each in standing else "superseded"
            yield each.batch.stem, stands if each.state == "accepted" else each.state

    def facts(self, feed: str) -> dict[tuple[str, int], tuple[Batch, Row, bool]]:
        """Sound rows by stem and line, and whether they are current: the greatest (cycle, source, seq, line) is."""
        rows = [(each.batch, line, row) for each in self.standing() if each.batch.feed == feed
                for line, row in each.batch.sound()]  # fmt: skip
        newest: dict[str, tuple[object, ...]] = {}
        for here, line, row in rows:
            place = (here.cycle, here.source, here.seq, line)
            newest[row.key] = max(place, newest.get(row.key, place))
        return {
            (here.stem, line): (here, row, newest[row.key] == (here.cycle, here.source, here.seq, line))
            for here, line, row in rows
        }

    def rejects(self) -> list[tuple[str, int, list[str]]]:
        return sorted(
            (each.batch.stem, line, sorted(codes.split("+")))
            for each in self.standing()
            for line, (_, codes) in each.batch.judged().items()
            if codes
        )

    def snapshots(self, feed: str) -> Iterator[tuple[Snapshot, list[Batch]]]:
        """Complete ones that are not held (E505), and their batches."""
        former: dict[str, int] = {}
        taken_out: dict[str, int] = {}  # the last that was discarded serves where no earlier one stands
        for key in sorted(key for key in self.ends if key[0] == feed):
            came = {each.batch.slot for each in self.offered if each.state in ("accepted", "discarded")}
            parts = [each.batch for each in self.standing() if each.batch.slot[:4] == key]
            source, records = key[1], sum(len(each.rows) for each in parts)
            if not self._is_complete(key):
                continue
            if {slot for slot in came if slot[:4] == key} != {b.slot for b in parts}:
                taken_out[source] = records + self._discarded(key, {each.slot for each in parts})
                continue
            before = former.get(source, taken_out.get(source, 0))
            is_held = before - records > _DROPPED_SHARE * before
            former[source] = records
            if not is_held:
                end = datetime.strptime(key[3], "%Y%m%d") + timedelta(days=1)
                yield Snapshot(source, key[3], end), parts

    def _discarded(self, key: tuple[str, ...], but: set[tuple[str, ...]]) -> int:
        """Records of the newest discarded versions of a cycle's SEQ of which nothing stands."""
        newest: dict[tuple[str, ...], tuple[str, int]] = {}
        for each in self.offered:
            slot = each.batch.slot
            if each.state == "discarded" and slot[:4] == key and slot not in but:
                newest[slot] = max(newest.get(slot, ("", 0)), (each.batch.version, len(each.batch.rows)))
        return sum(records for _, records in newest.values())

    def is_named(self, batch: Batch) -> bool:
        """Whether the end file of its cycle names the SEQ, where the cycle is a full snapshot's."""
        named = {stem[:-3] for stem in self.ends.get(batch.slot[:4], {})}
        return batch.mode == "I" or "_".join(batch.slot) in named

    def _is_complete(self, key: tuple[str, ...]) -> bool:
        versions: dict[str, str] = {}
        for each in self.offered:
            if each.state in ("accepted", "discarded") and each.batch.slot[:4] == key:
                versions[each.batch.seq] = max(each.batch.version, versions.get(each.batch.seq, ""))
        named = self.ends[key]
        skipped = [f"{number:04d}" for number in range(1, max((int(stem[-7:-3]) for stem in named), default=0))]
        agree = all(
            former is None or len(former.batch.rows) == count
            for former, count in ((self.accepted(stem), count) for stem, count in named.items())
        )
        have = all(versions.get(stem[-7:-3], "") >= stem[-2:] for stem in named)
        return agree and have and all(seq in versions for seq in skipped)

    def periods(self, feed: str) -> list[Period]:
        """The history of all keys of a stateful feed, sorted by key and valid_from."""
        records = [
            _record(each.batch, line, row)
            for each in self.standing()
            if each.batch.feed == feed
            for line, row in each.batch.sound()
        ]
        changes = [
            Change(f"E0000{row.key}", f"U0000{row.entity}", row.kind, row.at, f"NEW00{row.letter}")
            for _, row, is_current in (self.facts("CHNG").values() if feed == "USER" else ())
            if is_current
        ]
        by_key = defaultdict(list)
        for record in records:
            by_key[record.user_id].append(record)
        snapshots = list(self.snapshots(feed))
        return [
            period
            for key in sorted(by_key)
            for period in history(by_key[key], changes, [each for each, of in snapshots if not _spares(of, key)])
        ]


def _record(batch: Batch, line: int, row: Row) -> Record:
    number, owner = f"1380001000{row.key}", f"C0000{row.key}"
    closed = CLOSED if row.kind == "9" else None
    state: tuple[object, ...] = (owner, number, f"PLAN0{row.letter}", row.kind, OPENED, closed, 0)
    if batch.feed == "CUST":
        state = (row.letter, row.letter, None, "1", None, None, None)
    key = KEYS[batch.feed] + row.key
    place = (batch.cycle, batch.cycle_end, batch.mode, batch.source, batch.seq, line)
    return Record(key, row.op, row.at, *place, state)


def _spares(snapshot: list[Batch], key: str) -> bool:
    """Whether a rejected row of a snapshot names this key, or one whose key cannot be trusted may."""
    rejected = [(row, codes) for each in snapshot for row, codes in each.judged().values() if codes]
    return any(codes != "E406" or KEYS[snapshot[0].feed] + row.key == key for row, codes in rejected)
