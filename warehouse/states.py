"""The published states as directories: `bi/current` names the one at hand, so a new one appears at once and whole.

Whoever has an old one open reads on undisturbed. A new state is not written from nothing: a retired one that nobody has
open is taken and brought on, else the one at hand is copied (by reference where the file system can) and the copy is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.durable import sync_all, sync_directory
from pipelines.rights import share

CURRENT = "current"
MASKED, PRIVATE = "current.duckdb", "private.duckdb"
DATABASES = (MASKED, PRIVATE)
_MAKING = ".making"  # a state at work; nobody is led there
_GOING = ".going-"  # before the name of an old one that is removed; neither taken nor counted any more
_NOTE = "made.json"  # size and time of the databases as they were finished
_COPIED_AT_ONCE = 1 << 30
_log = logging.getLogger(__name__)
# What kernels say where a file system knows no leases: it cannot be told whether a file is open elsewhere.
_NO_LEASES = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EACCES, errno.EPERM)


def begin_state(bi: Path, is_near: Callable[[Path], bool] = lambda state: True) -> Path:
    """A directory to make the next state in: with a former state's files where there are any, whatever they hold.

    `is_near` tells of a state whether little was built since it: a retired one of long before is not taken where the
    one at hand is near, for that is copied sooner than the retired one is brought on.
    """
    states = bi / "states"
    states.mkdir(mode=0o700, parents=True, exist_ok=True)
    share(states)
    making = states / _MAKING
    drop_unfinished(bi)  # of a run that did not come to its end
    at_hand = (bi / CURRENT).resolve() if (bi / CURRENT).exists() else None
    retired = [state for state in _retired(bi) if is_near(state)]
    if not retired and (at_hand is None or not is_near(at_hand)):
        retired = _retired(bi)
    if not _take_retired(bi, retired, making):
        making.mkdir(mode=0o700)
        if at_hand and _is_as_finished(at_hand):
            _copy(at_hand, making)
    making.chmod(0o700)  # until the private database has its own mode
    return making


def drop_unfinished(bi: Path) -> None:
    """Remove what was made of a state that did not come to its end."""
    shutil.rmtree(bi / "states" / _MAKING, ignore_errors=True)


def finish_state(making: Path, name: str) -> None:
    """Bring a state to disk and give it its name, which no other has or had: under it nobody looks for it yet."""
    (making / _NOTE).unlink(missing_ok=True)  # it may be linked to that of another state
    (making / _NOTE).write_text(json.dumps(_looks_of(making)))
    share(*(path for path in making.rglob("*") if path.name != PRIVATE))
    (making / MASKED).chmod(0o440)  # whoever opens it for writing by mistake is told so
    (making / PRIVATE).chmod(0o600)
    sync_all(_files(making))
    for directory in (*(path for path in making.rglob("*") if path.is_dir()), making):
        sync_directory(directory)
    share(making)
    os.utime(making)  # states are ordered by age
    making.rename(making.with_name(name))
    sync_directory(making.parent)


def shown_state(bi: Path) -> str | None:
    """The name of the state that readers meet, None where none was shown yet."""
    return Path(os.readlink(bi / CURRENT)).name if (bi / CURRENT).is_symlink() else None


def greatest_number(bi: Path) -> int:
    """The greatest number that a name of a state ends with, shown or not; 0 where there is none.

    The ledger may know of fewer: it was put back from a copy, or a run was killed before it could tell.
    """
    names = [shown_state(bi) or "", *(path.name for path in (bi / "states").glob("*"))]
    endings = (name.rpartition("-")[2] for name in names)
    return max((int(ending) for ending in endings if ending.isdecimal()), default=0)


def show_state(bi: Path, name: str) -> None:
    """Let readers meet this state from now on; those before the last are cleared away once nobody has them open."""
    _point(bi / CURRENT, Path("states") / name)
    for database in DATABASES:
        _point(bi / database, Path(CURRENT) / database)
    for page in (bi / CURRENT).glob("*.html"):
        _point(bi / page.name, Path(CURRENT) / page.name)
    for stray in bi.glob("*.wal"):  # of a client that had it open for writing: old ones apply it to every later state
        stray.unlink()
    sync_directory(bi)
    for state in _retired(bi)[1:]:  # the last one stays: somebody may just be opening it, and the next is made from it
        with _trying_again_later(state):
            if not any(_is_open(path) for path in _files(state)):
                state.rename(state.with_name(f"{_GOING}{state.name}"))
    for state in (bi / "states").glob(f"{_GOING}*"):  # also of a publication before, which could not remove it
        with _trying_again_later(state):
            shutil.rmtree(state)


@contextmanager
def _trying_again_later(state: Path) -> Iterator[None]:
    """What goes wrong with an old state ends no publication: the new one is shown already."""
    try:
        yield
    except OSError as error:  # across NFS a file that a reader has open stays under another name, and its directory
        _log.warning("%s: an old state cannot be removed, which the next publication tries again: %s", state, error)


def state_is_sound(bi: Path) -> bool:
    """Whether the state at hand is as it was finished and opens; one that was written to is published anew."""
    if not (bi / CURRENT).exists() or any(bi.glob("*.wal")) or not _is_as_finished((bi / CURRENT).resolve()):
        return False
    for name in DATABASES:
        try:
            duckdb.connect(str(bi / name), read_only=True).close()
        except duckdb.Error:
            return False
    return True


def _is_as_finished(state: Path) -> bool:
    """Whether nobody wrote to a state: what it says of itself would hold no more, and a log beside it be applied."""
    try:
        is_as_finished = json.loads((state / _NOTE).read_text()) == _looks_of(state) and not any(state.glob("*.wal"))
    except (FileNotFoundError, ValueError):
        is_as_finished = False
    if not is_as_finished:
        _log.warning("%s: expected it as it was finished, found it otherwise; the next is made from nothing", state)
    return is_as_finished


def _looks_of(state: Path) -> dict[str, list[int]]:
    found = {name: (state / name).stat() for name in DATABASES}
    return {name: [each.st_size, each.st_mtime_ns] for name, each in found.items()}


def _retired(bi: Path) -> list[Path]:
    """Finished states but the one at hand, newest first."""
    at_hand = shown_state(bi)
    found = (path for path in (bi / "states").iterdir() if path.is_dir())
    states = [path for path in found if path.name != at_hand and not path.name.startswith((_MAKING, _GOING))]
    return sorted(states, key=lambda state: state.stat().st_mtime, reverse=True)


def _take_retired(bi: Path, retired: list[Path], making: Path) -> bool:
    for state in retired:
        if _is_free(state):
            state.rename(making)
            if _is_free(making):  # once more, now that no name leads there
                if not _is_as_finished(making):
                    drop_unfinished(bi)
                    return False
                (making / MASKED).chmod(0o600)
                return True
            making.rename(state)
    return False


def _is_free(state: Path) -> bool:
    return all(_is_open(path) is False for path in _files(state))


def _is_open(path: Path) -> bool | None:
    """Whether any process has a file open, by the kernel's word; None where the file system cannot tell.

    A write lease is granted only while nobody else has the file open, whatever for: a DuckDB client as well as a copy.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Somebody who opens it within these microseconds makes the kernel signal us: not by one that ends us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        if error.errno in _NO_LEASES:
            return None
        raise
    finally:
        os.close(descriptor)
    return False


def _copy(state: Path, making: Path) -> None:
    """The databases byte for byte; files that are never written again are linked."""
    for path in _files(state):
        target = making / path.relative_to(state)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        if path.name in DATABASES:
            _copy_bytes(path, target)
        else:
            os.link(path, target)


def _copy_bytes(path: Path, target: Path) -> None:
    """Within the kernel, which only refers to the same blocks where the file system can (XFS, Btrfs)."""
    with path.open("rb") as source, target.open("xb") as copy:
        while os.copy_file_range(source.fileno(), copy.fileno(), _COPIED_AT_ONCE):
            pass


def _files(state: Path) -> Iterator[Path]:
    return (path for path in sorted(state.rglob("*")) if path.is_file())


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and Path(os.readlink(link)) == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)
