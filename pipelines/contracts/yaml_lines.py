"""YAML with its line numbers: a value knows where it stands, so that every complaint can say so.

Only `true`, `false`, nothing and plain JSON numbers are more than text: NO stays "NO" and 0012 stays "0012". What could
be meant as either (a code 1, say) is a number, and refused where text is expected, until somebody quotes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import ConfigurationError

_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_MOST_DIGITS = 18  # before the point: as the warehouse's whole numbers hold
_TAB = re.compile(r"\s*\t")  # no indentation in YAML
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Item:
    """A value of a YAML file with its place: `line` counts from 1, `key` is what the value stands under.

    Its methods give the value as a Python type, and raise ConfigurationError where it is of another.
    """

    value: str | int | float | bool | tuple[Item, ...] | dict[str, Item] | None
    file: str
    line: int
    key: str

    def error(self, expected: str, found: str | None = None) -> ConfigurationError:
        """The error to raise about this value: one sentence with file, line, key, what was expected and found."""
        found = self._described() if found is None else found
        return ConfigurationError(f"{self.file}, line {self.line}, key {self.key}: expected {expected}, found {found}.")

    def text(self, form: str | None = None) -> str:
        """A text that is not empty, and matches the whole of the regular expression `form`."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self._text_error("a text")
        if form is not None and re.fullmatch(form, self.value) is None:
            raise self.error(f"a text of the form {form}")
        return self.value

    def choice(self, allowed: Iterable[str]) -> str:
        """One of the texts allowed."""
        allowed = list(allowed)
        if not isinstance(self.value, str) or self.value not in allowed:
            raise self._text_error(allowed[0] if len(allowed) == 1 else f"one of {', '.join(allowed)}")
        return self.value

    def whole(self, least: int, most: int | None = None) -> int:
        """A whole number, at least `least` and at most `most`."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
            raise self.error(f"a whole number from {least} {f'to {most}' if most else 'on'}")
        return value

    def number(self) -> float:
        """A number from 0 on."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or self.value < 0:
            raise self.error("a number from 0 on")
        return float(self.value)

    def share(self) -> float:
        """A number from 0 to 1."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not 0 <= self.value <= 1:
            raise self.error("a share from 0 to 1")
        return float(self.value)

    def day(self) -> date:
        """A day of the calendar, written YYYY-MM-DD."""
        try:
            if isinstance(self.value, str) and _DAY.fullmatch(self.value):
                return date.fromisoformat(self.value)
        except ValueError:
            pass
        raise self.error('a day such as "2026-12-01"')

    def flag(self) -> bool:
        """True or false, and no other word for them."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def items(self) -> tuple[Item, ...]:
        """The entries of a list that has at least one; they stand under the key of the list."""
        if not isinstance(self.value, tuple) or not self.value:
            raise self.error("a list")
        return tuple(replace(item, key=self.key) for item in self.value)

    def texts(self, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list of texts, each one of those allowed and none twice."""
        allowed = None if allowed is None else list(allowed)
        seen: list[str] = []
        for item in self.items():
            text = item.text() if allowed is None else item.choice(allowed)
            if text in seen:
                raise item.error("every entry once", f"{text} twice")
            seen.append(text)
        return tuple(seen)

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Item]:
        """A mapping that has all keys required, and no key that is neither required nor optional."""
        if not isinstance(self.value, dict):
            raise self.error("a mapping")
        required = list(required)
        known = [*required, *optional]
        for key, item in self.value.items():
            if key not in known:
                raise item.error(f"one of the keys {', '.join(known)}", f"the unknown key {key}")
        for key in required:
            if key not in self.value:
                raise Item(None, self.file, self.line, key).error(f"the key {key} in {self.key}", "none")
        return self.value

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def _described(self) -> str:
        if isinstance(self.value, tuple):
            return "a list" if self.value else "an empty list"
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, str):
            return f"the text {json.dumps(self.value, ensure_ascii=False)}"
        if self.value is None or isinstance(self.value, bool):
            return "nothing" if self.value is None else str(self.value).lower()
        return f"the number {self.value}"

    def _text_error(self, expected: str) -> ConfigurationError:
        """Says where quotes are all that is missing."""
        is_unquoted = isinstance(self.value, int | float)
        return self.error(f"{expected} in quotes" if is_unquoted else expected)


def read_yaml(path: Path, name: str) -> Item:
    """The one document of a YAML file; `name` is how messages call the file. Raises as its two steps do."""
    return parse_yaml(read_text(path, name), name)


def read_text(path: Path, name: str) -> str:
    """What a file in UTF-8 holds. Raises ConfigurationError where it cannot be read as that."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{name}: expected a readable file in UTF-8, found: {error}.") from error


def parse_yaml(text: str, name: str) -> Item:
    """The one document of a text. Raises ConfigurationError where it is not YAML, gives a key twice or uses aliases."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "text that is none"
        line = 1 if mark is None else mark.line + 1
        found = f" {problem[6:]}" if problem.startswith("found ") else f": {problem}"
        if any(_TAB.match(each) for each in text.splitlines()[line - 1 : line]):
            found = " a tab; put blanks in its place"
        raise ConfigurationError(f"{name}, line {line}: expected YAML, found{found}.") from error
    if root is None:
        raise ConfigurationError(f"{name}, line 1: expected a mapping, found an empty file.")
    return _Reader(name).item(root, 1, "(top)")


class _Reader:
    """Turns the nodes of one file into items."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[int] = set()

    def item(self, node: yaml.Node, line: int, key: str) -> Item:
        """`line` is where the key stands; an alias is refused, for it would hide where a value stands."""
        if id(node) in self.seen:
            raise Item(None, self.name, line, key).error("a value", "an alias")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return Item(self._mapping(node, key), self.name, line, key)
        if isinstance(node, yaml.SequenceNode):
            entries = tuple(self.item(entry, entry.start_mark.line + 1, key) for entry in node.value)
            return Item(entries, self.name, line, key)
        return _scalar(node, Item(str(node.value), self.name, line, key))

    def _mapping(self, node: yaml.MappingNode, parent: str) -> dict[str, Item]:
        mapping: dict[str, Item] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Item(None, self.name, line, parent).error("a text as key", "a list or mapping")
            key = str(key_node.value)
            if key in mapping:
                raise Item(None, self.name, line, key).error("every key once", f"{key} twice")
            mapping[key] = self.item(value_node, line, key)
        return mapping


def _scalar(node: yaml.Node, text: Item) -> Item:
    """The value that a text is, in its place."""
    written = str(text.value)
    if node.style:  # type: ignore[attr-defined]  # the stubs leave out that quotes and blocks have a style, plain has none
        return text
    if written in _WORDS:
        return replace(text, value=_WORDS[written])
    number = _NUMBER.fullmatch(written)
    if number is None:
        return text
    if len(number[1]) > _MOST_DIGITS:
        found = f"one of {len(number[1])} (quotes make it a text)"
        raise text.error(f"a number of at most {_MOST_DIGITS} digits", found)
    return replace(text, value=float(written) if number[2] else int(written))
