"""Members of a gzip, ends of lines and long lines: what they cost, and which code comes first (faults 6 and 18)."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from judged import CONTRACTS, compare, framed, run_judge, staged_in
from offers import change_schema, ledger, payments, take
from random_files import CYCLES
from row_oracle import read_file
from row_oracle_feeds import ORACLES
from running import make_home

from pipelines.checks.blocks import gunzip
from pipelines.transfer.base import Endpoint

LIMIT = CONTRACTS["CUST"].limits.line_bytes
HOURS = ("PAYM_110_I_2026112210_0001_00", "PAYM_110_I_2026112209_0001_00")


def customer(number: int, line_bytes: int = 0) -> bytes:
    """A record; its address makes it as long as that."""
    before, after = f"I|20261101090000|C{number:09d}|1|李静|||F|19900101|13900000811||", "|100083|||B|N|Y|20261101"
    return f"{before}{'x' * (line_bytes - len((before + after).encode()))}{after}".encode()


@pytest.mark.fault(6)
def test_many_members_are_read_as_one_file_of_few_blocks(tmp_path: Path) -> None:
    """A producer that appends a member for each record (`gzip >>`) is read as one that does not."""
    plain = framed("CUST", b"".join(customer(number) + b"\n" for number in range(300)))
    members = b"".join(gzip.compress(line + b"\n") for line in plain.splitlines())
    blocks = list(gunzip(iter([members]), len(members), CONTRACTS["CUST"].limits, 1 << 20))
    assert blocks == [plain]
    judgement = run_judge(tmp_path, "CUST", members, records=300, gz=True)
    compare(
        judgement,
        staged_in(tmp_path),
        read_file(plain, "utf-8", ORACLES["CUST"], CYCLES["CUST"]),
        ORACLES["CUST"].columns,
    )
    assert pq.ParquetFile(staged_in(tmp_path).rows).num_row_groups == 1


@pytest.mark.parametrize("block_bytes", [100, 1 << 16, 1 << 20])
def test_no_block_of_a_gzip_is_longer_than_it_may_be(block_bytes: int) -> None:
    content = b"".join(b"%d\n" % number for number in range(100_000))
    packed = gzip.compress(content[:1000]) + gzip.compress(content[1000:])
    blocks = list(gunzip(iter([packed]), len(packed), CONTRACTS["CUST"].limits, block_bytes))
    assert b"".join(blocks) == content
    assert [len(block) for block in blocks[:-1]] == [block_bytes] * (len(content) // block_bytes)


@pytest.mark.fault(18)
@pytest.mark.parametrize("block_bytes", [1 << 10, LIMIT // 2, LIMIT, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_line_end_does_not_count_as_bytes_of_the_line(tmp_path: Path, end: bytes, block_bytes: int) -> None:
    for length, code in ((LIMIT, None), (LIMIT + 1, "E205")):
        body = b"".join(record + end for record in (customer(0), customer(1, length), customer(2)))
        judgement = run_judge(tmp_path, "CUST", framed("CUST", body, end=end), block_bytes=block_bytes)
        assert (judgement.code, judgement.rejected) == (code, 0 if code else 1), length


def test_a_carriage_return_within_a_line_counts(tmp_path: Path) -> None:
    long = customer(1, LIMIT).replace(b"xx", b"x\r", 1)
    for tail, code in ((b"\n", None), (b"\r\n", None), (b"\rx\n", "E205"), (b"\r\r\n", "E205")):
        body = customer(0) + b"\n" + long + tail + customer(2) + b"\n"
        for block_bytes in (1, 1 << 10, 1 << 20):
            assert run_judge(tmp_path, "CUST", framed("CUST", body), block_bytes=block_bytes).code == code, tail


@pytest.mark.fault(6)
@pytest.mark.parametrize("block_bytes", [1 << 10, 1 << 20])
def test_a_gzip_that_breaks_off_asks_for_a_resend_also_where_a_line_is_too_long(
    tmp_path: Path, block_bytes: int
) -> None:
    """E204 comes before E205, and only E204 asks the producer to send the file again."""
    body = customer(1, LIMIT + 1) + b"\n" + b"".join(customer(number) + b"\n" for number in range(2, 5000))
    packed = gzip.compress(framed("CUST", body))
    for content, code in ((packed, "E205"), (packed[:-9], "E204"), (packed[: len(packed) // 2], "E204")):
        judgement = run_judge(tmp_path, "CUST", content, block_bytes=block_bytes, records=4999, gz=True)
        assert judgement.code == code
    assert run_judge(tmp_path, "CUST", packed, records=4999, gz=True).reason.startswith("expected lines of at most")


def test_a_contract_may_allow_lines_longer_than_the_fast_reader_takes_at_once(tmp_path: Path) -> None:
    """The batch beside it is staged, too."""
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)))
    change_schema(home, "feeds/PAYM.yaml", "lineBytes: 65536", "lineBytes: 16777216")
    sound, other = payments(HOURS[0], "CARD", "WALLET"), payments(HOURS[1], "CARD", "WALLET")
    header, first, second, trailer = other.lines
    long = first.replace("|A000000901|", f"|{'A' * (9 << 20)}|")
    for offer in (sound, replace(other, lines=(header, long, second, trailer))):
        offer.put(root)
    assert take(home).exit_status == 3
    found = {each.stem: (each.state, each.loaded, each.rejected) for each in ledger(home)}
    assert found == {HOURS[0]: ("loaded", 2, 0), HOURS[1]: ("loaded", 1, 1)}
