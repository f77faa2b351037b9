"""The page of the faults names each of them once, with the tests that prove it; every such test says so itself."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "engineers" / "faults.md"
FAULTS = range(1, 27)


def marked(path: Path) -> Iterator[tuple[str, int]]:
    """Tests of a file and the faults that their marker names, read from the source: nothing is imported."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    yield from ((f"tests/{path.name}::{node.name}", ast.literal_eval(each)) for each in mark.args)


def rows() -> list[tuple[int, list[str]]]:
    """Number and tests of each row of the table."""
    found = re.findall(r"^\| ([0-9]+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(int(number), re.findall(r"`(tests/\w+\.py::\w+)`", rest)) for number, rest in found]


def test_every_fault_has_its_row_and_its_tests() -> None:
    assert [number for number, _ in rows()] == list(FAULTS)
    assert [number for number, tests in rows() if len(tests) < 2] == [], "one test would be little for any of them"
    assert [number for number, tests in rows() if len(tests) != len(set(tests))] == []


def test_the_page_and_the_markers_name_the_same_tests() -> None:
    """Both ways: a test that is renamed or gone leaves the page, and one that is marked stands in it."""
    by_marker = defaultdict(set)
    for path in sorted(TESTS.glob("test_*.py")):
        for test, number in marked(path):
            by_marker[number].add(test)
    assert sum(map(len, by_marker.values())) > 100
    on_page = {number: set(tests) for number, tests in rows()}
    assert {number: tests ^ by_marker[number] for number, tests in on_page.items() if tests != by_marker[number]} == {}
    assert by_marker.keys() == set(FAULTS)
