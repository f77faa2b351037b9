"""Every alarm is told once in each place: the log, and the channels that `tierline.yaml` names."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from pipelines.durable import naming_full_disk
from pipelines.errors import ConfigurationError
from pipelines.ledger.alarms import TO_DO, Alarm, Kind, mark_told, mark_told_by, untold, untold_by
from pipelines.site import Site
from pipelines.telling.message import Channel, Message, hand_over

LOG = "alarms.jsonl"
_MOST = 100  # lines about alarms in one message; a program gets all
_OF_CYCLES = (Kind.LATE, Kind.MISSING)
# What an operator has to decide stands first, then what comes by the hundred.
_FIRST = (Kind.REFUSED, Kind.HELD, Kind.LEFT)
_ORDER = (*_FIRST, *(kind for kind in Kind if kind not in (*_FIRST, *_OF_CYCLES)), *_OF_CYCLES)


@dataclass(frozen=True)
class Told:
    """Alarms that the log had not said before, and who could not be told, why, and whether that is tried again."""

    alarms: list[Alarm]
    errors: list[str]


def tell_alarms(site: Site) -> Told:
    """Tell alarms wherever they were not told yet: `logs/alarms.jsonl` first, then webhook and mail.

    A channel that does not answer is told by the next call; it keeps nothing from the others. A crash in between tells
    one twice rather than never. Where another process is telling, it does so alone: nobody waits for a silent channel.
    """
    later: list[str] = []
    lost: list[str] = []
    with site.lock("alarms") as mine:
        if not mine:
            return Told([], [])
        alarms = _log(site)
        for channel in channels(site, later):
            for due, places in _due(site, channel):
                sent = hand_over(channel, _message(due), places)
                later += sent.later
                lost += sent.lost
                with site.ledger.transaction() as connection:
                    for place in sent.told:
                        mark_told_by(connection, place, due, site.now)
    return Told(alarms, [f"{each}; the next command tries again" for each in later] + lost)


def _due(site: Site, channel: Channel) -> list[tuple[list[Alarm], list[str]]]:
    """Alarms that places were not told of yet; those who lack the same are told by one message."""
    groups: dict[tuple[Alarm, ...], list[str]] = {}
    with site.ledger.reading() as connection:
        for place in channel.places:
            groups.setdefault(tuple(untold_by(connection, place)), []).append(place)
    return [(list(due), places) for due, places in groups.items() if due]


def channels(site: Site, errors: list[str]) -> Iterator[Channel]:
    """The channels of the configuration; one whose secret is missing is an error of its own."""
    if site.config.webhook is None and site.config.mail is None:
        return
    from pipelines.telling.channels import Mail, Webhook  # a poll without channels does not load mail and TLS

    if site.config.webhook is not None:
        try:
            yield Webhook(site.config.webhook)
        except ConfigurationError as error:
            errors.append(str(error))
    if site.config.mail is not None:
        yield Mail(site.config.mail)


def alarm_lines(alarms: list[Alarm]) -> Iterator[str]:
    """Alarms in words, those of a kind together with what to do."""
    told = folded(alarms)
    for kind, group in groupby(told[:_MOST], key=lambda each: each.kind):
        for each in group:
            yield f"{each.raised_at:%Y-%m-%d %H:%M} {kind} {each.subject}: {each.message}"
        yield f"    {TO_DO[kind]}"
    if len(told) > _MOST:
        yield f"and {len(told) - _MOST} more: logs/{LOG}"


def folded(alarms: Iterable[Alarm]) -> list[Alarm]:
    """For people: in the order of what to look at first, the late or missing cycles of a feed and source as one."""
    found = []
    for _, group in groupby(sorted(alarms, key=lambda each: (_ORDER.index(each.kind), *_place(each))), key=_about):
        first, *others = group
        if others:
            feed, source, cycle, _ = _place(first)
            until = _place(others[-1])[2]
            message = f"{len(others) + 1} cycles, {cycle} to {until}"
            first = replace(first, subject=f"{feed} {source}", message=message)
        found.append(first)
    return found


def _about(alarm: Alarm) -> tuple[object, ...]:
    return (alarm.kind, *_place(alarm)[:2]) if alarm.kind in _OF_CYCLES else (alarm.alarm_id,)


def _place(alarm: Alarm) -> tuple[str, ...]:
    """Feed, source, cycle and mode; nothing for alarms that are not folded."""
    if alarm.kind not in _OF_CYCLES:
        return ()
    feed, source, mode, cycle = alarm.subject.split("_")
    return feed, source, cycle, mode


def _message(alarms: list[Alarm]) -> Message:
    counts = Counter(str(each.kind) for each in alarms)
    noun = "alarm" if len(alarms) == 1 else "alarms"
    subject = f"{len(alarms)} {noun}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items())
    content = {"alarms": [vars(each) | {"to_do": TO_DO[each.kind]} for each in alarms]}
    return Message(subject, "\n".join(alarm_lines(alarms)), content)


def _log(site: Site) -> list[Alarm]:
    with site.ledger.reading() as connection:
        alarms = untold(connection)
    if alarms:
        lines = "".join(json.dumps(vars(each), ensure_ascii=False, default=str) + "\n" for each in alarms)
        _append(site.home.logs / LOG, lines.encode())
        with site.ledger.transaction() as connection:
            mark_told(connection, alarms, site.now)
    return alarms


def _append(path: Path, content: bytes) -> None:
    """All of it or nothing: what was written of a line that found the disk full would spoil the next one."""
    with naming_full_disk(str(path)), path.open("ab", buffering=0) as log:
        former = log.tell()
        try:
            if log.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(log.fileno())
        except OSError:
            log.truncate(former)
            raise
