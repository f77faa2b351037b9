"""The quick checks against the slow, obvious reader of `row_oracle`, on millions of random rows: no difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from judged import compare, framed, run_judge, staged_in
from random_files import CYCLES, Pool, make_pools, random_content
from row_oracle import read_file
from row_oracle_feeds import ORACLES

from pipelines.checks.blocks import BLOCK_BYTES

# Bytes a block (None: the default), rows a file, share of dirty rows.
SIZES = [(1 << 10, 250, 0.1), (1 << 16, 4_000, 0.5), (1 << 16, 4_000, 0.02), (None, 20_000, 0.0), (None, 98_000, 0.5)]
DRAWS = {(encoding, number): size for encoding in ("utf-8", "gb18030") for number, size in enumerate(SIZES)}


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pool]:
    return make_pools(tmp_path_factory.mktemp("province"))


@pytest.mark.parametrize("feed", ORACLES)
@pytest.mark.parametrize(("encoding", "number"), DRAWS, ids=str)
def test_no_difference(tmp_path: Path, pools: dict[str, Pool], feed: str, encoding: str, number: int) -> None:
    block_bytes, rows, dirty = DRAWS[encoding, number]
    oracle, seed = ORACLES[feed], [list(ORACLES).index(feed), len(encoding), number]
    draft = random_content(np.random.default_rng(seed), feed, pools[feed], rows, dirty, encoding)
    expected = read_file(draft.content(0), encoding, oracle, CYCLES[feed])
    content = draft.content(expected.control_total)
    judgement = run_judge(tmp_path, feed, content, encoding, block_bytes=block_bytes)
    compare(judgement, staged_in(tmp_path), expected, oracle.columns)
    assert expected.records == rows
    assert block_bytes or not dirty or len(content) > BLOCK_BYTES, "one key must stand in more than one block"
    assert bool(expected.rejects) == (dirty > 0)
    assert len(expected.rows) > rows * (1 - dirty) * 0.9


@pytest.mark.parametrize("feed", [feed for feed, oracle in ORACLES.items() if oracle.control])
def test_totals_of_many_great_numbers(tmp_path: Path, pools: dict[str, Pool], feed: str) -> None:
    """Loaded, rejected and repeated rows each sum up to more than 64 bits hold."""
    oracle, lines = ORACLES[feed], []
    for number in range(120):
        values = dict(zip(oracle.columns, pools[feed].rows[number], strict=True))
        values |= {oracle.control: "9" * 18, oracle.key[0]: f"K{number % 80:07d}"}
        values |= {"kind": "1", "reversed_payment_id": ""} if feed == "PAYM" else {}
        values |= {"op_time": "20261120000000", "status_time": "20261120000000"} if feed == "USER" else {}
        lines.append("|".join(values[name] for name in oracle.columns) + "\n")
    body = "".join(lines).encode()
    expected = read_file(framed(feed, body), "utf-8", oracle, CYCLES[feed])
    assert expected.control_total == 120 * (10**18 - 1) > 2**64
    judgement = run_judge(tmp_path, feed, framed(feed, body, expected.control_total))
    compare(judgement, staged_in(tmp_path), expected, oracle.columns)
    assert min(expected.control_rejected, expected.control_total - expected.control_rejected) > 0 or feed == "BILL"


def test_the_rows_are_two_million() -> None:
    assert len(ORACLES) * sum(rows for _, rows, _ in DRAWS.values()) >= 2_000_000
