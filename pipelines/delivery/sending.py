"""One list to one receiver: data, check file, end file, each as NAME.tmp and renamed; what stands there is no surprise.

Whatever breaks it off, doing it again ends the same: what stands under its name with the right bytes is not sent anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

from pipelines.check_files import MAX_BYTES, Unreadable, parse_end_file
from pipelines.delivery.files import ListFile, ListFiles
from pipelines.errors import TransferError
from pipelines.faults import fault_point
from pipelines.lanes import GONE
from pipelines.names import BatchName, parse_check_name, parse_data_name, parse_end_name, parse_stem
from pipelines.transfer.base import MOST_SMALL, RemoteFile, RemoteMissingError, Transport, at_most


class OtherBytesError(TransferError):
    """Under the name of a file stands one with other bytes, which was not overwritten."""


def send_list(
    transport: Transport,
    name: BatchName,
    files: ListFiles,
    placed: int,
    note: Callable[[int], None],
    *,
    replace: bool = False,
) -> bool:
    """Put the files of a list there, the end file once data and check file stand; `note` is told how many do.

    False where all stood there already. `placed` of them are known to have been put there before. Raises TransferError:
    OtherBytesError where another file stands under a name, unless `replace`.
    """
    found, written = _found(transport, name), set[str]()
    _remove_leftovers(transport, name, found)
    for number, file in enumerate(files.in_order, start=1):
        if file is files.end:
            _require_whole(transport, name, files, written)
        there = found.get(file.name)
        is_noted = number <= placed and there is not None and there.size == file.size
        if not is_noted and (there is None or not _stands(transport, name, file, there, replace=replace)):
            _put(transport, f"{name.feed}/{file.name}", file)
            written.add(file.name)
        fault_point("deliver")
        note(number)
        fault_point("deliver")
    return bool(written)


def _found(transport: Transport, name: BatchName) -> dict[str, RemoteFile]:
    return {file.name: file for file in transport.list(name.feed)}


def _remove_leftovers(transport: Transport, name: BatchName, found: dict[str, RemoteFile]) -> None:
    """What an attempt that broke off left under a temporary name: nobody else gives names of this list and source."""
    for file in found.values():
        whole = file.name.removesuffix(".tmp")
        if whole != file.name and file.is_regular:
            of = parse_data_name(whole) or parse_check_name(whole) or parse_end_name(whole)
            if of is not None and (of.feed, of.source) == (name.feed, name.source):
                _remove(transport, f"{name.feed}/{file.name}")


def _remove(transport: Transport, path: str) -> None:
    """Where the receiver does not let us, it stays: it is no list, and in nobody's way."""
    try:
        transport.remove(path)
    except GONE:
        raise
    except TransferError:
        pass


def _put(transport: Transport, path: str, file: ListFile) -> None:
    try:
        transport.write(path, file.blocks)
    except GONE:
        raise
    except TransferError:
        with suppress(TransferError):  # half of it may be what fills the disk
            transport.remove(f"{path}.tmp")
        raise


def _require_whole(transport: Transport, name: BatchName, files: ListFiles, written: set[str]) -> None:
    """Data and check file have the sizes they were given; a receiver that has taken them already has them whole.

    What a server kept only half of is removed again, where we have just `written` it.
    """
    found = _found(transport, name)
    wrong = [
        (file, there.size)
        for file in (files.data, files.check)
        if (there := found.get(file.name)) is not None and there.size not in (None, file.size)
    ]
    for file, _ in wrong:
        if file.name in written:
            _remove(transport, f"{name.feed}/{file.name}")
    if wrong:
        file, size = wrong[0]
        raise TransferError(
            f"{name.feed}/{file.name}: expected {file.size} bytes at the receiver, found {size}; no end file was "
            "written; check the disk of the server"
        )


def _stands(transport: Transport, name: BatchName, file: ListFile, there: RemoteFile, *, replace: bool) -> bool:
    """Whether the file is there already, by its bytes: then the answer to an earlier attempt was lost, and no more.

    False where it may be written over what is there: the cycle's end file as it was before, or whatever with `replace`.
    """
    path = f"{name.feed}/{file.name}"
    content, digest = bytearray(), hashlib.sha256()
    is_like_ours = there.is_regular and (there.size is None or there.size <= file.size + MOST_SMALL)

    def look(block: bytes) -> None:
        digest.update(block)
        if len(content) <= MAX_BYTES:
            content.extend(block)

    if is_like_ours:
        try:
            transport.read(path, at_most(file.size + MOST_SMALL, path, look))
        except RemoteMissingError:
            return False  # the receiver has just taken it
        if digest.hexdigest() == file.digest:
            return True
        if file.name.endswith(".END") and _is_earlier(bytes(content), name):
            return False
    if there.is_regular and replace:
        return False
    raise OtherBytesError(
        f"{path}: expected none at the receiver, or the same bytes ({file.size}, sha256 {file.digest[:12]}…), found "
        f"{'others' if there.is_regular else 'no regular file'}; it was not overwritten; ask the receiver who wrote "
        "it, then remove it there, or write over it"
    )


def _is_earlier(content: bytes, name: BatchName) -> bool:
    """Whether this is an end file of the list's cycle from before the list was made: all that it names is older."""
    try:
        end = parse_end_file(content, str(name.cycle_key))
    except Unreadable:
        return False
    return all((of := parse_stem(entry.stem)) is not None and of < name for entry in end.entries)
