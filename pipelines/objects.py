"""What workers have in common where they share no directory: an object store (S3) that kept and staged files stand in.

Every step works on files of its home. With a store these are copies, and what counts is what the store has: a file is
put there before the ledger says that it is kept or staged (rule 7), brought from there before it is read, and what it
replaces is dropped after the ledger's word. So a process may end anywhere, and another worker goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol
from zlib import crc32

from pipelines.config_workers import StoreConfig
from pipelines.durable import naming_full_disk, replace_durably
from pipelines.errors import StoreError

_AT_ONCE = 16
_AT_MOST = 1000  # objects that one request may delete
_LARGE = 64 << 20  # bytes above which an object goes up in parts; it appears with the last of them
_CONNECT_S, _IDLE_S = 10, 60
_ATTEMPTS = 4  # of each request, with growing waits
_ABSENT = ("404", "NoSuchKey")


class Objects(Protocol):
    """Where the files of batches count, by their paths in the home."""

    def put(self, paths: Iterable[Path]) -> None:
        """Let all workers have these files as they stand here. Raises StoreError."""

    def bring(self, paths: Iterable[Path], *, afresh: bool = False) -> frozenset[Path]:
        """Make the files here what all workers have; returns those that there are none of. Raises StoreError.

        Nothing is deleted here for that: it may be the last copy. `afresh` reads even what is known to be the same.
        """

    def drop(self, paths: Iterable[Path]) -> None:
        """Take these from all workers; harmless for what is not there. Raises StoreError."""

    def size(self, path: Path) -> int | None:
        """Bytes of a file as all workers have it; None where there is none. Raises StoreError."""


class NoObjects:
    """Files are where all workers have them: in the home, or in a directory that is shared."""

    def put(self, paths: Iterable[Path]) -> None:
        pass

    def bring(self, paths: Iterable[Path], *, afresh: bool = False) -> frozenset[Path]:
        return frozenset()

    def drop(self, paths: Iterable[Path]) -> None:
        pass

    def size(self, path: Path) -> int | None:
        return path.stat().st_size if path.exists() else None


class ObjectStore:
    """A bucket, or what is below a prefix of it; keys are paths below the home `root`."""

    def __init__(self, config: StoreConfig, root: Path) -> None:
        self._config = config
        self._root = root

    @cached_property
    def _client(self) -> Any:
        import boto3  # a third of a second, for those who use it
        from botocore.config import Config

        config = self._config
        return boto3.session.Session().client(
            "s3",
            endpoint_url=config.endpoint,
            region_name=config.region,
            aws_access_key_id=config.access_key,
            aws_secret_access_key=config.secret.read() if config.secret else None,
            verify=config.ca_file,
            config=Config(
                # Servers other than Amazon's may know nothing of checksums that are sent after the content.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=_CONNECT_S,
                read_timeout=_IDLE_S,
                retries={"max_attempts": _ATTEMPTS, "mode": "standard"},
                max_pool_connections=_AT_ONCE,
                s3={"addressing_style": "path" if config.endpoint else "auto"},
            ),
        )

    @cached_property
    def _in_parts(self) -> Any:
        from boto3.s3.transfer import TransferConfig

        return TransferConfig(multipart_threshold=_LARGE, multipart_chunksize=_LARGE // 4)

    @property
    def is_readable_on_the_way(self) -> bool:
        return (self._config.endpoint or "").startswith("http://")

    def put(self, paths: Iterable[Path]) -> None:
        self._each(self._put, paths)

    def bring(self, paths: Iterable[Path], *, afresh: bool = False) -> frozenset[Path]:
        return frozenset(missing for missing in self._each(lambda path: self._bring(path, afresh), paths) if missing)

    def drop(self, paths: Iterable[Path]) -> None:
        paths = list(dict.fromkeys(paths))
        for group in (paths[start : start + _AT_MOST] for start in range(0, len(paths), _AT_MOST)):
            with self._naming(group[0]):
                keys = [{"Key": self._key(path)} for path in group]
                said = self._client.delete_objects(Bucket=self._config.bucket, Delete={"Objects": keys, "Quiet": True})
            for error in said.get("Errors", ()):
                raise StoreError(f"s3://{self._config.bucket}/{error['Key']}: cannot be deleted: {error['Message']}")

    def size(self, path: Path) -> int | None:
        with self._naming(path):
            head = self._head(path)
        return head["ContentLength"] if head else None

    def probe(self) -> str:
        """Write, read and delete an object; says where that was. Raises StoreError."""
        key = self._root / f".doctor-{token_hex(4)}"
        with self._naming(key):
            self._client.put_object(Bucket=self._config.bucket, Key=self._key(key), Body=b"tierline")
            found = self._client.get_object(Bucket=self._config.bucket, Key=self._key(key))["Body"].read()
        self.drop([key])
        if found != b"tierline":
            raise StoreError(f"{self._url(key)}: expected the bytes that were just written, found others")
        return f"{self._config.url}, can be written and read"

    def _each(self, do: Any, paths: Iterable[Path]) -> list[Any]:
        paths = list(dict.fromkeys(paths))
        if not paths:
            return []
        assert self._client is not None, "made here, before several threads would each make one"
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(do, paths))

    def _put(self, path: Path) -> None:
        with self._naming(path):
            self._client.upload_file(str(path), self._config.bucket, self._key(path), Config=self._in_parts)
            head = self._head(path)
        size = path.stat().st_size
        if head is None or head["ContentLength"] != size:
            found = f"one of {head['ContentLength']}" if head else "none"
            raise StoreError(f"{self._url(path)}: expected an object of {size} bytes, as it was written, found {found}")
        _stamp(path, head)

    def _bring(self, path: Path, afresh: bool) -> Path | None:
        with self._naming(path):
            head = self._head(path)
            if head is None:
                return path
            if not afresh and _is_copy(path, head):
                return None
            with naming_full_disk(str(path)):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                part = path.with_name(f".{path.name}.{token_hex(4)}.part")
                try:
                    self._client.download_file(self._config.bucket, self._key(path), str(part), Config=self._in_parts)
                    _stamp(part, head)
                    part.chmod(0o400)
                    replace_durably(part, path)
                finally:
                    part.unlink(missing_ok=True)
        return None

    def _head(self, path: Path) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            found: dict[str, Any] = self._client.head_object(Bucket=self._config.bucket, Key=self._key(path))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return found

    def _key(self, path: Path) -> str:
        return f"{self._config.prefix}{path.relative_to(self._root)}"

    def _url(self, path: Path) -> str:
        return f"s3://{self._config.bucket}/{self._key(path)}"

    @contextmanager
    def _naming(self, path: Path) -> Iterator[None]:
        """Say of which object a request failed; what the library raises names none."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise StoreError(
                f"{self._url(path)}: expected the object store to answer, found: {str(error).splitlines()[0]}; "
                "see the key store of tierline.yaml and 'tierline doctor', and run again, it goes on"
            ) from error


def _stamp(path: Path, head: dict[str, Any]) -> None:
    """Give a copy a time by which it is known to be of its object."""
    os.utime(path, ns=(_time_of(head), _time_of(head)))


def _time_of(head: dict[str, Any]) -> int:
    """When an object came, and which it is: a store tells the second alone, and several may come within one."""
    return int(head["LastModified"].timestamp()) * 10**9 + crc32(head["ETag"].encode()) % 10**9


def _is_copy(path: Path, head: dict[str, Any]) -> bool:
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) == (head["ContentLength"], _time_of(head))
