"""A report as whoever reads it has it: its tables, charts with what is said of them, references; in a browser too."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Rows = list[list[str]]
# Every width in a frame of its own; what is found goes into the title of the page, which the browser prints.
_FRAMES = """<title></title><script>
const names = NAMES, widths = WIDTHS, found = [], frames = [];
addEventListener("load", () => {
  for (const frame of frames) {
    const root = frame.contentDocument.documentElement, boxes = [...root.querySelectorAll("svg, td")];
    found.push({
      name: frame.name, width: root.scrollWidth, charts: root.querySelectorAll("svg").length,
      hidden: boxes.filter(each => each.getBoundingClientRect().width < 5).length,
      fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
      text: root.innerText.length,
    });
  }
  document.title = JSON.stringify(found);
});
for (const name of names) for (const width of widths) {
  const frame = document.createElement("iframe");
  Object.assign(frame, {src: name, name: name + " " + width});
  frame.style = "border:0;height:800px;width:" + width + "px";
  document.documentElement.append(frame);
  frames.push(frame);
}
</script>"""


class ReportPage(HTMLParser):
    """`tables` has the rows of each, heads first; `charts` title, description and the titles of points of each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tables: dict[str, Rows] = {}
        self.charts: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self._into: list[str] | None = None
        self._chart: list[str] | None = None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids += [named["id"]] if "id" in named else []
        self.references += [named[name] for name in ("href", "src", "xlink:href", "action") if name in named]
        if tag == "table":
            self.tables[named["id"]] = []
        elif tag == "tr":
            list(self.tables.values())[-1].append([])
        elif tag in ("th", "td"):
            self._into = list(self.tables.values())[-1][-1]
            self._into.append("")
        elif tag == "svg":
            self._chart = self.charts[named["id"]] = []
        elif tag in ("title", "desc") and self._chart is not None:
            self._into = self._chart
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td", "title", "desc"):
            self._into = None
        elif tag == "svg":
            self._chart = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._into is not None:
            self._into[-1] += data

    def cells(self, table: str) -> dict[tuple[str, str], str]:
        """The cells by the heads of their row and column; a row of a source goes by its code."""
        head, *rows = self.tables[table]
        return {
            (re.sub(r"^.* (?=[0-9]{3}$)", "", row[0]), column): cell
            for row in rows
            for column, cell in zip(head[1:], row[1:], strict=True)
        }

    def counts(self, table: str) -> dict[tuple[str, str], int]:
        """As `cells`, those that are counts."""
        found = {place: re.sub("[▲▼ ,]", "", cell) for place, cell in self.cells(table).items()}
        return {place: int(cell) for place, cell in found.items() if cell.isdigit()}


def in_browser(directory: Path, names: list[str], widths: list[int]) -> list[dict[str, Any]]:
    """What a browser without any network makes of pages: of each at each width its true width, and more."""
    frames = directory / "frames.html"
    frames.write_text(_FRAMES.replace("NAMES", json.dumps(names)).replace("WIDTHS", json.dumps(widths)))
    ran = subprocess.run(
        ["unshare", "-rn", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--allow-file-access-from-files",
         f"--user-data-dir={directory / 'profile'}", "--dump-dom", frames.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = re.search("<title>(.*?)</title>", ran.stdout)
    assert title, ran.stdout[:500]
    found: list[dict[str, Any]] = json.loads(title[1])
    return found
