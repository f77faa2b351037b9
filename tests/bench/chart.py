"""The picture of a report: a bar a figure, as long as its share of what must be reached; 1 is the line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pygal
from figures import Figure
from pygal.style import Style

_LONGEST = 4.0  # a bar that would be longer ends here; the number beside its name says how long
_REACHED, _SHORT = "#2e7d4f", "#b3403a"
_ROW, _FRAME = 30, 90  # px
_STYLE = Style(
    background="#ffffff", plot_background="#ffffff", foreground="#222222", foreground_strong="#222222",
    foreground_subtle="#999999", font_family="sans-serif", label_font_size=12, title_font_size=16,
    value_font_size=12, major_label_font_size=12, opacity="1", opacity_hover="1", colors=(_REACHED,),
    guide_stroke_color="#cccccc", major_guide_stroke_color="#222222", major_guide_stroke_dasharray="0",
)  # fmt: skip


def draw(figures: Sequence[Figure], title: str, path: Path) -> None:
    """An SVG without scripts or addresses; the first figure stands on top."""
    shown = [figure for figure in reversed(figures) if figure.share is not None]
    chart = pygal.HorizontalBar(
        style=_STYLE, js=(), title=title, show_legend=False,
        width=1100, height=_FRAME + _ROW * len(shown), truncate_label=-1, range=(0, _LONGEST), spacing=8,
        y_labels=[0, 1, 2, 3, _LONGEST], y_labels_major=[1], value_formatter=lambda value: f"{value:g}",
        x_title="share of what must be reached: 1 is just enough", pretty_print=False, no_prefix=True,
    )  # fmt: skip
    chart.x_labels = [f"{figure.what}: {figure.share:.2f}" for figure in shown]
    chart.add("", [_bar(figure) for figure in shown])
    chart.add_xml_filter(_without_scripts)
    path.write_bytes(chart.render())


def _bar(figure: Figure) -> dict[str, Any]:
    return {"value": min(figure.share or 0, _LONGEST), "color": _REACHED if figure.is_reached else _SHORT}


def _without_scripts(root: Any) -> Any:
    """What only scripts would read or run, and comments with addresses, go."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.endswith("script") or child.get("class") == "tooltip":
                parent.remove(child)
    return root


# It adds an importer of maps that warns of whatever is not found from then on; there are no maps here.
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]
