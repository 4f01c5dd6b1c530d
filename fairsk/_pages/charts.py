"""Inline charts of pages: small SVG drawn by the displays, and what may stand in one."""

from __future__ import annotations

import hashlib
import html
import importlib.util
import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from fairsk._core.messages import shorten
from fairsk._core.results import percent, printable
from fairsk._core.sections import Chart
from fairsk._core.timelines import furthest_apart, with_intervals

__all__ = [
    "MOST_CHARTS",
    "MOST_GROUPS",
    "MOST_LINES",
    "MOST_TIMELINES",
    "charts_of",
    "draw_charts",
    "explain",
    "is_inert",
    "with_marker",
]

#: Drawing takes a tenth of a second each, and hundreds of dots are no picture.
MOST_CHARTS, MOST_GROUPS, MOST_LINES = 8, 40, 8
#: Timelines of a year take 2 to 20 milliseconds and 5 to 15 KB: with these many, a page takes 3 MB.
MOST_TIMELINES = 300

_BEGIN, _END = "<!--fairsk:chart {digest}-->", "<!--/fairsk:chart-->"
_MARKED = re.compile(r"<!--fairsk:chart (?:sha256:[0-9a-f]{64})?-->(.*?)<!--/fairsk:chart-->", re.DOTALL)

#: What a chart may be made of. None of these can run, load or link anything.
_ELEMENTS = ("svg", "title", "desc", "defs", "clipPath", "g", "path", "rect", "use", "text", "tspan")
_LOOKS = (
    *("fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linejoin"),
    *("stroke-linecap", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity"),
    *("font-size", "font-style", "font-weight", "text-anchor", "clip-path"),
)
_PLACES = ("id", "d", "x", "y", "dx", "dy", "width", "height", "transform", "viewBox", "clip-rule", "href")
_ATTRIBUTES = {*_LOOKS, *_PLACES, "role", "aria-labelledby", "class"}
_ATTRIBUTE = re.compile(r' ([a-zA-Z-]+)="([^"<>&]*)"')
_TOKEN = re.compile(r"<(/?)([a-zA-Z]+)((?: [a-zA-Z-]+=\"[^\"<>&]*\")*)(/?)>|([^<>]+)")
#: Values refer to parts of the same chart only: in href and clip-path, and nowhere else.
_REFERENCE = re.compile(r"#[a-zA-Z0-9-]+|url\(#[a-zA-Z0-9-]+\)")
_DECIMAL = re.compile(r"-?\d+\.\d+")


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


def is_inert(svg: str) -> bool:
    """Tell whether a chart holds nothing but shapes and text: no script, no handler, no reference outward.

    Whatever is not known to be harmless is not inert; nothing at all is. All of it must lie within one
    element, and what is used again is a single shape, for parts that use parts could be billions.
    """
    opened, ids, shapes, used = list[str](), set[str](), set[str](), set[str]()
    place = 0
    while place < len(svg):
        token = _TOKEN.match(svg, place)
        if token is None or (place == 0) != (token[0].startswith("<svg ")) or (place > 0 and not opened):
            return False
        place = token.end()
        closing, name, attributes, empty, text = token.groups()
        if text is not None:
            continue
        if closing:
            if opened.pop() != name or attributes or empty:
                return False
            continue
        values = _ATTRIBUTE.findall(attributes)
        said = dict(values)
        if (
            name not in _ELEMENTS
            or len(said) < len(values)
            or not all(map(_is_harmless, said, said.values()))
        ):
            return False
        if said.get("id") in ids or ("href" in said and name != "use"):
            return False
        ids |= {said["id"]} if "id" in said else set()
        shapes |= {said["id"]} if "id" in said and name in ("path", "rect") else set()
        used |= {said["href"][1:]} if "href" in said else set()
        if not empty:
            opened.append(name)
    return not opened and used <= shapes


def _is_harmless(key: str, value: str) -> bool:
    """Tell whether an attribute can neither run nor load anything."""
    if key in ("href", "clip-path"):
        return _REFERENCE.fullmatch(value) is not None
    return key in _ATTRIBUTES and "url" not in value.lower() and "\\" not in value


def draw_charts(charts: Sequence[Chart]) -> list[str]:
    """Draw charts as SVG, an empty text for each that is left to its table.

    Timelines are drawn here, up to :data:`MOST_TIMELINES`. The others need matplotlib; of these, those beyond
    :data:`MOST_CHARTS`, of more than :data:`MOST_GROUPS` groups (or calibration lines of more than
    :data:`MOST_LINES`), and those of what cannot be measured are left to their tables.
    """
    room = {True: MOST_TIMELINES, False: MOST_CHARTS}
    drawn = []
    for place, chart in enumerate(charts, 1):
        is_timeline = chart.kind == "timeline"
        room[is_timeline] -= 1
        drawn.append(_draw(chart, f"k{place}") if room[is_timeline] >= 0 else "")
    return drawn


def explain(chart: Chart) -> str:
    """Say what the marks of a chart mean."""
    interval = f"{percent(chart.confidence)} interval"
    few = f"grey diamond: fewer than {chart.min_group_size} rows"
    if chart.kind == "rates":
        return f"Dot: rate of a group; bar: {interval}; dashed line: all rows; {few}."
    if chart.kind == "ratios":
        return f"Dot: ratio to the reference (square); bar: {interval}; shaded: .8 to 1.25; {few}."
    if chart.kind == "timeline":
        return _explain_timeline(chart)
    return f"Dot: a bin of scores; bar: {interval}; dashed line: where calibrated scores lie."


def _explain_timeline(chart: Chart) -> str:
    from fairsk.plotting._timeline_svg import lines_window

    series = chart.series or {}
    named = furthest_apart(series, always=chart.reference)
    n_batches = len(chart.batches)
    said = [f"Lines over {n_batches:,} {'batch' if n_batches == 1 else 'batches'}, named at their ends"]
    shaded, having = with_intervals(series, named), [one for one in series.values() if one.low is not None]
    if shaded:
        whose = " of the two outermost" if len(shaded) < len(having) else ""
        said.append(f"in the colour of a line: {percent(chart.confidence)} interval{whose}")
    others = len(series) - len(named)
    if others:
        said.append(f"grey area: the {others:,} other groups, from the lowest to the highest")
    if chart.limits:
        said.append("dashed: limits")
    if chart.band is not None:
        said.append("grey: within the limits")
    if chart.marks:
        said.append("upright: batches that are named above")
    window = lines_window(chart)
    if window > 1:
        said.append(f"lines go through the lowest and the highest value of every {window} batches")
    return f"{'; '.join(said)}."


def _draw(chart: Chart, name: str) -> str:
    if chart.kind == "timeline":
        return _draw_timeline(chart, name)
    if importlib.util.find_spec("matplotlib") is None:
        return ""
    from fairsk.plotting import _svg as drawing

    try:
        if chart.kind == "calibration":
            lines = dict(chart.lines or {})
            if not 0 < len(lines) <= MOST_LINES:
                return ""
            svg = drawing.calibration_svg(
                {group: (line.scores, line.label_rates, line.low, line.high) for group, line in lines.items()}
            )
        else:
            counts = chart.counts
            if counts is None or counts.strata is not None or not 0 < len(counts.groups) <= MOST_GROUPS:
                return ""
            looks = {"confidence": chart.confidence, "min_group_size": chart.min_group_size}
            if chart.kind == "rates":
                svg = drawing.rates_svg(counts, chart.rates, **looks)  # type: ignore[arg-type]
            else:
                svg = drawing.ratios_svg(counts, chart.rates[0], reference=chart.reference, **looks)  # type: ignore[arg-type]
    except ValueError:  # such as a reference whose rate is 0: the table says so
        return ""
    return _slim(svg, name, chart.title, explain(chart))


def _draw_timeline(chart: Chart, name: str) -> str:
    from fairsk.plotting import _timeline_svg as drawing

    try:
        width, height, elements = drawing.timeline_svg(chart)
    except ValueError:  # nothing was measured: the table says so
        return ""
    box = f"0 0 {width:.0f} {height:.0f}"
    return _enclosed(elements, box, name, chart.title, explain(chart))


def _slim(svg: str, name: str, title: str, description: str) -> str:
    """Return matplotlib's SVG without styles, names, decimals and elements that nothing needs.

    Parameters
    ----------
    svg : str
        What matplotlib wrote.
    name : str
        What its ids begin with: those of several charts of a page must differ.
    title, description : str
        What a screen reader says.
    """
    root = ElementTree.fromstring(svg)
    names = {part: f"{name}-{i}" for i, part in enumerate(sorted(set(_references(root))))}
    elements = "".join(_written(child, names) for child in root)
    return _enclosed(elements, _rounded(root.get("viewBox", "")), name, title, description)


def _enclosed(elements: str, box: str, name: str, title: str, description: str) -> str:
    """Write a chart: its size, what a screen reader says, and its elements."""
    width, height = box.split()[2:]
    said = (html.escape(shorten(printable(text), 400), quote=False) for text in (title, description))
    head = '<title id="{0}-t">{1}</title><desc id="{0}-d">{2}</desc>'.format(name, *said)
    return (
        f'<svg viewBox="{box}" width="{width}pt" height="{height}pt" role="img" '
        f'aria-labelledby="{name}-t {name}-d" fill="currentColor" stroke-linejoin="round">{head}'
        f"{elements}</svg>"
    )


def _references(root: ElementTree.Element) -> Iterator[str]:
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href"):
                yield value[1:]
            yield from re.findall(r"url\(#([^)]+)\)", value)


def _written(element: ElementTree.Element, names: dict[str, str]) -> str:
    """Write an element with what is in it."""
    tag = element.tag.rpartition("}")[2]
    if tag not in _ELEMENTS:
        return ""
    attributes = dict(_attributes(element, names))
    inside = "".join(_written(child, names) for child in element)
    if tag in ("text", "tspan"):
        inside = html.escape(printable(element.text or ""), quote=False) + inside
    elif not inside and (tag in ("g", "defs") or not attributes or _is_invisible(attributes)):
        return ""
    if tag == "g" and not attributes:
        return inside
    written = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>"


def _is_invisible(attributes: dict[str, str]) -> bool:
    return attributes.get("fill") == "none" and "stroke" not in attributes


def _attributes(element: ElementTree.Element, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the attributes of an element; declarations of its style, which pages forbid, are among them."""
    for key, value in element.attrib.items():
        key = key.rpartition("}")[2]
        if key == "style":
            for part in value.split(";"):
                look, _, said = (piece.strip() for piece in part.partition(":"))
                if look == "font":  # as older versions of matplotlib write it, with the family
                    look, said = "font-size", f"{said.partition('px')[0].split()[-1]}px"
                if look in _LOOKS:
                    yield look, "currentColor" if said == "#000000" else _linked(_rounded(said), names)
        elif key == "id":
            if value in names:
                yield key, names[value]
        elif key == "transform" and value.startswith("rotate(-0 "):
            continue
        elif key in _ATTRIBUTES:
            yield key, _linked(_rounded(" ".join(value.split())), names)


def _linked(value: str, names: dict[str, str]) -> str:
    """Write a reference to a part of the chart with its new name."""
    found = re.fullmatch(r"(url\()?#([\w.-]+)(\))?", value)
    if found is None or found[2] not in names:
        return value
    return f"{found[1] or ''}#{names[found[2]]}{found[3] or ''}"


def _rounded(value: str) -> str:
    """Write numbers to a tenth of a point."""
    return _DECIMAL.sub(lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), value)
