"""Check and end files for the data files of a scenario, which are written by hand.

    python -m sftp_fixtures.scenario_files sftp_fixtures/scenarios/resend/step1

Only what is missing is written, so that files that are wrong on purpose stay as they are.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path


def seal(step: Path, *, end: bool = True) -> list[Path]:
    """Write the check files, and with `end` the end files, that the data files below `step` lack; says which.

    Counts come from the headers, totals from the trailers, the time of a check file is one second after the header's.
    """
    written, cycles = [], defaultdict(list)
    for path in sorted(path for path in step.glob("outgoing/*/*") if ".DAT" in path.suffixes):
        stem = path.name.split(".")[0]
        header, trailer = _ends_of(path)
        cycles[path.with_name(f"{stem.rsplit('_', 2)[0]}.END")].append((stem, int(header[9]), int(trailer[-1])))
        created_at = datetime.strptime(header[8], "%Y%m%d%H%M%S") + timedelta(seconds=1)
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        line = f"{path.name}|{len(data)}|{header[9]}|sha256:{digest}|{created_at:%Y%m%d%H%M%S}\n"
        written += _write_missing(path.with_name(f"{stem}.CHK"), line)
    for path, batches in cycles.items() if end else ():
        first = f"{len(batches)}|{sum(count for _, count, _ in batches)}|{sum(total for *_, total in batches)}"
        lines = [first, *(f"{stem}|{count}" for stem, count, _ in batches)]
        written += _write_missing(path, "".join(f"{line}\n" for line in lines))
    return written


def _ends_of(path: Path) -> tuple[list[str], list[str]]:
    """The fields of the first and of the last line, whatever the text between is encoded in."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = data.decode("latin-1").splitlines()
    return lines[0].split("|"), lines[-1].split("|")


def _write_missing(path: Path, text: str) -> list[Path]:
    if path.exists():
        return []
    path.write_text(text, encoding="ascii", newline="\n")
    return [path]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: seal one step of a scenario."""
    parser = argparse.ArgumentParser(
        prog="python -m sftp_fixtures.scenario_files",
        description="Write the check and end files that the data files of a scenario's step lack.",
        epilog="example: python -m sftp_fixtures.scenario_files sftp_fixtures/scenarios/resend/step1",
    )
    parser.add_argument("step", type=Path, help="the folder that holds outgoing/")
    parser.add_argument("--no-end", action="store_true", help="no end files")
    options = parser.parse_args(arguments)
    seal(options.step, end=not options.no_end)


if __name__ == "__main__":
    main()
