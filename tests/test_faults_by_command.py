"""What servers, clocks and installations may get wrong, by the real command: left or refused, and nothing is lost."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import asyncssh
import pytest
from mart_tables import DEFAULT_POLICY
from offers import GOOD, NOW, STEM, Offer, files, in_core, ledger, named, payments, put_end, receipt, states, take
from running import make_home, tierline

from pipelines.contracts.load import DEFAULT_SCHEMAS
from pipelines.transfer.base import Endpoint
from sftp_fixtures.servers import ftps_server, sftp_server
from sftp_fixtures.tls import make_certificate
from sftp_fixtures.vsftpd import vsftpd_server

# Fault 4: what a listing says of a file's size.


class Sizes(asyncssh.SFTPServer):
    """Lists another size of the data files in outgoing/ than they have; None: none at all."""

    said: int | None = None

    async def scandir(self, path: bytes):  # type: ignore[no-untyped-def]  # as asyncssh has it
        async for entry in super().scandir(path):
            if b"outgoing" in path and bytes(entry.filename).endswith(b".DAT"):
                entry.attrs.size = self.said
            yield entry


HALF = payments("PAYM_110_I_2026112209_0001_00", "CARD", "CASH")


@pytest.mark.fault(4)
@pytest.mark.parametrize("said", [None, 0, 1, 10_000_000])
def test_a_listing_that_lies_about_sizes(root: Path, tmp_path: Path, said: int | None) -> None:
    """What came decides. Half a file is left while sizes differ; where the listing says none, it is read twice."""
    content, whole = GOOD.put(root), HALF.put(root)
    (root / "outgoing" / "PAYM" / HALF.name).write_bytes(whole[:100])
    with sftp_server(root, files=type("Said", (Sizes,), {"said": said})) as endpoint:
        home = make_home(tmp_path / "home", endpoint, extra="    settle: 0\n")
        assert take(home).exit_status == (3 if said is None else 0)
    found = {each.stem: (each.state.value, each.code) for each in ledger(home)}
    half = ("refused", "E202") if said is None else ("announced", None)
    assert found == {STEM: ("loaded", None), HALF.stem: half}
    assert files(home / "archive")[f"PAYM/2026/11/22/{GOOD.name}"] == content
    assert (root / "outgoing" / "PAYM" / HALF.name).exists() == (said is not None)
    HALF.put(root)
    with sftp_server(root) as endpoint:
        make_home(home, endpoint, extra="    settle: 0\n")
        assert take(home, "2026-11-22T12:05:00").exit_status == 0
    standing = {each.stem: each.loaded for each in ledger(home) if each.state == "loaded"}
    assert standing == {STEM: 3, HALF.stem: 2}


# Fault 6: the good one among them.


@pytest.mark.fault(6)
def test_a_gzip_of_two_members_is_read_whole_and_kept_as_it_came(root: Path, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    packed = replace(
        GOOD, ending=".DAT.gz", change=lambda data: b"".join(gzip.compress(gzip.decompress(data)[at]) for at in HALVES)
    )
    content = packed.put(root)
    assert take(home).exit_status == 0
    assert receipt(root, STEM)[1:6] == ["ACCEPTED", "3", "3", "0", ""]
    assert in_core(home, "select count(*) from core.payment") == [(3,)]
    assert files(home / "archive")[f"PAYM/2026/11/22/{packed.name}"] == content


HALVES = (slice(0, 150), slice(150, None))


# Fault 15: days that are longer or shorter elsewhere.


@contextmanager
def clock_of(zone: str) -> Iterator[None]:
    """This process as on a machine that stands in another zone."""
    with patch.dict(os.environ, {"TZ": zone}):
        time.tzset()
        try:
            yield
        finally:
            os.environ.pop("TZ")
            time.tzset()


@pytest.mark.fault(15)
@pytest.mark.parametrize("day", ["20261101", "20260308"], ids=["25 hours", "23 hours"])
def test_a_day_that_is_longer_or_shorter_where_the_machine_stands(root: Path, tmp_path: Path, day: str) -> None:
    """Of each hour of Shanghai's day one file; New York puts its clocks back, or on, meanwhile."""
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    begin = datetime.strptime(day, "%Y%m%d")
    with clock_of("America/New_York"):
        for hour in range(24):
            offer = payments(f"PAYM_110_I_{day}{hour:02d}_0001_00", "CARD")
            offer.put(root)
            put_end(root, offer)
            moment = (begin + timedelta(hours=hour - 2)).timestamp()
            os.utime(root / "outgoing" / "PAYM" / offer.name, (moment, moment))
            if hour % 6 == 5:
                now = f"{begin + timedelta(hours=hour + 1, minutes=5):%Y-%m-%dT%H:%M:%S}"
                assert take(home, now).exit_status == 0
    assert [(state, code) for _, state, code in states(home)] == [("loaded", None)] * 24
    shown = json.loads(tierline(home, "cycles", "--feed", "PAYM", "--json", now=now).out)
    assert [(each["cycle"], each["state"]) for each in shown] == [
        (f"{day}{hour:02d}", "complete") for hour in range(24)
    ]
    assert in_core(home, "select count(*), count(distinct batch_stem) from core.payment") == [(24, 24)]


# Fault 16: servers that are not the one agreed.


def log_ins(log: Path) -> int:
    return sum(word in log.read_text() for word in ("auth ", "USER", "PASS"))


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("host", "is_expired", "cause"), [("127.0.0.1", True, "expired"), ("127.0.0.9", False, "IP address mismatch")]
)
def test_a_certificate_that_is_not_the_servers_stops_the_command(
    root: Path, tmp_path: Path, host: str, is_expired: bool, cause: str
) -> None:
    GOOD.put(root)
    before, log = files(root), tmp_path / "log"
    log.touch()
    with ftps_server(root, log, make_certificate(tmp_path, host, is_expired)) as endpoint:
        home = make_home(tmp_path / "home", endpoint)
        ran = tierline(home, "fetch", now=NOW)
    assert (ran.exit_status, "source 110" in ran.err, cause in ran.err) == (1, True, True), ran.err
    assert (endpoint.secret or "none") not in ran.err
    assert log_ins(log) == 0
    assert (files(root), ledger(home)) == (before, [])


@pytest.mark.fault(16)
def test_a_host_key_that_nobody_agreed_on_stops_the_command(root: Path, tmp_path: Path) -> None:
    GOOD.put(root)
    before, log = files(root), tmp_path / "log"
    log.touch()
    with sftp_server(root, log) as endpoint:
        home = make_home(tmp_path / "home", replace(endpoint, host_key=None))
        ran = tierline(home, "fetch", now=NOW)
    assert (ran.exit_status, "source 110" in ran.err, "host_key" in ran.err) == (1, True, True), ran.err
    assert log_ins(log) == 0
    assert (files(root), ledger(home)) == (before, [])


@pytest.mark.fault(16)
def test_a_server_that_demands_session_reuse_is_taken_from(root: Path, tmp_path: Path) -> None:
    GOOD.put(root)
    with vsftpd_server(root, tls=True, require_ssl_reuse=True) as endpoint:
        home = make_home(tmp_path / "home", endpoint)
        assert take(home).exit_status == 0
    assert states(home) == [("0001_00", "loaded", None)]


# Fault 23: numbers of people in all that is said and noted.

NUMBER, ID_NUMBER = "13800010001", "110101199001010017"
PERSONAL = re.compile(rf"{NUMBER}|{ID_NUMBER}|(?<![0-9])1[3-9][0-9]{{9}}(?![0-9])".encode())
DATA = ("landing", "staged", "archive", "quarantine", "warehouse", "publish")  # of them, for those who may have them


@pytest.mark.fault(23)
def test_nothing_that_is_said_or_noted_has_a_full_number(root: Path, tmp_path: Path) -> None:
    """Rejected rows, refusals of every kind, numbers where none belongs; what was said and written but the data."""
    slot = "PAYM_110_I_2026112209"
    rows = [f"{row}|{NUMBER}" if at == 1 else row.replace("WALLET", NUMBER) for at, row in enumerate(GOOD.lines[1:4])]
    offers = [
        payments(STEM, "CARD", "CARD", NUMBER),
        replace(
            named(f"{slot}_0001_00"),
            lines=(f"H|1|PAYM|110|I|{NUMBER}|{ID_NUMBER}|00|20261122110231|3", *GOOD.lines[1:]),
        ),
        replace(named(f"{slot}_0003_00"), check=f"{NUMBER}|{ID_NUMBER}\n"),
        replace(named(f"{slot}_0004_00"), lines=(named(f"{slot}_0004_00").lines[0], *rows, "T|3|4000")),
    ]
    for offer in offers:
        offer.put(root)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    words: list[tuple[str, ...]] = [("run", "--as-of", "2026-11-21"), ("batches",), ("batches", "--left"), ("digest",)]
    words += [("batch", "show", offer.stem) for offer in offers]
    runs = [tierline(home, *each, now=NOW) for each in words]
    codes = [each.code for each in sorted(ledger(home), key=lambda each: each.stem)]
    assert codes == ["E301", "E201", "E501", None]
    noted = {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()
             and path.relative_to(home).parts[0] not in DATA and path.name != "private.duckdb"}  # fmt: skip
    assert len(noted) > 10
    said = {str(number): (ran.out + ran.err).encode() for number, ran in enumerate(runs)}
    assert {name: found[0] for name, text in (noted | said).items() if (found := PERSONAL.search(text))} == {}


# Fault 25: numbers and contracts that are not sound.


def spoilt_policy(home: Path) -> None:
    text = DEFAULT_POLICY.read_text()
    assert "tenure_months: 36" in text
    (home / "policy.yaml").write_text(text.replace("tenure_months: 36", "tenure_months: 60"))
    with (home / "tierline.yaml").open("a") as file:
        file.write("policy: policy.yaml\n")


def spoilt_contract(home: Path) -> None:
    shutil.copytree(DEFAULT_SCHEMAS, home / "contracts")
    path = home / "contracts" / "feeds" / "PAYM.yaml"
    path.write_text(path.read_text().replace("name: account_id", "name: payment_id", 1))
    with (home / "tierline.yaml").open("a") as file:
        file.write("contracts: contracts\n")


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoilt_policy, ("policy.yaml, line ", "tiers.G.tenure_months", "less than tiers.D.tenure_months (60)")),
        (spoilt_contract, ("PAYM.yaml, line ", "key name", "payment_id twice")),
    ],
    ids=["tiers overlap", "a column twice"],
)
def test_no_step_begins_with_what_is_not_sound(
    root: Path, tmp_path: Path, spoil: Callable[[Path], None], says: tuple[str, ...]
) -> None:
    Offer().put(root)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    spoil(home)
    before = files(root)
    for word in ("fetch", "load", "build", "publish", "run"):
        ran = tierline(home, word, *(["--as-of", "2026-11-21"] if word in ("build", "run") else []), now=NOW)
        assert ran.exit_status == 2, (word, ran.err)
        assert [each for each in says if each not in ran.err] == [], ran.err
    assert files(root) == before
