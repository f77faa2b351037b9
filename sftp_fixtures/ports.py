"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import random
import socket
import time

DATA_PORTS = 8  # an FTP server listens for data on the ports that follow its own
RANGE = range(20_000, 32_000)  # below those given to outgoing connections
_given: set[int] = set()  # an FTP server's data ports are free most of the time, and taken all the same


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that are free on this machine, and no FTP server's of this process."""
    for _ in range(200):
        first = random.choice(RANGE[: 1 - count or None])
        ports = range(first, first + count)
        if _given.isdisjoint(ports) and all(map(_is_free, ports)):
            _given.update(ports[1:])
            return first
    raise RuntimeError(f"no {count} ports in a row are free between {RANGE[0]} and {RANGE[-1]}")


def wait_for(port: int, seconds: float = 10) -> None:
    """Wait until something accepts connections at a port of this machine; RuntimeError when nothing does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens at port {port} after {seconds} s")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
