"""Rules of the house that a newcomer would otherwise learn by breaking them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGIN = "pipelines/page/plugin.py"
MODULES = [
    path for folder in ("pipelines", "warehouse", "dags", "sftp_fixtures") for path in (ROOT / folder).rglob("*.py")
]
# What may import the warehouse: the steps, what publishes, judges or describes it, and commands. The rest is below it.
ABOVE_WAREHOUSE = (
    "pipelines/steps.py", "pipelines/preparing.py", "pipelines/publishing.py", "pipelines/quality/running.py",
    "pipelines/cli/",
    "pipelines/rebuilding.py", "pipelines/present_copy.py", "pipelines/published_lists.py", "pipelines/to_core.py",
    "pipelines/reference/",
)  # fmt: skip


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_imports_run_one_way() -> None:
    seen = 0
    for path in MODULES:
        name = str(path.relative_to(ROOT))
        tops = {module.split(".")[0] for module in _imports(path)}
        seen += len(tops)
        assert name.startswith("dags/") or name == PLUGIN or "airflow" not in tops, f"{name} imports Airflow"
        if name.startswith("pipelines/") and not name.startswith(ABOVE_WAREHOUSE):
            assert "warehouse" not in tops, f"{name} imports the warehouse that is built on it"
        if name.startswith(("pipelines/", "warehouse/")) and name != "pipelines/cli/demo.py":
            assert "sftp_fixtures" not in tops, f"{name} imports fixtures"
    assert seen > 100


def test_no_feed_is_named_where_contracts_speak() -> None:
    """A new feed is a new contract: checks, taking and staging know none by name."""
    feeds = {path.stem for path in (ROOT / "schemas" / "feeds").glob("*.yaml")}
    assert len(feeds) == 8
    looked_at = [path for path in MODULES if "pipelines" in path.parts and "cli" not in path.parts]
    assert len(looked_at) > 30
    for path in looked_at:
        code = re.sub(r'""".*?"""|#[^\n]*', "", path.read_text(), flags=re.DOTALL)
        assert not feeds & set(re.findall(r"[\"']([A-Z]{4})[\"']", code)), path


MODELS = [path for path in sorted((ROOT / "warehouse").glob("*/*.sql")) if path.parent.name != "migrations"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_are_one_select_with_a_header(path: Path) -> None:
    text = path.read_text()
    header = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    assert re.search(r"^-- grain: ", header, re.MULTILINE | re.IGNORECASE), "a header names the grain"
    assert re.search(r"^-- reads: ", header, re.MULTILINE | re.IGNORECASE), "a header names what it reads"
    assert ";" not in re.sub("--[^\n]*", "", text)
    assert len(text.splitlines()) <= 140, "only the history of subscribers is so long"


@pytest.mark.fault(1)
def test_fault_points_are_those_that_are_listed() -> None:
    from pipelines.faults import FAULT_POINTS

    used = [name for path in MODULES for name in re.findall(r'fault_point\("([a-z]+)"\)', path.read_text())]
    assert set(used) == set(FAULT_POINTS)
    assert len(FAULT_POINTS) == len(set(FAULT_POINTS))


def test_lock_holds_no_address() -> None:
    lock = "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-spark.lock"))
    assert lock.count("--hash=sha256:") > 200
    assert not re.search(r"https?://|--index|--find-links|/simple", lock)
