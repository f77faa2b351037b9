"""The page of commands, from what `--help` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from pipelines.cli.app import app
from pipelines.reference.markdown import table

_ABOUT_COMMANDS = """\
The home is an option before the command, `tierline --home HOME doctor`, else `TIERLINE_HOME`, else `./home`. Every
command has `--help`, and `--json` where it prints a table. Exit status: 0 done, 1 failed, 2 usage or configuration, 3
done but something was refused or rejected, 4 done but a cycle is late or missing.
"""
_EVERYWHERE = ("help", "as_json")


def commands() -> Iterator[str]:
    """Every command with its options and its example."""
    yield _ABOUT_COMMANDS
    root: Any = typer.main.get_command(app)
    context = typer.Context(root)
    for name in root.list_commands(context):
        yield from _command(root.get_command(context, name), name, "##")


def _command(command: Any, name: str, mark: str) -> Iterator[str]:
    yield f"{mark} {name}\n"
    words, _, example = (command.help or "").partition("Example:")
    yield " ".join(words.split()) + "\n"
    yield f"`tierline {name}{_arguments(command)}`\n"
    options = [each for each in command.params if each.param_type_name == "option" and each.name not in _EVERYWHERE]
    if options:
        rows = [[f"`{each.opts[0]}`{_needed(each)}", each.help or ""] for each in options]
        yield from table(["option", "meaning"], rows)
    if example.strip():
        yield f"```sh\n{example.strip()}\n```\n"
    for below in sorted(getattr(command, "commands", {}).values(), key=lambda each: each.name):
        yield from _command(below, f"{name} {below.name}", "###")


def _arguments(command: Any) -> str:
    found = [each for each in command.params if each.param_type_name == "argument"]
    return "".join(f" {each.metavar or each.name.upper()}" if each.required else " […]" for each in found)


def _needed(option: Any) -> str:
    return " (required)" if option.required else " (repeatable)" if option.multiple else ""
