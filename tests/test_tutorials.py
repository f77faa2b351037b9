"""The pages that promise to be tried are tried: files are written as shown, commands run, what they print is there.

In such a page a block with a title is a file, `sh` blocks run one after the other in one shell, and an `output` block
has lines that the block before it printed, in that order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["quickstart.md", "zh/quickstart.md", "producers/README.md", "engineers/add-a-feed.md"]
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "outgoing" / "PAYM").mkdir(parents=True)  # a producer has it
    shell = _Shell(tmp_path)
    compared = 0
    for kind, title, text in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        if title:
            (tmp_path / title).write_text(text)  # into a directory that the page has made by then
        elif kind == "sh":
            shell.run(text)
        elif kind == "output":
            printed = iter([" ".join(line.split()) for line in shell.printed.splitlines()])
            for line in text.splitlines():  # how wide a column is follows from paths of this machine too
                wanted = " ".join(line.split())
                assert any(each.startswith(wanted) for each in printed), f"{line!r} in:\n{shell.printed}"
                compared += 1
    assert compared, "a page without output to compare shows nothing"


class _Shell:
    """Commands one block after the other; directory and variables carry over as in a terminal."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._before = ""
        self.printed = ""

    def run(self, commands: str) -> None:
        script = f"{self._before}echo -----\n" + "\n".join(_checked(commands))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-c", script], cwd=self._place, env={**os.environ, "PATH": path}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self.printed = ran.stdout.partition("-----\n")[2]
        self._before += "".join(line + "\n" for line in commands.splitlines() if line.startswith("export "))


def _checked(commands: str) -> list[str]:
    """After each command of ours: it did what it should, though rows may be rejected on purpose (exit status 3)."""
    return [
        f"{line}; status=$?; [ $status = 0 ] || [ $status = 3 ] || exit 1" if line.startswith("tierline ") else line
        for line in commands.splitlines()
    ]
