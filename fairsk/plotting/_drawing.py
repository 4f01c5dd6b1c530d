"""Drawing with matplotlib: its late import, axes, line styles, legends and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.messages import in_words

__all__ = ["axes_for", "line_style", "literal", "place_legend", "require_matplotlib", "stacked_axes", "words"]

#: Longer names would squeeze the axes; the middle is left out, for names often differ at their end.
_MAX_NAME = 48


def require_matplotlib(display: str) -> None:
    """Raise an error that says what to install if matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{display} draws with matplotlib, which is an extra: pip install "fairsk[plots]".'
        ) from error


def axes_for(ax: Any, *, square: bool = False) -> Any:
    """Return the axes, or those of a new figure that grows by the legend that is placed beside them."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    width, height = plt.rcParams["figure.figsize"]
    return plt.subplots(figsize=(1.1 * height if square else width, height), layout="constrained")[1]


def stacked_axes(
    ax: Any,
    names: Sequence[str],
    heights: Sequence[float],
    *,
    around: float = 0.6,
    width: float | None = None,
) -> list[Any]:
    """Return the axes given, or those of a new figure, one above the other with one horizontal axis.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of these, or None
        What was given.
    names : sequence of str
        What each panel shows.
    heights : sequence of float
        The inches of each panel of a new figure.
    around : float, default=0.6
        The inches above and below the panels.
    width : float, optional
        The inches of a new figure from left to right; by default those of matplotlib's settings.

    Raises
    ------
    ValueError
        If there are not as many axes as panels.
    """
    if ax is not None:
        panels = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(panels) != len(names):
            raise ValueError(
                f"Every panel needs axes of its own: give {len(names)}, not {len(panels)}, as ax=, for "
                f"{', '.join(names)}."
            )
        return panels
    import matplotlib.pyplot as plt

    size = (width or plt.rcParams["figure.figsize"][0], sum(heights) + around)
    return list(
        plt.subplots(
            len(names),
            1,
            sharex=True,
            squeeze=False,
            figsize=size,
            layout="constrained",
            height_ratios=heights,
        )[1][:, 0]
    )


def line_style(kwargs: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """Return keywords for a line: the user's, under their long names, before the defaults."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs(dict(kwargs), Line2D)}


def literal(text: str) -> str:
    """Write a name from the data so that matplotlib shows it as it is.

    matplotlib reads ``$...$`` as mathematics (and fails on what is none), and keeps out of legends what is
    empty or begins with an underscore.
    """
    if not text.strip() or not text.isprintable():
        text = repr(text)
    if len(text) > _MAX_NAME:
        text = f"{text[: _MAX_NAME * 2 // 3]}…{text[-_MAX_NAME // 3 + 1 :]}"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def words(name: str) -> str:
    """Write the name of a rate or criterion as the words of an axis label."""
    text = in_words(name)
    return literal(text[:1].upper() + text[1:])


def place_legend(
    ax: Any,
    *,
    grow: bool,
    inside: str = "best",
    title: str | None = None,
    marks: Mapping[Any, Any] | None = None,
    extra: Sequence[Any] = (),
) -> None:
    """Draw the legend of all that the axes hold: beside them, where it hides nothing, if there can be room.

    Parameters
    ----------
    ax : matplotlib Axes
        The axes.
    grow : bool
        Whether the figure may grow by the legend. One that may not has room only if it has a layout engine,
        which makes it.
    inside : str, default="best"
        Where the legend stands in the axes of a figure that has no room.
    title : str, optional
        What stands above the entries.
    marks : mapping of artist to artist, optional
        Markers that are shown on top of the line of an entry.
    extra : sequence of artists, default=()
        Entries for what is not in the axes under that label.
    """
    handles, labels = ax.get_legend_handles_labels()
    entries = [(handle, marks[handle]) if marks and handle in marks else handle for handle in handles]
    beside = grow or ax.figure.get_layout_engine() is not None
    position = (
        {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 0}
        if beside
        else {"loc": inside}
    )
    legend = ax.legend(
        [*entries, *extra],
        [*labels, *(artist.get_label() for artist in extra)],
        title=None if title is None else literal(title),
        fontsize="small",
        **position,
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_usetex(False)  # names come from data, and data do not get to run TeX
    if grow:
        figure = ax.figure
        width, height = figure.get_size_inches()
        size = legend.get_window_extent()
        figure.set_size_inches(
            width + size.width / figure.dpi + 0.2, max(height, size.height / figure.dpi + 0.5)
        )
