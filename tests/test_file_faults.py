"""Files that came to harm or were never sound: gzip, odd bytes, encodings, limits (faults 6, 7, 18, 19 and 20)."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from judged import compare, framed, run_judge, staged_in
from offers import GOOD, NOW, STEM, Offer, batch, in_core, ledger, payments, receipt, take
from random_files import CYCLES
from row_oracle import read_file
from row_oracle_feeds import ORACLES
from running import make_home, tierline

from pipelines.transfer.base import Endpoint

SIZES = [1, 2, 3, 7, 64, 1 << 10, 1 << 20]
HEAD = GOOD.lines[0].encode()
DAY = "CUST_110_I_20261121_0001_00"


@pytest.fixture
def home(tmp_path: Path, root: Path) -> Path:
    return make_home(tmp_path / "home", Endpoint("file", root=str(root)))


def customer(number: int, name: str = "李静", address: str = "北京市海淀区学府路3号") -> str:
    return f"I|20261101090000|C{number:09d}|1|{name}|||F|19900101|13900000811||{address}|100083|||B|N|Y|20261101"


def customers(*records: str) -> bytes:
    return "".join(f"{record}\n" for record in records).encode()


# Fault 6: a gzip that is not whole.


def two_members(cut: int) -> bytes:
    """A file in two members, cut anywhere: in a line, in a character."""
    content = framed("CUST", customers(*map(customer, range(9))))
    return gzip.compress(content[:cut]) + gzip.compress(b"") + gzip.compress(content[cut:])


@pytest.mark.fault(6)
@pytest.mark.parametrize("block_bytes", SIZES)
def test_members_of_a_gzip_are_one_file_wherever_they_meet(tmp_path: Path, block_bytes: int) -> None:
    plain = framed("CUST", customers(*map(customer, range(9))))
    expected = read_file(plain, "utf-8", ORACLES["CUST"], CYCLES["CUST"])
    for cut in (0, 1, 70, plain.index("静".encode()) + 1, plain.index(b"\n", 200), len(plain)):
        judgement = run_judge(tmp_path, "CUST", two_members(cut), block_bytes=block_bytes, records=9, gz=True)
        compare(judgement, staged_in(tmp_path), expected, ORACLES["CUST"].columns)
    assert len(expected.rows) == 9


@pytest.mark.fault(6)
@pytest.mark.parametrize("block_bytes", [1, 64, 1 << 20])
def test_a_gzip_that_breaks_off_anywhere_is_refused(tmp_path: Path, block_bytes: int) -> None:
    whole = two_members(100)
    first = len(gzip.compress(framed("CUST", customers(*map(customer, range(9))))[:100]))
    sound_ends = {first, first + len(gzip.compress(b""))}  # there a member ends: the gzip is sound, the file is not
    for length in sorted({*range(0, len(whole), 7), *sound_ends}):
        code = run_judge(tmp_path, "CUST", whole[:length], block_bytes=block_bytes, records=9, gz=True).code
        assert code == ("E304" if length in sound_ends else "E204"), length
    assert run_judge(tmp_path, "CUST", whole, block_bytes=block_bytes, records=9, gz=True).code is None


TAILS = {
    "wrong sum": lambda gz: gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:],
    "wrong length": lambda gz: gz[:-1] + bytes([gz[-1] ^ 1]),
    "one byte behind": lambda gz: gz + b"\0",
    "zeros behind": lambda gz: gz + b"\0" * 100,
    "zeros alone": lambda gz: b"\0" * 100,
    "a member behind zeros": lambda gz: gz + b"\0" * 100 + gz,
    "a line behind": lambda gz: gz + b"T|9|0\n",
    "half a magic behind": lambda gz: gz + b"\x1f",
    "a magic behind": lambda gz: gz + b"\x1f\x8b\x08",
    "sum of the first of two members": lambda gz: gz[:-8] + b"\0" * 4 + gz[-4:] + gz,
    "nothing at all": lambda gz: b"",
}  # fmt: skip


@pytest.mark.fault(6)
@pytest.mark.parametrize("block_bytes", SIZES)
@pytest.mark.parametrize("tail", TAILS)
def test_a_gzip_with_a_wrong_end_is_refused(tmp_path: Path, tail: str, block_bytes: int) -> None:
    damaged = TAILS[tail](gzip.compress(framed("CUST", customers(*map(customer, range(9))))))
    assert run_judge(tmp_path, "CUST", damaged, block_bytes=block_bytes, records=9, gz=True).code == "E204"


# Fault 7: a gigabyte in a megabyte.


def bomb(first: bytes, block: bytes, times: int) -> bytes:
    """A gzip of one member: one block again and again; its check sum is never reached."""
    member = zlib.compressobj(9, wbits=31)
    head = member.compress(first) + member.flush(zlib.Z_FULL_FLUSH)
    member.compress(block)
    member.flush(zlib.Z_FULL_FLUSH)
    again = member.compress(block) + member.flush(zlib.Z_FULL_FLUSH)  # nothing in it looks back
    return head + again * times


def load_in_process(home: Path) -> tuple[int, int]:
    """Exit status and most memory (KB) of the command in a process of its own."""
    words = [sys.executable, "-m", "pipelines.cli", "--home", str(home), "load"]
    process = subprocess.Popen(
        words, env=os.environ | {"TIERLINE_NOW": NOW}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


MIB = 1 << 20
BOMBS = [
    pytest.param(b"\0" * MIB, 1024, "gzip ratio above 200", 192),  # one long line: read on, for E204 would come first
    pytest.param((b"x" * 60_000 + b"\n") * 17, 1024, "gzip ratio above 200", 192),
    pytest.param(b"0\n" * (MIB // 2), 64, "gzip ratio above 200", 512),
]


@pytest.mark.fault(7)
@pytest.mark.parametrize(("block", "times", "reason", "most_mib"), BOMBS, ids=["zeros", "long lines", "short lines"])
def test_a_gzip_bomb_is_stopped_at_the_limit_in_bounded_memory(
    tmp_path: Path, home: Path, root: Path, block: bytes, times: int, reason: str, most_mib: int
) -> None:
    """A GiB in a MB. `most_mib` is what it may take above a sound file of three rows."""
    calm = make_home(tmp_path / "calm_home", Endpoint("file", root=str(tmp_path / "calm")))
    zipped = replace(GOOD, ending=".DAT.gz")
    zipped.put(tmp_path / "calm")
    content = replace(zipped, change=lambda _: bomb(HEAD + b"\n", block, times)).put(root)
    assert len(content) < 3 * MIB
    assert tierline(calm, "fetch", now=NOW).exit_status == tierline(home, "fetch", now=NOW).exit_status == 0
    (calm_status, usual_kb), (status, most_kb) = load_in_process(calm), load_in_process(home)
    assert (calm_status, status) == (0, 3)
    (refused,) = ledger(home)
    assert (refused.state, refused.code) == ("refused", "E205")
    assert reason in str(refused.reason)
    assert most_kb - usual_kb < most_mib << 10, f"{most_kb} KB, with a sound file {usual_kb} KB"


# Fault 18: odd bytes.


@pytest.mark.fault(18)
def test_odd_bytes_reject_their_own_rows_and_no_other(home: Path, root: Path) -> None:
    odd = [
        (customer(1, name="李\0静"), "E405|customer_name"), (customer(2, name="李\r静"), "E405|customer_name"),
        ("\ufeff" + customer(3), "E406|op"), (customer(4, address="1|2"), "E401|"), ("", "E401|"),
        (customer(5) + "\r\r", "E403|created_date"), (customer(6, name="李静\r\0"), "E405|customer_name"),
    ]  # fmt: skip
    good = {11: '"李静', 12: '李"静"', 13: "李\ufeff静", 14: "李'静", 15: "｜", 16: "𠮷\u3000", 17: "NULL"}
    lines = [line for line, _ in odd] + [customer(number, name) for number, name in good.items()]
    offer = replace(batch(DAY, lines), change=lambda content: content.removesuffix(b"\n"))
    content = offer.put(root)
    assert take(home).exit_status == 3
    assert receipt(root, DAY)[1:6] == ["PARTIAL", "14", "7", "7", ""]
    in_file = (root / "receipt" / "CUST" / f"{DAY}.REJ").read_bytes()
    raw = content.split(b"\n")
    wanted = [f"{n}|{codes}|".encode() + raw[n - 1].removesuffix(b"\r") for n, (_, codes) in enumerate(odd, 2)]
    assert in_file == b"".join(line + b"\n" for line in wanted)
    found = in_core(home, "select customer_id, customer_name from core.customer order by customer_id")
    assert found == [(f"C{number:09d}", name) for number, name in good.items()]


@pytest.mark.fault(18)
@pytest.mark.parametrize("block_bytes", [1 << 10, 1 << 16, 1 << 20])
def test_a_line_may_be_as_long_as_the_limit(tmp_path: Path, block_bytes: int) -> None:
    for length, code in ((65_535, None), (65_536, None), (65_537, "E205"), (10 << 20, "E205")):
        long = customer(1, address="x" * (length - len(customers(customer(1, address=""))) + 1))
        content = framed("CUST", customers(customer(0), long, customer(2)))
        judgement = run_judge(tmp_path, "CUST", content, block_bytes=block_bytes)
        assert (judgement.code, judgement.rejected) == (code, 0 if code else 1), length
        if code is None:
            expected = read_file(content, "utf-8", ORACLES["CUST"], CYCLES["CUST"])
            compare(judgement, staged_in(tmp_path), expected, ORACLES["CUST"].columns)
            assert [codes for _, codes, _, _ in expected.rejects] == ["E404"]


TAIL = b"T|0|0"
EMPTY = HEAD[:-1] + b"0"
SHORT = {
    "no byte": (b"", "E301"), "a line end": (b"\n", "E301"), "a byte order mark": (b"\xef\xbb\xbf", "E301"),
    "zeros": (b"\0" * 4096, "E301"), "header without line end": (HEAD, "E304"), "header": (HEAD + b"\r\n", "E304"),
    "header twice": (HEAD + b"\n" + HEAD + b"\n", "E304"), "trailer": (b"T|3|6000\n", "E301"),
    "header, blank line": (HEAD + b"\n\n", "E304"), "no record": (EMPTY + b"\n" + TAIL, None),
    "no record, CRLF": (EMPTY + b"\r\n" + TAIL + b"\r\n", None),
    "ten megabytes of a line": (HEAD + b"\n" + b"x" * (10 << 20), "E205"),
    "ten megabytes of a header": (b"H|1|" + b"x" * (10 << 20), "E205"),
}  # fmt: skip


@pytest.mark.fault(18)
@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "code"), SHORT.values(), ids=SHORT)
def test_files_with_little_in_them(home: Path, root: Path, content: bytes, code: str | None, gz: bool) -> None:
    records = 0 if code is None else 3
    offer = Offer(ending=".DAT.gz" if gz else ".DAT", records=records)
    replace(offer, change=lambda _: gzip.compress(content, 0) if gz else content).put(root)
    assert take(home).exit_status == (3 if code else 0)
    (found,) = ledger(home)
    assert (found.state, found.code) == ("refused" if code else "loaded", code)
    assert receipt(root, STEM)[1:6] == ["REFUSED" if code else "ACCEPTED", str(records), "0", "0", code or ""]
    assert in_core(home, "select count(*) from core.payment") == [(0,)]


# Fault 19: the other encoding.

ODD_TEXTS = ["中", "中文", "亅", "𠮷", "é", "€", "㐀", "𠀀𠀁", "ａ", "·"]


@pytest.mark.fault(19)
@pytest.mark.parametrize("block_bytes", SIZES)
@pytest.mark.parametrize(("encoding", "other"), [("utf-8", "gb18030"), ("gb18030", "utf-8")])
def test_rows_of_the_other_encoding_are_rejected_alone(
    tmp_path: Path, encoding: str, other: str, block_bytes: int
) -> None:
    """Where bytes mean something in both, they are read as the source says: then they may swallow a delimiter."""
    lines = []
    for number, text in enumerate(ODD_TEXTS):
        good, strange = customer(2 * number, name=text), customer(2 * number + 1, name=text)
        lines += [good.encode(encoding), strange.encode(other)]
    content = framed("CUST", b"".join(line + b"\n" for line in lines))
    expected = read_file(content, encoding, ORACLES["CUST"], CYCLES["CUST"])
    judgement = run_judge(tmp_path, "CUST", content, encoding, block_bytes=block_bytes)
    compare(judgement, staged_in(tmp_path), expected, ORACLES["CUST"].columns)
    assert {line for *_, line in expected.rows} >= {2 * number + 2 for number in range(len(ODD_TEXTS))}
    assert [codes for _, codes, *_ in expected.rejects].count("E410") >= 6


# Fault 20: the limit of rejects.


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("records", "bad", "status"),
    [(10, 2, "PARTIAL"), (10, 3, "PARTIAL"), (10, 4, "REFUSED"), (4000, 3, "PARTIAL"), (4000, 4, "PARTIAL"),
     (4000, 5, "REFUSED"), (4, 3, "PARTIAL"), (3, 3, "REFUSED"), (3999, 4, "REFUSED"),
     (1, 1, "REFUSED"), (1, 0, "ACCEPTED")],
)  # fmt: skip
def test_the_limit_of_rejects_by_the_command(home: Path, root: Path, records: int, bad: int, status: str) -> None:
    """Three rows or one in a thousand, whichever is more, and never all."""
    payments(STEM, *["GIFT"] * bad, *["CARD"] * (records - bad)).put(root)
    assert take(home).exit_status == (0 if status == "ACCEPTED" else 3)
    refused = status == "REFUSED"
    loaded = 0 if refused else records - bad
    said = receipt(root, STEM)
    assert said[1:6] == [status, str(records), str(loaded), str(bad), "E501" if refused else ""]
    rejects = root / "receipt" / "PAYM" / f"{STEM}.REJ"
    assert rejects.exists() == (bad > 0)
    if bad:
        wanted = re.compile(r"(\d+)\|E406\|method\|P2026112210")
        assert [wanted.match(line)[1] for line in rejects.read_text().splitlines()] == [str(n + 2) for n in range(bad)]  # type: ignore[index]
    assert in_core(home, "select count(*) from core.payment") == [(loaded,)]
    (found,) = ledger(home)
    assert (found.state, found.loaded, found.rejected) == ("refused" if refused else "loaded", loaded, bad)
