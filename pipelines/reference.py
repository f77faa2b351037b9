"""The reference pages of the manual, made from what the code knows: commands, configuration, feeds, code lists.

    python -m pipelines.reference docs/reference

They stand in the repository, so that they can be read there; a test holds them against what is made now.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from pipelines.cli.app import app
from pipelines.config_keys import MAIL, RECEIVER, SOURCE, TOP, WEBHOOK, Key
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.contracts.model import CodeList, Column, Contract, Contracts, Type

_MADE = "<!-- made by python -m pipelines.reference; a test keeps it true -->\n"
_EVERYWHERE = ("help", "as_json")

_ABOUT_COMMANDS = """\
`tierline [--home HOME] COMMAND`; the home is `--home`, else `TIERLINE_HOME`, else `./home`. Every command has `--help`,
and `--json` where it prints a table. Exit status: 0 done, 1 failed, 2 usage or configuration, 3 done but something was
refused or rejected, 4 done but a cycle is late or missing.
"""
_ABOUT_CONFIGURATION = """\
`tierline.yaml` in the home directory. An unknown key, a wrong type or a missing secret stops every command with exit
status 2 and names file, line, key and what is expected. Paths are relative to the home. `tierline doctor` tries it all.
"""
_ABOUT_ENVIRONMENT = """\
## Environment

`TIERLINE_HOME`: the home directory. `TIERLINE_NOW`: the present moment for rehearsals, an ISO time or `@PATH` of a file
that holds one. `TMPDIR`: where `policy try` and `check-file` keep what does not fit into memory."""
_ABOUT_FEEDS = """\
The feeds whose contracts ship, field by field in their order, newest version. What all files have in common is in
[the file interface](../producers/README.md). Of an installation with contracts of its own: `tierline feeds show PAYM`.
"""
_ABOUT_CODES = """\
The codes that ship, in `schemas/codes/`. What a column allows of its list is in [feeds](feeds.md);
`tierline feeds show PAYM` has both.
"""

_FORMS = {
    Type.TEXT: "text",
    Type.ID: "letters and digits",
    Type.CODE: "code",
    Type.INTEGER: "whole number",
    Type.MONEY: "whole fen",
    Type.DATE: "`YYYYMMDD`",
    Type.TIMESTAMP: "`YYYYMMDDHHMMSS`",
    Type.MONTH: "`YYYYMM`",
}


def reference_pages() -> dict[str, str]:
    """File names and contents of all reference pages."""
    contracts = load_contracts(DEFAULT_SCHEMAS)
    return {
        "commands.md": _page("Commands", _commands()),
        "configuration.md": _page("Configuration", _configuration()),
        "feeds.md": _page("Feeds", _feeds(contracts)),
        "code-lists.md": _page("Code lists", _code_lists(contracts)),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return f"# {title}\n\n{_MADE}\n" + "\n".join(lines) + "\n"


def _table(columns: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
    yield ""


def _commands() -> Iterator[str]:
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
        yield from _table(["option", "meaning"], rows)
    if example.strip():
        yield f"```sh\n{example.strip()}\n```\n"
    for below in sorted(getattr(command, "commands", {}).values(), key=lambda each: each.name):
        yield from _command(below, f"{name} {below.name}", "###")


def _arguments(command: Any) -> str:
    found = [each for each in command.params if each.param_type_name == "argument"]
    return "".join(f" {each.metavar or each.name.upper()}" if each.required else " […]" for each in found)


def _needed(option: Any) -> str:
    return " (required)" if option.required else " (repeatable)" if option.multiple else ""


def _configuration() -> Iterator[str]:
    yield _ABOUT_CONFIGURATION
    parts = {
        "At the top": TOP,
        "A source": SOURCE,
        "A receiver": RECEIVER,
        "alarms: webhook": WEBHOOK,
        "alarms: mail": MAIL,
    }
    for title, keys in parts.items():
        yield f"## {title}\n"
        yield from _table(["key", "meaning", "without it"], [_key(name, key) for name, key in keys.items()])
    yield _ABOUT_ENVIRONMENT


def _key(name: str, key: Key) -> list[str]:
    default = str(key.default).lower() if isinstance(key.default, bool) else str(key.default)
    without = "**required**" if key.is_required else key.otherwise or f"`{default}`"
    return [f"`{name}`", key.meaning, without]


def _feeds(contracts: Contracts) -> Iterator[str]:
    yield _ABOUT_FEEDS
    for contract in contracts.feeds:
        yield from _feed(contract)


def _feed(contract: Contract) -> Iterator[str]:
    yield f"## {contract.feed} {contract.title_en} {contract.title_zh}\n"
    schedule, limits = contract.schedule, contract.limits
    modes = " or ".join({"I": "`I` increments", "F": "`F` full snapshots"}[mode] for mode in contract.modes)
    yield f"{contract.description}\n"
    yield from _table(
        ["", ""],
        [
            ["format version", f"`{contract.format_version}`"],
            ["cadence", f"{schedule.cadence}: `CYCLE` is {_CYCLES[schedule.cadence.value]}"],
            ["mode", modes],
            ["key", ", ".join(f"`{name}`" for name in contract.key)],
            ["control total", f"sum of `{contract.control_column}`" if contract.control_column else "`0`"],
            [
                "expected",
                f"{_span(schedule.expected_s)} after the end of the cycle; late {_span(schedule.late_after_s)}, "
                f"missing {_span(schedule.missing_after_s)} after that",
            ],
            *_deleting(contract),
            ["rejected rows allowed", f"{contract.rejects.rows} or {contract.rejects.share:.1%}, and never all (E501)"],
            [
                "limits",
                f"{limits.file_bytes >> 20} MiB a file, {limits.line_bytes >> 10} KiB a line, "
                f"gzip ratio {limits.gzip_ratio}",
            ],
            ["kept", f"{contract.retention_days} days"],
            ["table", f"`core.{contract.table}`"],
        ],
    )
    yield from _table(
        ["field", "column", "form", "required", "meaning and rules"],
        [
            [str(number), f"`{column.name}`", _form(column), "yes" if column.required else "", _rules(column)]
            for number, column in enumerate(contract.columns, start=1)
        ],
    )


def _deleting(contract: Contract) -> list[list[str]]:
    if contract.delete_when is None:
        return []
    needed = ", ".join(f"`{name}`" for name in contract.delete_needs)
    return [["a row that deletes", f"`{contract.delete_when}`; it needs only {needed}"]]


_CYCLES = {"hourly": "`YYYYMMDDHH`", "daily": "`YYYYMMDD`", "monthly": "`YYYYMM`"}


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _form(column: Column) -> str:
    if column.code_list is not None:
        return f"[{column.code_list.name}](code-lists.md#{column.code_list.name})"
    least, most = column.min_length, column.max_length
    length = f", {least} to {most}" if least and most else f", at most {most}" if most else ""
    return _FORMS[column.type] + length + (" characters" if length else "")


def _rules(column: Column) -> str:
    all_codes = tuple(code.value for code in column.code_list.codes) if column.code_list else ()
    narrowed = [f"only {' '.join(column.codes)}"] if column.code_list and column.codes != all_codes else []
    sentences = [f"{column.title_zh}. {column.description}", *(rule.description for rule in column.rules), *narrowed]
    return "; ".join(each.rstrip(".") for each in sentences)


def _code_lists(contracts: Contracts) -> Iterator[str]:
    yield _ABOUT_CODES
    for code_list in sorted(contracts.code_lists, key=lambda each: each.name):
        yield from _code_list(code_list)


def _code_list(code_list: CodeList) -> Iterator[str]:
    yield f"## {code_list.name}\n"
    yield f"{code_list.title_en} {code_list.title_zh}\n"
    rows = [[f"`{code.value}`", code.title_en, code.title_zh] for code in code_list.codes]
    yield from _table(["code", "English", "中文"], rows)


def write_pages(directory: Path) -> None:
    """Write the reference pages into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in reference_pages().items():
        (directory / name).write_text(content)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
