"""Small cycles as a producer might send them, to be judged as a whole; and what is found of them."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mart_tables import DEFAULT_POLICY
from offers import Offer, batch, in_ledger, put_end
from row_oracle_fields import resident_id
from running import FEEDS, Run, make_home, tierline

from pipelines.transfer.base import Endpoint

MONTHS = ["202606", "202607", "202608", "202609"]
USUAL_BILLS = 24
THIRD_OF_BILLS = 8
FIRST_RUN = "2026-11-03T03:00:00"  # 202610 is over, and not yet expected
NOW = "2026-11-03T08:00:00"  # nothing is late
BILLS = "BILL_110_I_202610"
_ROWS_LEAST = "rows_least: 50"


@dataclass(frozen=True)
class Place:
    """A home that takes from a drop directory, and small cycles for enough; it can be begun from a copy."""

    home: Path
    root: Path

    @classmethod
    def new(cls, directory: Path, *feeds: str, since: str = "", extra: str = "") -> Place:
        """`since`: from when on this source's cycles are due; else from the first that comes."""
        place = cls(directory / "home", directory / "remote")
        place.root.mkdir(parents=True)
        due = f"    since: {since}\n" if since else ""
        make_home(place.home, Endpoint("file", root=str(place.root)), extra=f"{due}policy: policy.yaml\n{extra}")
        configuration = place.home / "tierline.yaml"
        configuration.write_text(configuration.read_text().replace(FEEDS, f"[{', '.join(feeds)}]"))
        policy = DEFAULT_POLICY.read_text(encoding="utf-8")
        assert _ROWS_LEAST in policy
        changed = policy.replace(_ROWS_LEAST, "rows_least: 5")
        (place.home / "policy.yaml").write_text(changed, encoding="utf-8")
        return place

    def copied(self, directory: Path) -> Place:
        shutil.copytree(self.home.parent, directory, symlinks=True, dirs_exist_ok=True)
        copy = Place(directory / "home", directory / "remote")
        configuration = copy.home / "tierline.yaml"
        configuration.write_text(configuration.read_text().replace(str(self.root), str(copy.root)))
        return copy

    def run(self, *words: str, now: str = NOW) -> Run:
        return tierline(self.home, *words, now=now)

    def offer(self, *offers: Offer) -> None:
        """The batches and the end file of one cycle."""
        for each in offers:
            each.put(self.root)
        put_end(self.root, *offers)

    def take(self, *offers: Offer, now: str = NOW) -> Run:
        """Offer a cycle, fetch it and load it: the run of `load`."""
        if offers:
            self.offer(*offers)
        fetched = self.run("fetch", now=now)
        assert fetched.exit_status == 0, fetched.err
        return self.run("load", now=now)

    def judged(self, ran: Run) -> int:
        """How many cycles a run says it has judged as a whole."""
        found = re.search(r"quality: (\d+) cycles judged as a whole", ran.out)
        return int(found[1]) if found else 0

    def results(self, *words: str, now: str = NOW) -> list[dict[str, Any]]:
        """What `quality` tells."""
        found: list[dict[str, Any]] = json.loads(self.run("quality", "--json", *words, now=now).out)
        return found

    def failures(self, now: str = NOW) -> dict[str, str]:
        """Measures that failed, by severity."""
        return {each["measure"]: each["severity"] for each in self.results("--failed", now=now)}

    def shown(self, stem: str, now: str = NOW) -> dict[str, Any]:
        """What `batch show` tells of the newest offering of a stem."""
        found: list[dict[str, Any]] = json.loads(self.run("batch", "show", stem, "--json", now=now).out)
        return found[-1]

    def told(self) -> list[tuple[str, str]]:
        """Kind and subject of every alarm that was told."""
        log = self.home / "logs" / "alarms.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(each["kind"], each["subject"]) for each in map(json.loads, lines)]

    def open_alarms(self) -> list[str]:
        found = in_ledger(self.home, "select subject from alarm where kind = 'quality' and cleared_at is null")
        return [subject for (subject,) in found]


def number_of(person: int) -> str:
    return f"138{person:08d}"


def id_number_of(person: int) -> str:
    body = f"11010119900307{person:03d}"
    return next(f"{body}{digit}" for digit in "0123456789X" if resident_id(f"{body}{digit}"))


def people(count: int, day: str = "20261101") -> tuple[Offer, Offer]:
    """Full snapshots of customers and their subscribers, each with a name, an ID number and a service number."""
    customers = [
        f"I|20261101130000|C{person:08d}|1|欧阳{person:03d}号|01|{id_number_of(person)}|F|19900307|{number_of(person)}"
        f"|k{person}@example.cn|北京市海淀区学府路{person}号|100083|||B|N|Y|20261001"
        for person in range(count)
    ]
    subscribers = [
        f"I|20261101130000|U{person:08d}|C{person:08d}|A{person:08d}|{number_of(person)}|MOB|PLAN0001|POST|1"
        "|20261001090000|20261001||110108|||500|||"
        for person in range(count)
    ]
    return (
        batch(f"CUST_110_F_{day}_0001_00", customers),
        batch(f"USER_110_F_{day}_0001_00", subscribers, 500 * count),
    )


def bills(month: str, count: int, version: str = "00", fen: int = 10_000, source: str = "110") -> Offer:
    """A month's bills, of as many subscribers."""
    following = f"{int(month) + 1}" if month[4:] != "12" else f"{int(month[:4]) + 1}01"
    records = [
        f"B{month}{person:08d}|A{person:08d}|C{person:08d}|U{person:08d}|{number_of(person)}|{month}|{fen}|0|0|0|0|0|0|0"
        f"|0|{fen}|{fen}|0|{following}01090000|{following}20"
        for person in range(count)
    ]
    return batch(f"BILL_{source}_I_{month}_0001_{version}", records, fen * count)


def contacts(day: str, count: int, version: str = "00", seq: str = "0001", user: str = "") -> Offer:
    """A day's contacts by the web, the newest of them an hour before its end."""
    records = [
        f"K{day}{seq}{number:05d}|{user}|{number_of(number)}|WEB||N|{day}2300{number % 60:02d}|||{day}230100|SELF"
        f"|INQUIRY||||"
        for number in range(count)
    ]
    return batch(f"CONT_110_I_{day}_{seq}_{version}", records)
