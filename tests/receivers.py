"""Lists that were published, put into a home by hand: files as the file interface has them, and the ledger's word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from offers import in_ledger
from running import Run, make_home, tierline

from pipelines.config import load_config
from pipelines.ledger.publications import ListRecord, Publication, mark_published, prepare, publications
from pipelines.ledger.store import LedgerStore
from pipelines.names import parse_stem
from pipelines.transfer.base import Endpoint

NOW = "2026-11-22T12:00:00"
TIER = "TIER_110_F_20261121_0001_00"
PEOPLE = ("I|13900000811|U1|D|张|=1+1", "I|13900000812|U2|N|𠮷野|-", "I|13900000813|U3|G|Ünal €|@x")


def receiver(name: str, endpoint: Endpoint, *more: str, lists: str = "[TIER]") -> str:
    """The lines of `tierline.yaml` for one receiver."""
    at = "" if endpoint.scheme == "file" else f"{endpoint.user}@{endpoint.host}:{endpoint.port}"
    lines = [f"url: {endpoint.scheme}://{at}{endpoint.root}", f"lists: {lists}", *more]
    for key in ("host_key", "key_file", "ca_file"):
        if value := getattr(endpoint, key):
            lines.append(f'{key}: "{value}"')
    if endpoint.secret is not None:
        lines.append(f"secret: file:secret_{name}")
    return f"  {name}:\n" + "".join(f"    {line}\n" for line in lines)


def home_with(work: Path, *receivers: str, secret: str | None = None) -> Path:
    """A home with receivers; `secret` is what the receiver acd asks for."""
    (work / "source").mkdir(parents=True, exist_ok=True)
    home = make_home(work / "home", Endpoint("file", root=str(work / "source")))
    set_receivers(home, *receivers)
    (home / "secret_acd").write_text(secret or "")
    return home


def set_receivers(home: Path, *receivers: str) -> None:
    text = (home / "tierline.yaml").read_text().partition("receivers:\n")[0]
    (home / "tierline.yaml").write_text(text + "receivers:\n" + "".join(receivers))


@contextmanager
def ledger_of(home: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(load_config(home).ledger_url(home))
    try:
        yield store
    finally:
        store.close()


def publish(home: Path, *stems: str, as_of: str = "2026-11-21", people: tuple[str, ...] = PEOPLE) -> dict[str, bytes]:
    """Publish lists in one publication; gives name → bytes of their files, by list."""
    files: dict[str, bytes] = {}
    for stem in stems:
        name = parse_stem(stem)
        assert name is not None
        head = "|".join(["H", "1", *vars(name).values(), "20261122110000", str(len(people))])
        data = "".join(f"{line}\n" for line in (head, *people, f"T|{len(people)}|0")).encode()
        digest = hashlib.sha256(data).hexdigest()
        files[f"{name.feed}/{stem}.DAT"] = data
        files[f"{name.feed}/{stem}.CHK"] = (
            f"{stem}.DAT|{len(data)}|{len(people)}|sha256:{digest}|20261122110000\n".encode()
        )
        files[f"{name.feed}/{name.cycle_key}.END"] = f"1|{len(people)}|0\n{stem}|{len(people)}\n".encode()
    for path, content in files.items():
        (home / "publish" / path).parent.mkdir(parents=True, exist_ok=True)
        (home / "publish" / path).write_bytes(content)
    at = datetime.fromisoformat(NOW)
    with ledger_of(home) as store, store.transaction() as connection:
        turn = len(publications(connection)) + 1
        lists = tuple(ListRecord(stem, len(people), "") for stem in stems)
        made = Publication(f"{as_of.replace('-', '')}-{turn:06d}", as_of, "prepared", "", lists, at, None)
        prepare(connection, made)
        mark_published(connection, made.publication_id, at)
    return files


def deliver(home: Path, *words: str, now: str = NOW) -> Run:
    return tierline(home, "deliver", *words, now=now)


def states(home: Path) -> dict[str, str]:
    """`receiver stem` → state."""
    return {
        f"{name} {stem}": state for name, stem, state in in_ledger(home, "select receiver, stem, state from delivery")
    }


def alarms(home: Path) -> list[tuple[str, str, bool]]:
    """(kind, subject, whether it is open) of every alarm there was, oldest first."""
    found = in_ledger(home, "select kind, subject, cleared_at is null from alarm order by alarm_id")
    return [(kind, subject, bool(is_open)) for kind, subject, is_open in found]


def files_below(root: Path) -> dict[str, bytes]:
    """Path below the root → bytes of every file."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def require_no_half_list(root: Path) -> int:
    """Whatever stands under its own name is whole, and an end file names what is there; gives how many lists are."""
    found = files_below(root)
    for path, content in found.items():
        if path.endswith(".CHK"):
            name, size, _, digest, _ = content.decode().split("|")
            data = found[f"{path.rpartition('/')[0]}/{name}"]
            assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (int(size), digest), path
    ends = {path: content for path, content in found.items() if path.endswith(".END")}
    for path, content in ends.items():
        for line in content.decode().splitlines()[1:]:
            stem = f"{path.rpartition('/')[0]}/{line.split('|')[0]}"
            assert {f"{stem}.DAT", f"{stem}.CHK"} <= found.keys(), path
    return len(ends)
