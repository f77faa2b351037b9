"""Named fault points: places where a test ends the process as a loss of power would (SIGKILL)."""

from __future__ import annotations

import os
import signal

FAULT_POINTS = (
    "list",
    "claim",
    "download",
    "verify",
    "archive",
    "check",
    "stage",
    "lake",
    "load",
    "commit",
    "backup",
    "receipt",
    "judge",
    "build",
    "publish",
    "release",
    "deliver",
)
_ENVIRONMENT = "TIERLINE_FAULT"  # POINT or POINT:N for the N-th time that the process passes it
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Kill this process (SIGKILL) where TIERLINE_FAULT names this point; otherwise nothing."""
    stated = os.environ.get(_ENVIRONMENT)
    if stated is None:
        return
    point, _, turn = stated.partition(":")
    if point == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(turn or 1):
            os.kill(os.getpid(), signal.SIGKILL)
