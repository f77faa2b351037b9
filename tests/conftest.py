"""Servers that live as long as the tests, each with a directory of its own for every test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from running import forking

import warehouse.touched
from pipelines.transfer.base import Endpoint
from sftp_fixtures import ports
from sftp_fixtures.proftpd import proftpd_server
from sftp_fixtures.rclone import rclone_sftp_server
from sftp_fixtures.servers import ftp_server, ftps_server, sftp_server
from sftp_fixtures.sshd import sshd_server
from sftp_fixtures.vsftpd import vsftpd_server

_PORT_SHARES = 3  # as many workers as there are by default
_LONGEST = ("test_spark.py", "test_airflow_live.py", "test_dags.py")  # begun last, they would go on alone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in _LONGEST)


def pytest_configure() -> None:
    """Each worker has ports of its own: those of two may look free to both."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PORT_SHARES
    share = len(ports.RANGE) // _PORT_SHARES
    ports.RANGE = ports.RANGE[number * share : (number + 1) * share]


@contextmanager
def drop_directory(root: Path, log: Path) -> Iterator[Endpoint]:
    yield Endpoint("file", root=str(root))


SERVERS: dict[str, Callable[[Path, Path], AbstractContextManager[Endpoint]]] = {
    "asyncssh": sftp_server,
    "sshd": sshd_server,
    "rclone_sftp": rclone_sftp_server,
    "pyftpdlib": ftp_server,
    "pyftpdlib_tls": ftps_server,
    "vsftpd": vsftpd_server,
    "vsftpd_tls": partial(vsftpd_server, tls=True, require_ssl_reuse=True),
    "proftpd": proftpd_server,
    "proftpd_tls": partial(proftpd_server, tls=True),
    "directory": drop_directory,
}
SSH = ["asyncssh", "sshd", "rclone_sftp"]
TLS = ["pyftpdlib_tls", "vsftpd_tls", "proftpd_tls"]
PLAIN_FTP = ["pyftpdlib", "vsftpd", "proftpd"]
REMOTE = [name for name in SERVERS if name != "directory"]


@dataclass(frozen=True)
class Site:
    """A server as a client sees it, the directory behind its root, and what the server noted."""

    endpoint: Endpoint
    directory: Path
    log: Path

    def put(self, path: str, content: bytes = b"") -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the directory of a producer's server is to be made."""
    return tmp_path / "remote"


@pytest.fixture
def acd(tmp_path: Path) -> Path:
    """The directory of a receiver that takes TIER lists."""
    (tmp_path / "acd").mkdir()
    return tmp_path / "acd"


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp(request.param)
    log = root.with_name(f"{root.name}.log")
    log.touch()
    with SERVERS[request.param](root, log) as endpoint:
        yield Site(endpoint, root, log)


@pytest.fixture
def site(server: Site, request: pytest.FixtureRequest) -> Site:
    """A server of every kind, its root a new directory."""
    name = f"{abs(hash(request.node.nodeid)):x}"
    (server.directory / name).mkdir()
    root = f"{server.endpoint.root.rstrip('/')}/{name}"
    return Site(replace(server.endpoint, root=root), server.directory / name, server.log)


@pytest.fixture(scope="session", name="forking")
def _forking() -> ForkServerContext:
    return forking()


# Worlds of tests are small: a file touches most of them, and a share would have every build make everything anew.
warehouse.touched._MOST_SHARE = 1.0

# How long an example takes says something of the machine only, and of what else runs on it.
settings.register_profile("tierline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tierline")
