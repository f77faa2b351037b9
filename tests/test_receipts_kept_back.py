"""Receipts that may not be read, or have no end, keep none of the others: those are taken up in the same run."""

from __future__ import annotations

from pathlib import Path

import asyncssh
from offers import in_ledger
from receivers import NOW, TIER, home_with, publish, receiver, set_receivers
from running import tierline

from pipelines.transfer.base import MOST_SMALL, Endpoint
from sftp_fixtures.servers import sftp_server

CARD = "CARD_110_F_20261121_0001_00"  # asked for before TIER
LATER = "2026-11-24T12:10:00"  # past the time that a receipt may take


class Denying(asyncssh.SFTPServer):
    """Gives no receipt of the list CARD."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        file = super().open(path, pflags, attrs)
        if path.endswith(b".RCP") and b"CARD" in path:
            self.close(file)
            raise asyncssh.SFTPPermissionDenied("not yours")
        return file


def delivered_to(work: Path, endpoint: Endpoint) -> Path:
    """A home whose two lists stand at the receiver."""
    home = home_with(work, receiver("acd", endpoint, "receipts: true", lists="[TIER, CARD]"), secret=endpoint.secret)
    publish(home, TIER, CARD)
    assert tierline(home, "deliver", now=NOW).exit_status == 0
    return home


def put_receipt(acd: Path, stem: str) -> Path:
    path = acd / "receipt" / stem[:4] / f"{stem}.RCP"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{stem}.DAT|ACCEPTED|3|3|0|||20261122120500\n")
    return path


def states(home: Path) -> dict[str, str]:
    return dict(in_ledger(home, "select stem, state from delivery"))


def open_alarms(home: Path) -> list[tuple[str, str]]:
    return in_ledger(home, "select kind, subject from alarm where cleared_at is null order by kind, subject")


def test_a_receipt_that_may_not_be_read_keeps_no_other(tmp_path: Path, acd: Path) -> None:
    with sftp_server(acd, files=Denying) as endpoint:
        home = delivered_to(tmp_path, endpoint)
        for stem in (CARD, TIER):
            put_receipt(acd, stem)
        ran = tierline(home, "deliver", now=LATER)
    assert (ran.exit_status, f"receipt/CARD/{CARD}.RCP: expected a file that we may read" in ran.out) == (3, True)
    assert states(home) == {CARD: "delivered", TIER: "accepted"}
    assert open_alarms(home) == [("receipt", "acd CARD_110_F")]
    with sftp_server(acd) as endpoint:
        set_receivers(home, receiver("acd", endpoint, "receipts: true", lists="[TIER, CARD]"))
        (home / "secret_acd").write_text(endpoint.secret or "")
        assert tierline(home, "deliver", now=LATER).exit_status == 0
    assert states(home) == {CARD: "accepted", TIER: "accepted"}
    assert open_alarms(home) == []


def test_a_receipt_that_is_far_too_large_keeps_no_other(tmp_path: Path, acd: Path) -> None:
    home = delivered_to(tmp_path, Endpoint("file", root=str(acd)))
    put_receipt(acd, TIER)
    with put_receipt(acd, CARD).open("ab") as file:
        file.truncate(MOST_SMALL + 2)
    assert tierline(home, "deliver", now=LATER).exit_status == 3
    assert states(home) == {CARD: "delivered", TIER: "accepted"}
    assert open_alarms(home) == [("receipt", "acd CARD_110_F")]
