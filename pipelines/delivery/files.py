"""The three files of a list as a receiver gets them: in its encoding, with a check file that says so."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.check_files import CheckFile, Unreadable, parse_check_file
from pipelines.delivery.due import Listed
from pipelines.errors import StoreError
from pipelines.names import BatchName

_BLOCK = 1 << 20
_PUBLISHED = "utf-8"


@dataclass(frozen=True)
class ListFile:
    """One file: its bytes, which can be gone through any number of times, with their count and sha256."""

    name: str
    blocks: Iterable[bytes]
    size: int
    digest: str


@dataclass(frozen=True)
class ListFiles:
    """The files of a list, to be put there in this order: whoever finds the end file finds all of it."""

    data: ListFile
    check: ListFile
    end: ListFile

    @property
    def in_order(self) -> tuple[ListFile, ListFile, ListFile]:
        return self.data, self.check, self.end


def list_files(directory: Path, name: BatchName, cycle: Iterable[Listed], encoding: str) -> ListFiles:
    """The files of a published list in `directory`; `cycle` is what its end file names.

    Raises StoreError where what was published is not there any more as it was.
    """
    check = _check_file(directory, name)
    data = _data_file(directory / check.name, check, encoding)
    line = "|".join(
        str(part) for part in vars(replace(check, bytes=data.size, digest=f"sha256:{data.digest}")).values()
    )
    entries = [f"{each.name.stem}|{each.records}" for each in cycle]
    total = f"{len(entries)}|{sum(each.records for each in cycle)}|0"  # lists have no control total
    return ListFiles(data, _small(f"{name.stem}.CHK", [line]), _small(f"{name.cycle_key}.END", [total, *entries]))


class Recoded:
    """The bytes of a UTF-8 file in another encoding, in blocks."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding

    def __iter__(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(_PUBLISHED)()
        for block in _blocks(self._path):
            yield decoder.decode(block).encode(self._encoding)
        yield decoder.decode(b"", final=True).encode(self._encoding)


class _Plain:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        return _blocks(self._path)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _check_file(directory: Path, name: BatchName) -> CheckFile:
    path = directory / f"{name.stem}.CHK"
    try:
        return parse_check_file(path.read_bytes(), name.stem)
    except (OSError, Unreadable) as error:
        raise _not_there(path, str(error)) from error


def _data_file(path: Path, check: CheckFile, encoding: str) -> ListFile:
    """Compared with its check file first: what came to harm since it was published goes to nobody."""
    try:
        published = _measured(path.name, _Plain(path))
        if (published.size, f"sha256:{published.digest}") != (check.bytes, check.digest):
            raise _not_there(path, "other bytes than its check file describes")
        return published if encoding == _PUBLISHED else _measured(path.name, Recoded(path, encoding))
    except (OSError, UnicodeError) as error:
        raise _not_there(path, str(error)) from error


def _measured(name: str, blocks: Iterable[bytes]) -> ListFile:
    made, size = hashlib.sha256(), 0
    for block in blocks:
        made.update(block)
        size += len(block)
    return ListFile(name, blocks, size, made.hexdigest())


def _small(name: str, lines: Iterable[str]) -> ListFile:
    return _measured(name, ["".join(f"{line}\n" for line in lines).encode()])


def _not_there(path: Path, found: str) -> StoreError:
    return StoreError(
        f"{path.parent.name}/{path.name}: expected the file below publish/ as it was published, found {found}; "
        "bring it back from a backup of the home; the next list takes its place"
    )
