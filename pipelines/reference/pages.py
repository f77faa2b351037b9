"""Which pages of the manual are made, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.reference.codes import codes
from pipelines.reference.commands import commands
from pipelines.reference.configuration import configuration
from pipelines.reference.feeds import code_lists, feeds
from pipelines.reference.lists import lists

_MADE = "<!-- made by python -m pipelines.reference docs; a test keeps it true -->\n"


def reference_pages() -> dict[str, str]:
    """Paths below docs/ and contents of all pages that are made."""
    contracts = load_contracts(DEFAULT_SCHEMAS)
    return {
        "reference/commands.md": _page("Commands", commands()),
        "reference/configuration.md": _page("Configuration", configuration()),
        "reference/feeds.md": _page("Feeds", feeds(contracts)),
        "reference/code-lists.md": _page("Code lists", code_lists(contracts)),
        "reference/lists.md": _page("Lists", lists(contracts)),
        "operators/codes.md": _page("Codes", codes()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return f"# {title}\n\n{_MADE}\n" + "\n".join(lines) + "\n"
