"""Row checks from raw bytes to staged rows and rejects: exact, and the same however the file is cut into blocks."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.check_files import CheckFile
from pipelines.checks.digits import credit_code, resident_id
from pipelines.checks.judging import Judgement, beyond_limit, judge
from pipelines.checks.places import StagedPaths
from pipelines.checks.reading import ArchivedBatch
from pipelines.checks.staging import RejectLines, read_rejects
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import Rejects
from pipelines.cycles import parse_cycle
from pipelines.names import parse_stem

CONTRACTS = load_contracts(DEFAULT_SCHEMAS)
STEM = "CONT_110_I_20261121_0001_00"


def record(number: int, **values: str) -> str:
    """A sound contact, or one with some of its fields replaced."""
    fields = {
        "contact_id": f"K{number:09d}", "user_id": "U00000001", "service_number": "13800010001", "channel": "WEB",
        "skill_group": "", "tier_served": "", "arrived_at": "20261121101010", "queued_at": "", "answered_at": "",
        "ended_at": "20261121101110", "outcome": "SELF", "purpose": "INQUIRY", "work_order_id": "", "satisfaction": "",
        "agent_id": "", "retention_result": "",
    }  # fmt: skip
    return "|".join((fields | values).values())


def run(
    directory: Path, lines: list[bytes], encoding: str = "utf-8", block_bytes: int = 1 << 20, end: bytes = b"\n"
) -> tuple[Judgement, StagedPaths]:
    """Judge a file of these records."""
    framed = [f"H|1|CONT|110|I|20261121|0001|00|20261122030000|{len(lines)}".encode(), *lines, b"T|%d|0" % len(lines)]
    content = end.join(framed) + end
    path = directory / f"{STEM}.DAT"
    path.write_bytes(content)
    name, contract = parse_stem(STEM), CONTRACTS["CONT"]
    cycle = parse_cycle(contract.schedule.cadence, "20261121")
    assert name is not None
    assert cycle is not None
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    check = CheckFile(path.name, len(content), len(lines), digest, "20261122030001")
    staged = StagedPaths(directory / "rows.parquet", directory / "rejects.parquet")
    batch = ArchivedBatch(path, name, cycle, check, encoding)
    return judge(batch, contract, staged, waive_limit=True, block_bytes=block_bytes), staged


def rejects(staged: StagedPaths) -> list[tuple[int, str, str]]:
    return [(row["line"], row["codes"], row["columns"]) for row in read_rejects(staged)]


CASES = {
    "too few fields": (b"K1|x", "E401", ""),
    "too many fields": (record(1).encode() + b"|more", "E401", ""),
    "blank line": (b"", "E401", ""),
    "two records in a line, by a lone CR": (record(8).encode() + b"\r" + record(9).encode(), "E401", ""),
    "bytes that do not decode": (record(1, work_order_id="W\udc80").encode("utf-8", "surrogateescape"), "E410", ""),
    "required missing": (record(1, channel="").encode(), "E402", "channel"),
    "required when": (record(1, channel="AGENT", queued_at="20261121101020").encode(), "E402", "skill_group"),
    "no number": (record(1, satisfaction="05").encode(), "E403", "satisfaction"),
    "no date": (record(1, ended_at="20261131101110").encode(), "E403", "ended_at"),
    "year out of reach": (record(1, ended_at="30001121101110").encode(), "E403", "ended_at"),
    "a sixtieth second": (record(1, ended_at="20261121101160").encode(), "E403", "ended_at"),
    "too long": (record(1, agent_id="A" * 21).encode(), "E404", "agent_id"),
    "too long in characters, not bytes": (record(1, agent_id="中" * 21).encode(), "E404+E405", "agent_id+agent_id"),
    "wrong characters": (record(1, agent_id="A-0000001").encode(), "E405", "agent_id"),
    "pattern": (record(1, skill_group="SK-1").encode(), "E405", "skill_group"),
    "a lone CR": (record(1, service_number="1380001\r001").encode(), "E405", "service_number"),
    "a NUL": (record(1, service_number="1380001\0001").encode(), "E405", "service_number"),
    "code not listed": (record(1, outcome="MAYBE").encode(), "E406", "outcome"),
    "outside the cycle": (record(1, arrived_at="20261122000000", ended_at="20261122000000").encode(), "E407",
                          "arrived_at"),
    "rule across fields": (record(1, ended_at="20261121101009").encode(), "E408", "ended_at"),
    "only when": (record(1, retention_result="KEPT").encode(), "E408", "retention_result"),
    "several codes": (record(1, channel="", satisfaction="x", outcome="?").encode(), "E402+E406+E403",
                      "channel+outcome+satisfaction"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "codes", "columns"), CASES.values(), ids=CASES)
def test_each_code_with_its_column(tmp_path: Path, line: bytes, codes: str, columns: str) -> None:
    sound = record(2).encode()
    judgement, staged = run(tmp_path, [sound, line, record(3).encode()])
    assert rejects(staged) == [(3, codes, columns)]
    assert (judgement.loaded, judgement.rejected) == (2, 1)
    assert b"".join(RejectLines(staged)) == f"3|{codes}|{columns}|".encode() + line + b"\n"
    assert pl.read_parquet(staged.rows)["line"].to_list() == [2, 4]


def test_of_rows_with_one_key_the_last_sound_one_stands(tmp_path: Path) -> None:
    lines = [record(1), record(2), record(1, purpose="FAULT"), record(1, outcome="?")]
    _, staged = run(tmp_path, [line.encode() for line in lines])
    assert rejects(staged) == [(2, "E409", "contact_id"), (5, "E406", "outcome")]
    assert pl.read_parquet(staged.rows)["purpose"].to_list() == ["INQUIRY", "FAULT"]


@pytest.mark.fault(18)
def test_crlf_and_a_byte_order_mark_are_no_part_of_the_data(tmp_path: Path) -> None:
    judgement, staged = run(tmp_path, [record(1).encode(), record(2, outcome="?").encode()], end=b"\r\n")
    assert (judgement.loaded, judgement.rejected) == (1, 1)
    assert b"".join(RejectLines(staged)) == b"3|E406|outcome|" + record(2, outcome="?").encode() + b"\n"


@pytest.mark.fault(19)
def test_gb18030_is_decoded_before_it_is_split(tmp_path: Path) -> None:
    """`|` is the second byte of 亅 in GBK; four-byte characters and letters beyond GBK are read too."""
    assert b"|" in "亅".encode("gb18030")
    texts = ["亅", "𠮷", "中文"]
    lines = [record(number, skill_group=text).encode("gb18030") for number, text in enumerate(texts)]
    _, staged = run(tmp_path, lines, encoding="gb18030")
    assert rejects(staged) == [(line, "E405", "skill_group") for line in (2, 3, 4)], "split as one field each"


@pytest.mark.fault(19)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_blocks_carry_no_meaning(data: st.DataObject, encoding: str) -> None:
    """Whatever the size of blocks, the same rows and the same rejects; every record is in one of them."""
    odd = [
        b"",
        b"|",
        b"\r\r|",
        record(8, agent_id="中" * 8).encode(encoding),
        record(9).encode() + b"\x81",
        b"\xff|\xff",
    ]
    sound = [record(number).encode() for number in range(3)]
    nasty = [case[0] for case in CASES.values()]
    lines = data.draw(st.lists(st.sampled_from([*odd, *sound, *nasty]), min_size=1, max_size=12))
    size = data.draw(st.sampled_from([1, 2, 3, 7, 64, 150, 997]))
    with tempfile.TemporaryDirectory() as directory:
        whole, staged = run(Path(directory), lines, encoding)
        rows, file = pl.read_parquet(staged.rows), b"".join(RejectLines(staged))
        cut, again = run(Path(directory), lines, encoding, block_bytes=size)
        assert cut == whole
        assert pl.read_parquet(again.rows).equals(rows)
        assert b"".join(RejectLines(again)) == file
    assert whole.loaded + whole.rejected == len(lines)
    assert rows.height == whole.loaded
    for reject in file.splitlines() if b"\r" not in file else []:
        line, _, _, bytes_as_came = reject.split(b"|", 3)
        assert bytes_as_came == lines[int(line) - 2]


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("rejected", "records", "is_beyond"),
    [(2, 100, False), (3, 100, False), (4, 100, True), (6, 7000, False), (7, 7000, False), (8, 7000, True),
     (3, 3, True), (0, 1, False)],
)  # fmt: skip
def test_the_limit_is_exact_at_its_border(rejected: int, records: int, is_beyond: bool) -> None:
    """Three rows or one in a thousand, whichever is more, and never all."""
    assert beyond_limit(rejected, records, Rejects(rows=3, share=0.001)) == is_beyond


def test_check_digits_of_published_examples() -> None:
    """Examples printed in the standards GB 11643 and GB 32100, and each with a digit changed."""
    people = pl.DataFrame(
        {"value": ["11010519491231002X", "440524188001010014", "110105194912310021", "11010519491231002x"]}
    )
    assert people.select(resident_id(pl.col("value")))["value"].to_list() == [True, True, False, False]
    firms = pl.DataFrame({"value": ["91350100M000100Y43", "91350100M000100Y44", "91350100M000100I43", "9135"]})
    assert firms.select(credit_code(pl.col("value")))["value"].to_list() == [True, False, False, False]
