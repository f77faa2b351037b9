"""What a report names: the machine, and the versions of all that was measured or measured against."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

from sftp_fixtures.daemons import program

_PACKAGES = (
    "duckdb", "polars", "pyarrow", "paramiko", "great-expectations", "apache-airflow", "numpy", "sqlalchemy",
)  # fmt: skip
_PROGRAMS = {
    "OpenSSH": ["ssh", "-V"], "lftp": ["lftp", "--version"], "vsftpd": ["vsftpd", "-v"], "PostgreSQL": ["psql", "-V"],
}  # fmt: skip


def machine() -> str:
    """Cores, memory, kernel, and how busy it is with other work."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, loopback; load average before the first run {busy:.1f}"
    )


def versions() -> str:
    """Python, packages, servers and clients."""
    packages = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    programs = [f"{name} {_version(command)}" for name, command in _PROGRAMS.items()]
    return ", ".join([f"Python {platform.python_version()}", *packages, *programs])


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _version(command: list[str]) -> str:
    """The first number that a program says of itself. vsftpd says it to its standard input, a socket as a rule."""
    with tempfile.TemporaryFile() as said:
        try:
            subprocess.run([program(command[0]), *command[1:]], stdin=said, stdout=said, stderr=said, check=False)
        except RuntimeError:
            return "not installed"
        said.seek(0)
        found = re.search(r"\d+\.\d[\w.]*", said.read().decode(errors="replace"))
    return found[0] if found else "unknown"
