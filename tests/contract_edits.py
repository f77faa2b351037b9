"""Schemas with a contract of two versions, made from those that ship: what is in both stays as it is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pipelines.contracts.load import DEFAULT_SCHEMAS

HOLDS_FROM = "2026-12-01"
NEW_COLUMN = """      - name: {name}
        businessName: {name}
        description: New in this version.
        logicalType: {logical}
        physicalType: {physical}
        customProperties: [{{property: titleZh, value: 新}}]
"""


def copy_schemas(directory: Path) -> Path:
    """The schemas that ship, to be changed."""
    return Path(shutil.copytree(DEFAULT_SCHEMAS, directory / "schemas"))


def turn_page(schemas: Path, feed: str, holds_from: str = HOLDS_FROM) -> Path:
    """Keep the newest contract of a feed as what it is, and begin the next version with the same content."""
    newest = schemas / "feeds" / f"{feed}.yaml"
    text = newest.read_text(encoding="utf-8")
    (found,) = re.findall('^version: "([0-9]+)"', text, re.MULTILINE)
    number = int(found)
    newest.with_name(f"{feed}@{number}.yaml").write_text(text, encoding="utf-8")
    text = re.sub("  - {property: holdsFrom.*\n", "", text)
    text = text.replace(f'version: "{number}"', f'version: "{number + 1}"')
    begins = f'customProperties:\n  - {{property: holdsFrom, value: "{holds_from}"}}\n'
    newest.write_text(text.replace("customProperties:\n", begins, 1), encoding="utf-8")
    return newest


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text once."""
    before, found, after = path.read_text(encoding="utf-8").partition(old)
    assert found, f"{old} is no longer in {path.name}"
    path.write_text(before + new + after, encoding="utf-8")


def add_column(path: Path, name: str, physical: str = "integer", logical: str = "integer") -> None:
    """A column more, behind all others."""
    text = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    path.write_text(text + NEW_COLUMN.format(name=name, physical=physical, logical=logical), encoding="utf-8")


def drop_column(path: Path, name: str) -> None:
    """A column less."""
    text = path.read_text(encoding="utf-8")
    left, count = re.subn(rf"      - name: {name}\n(?:(?!      - name: ).*\n)*", "", text)
    assert count == 1, f"{name} is no longer in {path.name}"
    path.write_text(left, encoding="utf-8")


def two_versions(directory: Path) -> Path:
    """PAYM and CUST of two versions: PAYM has a column more, one less and a code less, CUST a column less."""
    schemas = copy_schemas(directory)
    path = turn_page(schemas, "PAYM")
    add_column(path, "points")
    drop_column(path, "operator_id")
    edit(path, ', "IVR"]', "]")
    drop_column(turn_page(schemas, "CUST"), "email")
    return schemas
