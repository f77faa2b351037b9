"""Lines over months as SVG for pages: no script, no address, no colour of their own (the page's style has them)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pygal
from markupsafe import Markup

# It adds an importer of maps, in a form that Python warns of whenever an import fails from then on; we have no maps.
sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]

_WIDTH, _HEIGHT = 340, 120
_EMPTY = ("titles", "plot text-overlay", "plot tooltip-overlay")  # what scripts would fill
_LONG_NUMBER = re.compile(r"-?[0-9]+\.[0-9]{2,}")


def line(
    name: str,
    title: str,
    described: str,
    months: Sequence[str],
    values: Sequence[float | None],
    shown: Callable[[float], str],
) -> Markup:
    """A line over months as an `svg` element with a point a value; None leaves a gap, and one value at least is known.

    `name` is unique in the page. Screen readers are told title and description, who points at a point its value.
    """
    known = [(month, value) for month, value in zip(months, values, strict=True) if value is not None]
    least, most = min(value for _, value in known), max(value for _, value in known)
    chart = pygal.Line(
        width=_WIDTH, height=_HEIGHT, margin=4, margin_top=10, margin_right=22, spacing=6, show_legend=False, js=(),
        css=(), dots_size=2.2, show_minor_x_labels=False, x_labels_major=[months[0], months[-1]], truncate_label=-1,
        value_formatter=shown, range=_range(least, most), y_labels=sorted({least, most}), allow_interruptions=True,
        classes=("chart",), disable_xml_declaration=True,
    )  # fmt: skip
    chart.uuid = name
    chart.x_labels = list(months)
    chart.add("", list(values))
    points = [f"{month}: {shown(value)}" for month, value in known]
    chart.add_xml_filter(lambda root: _for_page(root, name, title, described, points))
    return Markup(chart.render(is_unicode=True))


def _range(least: float, most: float) -> tuple[float, float]:
    """A little room around; where all values are one, around that."""
    room = (most - least) * 0.08 or abs(most) * 0.1 or 1.0
    return least - room, most + room


def _for_page(root: Any, name: str, title: str, described: str, points: Sequence[str]) -> Any:
    """Leave what is drawn, in numbers of few places, and say what it is."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not _is_drawn(child):
                parent.remove(child)
        for attribute, value in parent.attrib.items():
            parent.attrib[attribute] = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
    dots = [node for node in root.iter() if node.tag == "circle"]
    for dot, point in zip(dots, points, strict=True):
        _say(dot, "title", point)
    _say(root, "desc", described, id=f"{name}-desc")
    _say(root, "title", title, id=f"{name}-title")
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title {name}-desc"})
    return root


def _is_drawn(node: Any) -> bool:
    """Comments (they hold addresses and the day), styles, and what scripts would read are not."""
    if not isinstance(node.tag, str) or node.tag in ("defs", "desc", "title"):
        return False
    return node.get("class") not in (*_EMPTY, "background")


def _say(node: Any, tag: str, text: str, **attributes: str) -> None:
    said = node.makeelement(tag, attributes)
    said.text = text
    node.insert(0, said)
