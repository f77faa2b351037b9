"""Fault 24: a receiver that is down, full, cut off or has other files: never half a list, and whole once it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from conftest import Site
from offers import in_ledger
from receivers import (
    NOW,
    PEOPLE,
    TIER,
    alarms,
    deliver,
    files_below,
    home_with,
    publish,
    receiver,
    require_no_half_list,
    set_receivers,
    states,
)
from running import tierline_process
from small_disk import small_disk

from pipelines.transfer.base import Endpoint
from pipelines.transfer.connect import connect
from sftp_fixtures.ports import free_ports
from sftp_fixtures.proxy import Proxy, Trouble, proxy
from sftp_fixtures.servers import sftp_server
from sftp_fixtures.sshd import sshd_server

LATER = "TIER_110_F_20261122_0001_00"
MANY = tuple(f"I|{13900000000 + number}|U{number}|D|张三|{'x' * 80}" for number in range(6_000))
PATIENCE = ("retries: 0", "idle_timeout: 1")
TWO_KINDS = pytest.mark.parametrize("server", ["sshd", "vsftpd_tls"], indirect=True)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """OpenSSH's server on the whole machine."""
    with sshd_server(Path("/"), tmp_path_factory.mktemp("sshd") / "log") as endpoint:
        yield endpoint


def make_receiver(work: Path, name: str = "acd") -> Endpoint:
    (work / name).mkdir()
    return Endpoint("file", root=str(work / name))


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("server", "people", "cuts"),
    [("sshd", PEOPLE, 24), ("sshd", MANY, 9), ("vsftpd_tls", PEOPLE, 12), ("vsftpd", MANY, 6)],
    indirect=["server"],
)
def test_a_cut_anywhere_leaves_no_half_list_and_the_last_good_one(
    site: Site, tmp_path: Path, people: tuple[str, ...], cuts: int
) -> None:
    """Evenly over all that the server answers after the log-in: listing, writing from 0 to 99 %, closing, renaming."""
    root, found_done, failed = site.directory, 0, 0
    with proxy(site.endpoint) as between:
        acd = between.endpoint
        home = home_with(tmp_path, receiver("acd", acd, *PATIENCE), secret=acd.secret)
        good = publish(home, TIER)
        assert deliver(home).exit_status == 0
        made = publish(home, LATER, as_of="2026-11-22", people=people)
        log_in = answered(between, lambda: connect(acd).close())
        needed = answered(between, lambda: deliver(home)) - log_in
        # And as many among the last answers as it takes to cut off one that tells of a name that was given.
        late = [needed - needed * number // 200 for number in range(1, 60)] if cuts == 24 else []
        for number, spot in enumerate([*(needed * number // cuts for number in range(cuts)), *late]):
            if number >= cuts and found_done:
                break
            for path in made:
                (root / path).unlink(missing_ok=True)
            between.arm(log_in + spot, Trouble.CUT)
            ran = deliver(home, "--again")
            between.arm(1 << 40, Trouble.CUT)
            assert good.items() <= files_below(root).items()
            assert require_no_half_list(root) in (1, 2)
            if ran.exit_status == 0:
                continue  # it fell between the last answer and the end
            failed += 1
            assert f"receiver acd: {LATER}: " in ran.err
            assert [each for each in alarms(home) if each[2]] == [("delivery", "acd", True)]
            found_done += goes_on_from_what_stands(home, root, made)
        assert (failed > cuts * 0.6, found_done > 0 or cuts < 24) == (True, True), (failed, found_done)
        assert deliver(home).exit_status == 0
    assert files_below(root) == good | made
    assert not any(is_open for _, _, is_open in alarms(home))


def answered(between: Proxy, action: Callable[[], object]) -> int:
    """How many bytes the server sends in answer."""
    before = between.passed
    action()
    return between.passed - before


def goes_on_from_what_stands(home: Path, root: Path, made: dict[str, bytes]) -> bool:
    """Where a file got its name and only the answer was lost: the next run finds it done, and writes the others."""
    standing = {path: (root / path).stat().st_ino for path in made if (root / path).exists()}
    if [(len(standing),)] == in_ledger(home, f"select placed from delivery where stem = '{LATER}'"):
        return False
    assert deliver(home).exit_status == 0
    assert {path: (root / path).stat().st_ino for path in standing} == standing
    assert made.items() <= files_below(root).items()
    return True


@pytest.mark.fault(24)
@TWO_KINDS
def test_a_receiver_that_is_cut_off_once_gets_its_lists_in_the_same_run(site: Site, tmp_path: Path) -> None:
    with proxy(site.endpoint) as between:
        home = home_with(tmp_path, receiver("acd", between.endpoint, "retries: 1"), secret=site.endpoint.secret)
        made = publish(home, TIER, people=MANY)
        assert deliver(home).exit_status == 0
        needed = between.passed
        for path in made:
            (site.directory / path).unlink()
        between.arm(int(0.8 * needed), Trouble.CUT)
        ran = deliver(home, "--again")
        assert (between.troubles, ran.exit_status) == (1, 0), ran.err
    assert files_below(site.directory) == made
    assert alarms(home) == []


@pytest.mark.fault(24)
def test_a_receiver_that_is_down_or_stalls_keeps_no_other(sshd: Endpoint, tmp_path: Path) -> None:
    """One alarm a receiver however often it is tried, cleared once it is back."""
    (tmp_path / "slow").mkdir()
    down = replace(sshd, port=free_ports(1), root=str(tmp_path / "slow"))
    good = make_receiver(tmp_path)
    with proxy(replace(sshd, root=str(tmp_path / "slow"))) as between:
        stalling = receiver("slow", between.endpoint, *PATIENCE)
        home = home_with(tmp_path, receiver("down", down), stalling, receiver("acd", good))
        made = publish(home, TIER)
        for attempt in (1, 2):
            between.arm(4_000, Trouble.STALL)
            ran = deliver(home)
            between.flow()
            assert ran.exit_status == 1
            for name, cause in (("down", "no connection"), ("slow", "within the idle timeout")):
                assert f"receiver {name}: {TIER}: sftp://" in ran.err
                assert cause in ran.err
            assert files_below(tmp_path / "acd") == made
            assert sorted(alarms(home)) == [("delivery", "down", True), ("delivery", "slow", True)]
            query = "select attempts from delivery where receiver = 'down'"
            assert in_ledger(home, query) == [(attempt,)]
        between.arm(1 << 40, Trouble.STALL)
        set_receivers(home, stalling, receiver("acd", good))
        assert deliver(home).exit_status == 0
    assert files_below(tmp_path / "slow") == made
    assert not any(is_open for _, _, is_open in alarms(home))
    story = in_ledger(home, "select state from delivery_event where receiver = 'down' order by event_id")
    assert [state for (state,) in story] == ["due", "failed", "superseded"]


@pytest.mark.fault(24)
@pytest.mark.parametrize("scheme", ["sftp", "file"])
def test_a_receiver_whose_disk_is_full(sshd: Endpoint, tmp_path: Path, scheme: str) -> None:
    """Nothing is left there that fills it up, and the list comes once there is room."""
    root = tmp_path / "acd"
    endpoint = replace(sshd, root=str(root)) if scheme == "sftp" else Endpoint("file", root=str(root))
    with small_disk(root) as disk:
        home = home_with(tmp_path, receiver("acd", endpoint))
        good = publish(home, TIER)
        assert deliver(home).exit_status == 0
        made = publish(home, LATER, as_of="2026-11-22", people=MANY)
        for kb in (0, 100):
            disk.leave(kb)
            ran = deliver(home)
            assert (ran.exit_status, f"receiver acd: {LATER}: " in ran.err, "disk" in ran.err) == (1, True, True)
            assert f"{root}/TIER/{LATER}" in ran.err or scheme == "sftp", ran.err
            assert files_below(root) == good
        disk.clear()
        assert deliver(home).exit_status == 0
        assert files_below(root) == good | made
    assert alarms(home) == [("delivery", "acd", False)]


class Forgetful(asyncssh.SFTPServer):
    """Says that it wrote what it was given, and keeps the beginning."""

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        return len(data[100:]) + int(super().write(file_obj, offset, data[:100]))


@pytest.mark.fault(24)
def test_a_server_that_keeps_only_half_gets_no_end_file(tmp_path: Path) -> None:
    home = home_with(tmp_path, receiver("acd", make_receiver(tmp_path)))
    made = publish(home, TIER)
    for files in (Forgetful, asyncssh.SFTPServer):
        with sftp_server(tmp_path / "acd", files=files) as endpoint:
            (home / "secret_acd").write_text(endpoint.secret or "")
            set_receivers(home, receiver("acd", endpoint))
            ran = deliver(home)
        if files is Forgetful:
            assert (ran.exit_status, f"TIER/{TIER}.DAT: expected " in ran.err) == (1, True)
            assert not list((tmp_path / "acd").rglob("*.END"))
    assert (ran.exit_status, files_below(tmp_path / "acd")) == (0, made)


@pytest.mark.fault(24)
def test_what_came_to_harm_here_goes_to_nobody(tmp_path: Path) -> None:
    good = make_receiver(tmp_path)
    home = home_with(tmp_path, receiver("acd", good))
    publish(home, TIER)
    data = home / "publish" / "TIER" / f"{TIER}.DAT"
    whole = data.read_bytes()
    for harm in (whole[:-1], whole.replace(b"U1", b"U9"), None):
        data.unlink()
        if harm is not None:
            data.write_bytes(harm)
        else:
            data.symlink_to("nowhere")
        ran = deliver(home)
        assert (ran.exit_status, f"receiver acd: {TIER}: TIER/{TIER}.DAT: expected" in ran.err) == (1, True)
        assert files_below(tmp_path / "acd") == {}
    assert alarms(home) == [("delivery", f"acd {TIER}", True)]
    data.unlink()
    data.write_bytes(whole)
    assert deliver(home).exit_status == 0


@pytest.mark.fault(1)
def test_killed_at_every_point_it_goes_on_to_the_same(sshd: Endpoint, tmp_path: Path) -> None:
    """Fault 1: SIGKILL between the files, at the first point, the second, … until a run passes untouched."""
    root = tmp_path / "acd"
    root.mkdir()
    more = ("encoding: gb18030",)
    home = home_with(tmp_path, receiver("acd", replace(sshd, root=str(root)), *more))
    publish(home, TIER)
    kills = 0
    for turn in range(1, 20):
        before = {path: (root / path).stat().st_ino for path in files_below(root)}
        ran = tierline_process(home, "deliver", "--again", now=NOW, fault=f"deliver:{turn}")
        require_no_half_list(root)
        assert before == {path: (root / path).stat().st_ino for path in before}, "what stands is not sent anew"
        if ran.returncode == 0:
            break
        assert ran.returncode == -9, ran.stderr
        kills += 1
        assert states(home) == {f"acd {TIER}": "sending"}
    assert kills == 6
    other = make_receiver(tmp_path, "undisturbed")
    calm = home_with(tmp_path / "calm", receiver("acd", other, *more))
    publish(calm, TIER)
    assert deliver(calm).exit_status == 0
    assert files_below(root) == files_below(tmp_path / "undisturbed")
    rows = "select receiver, stem, state, placed, bytes, digest, delivered_at from delivery"
    assert in_ledger(home, rows) == in_ledger(calm, rows)
