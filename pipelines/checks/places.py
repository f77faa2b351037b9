"""Where staged rows and rejects of a batch stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StagedPaths:
    """Where a batch's staged rows and rejects stand, or will stand."""

    rows: Path
    rejects: Path
