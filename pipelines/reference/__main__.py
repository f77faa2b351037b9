"""Writes the pages that are made into the manual's directory."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.reference.pages import reference_pages

for name, content in reference_pages().items():
    place = Path(sys.argv[1]) / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
