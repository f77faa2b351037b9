"""Ten thousand bytes changed in data and check files (fault 26): no crash, nothing accepted that the digest denies."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from judged import CONTRACTS, compare, framed, run_judge, staged_in
from offers import NOW, batch, files, in_core, ledger, take
from random_files import CYCLES
from row_oracle import read_file
from row_oracle_feeds import ORACLES
from row_oracle_fields import NUMBER
from running import make_home

from pipelines.check_files import parse_check_file
from pipelines.cli.context import close_sites, open_site
from pipelines.errors import StoreError
from pipelines.ledger.offerings import State
from pipelines.ledger.standing import Accepted
from pipelines.names import parse_stem
from pipelines.site import Site
from pipelines.transfer.base import Endpoint
from pipelines.verdicts import Verdict, received_content, verdict

FLIPS = 2_500
STEM = "CUST_110_I_20261121_0001_00"
ROWS = 5


def customer(number: int, name: str = "李静") -> str:
    return f"I|20261101090000|C{number:09d}|1|{name}|||F|19900101|13900000811||北京市|100083|||B|N|Y|20261101"


@dataclass(frozen=True)
class Pair:
    """A sound data file with its check file; a customer's name holds characters of one, two and four bytes."""

    encoding: str
    gz: bool

    @property
    def plain(self) -> bytes:
        lines = [customer(number, f"亅a𠮷{number}") for number in range(ROWS)]
        return framed("CUST", "".join(f"{line}\n" for line in lines).encode(self.encoding))

    @property
    def name(self) -> str:
        return f"{STEM}.DAT{'.gz' if self.gz else ''}"

    def data(self) -> bytes:
        return gzip.compress(self.plain, mtime=0) if self.gz else self.plain

    def check(self) -> bytes:
        data = self.data()
        return f"{self.name}|{len(data)}|{ROWS}|sha256:{hashlib.sha256(data).hexdigest()}|20261122110232\n".encode()


PAIRS = [Pair(encoding, gz) for encoding in ("utf-8", "gb18030") for gz in (False, True)]


def flips(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The content with one byte changed: half of the time one bit of it."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        place, bit, other = int(rng.integers(len(content))), int(rng.integers(8)), int(rng.integers(1, 256))
        changed = content[place] ^ (1 << bit if rng.random() < 0.5 else other)
        yield content[:place] + bytes([changed]) + content[place + 1 :]


def code_of(content: bytes, encoding: str) -> str | None:
    """What the file interface says of a file as a whole, in the order of its checks."""
    header, *_, trailer = [line.removesuffix(b"\r").split(b"|") for line in content.removesuffix(b"\n").split(b"\n")]
    if header[:1] != [b"H"] or b"_".join(header[2:8]).decode("latin-1") != STEM or len(header) != 10:
        return "E301"
    if len(header[8]) != 14 or not header[8].isdigit() or not _is_number(header[9]):
        return "E301"
    if header[1] != b"1":
        return "E305"
    if trailer[:1] != [b"T"] or len(trailer) != 3 or not all(map(_is_number, trailer[1:])):
        return "E304"
    reading = read_file(content, encoding, ORACLES["CUST"], CYCLES["CUST"])
    if {int(header[9]), int(trailer[1]), reading.records} != {ROWS}:
        return "E302"
    return None if int(trailer[2]) == reading.control_total else "E303"


def _is_number(text: bytes) -> bool:
    return NUMBER.fullmatch(text.decode("latin-1")) is not None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield open_site(make_home(tmp_path / "home", Endpoint("file", root=str(tmp_path / "remote"))))
    close_sites()


def verified(site: Site, pair: Pair, check: bytes, data: bytes) -> Verdict:
    name = parse_stem(STEM)
    assert name is not None
    with site.ledger.reading() as connection:
        accepted = Accepted(connection, [name])
    return verdict(site, CONTRACTS["CUST"], accepted, received_content(name, pair.name, check, data))


@pytest.mark.fault(26)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_changed_byte_of_the_data_is_never_verified(site: Site, tmp_path: Path, pair: Pair) -> None:
    assert verified(site, pair, pair.check(), pair.data()).state is State.VERIFIED
    seen = 0
    for number, data in enumerate(flips(pair.data(), FLIPS * 2 // 3, seed=len(pair.data()))):
        said = verified(site, pair, pair.check(), data)
        assert (said.state, said.code) == (State.REFUSED, "E203")
        if number % 25 == 0:  # nor is it judged, should it change later, in the archive
            sound = hashlib.sha256(pair.data()).hexdigest()
            with pytest.raises(StoreError, match="backups restore"):
                run_judge(tmp_path, "CUST", data, pair.encoding, records=ROWS, gz=pair.gz, digest=sound)
            seen += 1
    assert seen > 60


@pytest.mark.fault(26)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_changed_byte_of_a_check_file_has_its_code_or_no_meaning(site: Site, tmp_path: Path, pair: Pair) -> None:
    sound, codes = parse_check_file(pair.check(), STEM), Counter[str | None]()
    other_counts = [pair.check().replace(f"|{ROWS}|".encode(), f"|{count}|".encode()) for count in range(10)]
    for check in [*flips(pair.check(), FLIPS - FLIPS * 2 // 3, seed=7), *other_counts]:
        said = verified(site, pair, check, pair.data())
        code = said.code
        if said.state is State.VERIFIED:
            found = parse_check_file(check, STEM)
            assert replace(found, created=sound.created, records=sound.records) == sound
            if found.records != sound.records:
                code = run_judge(tmp_path, "CUST", pair.data(), pair.encoding, records=found.records, gz=pair.gz).code
                assert code == "E302"
        else:
            assert (said.state, code in ("E201", "E202", "E203")) == (State.REFUSED, True)
        codes[code] += 1
    assert set(codes) == {None, "E201", "E202", "E203", "E302"}, codes


@pytest.mark.fault(26)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_byte_changed_before_the_digest_was_made_is_judged_as_what_it_is(tmp_path: Path, pair: Pair) -> None:
    codes = Counter[str | None]()
    for data in flips(pair.data(), 40, seed=11):
        said = run_judge(tmp_path, "CUST", data, pair.encoding, records=ROWS, gz=pair.gz)
        codes[said.code] += 1
        try:
            content = gzip.decompress(data) if pair.gz else data
        except (OSError, EOFError, zlib.error):
            content = b""
        if pair.gz and content != pair.plain:
            assert said.code == "E204"
        elif said.code is None:
            compare(said, staged_in(tmp_path), read_file(content, pair.encoding, ORACLES["CUST"], CYCLES["CUST"]),
                    ORACLES["CUST"].columns)  # fmt: skip
        elif pair.gz:
            assert said.code == "E204"  # flags of the gzip's header that Python passes over
        else:
            assert said.code == code_of(content, pair.encoding)
    assert codes[None] > 0
    assert len(codes) > 1


@pytest.mark.fault(26)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_changed_bytes_by_the_command(tmp_path: Path, encoding: str) -> None:
    """Forty-five batches of a day at once: fifteen as they should be, thirty of them changed in data or check file."""
    root = tmp_path / "remote"
    home = make_home(tmp_path / "home", Endpoint("file", root=str(root)), encoding=encoding)
    stems = [f"CUST_110_I_20261121_{seq:04d}_00" for seq in range(1, 46)]
    for seq, stem in enumerate(stems):
        offer = batch(stem, [customer(seq * 10 + number) for number in range(3)])
        content, ending = "\n".join([*offer.lines, ""]).encode(encoding), ".DAT.gz" if seq % 2 else ".DAT"
        packed = gzip.compress(content) if seq % 2 else content
        replace(offer, ending=ending, change=lambda _, packed=packed: packed).put(root)
        if seq % 3:
            path = root / "outgoing" / "CUST" / f"{stem}{ending if seq % 3 == 1 else '.CHK'}"
            path.write_bytes(next(flips(path.read_bytes(), 1, seed=seq)))
    before = files(root / "outgoing")
    assert take(home, NOW).exit_status == 3
    found = {each.stem: each for each in ledger(home)}
    assert sorted(found) == stems
    for seq, stem in enumerate(stems):
        state, code = found[stem].state, found[stem].code
        if seq % 3 < 2:
            assert (state, code) == (("loaded", None), ("refused", "E203"))[seq % 3], stem
        else:
            assert (state, code) == ("loaded", None) or (
                state == "refused" and code in ("E201", "E202", "E203", "E302")
            )
    standing = {stem for stem, each in found.items() if each.state == "loaded"}
    counts = dict(in_core(home, "select batch_stem, count(*) from core.customer group by all"))
    assert counts == dict.fromkeys(standing, 3)
    kept = {content for place in ("archive", "quarantine") for content in files(home / place).values()}
    assert set(before.values()) <= kept, "bytes as they came"
    assert not list((root / "outgoing").rglob("*.*"))
