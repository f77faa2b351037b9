"""Small files judged together come out as each does alone: judgement, staged rows, rejects byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from random_files import CYCLES, SOURCE, Pool, make_pools, random_content
from row_oracle import read_file
from row_oracle_feeds import ORACLES

from pipelines.check_files import CheckFile
from pipelines.checks.judging import judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.staging import RejectLines
from pipelines.checks.together import judge_together
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.cycles import parse_cycle
from pipelines.names import parse_stem

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)
OTHER = {"PAYM": "2026112210", "CHNG": "2026112210", "BILL": "202609"}  # of the others the day before
FILES = 24


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pool]:
    return make_pools(tmp_path_factory.mktemp("province"))


def archived(directory: Path, feed: str, cycle_text: str, seq: int, content: bytes, encoding: str) -> ArchivedBatch:
    """A file as it lies in the archive, under a name and with a header of its own."""
    stem = f"{feed}_{SOURCE}_I_{cycle_text}_{seq:04d}_00"
    made_for = f"|{CYCLES[feed].text}|0001|00|".encode()
    content = content.replace(made_for, f"|{cycle_text}|{seq:04d}|00|".encode(), 1)
    path = directory / f"{stem}.DAT"
    path.write_bytes(content)
    name, cycle = parse_stem(stem), parse_cycle(CONTRACTS[feed].schedule.cadence, cycle_text)
    assert name is not None
    assert cycle is not None
    records = int(content.split(b"\n", 1)[0].rsplit(b"|", 1)[1])
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    check = CheckFile(path.name, len(content), records, digest, "20261122120001")
    return ArchivedBatch(path, name, cycle, check, encoding)


def places(directory: Path, batch: ArchivedBatch) -> StagedPaths:
    directory.mkdir(exist_ok=True)
    return StagedPaths(directory / f"{batch.name.stem}.rows", directory / f"{batch.name.stem}.rejects")


def random_batches(directory: Path, pools: dict[str, Pool], feed: str, encoding: str) -> list[ArchivedBatch]:
    """Clean files and dirty ones, of two cycles, with one to sixty records and now and then a key that is repeated."""
    rng = np.random.default_rng([list(ORACLES).index(feed), len(encoding)])
    batches = []
    for seq in range(1, FILES + 1):
        dirty = [0.0, 0.0, 0.05, 0.5][seq % 4]
        draft = random_content(rng, feed, pools[feed], int(rng.integers(1, 60)), dirty, encoding)
        total = read_file(draft.content(0), encoding, ORACLES[feed], CYCLES[feed]).control_total
        cycle = OTHER.get(feed, "20261120") if seq % 3 == 0 else CYCLES[feed].text
        batches.append(archived(directory, feed, cycle, seq, draft.content(total), encoding))
    return batches


@pytest.mark.parametrize("feed", ORACLES)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_as_alone(tmp_path: Path, pools: dict[str, Pool], feed: str, encoding: str) -> None:
    batches = random_batches(tmp_path, pools, feed, encoding)
    found = judge_together([(each, places(tmp_path / "made", each)) for each in batches], CONTRACTS[feed], encoding)
    with_repeats = 0
    for batch in batches:
        alone = places(tmp_path / "alone", batch)
        expected = judge(batch, CONTRACTS[feed], alone)
        rejects = b"".join(RejectLines(alone))
        if batch.name.stem not in found:
            with_repeats += 1
            assert b"E409" in rejects
            continue
        made = places(tmp_path / "made", batch)
        assert found[batch.name.stem] == expected
        assert pl.read_parquet(made.rows).equals(pl.read_parquet(alone.rows))
        assert b"".join(RejectLines(made)) == rejects
        assert pl.read_parquet(made.rejects).equals(pl.read_parquet(alone.rejects))
    assert with_repeats < FILES / 2
    assert any(each.rejected for each in found.values())
    assert any(not each.rejected for each in found.values())


def test_what_is_not_in_order_is_left_to_the_judge_alone(tmp_path: Path, pools: dict[str, Pool]) -> None:
    rng = np.random.default_rng(1)
    draft = random_content(rng, "PAYM", pools["PAYM"], 20, 0.0, "utf-8")
    total = read_file(draft.content(0), "utf-8", ORACLES["PAYM"], CYCLES["PAYM"]).control_total
    sound = draft.content(total)
    cycle = CYCLES["PAYM"].text

    def batch(seq: int, content: bytes) -> ArchivedBatch:
        return archived(tmp_path, "PAYM", cycle, seq, content, "utf-8")

    first, second = batch(1, sound), batch(2, sound)
    odd = [
        batch(3, draft.content(total + 1)),  # E303
        batch(4, sound.replace(b"|PAYM|", b"|PAYX|", 1)),  # E301
        batch(5, sound.replace(b"H|1|", b"H|9|", 1)),  # E305
        batch(6, draft.head),  # E304
        replace(batch(7, sound), check=replace(batch(7, sound).check, records=21)),  # E302
        replace(batch(8, sound), check=replace(batch(8, sound).check, digest="sha256:" + "0" * 64)),  # damaged
        batch(9, sound.replace(b"\n", b"\n" + b"A" * 70_000 + b"\n", 1)),  # E205, and no small file
    ]
    every = [first, *odd, second]
    found = judge_together([(each, places(tmp_path / "made", each)) for each in every], CONTRACTS["PAYM"], "utf-8")
    assert set(found) == {first.name.stem, second.name.stem}
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        f"{each.name.stem}.{end}" for each in (first, second) for end in ("rows", "rejects")
    }
