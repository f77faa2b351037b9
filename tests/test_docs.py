"""The manuals say what the command does: every command line in them exists, every code is explained."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer import Context

from pipelines.cli.app import COMMANDS, app
from pipelines.codes import CODES
from pipelines.config_keys import MAIL, RECEIVER, SOURCE, TOP, WEBHOOK
from pipelines.reference.pages import reference_pages

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GROUP = typer.main.get_command(app)
OPERATORS = ROOT / "docs" / "operators"
HOMES = ("HOME", "demo/home", "try/home")


def command_lines(text: str) -> list[list[str]]:
    """What follows `tierline` in code, inline or in blocks, without comments."""
    quoted = re.findall(r"`(tierline [^`]+)`", text)
    in_blocks = [
        line.lstrip("$ ").split("  #")[0]
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if re.match(r"\$? ?tierline ", line)
    ]
    return [shlex.split(line.replace("…", "x"))[1:] for line in [*quoted, *in_blocks]]


def unknown(words: list[str]) -> str:
    """The first word of a command line that the command does not know; empty where it knows all."""
    command: Any = GROUP
    known = {"--help"}
    while words:
        word = words.pop(0)
        known |= {name for each in command.params for name in each.opts}
        if word.startswith("--") and word.partition("=")[0] not in known:
            return word
        if hasattr(command, "get_command") and not word.startswith("-") and word not in HOMES:
            found = command.get_command(Context(command), word)
            if found is None:
                return word if not command.invoke_without_command else ""
            command = found
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_manuals_exist(page: Path) -> None:
    lines = command_lines(page.read_text())
    assert lines or page.name == "codes.md", "a page without a command helps nobody"
    assert {unknown(list(words)): words for words in lines if unknown(list(words))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        path = (page.parent / target) if target else page
        assert path.exists(), f"{page.name}: {target}"
        headings = (
            [line.lstrip("# ").lower().replace(" ", "-") for line in path.read_text().splitlines()] if anchor else []
        )
        assert not anchor or anchor in headings, f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize(("page", "content"), reference_pages().items(), ids=reference_pages())
def test_pages_that_are_made_are_as_they_would_be_made_now(page: str, content: str) -> None:
    assert (ROOT / "docs" / page).read_text() == content, "run: python -m pipelines.reference docs"


def test_the_reference_has_every_command_every_key_and_every_code() -> None:
    pages = reference_pages()
    commands = re.findall(r"^#{2,3} (.+)$", pages["reference/commands.md"], re.MULTILINE)
    assert {*COMMANDS, "batch retry", "backups verify", "cycles accept"} <= set(commands)
    keys = [f"`{key}`" for keys in (TOP, SOURCE, RECEIVER, WEBHOOK, MAIL) for key in keys]
    assert [key for key in keys if key not in pages["reference/configuration.md"]] == []
    assert re.findall(r"^### (E[0-9]{3})$", pages["operators/codes.md"], re.MULTILINE) == list(CODES)


def test_every_code_that_the_checks_give_is_known() -> None:
    given = set()
    for path in (ROOT / "pipelines").rglob("*.py"):
        given |= set(re.findall(r"\"(E[1-5][0-9]{2})\"", path.read_text()))
    assert len(given) > 25
    assert given <= CODES.keys()


def test_every_command_that_mends_has_a_page() -> None:
    pages = {path.stem for path in OPERATORS.glob("*.md")}
    assert {"fetch", "batch-retry", "batch-accept", "batch-discard", "replay", "cycles", "backups"} <= pages


def test_the_site_has_every_page_builds_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    configuration = (ROOT / "zensical.toml").read_text()
    (tmp_path / "zensical.toml").write_text(configuration)
    listed = re.findall(r'"([^"]+\.md)"', configuration)
    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES[1:])
    built = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--strict"], cwd=tmp_path, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((tmp_path / "build" / "site").rglob("*.html"))
    assert len(pages) > len(listed)
    for page in pages:
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>", page.read_text()
        )
        assert [each for each in loaded if 'rel="canonical"' not in each] == [], page.name
