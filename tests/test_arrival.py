"""What has arrived is taken whole; what has not, or is no file of the interface, stays and is reported (section 3)."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from conftest import Site
from offers import GOOD, NOW, STEM, files, in_ledger, named, payments, put_end, states, take
from running import make_home, tierline

from pipelines.transfer.base import MOST_SMALL
from sftp_fixtures.servers import sftp_server

both = pytest.mark.parametrize("server", ["sshd", "directory"], indirect=True)
DIRECTORY = "outgoing/PAYM"
CYCLE = "PAYM_110_I_2026112210"
LATER = "2026-11-22T12:05:00"


@pytest.fixture
def home(tmp_path: Path, site: Site) -> Path:
    return make_home(tmp_path / "home", site.endpoint, extra="    settle: 1\n")


def left(home: Path) -> dict[str, str]:
    """What `batches --left` lists: name → code (or nothing) and reason."""
    shown = json.loads(tierline(home, "batches", "--left", "--json", now=NOW).out)
    return {each["file_name"]: f"{each['code'] or ''} {each['reason']}".strip() for each in shown}


def landed(home: Path) -> list[str]:
    return sorted(str(path) for path in (home / "landing").rglob("*") if path.is_file())  # they may go meanwhile


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something in a thread while the block runs; the event tells it that the block is over."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def halves(site: Site) -> tuple[Path, bytes]:
    """The good pair whose data file is only half there."""
    content = GOOD.put(site.directory)
    path = site.directory / DIRECTORY / GOOD.name
    path.write_bytes(content[: len(content) // 2])
    return path, content


@pytest.mark.fault(4)
@both
def test_a_file_that_grows_all_the_while_is_left_and_taken_once_it_is_whole(home: Path, site: Site) -> None:
    path, content = halves(site)

    def grow(over: threading.Event) -> None:
        while not over.wait(0.02) and path.stat().st_size < len(content) - 1:
            with path.open("ab") as growing:
                growing.write(content[path.stat().st_size :][:1])

    with meanwhile(grow):
        ran = tierline(home, "fetch", now=NOW)
    assert ran.exit_status == 0, ran.err
    assert path.stat().st_size < len(content), "it was still growing when it was read last"
    assert [state for _, state, _ in states(home)] in ([], ["announced"]), "neither taken nor refused"
    assert str(len(content)) in left(home)[GOOD.name]
    assert (landed(home), files(home / "archive"), files(home / "quarantine")) == ([], {}, {})
    assert sorted(os.listdir(site.directory / DIRECTORY)) == [f"{STEM}.CHK", f"{STEM}.DAT"]
    path.write_bytes(content)
    assert take(home, LATER).exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]
    assert files(home / "archive")[f"PAYM/2026/11/22/{GOOD.name}"] == content
    assert left(home) == {}
    assert not (site.directory / "request").exists()


@pytest.mark.fault(4)
@both
def test_a_file_that_becomes_whole_between_two_readings_is_sound(home: Path, site: Site) -> None:
    path, content = halves(site)

    def finish(over: threading.Event) -> None:
        while not landed(home) and not over.wait(0.01):
            pass
        time.sleep(0.1)  # the first reading is over, the second begins a second later
        path.write_bytes(content)

    with meanwhile(finish):
        assert tierline(home, "fetch", now=NOW).exit_status == 0
    assert take(home, LATER).exit_status == 0
    assert [(state, code) for _, state, code in states(home)] == [("loaded", None)]
    assert files(home / "archive")[f"PAYM/2026/11/22/{GOOD.name}"] == content


@pytest.mark.fault(4)
@both
def test_a_file_that_grows_beyond_its_size_is_refused_once_it_rests(home: Path, site: Site) -> None:
    """Left while it changes; a file that is too long and stays so is the producer's fault (E202)."""
    path, content = halves(site)
    path.write_bytes(content + b"more")
    assert tierline(home, "fetch", now=NOW).exit_status == 3
    assert states(home) == [("0001_00", "refused", "E202")]


@pytest.mark.fault(8)
@both
@pytest.mark.parametrize("first", ["check", "data"])
def test_the_two_files_of_a_pair_may_come_in_either_order(home: Path, site: Site, first: str) -> None:
    GOOD.put(site.directory, data=first == "data", check=first == "check")
    name = f"{STEM}.{'DAT' if first == 'data' else 'CHK'}"
    for _ in range(2):
        assert take(home, NOW).exit_status == 0
        assert (states(home), list(left(home))) == ([], [name])
    GOOD.put(site.directory)
    assert take(home, LATER).exit_status == 0
    assert (states(home), left(home)) == ([("0001_00", "loaded", None)], {})


@both
def test_tmp_and_dot_files_are_passed_over_without_a_word(home: Path, site: Site) -> None:
    for name in (f"{STEM}.DAT.tmp", f".{STEM}.DAT", ".nfs0001", f"{STEM}.CHK.tmp"):
        site.put(f"{DIRECTORY}/{name}", b"x")
    assert take(home, NOW).exit_status == 0
    assert (states(home), left(home)) == ([], {})
    assert len(os.listdir(site.directory / DIRECTORY)) == 4


STRANGE: list[bytes] = [
    b"-rf", b"--", b"x" * 255, b"PAYM_110_I_2026112210_0001_00.DAT".lower(), b"Paym_110_I_2026112210_0001_00.DAT",
    "缴费.DAT".encode("gbk"), b"PAYM_110_I_2026112210_0002_00.DAT\n", b"PAYM\n_110_I_2026112210_0002_00.DAT",
    b"x\\..\\..\\y.DAT", b"%2e%2e%2fx.DAT", b"PAYM_110_I_2026112210_0002_00.DAT;rm", b"~root", b"$(id)", b"a b",
    b"PAYM_110_I_2026112210_002_00.DAT", b"PAYM_110_I_2026112210_0002_00.DAT.GZ", "PAYM_110_I_２026112210.END".encode(),
]  # fmt: skip


@pytest.mark.fault(17)
@both
def test_strange_names_are_left_and_reported_and_the_good_pair_is_taken(home: Path, site: Site, tmp_path: Path) -> None:
    content = GOOD.put(site.directory)
    directory = os.fsencode(site.directory / DIRECTORY)
    for name in STRANGE:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"strange")
    outside = outer_names(home, site)
    assert take(home, NOW).exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]
    assert sorted(os.listdir(directory)) == sorted(STRANGE)
    reported = left(home)
    assert len(reported) == len(STRANGE), reported
    assert {text[:4] for text in reported.values()} == {"E101"}
    assert all(name.isprintable() for name in reported)
    assert outer_names(home, site) == outside
    assert b"strange" not in files(home).values()
    assert files(home / "archive")[f"PAYM/2026/11/22/{GOOD.name}"] == content


def outer_names(home: Path, site: Site) -> list[str]:
    """What stands beside home and server, where nothing of ours belongs."""
    return sorted({*os.listdir(home.parent), *os.listdir(site.directory.parent), *os.listdir(Path.cwd())})


@pytest.mark.fault(17)
@both
def test_what_is_no_regular_file_is_left_and_reported(home: Path, site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "outside.txt"
    secret.write_bytes(b"not the producer's")
    directory = site.directory / DIRECTORY
    pairs = {kind: named(f"{CYCLE}_000{number}_00") for number, kind in enumerate(("link", "dir", "fifo", "ring"), 2)}
    for offer in [GOOD, *pairs.values()]:
        offer.put(site.directory)
    for offer in pairs.values():
        (directory / offer.name).unlink()
    (directory / pairs["link"].name).symlink_to(secret)
    (directory / pairs["dir"].name).mkdir()
    os.mkfifo(directory / pairs["fifo"].name)
    (directory / pairs["ring"].name).symlink_to(directory / pairs["ring"].name)
    (directory / f"{CYCLE}.END").symlink_to(secret)
    (directory / f"{CYCLE}_0009_00.CHK").mkdir()
    before = set(os.listdir(directory)) - {GOOD.name, f"{STEM}.CHK"}
    assert take(home, NOW).exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]
    assert set(os.listdir(directory)) == before
    reported = left(home)
    for name in [*(offer.name for offer in pairs.values()), f"{CYCLE}.END", f"{CYCLE}_0009_00.CHK"]:
        assert reported.pop(name).startswith("E101"), name
    assert set(reported) == {f"{offer.stem}.CHK" for offer in pairs.values()}, "they wait for their data files"
    assert b"not the producer's" not in files(home).values()
    assert secret.read_bytes() == b"not the producer's"


ELSEWHERE = [b"../x", b"../../PAYM/PAYM_110_I_2026112210_0002_00.DAT", b"/etc/passwd", b"a\0b", b"x" * 300]


class Liar(asyncssh.SFTPServer):
    """Lists names that no file system allows, beside those that are there."""

    async def scandir(self, path: bytes):  # type: ignore[no-untyped-def]  # as asyncssh has it
        async for entry in super().scandir(path):
            yield entry
        for name in ELSEWHERE if path.endswith(b"PAYM") else ():
            yield asyncssh.SFTPName(name, b"", asyncssh.SFTPAttrs(size=3, permissions=0o100644))


@pytest.mark.fault(17)
def test_names_that_lead_elsewhere_are_left_and_reported(tmp_path: Path) -> None:
    """Fault 17: `../x` is reported too, though it begins with a dot: no file of a directory is named so."""
    root = tmp_path / "remote"
    GOOD.put(root)
    (root / "outgoing" / "x").write_bytes(b"elsewhere")
    with sftp_server(root, files=Liar) as endpoint:
        home = make_home(tmp_path / "home", endpoint)
        ran = take(home, NOW)
        assert take(home, NOW).exit_status == 0
    assert ran.exit_status == 0, ran.err
    ended = in_ledger(home, "select subject from alarm where kind = 'left' and cleared_at is not null")
    assert ended == [], "each alarm is told once, however often is looked"
    assert states(home) == [("0001_00", "loaded", None)]
    assert b"elsewhere" not in files(home).values()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "remote"]
    codes = {name: text[:4] for name, text in left(home).items()}
    assert codes.pop("x") == "E102", "in outgoing/ itself"
    assert codes == {name.decode().replace("\0", "\\x00"): "E101" for name in ELSEWHERE}


@both
def test_what_belongs_to_no_feed_of_the_source_is_reported(home: Path, site: Site) -> None:
    site.put("outgoing/ABCD/ABCD_110_I_20261121_0001_00.DAT", b"x")
    site.put("outgoing/note.txt", b"x")
    site.put(f"{DIRECTORY}/{STEM.replace('_110_', '_440_')}.DAT", b"x")
    site.put(f"{DIRECTORY}/{STEM.replace('PAYM', 'CHNG')}.DAT", b"x")
    site.put(f"{DIRECTORY}/{STEM.replace('PAYM', 'ABCD')}.DAT", b"x")
    server = files(site.directory)
    assert take(home, NOW).exit_status == 0
    codes = {name: text[:4] for name, text in left(home).items()}
    assert codes == {
        "ABCD": "E102", "note.txt": "E102", f"{STEM.replace('_110_', '_440_')}.DAT": "E103",
        f"{STEM.replace('PAYM', 'CHNG')}.DAT": "E102", f"{STEM.replace('PAYM', 'ABCD')}.DAT": "E102",
    }  # fmt: skip
    assert files(site.directory) == server


@both
def test_an_end_file_that_cannot_be_read_is_left_since_it_was_first_seen(home: Path, site: Site) -> None:
    payments(STEM, "CARD").put(site.directory)
    site.put(f"{DIRECTORY}/{CYCLE}.END", b"1|3\n")
    for moment in (NOW, LATER, "2026-11-22T12:10:00"):
        take(home, moment)
    (found,) = json.loads(tierline(home, "batches", "--left", "--json", now=LATER).out)
    assert (found["code"], found["first_seen_at"]) == ("E207", NOW.replace("T", " "))
    assert in_ledger(home, "select count(*) from alarm where kind = 'left'") == [(1,)]
    assert os.listdir(site.directory / DIRECTORY) == [f"{CYCLE}.END"]
    (cycle,) = [each for each in json.loads(tierline(home, "cycles", "--json", now=LATER).out) if each["accepted"]]
    why = "line 1: expected files|records|control_total, found '1|3'"
    assert cycle["reason"] == f"the end file that came was left (E207): {why}"


@both
def test_an_end_file_sent_again_replaces_the_former_and_both_are_kept(home: Path, site: Site) -> None:
    first, second = payments(STEM, "CARD"), payments(f"{CYCLE}_0002_00", "CASH")
    first.put(site.directory)
    former = put_end(site.directory, first).read_bytes()
    take(home, "2026-11-22T11:05:00")
    second.put(site.directory)
    newer = put_end(site.directory, first, second).read_bytes()
    assert take(home, "2026-11-22T11:10:00").exit_status == 0
    assert in_ledger(home, "select files from end_file") == [(2,)]
    for kept in (files(site.directory / "backup"), files(home / "archive")):
        ends = {name: content for name, content in kept.items() if name.endswith(".END")}
        assert sorted(ends.values()) == sorted([former, newer])
        assert [content for name, content in ends.items() if f"/{CYCLE}.END" in name] == [newer]
    (aside,) = [name for name in files(site.directory / "backup") if name.endswith(f"-{CYCLE}.END")]
    assert aside.startswith("20261122/PAYM/refused/2026112211")
    assert not os.listdir(site.directory / DIRECTORY)


@pytest.mark.fault(8)
@both
def test_check_files_that_lie_are_told_apart(home: Path, site: Site) -> None:
    """Fault 8 on both kinds of server: each wrong check file has its own code, and the good one beside it is taken."""
    wrong = {
        "E302": replace(payments(f"{CYCLE}_0002_00", "CARD"), records=9),
        "E203": replace(payments(f"{CYCLE}_0003_00", "CARD"), digest=hashlib.sha256(b"").hexdigest()),
        "E202": replace(payments(f"{CYCLE}_0004_00", "CARD"), size_off=-1),
        "E201": replace(payments(f"{CYCLE}_0005_00", "CARD"), check=GOOD.check.replace("{name}", "{name}.gz")),
    }
    for offer in [GOOD, *wrong.values(), replace(payments(f"{CYCLE}_0006_00", "CARD"), check="")]:
        offer.put(site.directory)
    assert take(home, NOW).exit_status == 3
    codes = {seq: code for seq, _, code in states(home)}
    assert codes == {"0001_00": None, "0006_00": "E201"} | {offer.stem[-7:]: code for code, offer in wrong.items()}


@pytest.mark.fault(8)
@pytest.mark.parametrize("server", ["sshd", "directory", "pyftpdlib"], indirect=True)
def test_a_check_or_end_file_that_is_far_too_large_keeps_no_other(home: Path, site: Site) -> None:
    """Larger than any is read: the pair is refused (E201), the end file left (E207), the rest is taken."""
    large = payments(f"{CYCLE}_0002_00", "CARD")
    for offer in (GOOD, large, payments(f"{CYCLE}_0003_00", "CARD")):
        offer.put(site.directory)
    for name in (f"{large.stem}.CHK", f"{CYCLE}.END", "PAYM_110_I_2026112209.END"):
        os.truncate(site.put(f"{DIRECTORY}/{name}"), MOST_SMALL + 1)
    ran = take(home, NOW)
    assert (ran.exit_status, "broke off" in ran.err) == (3, False), ran.err
    codes = {seq: (state, code) for seq, state, code in states(home)}
    loaded = ("loaded", None)
    assert codes == {"0001_00": loaded, "0002_00": ("refused", "E201"), "0003_00": loaded}
    assert {name: text[:4] for name, text in left(home).items()} == {
        f"{CYCLE}.END": "E207", "PAYM_110_I_2026112209.END": "E207",
    }  # fmt: skip
    assert sorted(os.listdir(site.directory / DIRECTORY)) == sorted(left(home))
    (aside,) = (site.directory / "backup/20261122/PAYM/refused").glob("*.CHK")
    assert aside.stat().st_size == MOST_SMALL + 1
    assert take(home, LATER).exit_status == 0
