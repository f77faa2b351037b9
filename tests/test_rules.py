"""The rules that always hold, on a small province of all eight feeds: any order, once, replacement, conservation."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from running import make_home, published, tierline, tierline_process

from pipelines.transfer.base import Endpoint
from sftp_fixtures.province import make_province
from sftp_fixtures.sshd import sshd_server

NOW = "2026-11-22T12:00:00"
AS_OF = "2026-11-21"


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a province offers: 150 subscribers, two bills, a day, some rejected payments, and one file sent again."""
    root = tmp_path_factory.mktemp("offered")
    end = datetime.fromisoformat(NOW)
    make_province(root, subscribers=150, months=2, days=1, hours=3, end=end, seed=7, bad_share=0.01)
    resend(root / "outgoing" / "BILL", "BILL_110_I_202610_0001_00")
    return root


@pytest.fixture(scope="module")
def sshd() -> Iterator[Endpoint]:
    """OpenSSH's server; its root is the machine's, so every test has a directory of its own."""
    with sshd_server(Path("/")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def work(offered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`remote` and `home` after one run over all of it."""
    work = tmp_path_factory.mktemp("undisturbed")
    home = make_home(work / "home", _copy(offered, work / "remote"))
    ran = tierline(home, "run", "--as-of", AS_OF, now=NOW)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    return work


@pytest.fixture(scope="module")
def undisturbed(work: Path) -> dict[str, list[tuple[object, ...]]]:
    """The published state after one run over all of it."""
    home = work / "home"
    state = published(home)
    assert state["core.bill"], "an empty warehouse would prove nothing"
    assert state["core.subscriber"]
    assert state["mart.tier"]
    return state


def resend(directory: Path, stem: str) -> str:
    """Send a batch again as version 01, with its first record left out."""
    content = (directory / f"{stem}.DAT").read_text()
    name = stem.removesuffix("00") + "01"
    header, dropped, *records, _ = content.splitlines()
    total = sum(int(record.split("|")[15]) for record in records)
    header = re.sub(r"\|00\|(\d{14})\|\d+$", rf"|01|\1|{len(records)}", header)
    body = "\n".join([header, *records, f"T|{len(records)}|{total}"]) + "\n"
    (directory / f"{name}.DAT").write_text(body)
    digest = hashlib.sha256(body.encode()).hexdigest()
    (directory / f"{name}.CHK").write_text(
        f"{name}.DAT|{len(body.encode())}|{len(records)}|sha256:{digest}|20261103060000\n"
    )
    return dropped


def _copy(offered: Path, remote: Path) -> Endpoint:
    shutil.copytree(offered, remote, dirs_exist_ok=True)
    return Endpoint("file", root=str(remote))


@pytest.mark.fault(11)
@pytest.mark.parametrize("seed", range(3))
def test_any_order(offered: Path, undisturbed: dict[str, list[tuple[object, ...]]], tmp_path: Path, seed: int) -> None:
    """Rule 1: files that come in another order, in several rounds, with some offered twice, give the same warehouse."""
    shuffle = random.Random(seed)
    remote = tmp_path / "remote"
    remote.mkdir()
    home = make_home(tmp_path / "home", Endpoint("file", root=str(remote)))
    arrivals = sorted(path for path in (offered / "outgoing").rglob("*") if path.suffix in (".DAT", ".END"))
    arrivals += shuffle.sample(arrivals, 3)
    shuffle.shuffle(arrivals)
    cuts = sorted(shuffle.sample(range(1, len(arrivals)), 3))
    rounds = [arrivals[start:end] for start, end in zip([0, *cuts], [*cuts, len(arrivals)], strict=True)]
    assert sum(map(len, rounds)) == len(arrivals) > 20
    for number, files in enumerate(rounds):
        _offer(offered, remote, files)
        words = ("run", "--as-of", AS_OF) if number == len(rounds) - 1 else ("fetch",)
        assert tierline(home, *words, now=NOW).exit_status in (0, 3, 4)
        if number < len(rounds) - 1:
            assert tierline(home, "load", now=NOW).exit_status in (0, 3)
    assert published(home) == undisturbed


def _offer(offered: Path, remote: Path, files: list[Path]) -> None:
    for path in files:
        target = remote / path.relative_to(offered)
        target.parent.mkdir(parents=True, exist_ok=True)
        for file in [path, *([path.with_suffix(".CHK")] if path.suffix == ".DAT" else [])]:
            shutil.copy(file, target.with_name(file.name))


def test_run_twice(offered: Path, undisturbed: dict[str, list[tuple[object, ...]]], tmp_path: Path) -> None:
    """Rule 2: a second run changes nothing, neither in the warehouse nor on the server nor in the lists."""
    home = make_home(tmp_path / "home", _copy(offered, tmp_path / "remote"))
    tierline(home, "run", "--as-of", AS_OF, now=NOW)
    before = _files(tmp_path / "remote") | _files(home / "publish") | _files(home / "archive")
    assert len(before) > 50
    again = tierline(home, "run", "--as-of", AS_OF, now=NOW)
    assert "nothing changed since" in again.out
    assert _files(tmp_path / "remote") | _files(home / "publish") | _files(home / "archive") == before
    assert published(home) == undisturbed


def _relative(directory: Path) -> dict[str, bytes]:
    return {name.removeprefix(str(directory)): content for name, content in _files(directory).items()}


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.fault(1)
# The others, at every passing: test_killed_everywhere.
@pytest.mark.parametrize("fault", ["claim:3", "check:6", "stage:3", "commit", "build", "publish", "release"])
def test_killed_and_run_again(
    offered: Path,
    work: Path,
    undisturbed: dict[str, list[tuple[object, ...]]],
    sshd: Endpoint,
    tmp_path: Path,
    fault: str,
) -> None:
    """Rule 2: killed at any point, a process leaves what the next run needs; the outcome is as if undisturbed."""
    remote = _copy(offered, tmp_path / "remote").root
    home = make_home(tmp_path / "home", replace(sshd, root=remote))
    killed = tierline_process(home, "run", "--as-of", AS_OF, now=NOW, fault=fault)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    ran = tierline(home, "run", "--as-of", AS_OF, now=NOW)
    assert ran.exit_status in (0, 3), ran.out + ran.err
    assert published(home) == undisturbed
    assert not list(home.rglob("*.part")), "half a file was left over"
    assert not list((home / "publish").rglob("*.tmp")), "a list was written but not published"
    assert len(list((home / "publish" / "TIER").glob("*.END"))) == 1
    assert not list((tmp_path / "remote" / "outgoing").rglob("*.DAT")), "a batch was not acknowledged"
    expected = _relative(work / "remote")
    assert {name for name in expected if name.endswith((".RCP", ".REJ"))}, "no receipt: nothing was compared"
    assert _relative(Path(remote)) == expected, "the producer's server holds other files, receipts or requests"
    assert _relative(home / "archive") == _relative(work / "home" / "archive")


@pytest.mark.fault(12)
def test_replacement(offered: Path, tmp_path: Path) -> None:
    """Rule 3: once version 01 is accepted, the warehouse is as if version 00 had never come."""
    with_both = make_home(tmp_path / "both", _copy(offered, tmp_path / "remote_both"))
    alone = make_home(tmp_path / "alone", _copy(offered, tmp_path / "remote_alone"))
    first = tmp_path / "remote_both" / "outgoing" / "BILL"
    held_back = list(first.glob("*_01.*"))
    assert len(held_back) == 2
    for path in held_back:
        path.rename(path.with_name(f".{path.name}"))
    tierline(with_both, "run", "--as-of", AS_OF, now=NOW)
    before = published(with_both)
    for path in held_back:
        path.with_name(f".{path.name}").rename(path)
    tierline(with_both, "run", "--as-of", AS_OF, now=NOW)
    for path in (tmp_path / "remote_alone" / "outgoing" / "BILL").glob("BILL_110_I_202610_0001_00.*"):
        path.unlink()
    tierline(alone, "run", "--as-of", AS_OF, now=NOW)
    after = published(with_both)
    assert after == published(alone)
    assert len(after["core.bill"]) == len(before["core.bill"]) - 1


def test_conservation(tmp_path: Path) -> None:
    """Rule 4: for every file, declared = loaded + rejected, records and control total, down to the rows in core."""
    end = datetime.fromisoformat(NOW)
    make_province(tmp_path / "remote", subscribers=800, months=1, days=1, hours=6, end=end, seed=7, bad_share=0.2)
    home = make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote")))
    tierline(home, "run", "--as-of", AS_OF, now=NOW)
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute(
            """
            select batch.stem, batch.records, batch.loaded, batch.rejected, coalesce(core.n, 0), coalesce(reject.n, 0)
            from ops.batch as batch
            left join (
                select batch_stem, count(*) as n from (
                    select batch_stem from core.payment union all select batch_stem from core.bill
                    union all select batch_stem from core.subscriber_change union all select batch_stem from core.usage
                    union all select batch_stem from core.contact union all select batch_stem from core.customer_record
                    union all select batch_stem from core.subscriber_record
                    union all select batch_stem from core.work_order_record
                ) group by batch_stem
            ) as core on core.batch_stem = batch.stem
            left join (select stem, count(*) as n from ops.reject group by stem) as reject on reject.stem = batch.stem
            where batch.state = 'loaded'
            """
        ).fetchall()
    assert len(rows) > 10
    assert any(rejected for *_, rejected, _, _ in rows), "no rejected row: the rule was not tried"
    for stem, records, loaded, rejected, in_core, in_reject in rows:
        assert (records, loaded, rejected) == (loaded + rejected, in_core, in_reject), stem
    _control_totals(home)


def _control_totals(home: Path) -> None:
    """As declared in the trailer = what core holds + what the rejected rows carried, for each file of payments."""
    with sqlite3.connect(home / "ledger.sqlite") as ledger:
        declared = ledger.execute(
            "select stem, control_total, control_loaded, control_rejected from offering "
            "where state = 'loaded' and feed = 'PAYM'"
        ).fetchall()
    ledger.close()
    with duckdb.connect(str(home / "warehouse" / "warehouse.duckdb"), read_only=True) as warehouse:
        query = "select batch_stem, sum(amount_fen)::bigint from core.payment group by batch_stem"
        in_core = dict(warehouse.execute(query).fetchall())
    rejected_somewhere = 0
    assert declared
    for stem, *totals in declared:
        total, loaded, rejected = map(int, totals)
        assert loaded == in_core.get(stem, 0), stem
        carried = sum(_carried(row["codes"], row["record"]) for row in _rejects(home, stem))
        assert rejected == carried, stem
        assert total == loaded + rejected, stem
        rejected_somewhere += carried
    assert rejected_somewhere, "no rejected row carried an amount: the rule was not tried"


def _rejects(home: Path, stem: str) -> list[dict[str, bytes]]:
    (path,) = (home / "staged").rglob(f"{stem}.rejects.parquet")
    return pl.read_parquet(path).to_dicts()


def _carried(codes: str, record: bytes) -> int:
    """The amount of a rejected payment, 0 where it cannot be read."""
    field = b"" if codes in ("E401", "E410") else record.split(b"|")[5]
    return int(field) if re.fullmatch(rb"0|-?[1-9][0-9]{0,17}", field) else 0
