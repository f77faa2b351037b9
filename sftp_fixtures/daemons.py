"""Real servers as processes: started in the foreground, waited for, ended by their own process id."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sftp_fixtures.ports import wait_for

_BESIDE = "/opt/tierline-servers/usr/sbin"  # where install-servers unpacks what cannot be installed beside others


def program(name: str) -> str:
    """The path of a server program; RuntimeError that says how to install it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{_BESIDE}")
    if found is None:
        raise RuntimeError(f"{name} is not installed; run sftp_fixtures/install-servers")
    return found


@contextmanager
def daemon(command: list[str], port: int, log: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends, with what it forked in its process group; its output is added to `log`.

    `environment` is added to this process's own.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env={**os.environ, **(environment or {})}
        )
    try:
        try:
            wait_for(port)
        except RuntimeError as error:
            raise RuntimeError(f"{command[0]} does not start: {log.read_text()}") from error
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
