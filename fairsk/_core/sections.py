"""Sections of a document, as data: what a page, Markdown or a terminal shows, in the order of reading."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairsk._core.counts import GroupCounts
from fairsk._core.results import Entries, Table
from fairsk._core.typing import Floats
from fairsk.rates import Rate

__all__ = ["Block", "Card", "Cards", "Chart", "ChartKind", "Line", "Section"]

ChartKind: TypeAlias = Literal["rates", "ratios", "calibration"]


@dataclass(frozen=True, eq=False)
class Card:
    """A fact that is seen at first sight.

    Parameters
    ----------
    heading : str
        What it is about.
    value : str
        The fact: a number, or an outcome such as PASS, which is shown with its sign and colour.
    text : str, default=""
        What there is to say of it.
    """

    heading: str
    value: str
    text: str = ""


@dataclass(frozen=True, eq=False)
class Cards:
    """Facts side by side, at the top of a document."""

    cards: Sequence[Card]


@dataclass(frozen=True, eq=False)
class Line:
    """The points of a group in a calibration chart: a label rate over the mean score of a bin.

    Parameters
    ----------
    scores, label_rates : arrays of shape (n_points,)
        The mean score and the share of positive labels of each bin.
    low, high : arrays of shape (n_points,)
        The interval of each share.
    """

    scores: Floats
    label_rates: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart, and the table of what is drawn, which stands for it where nothing can be drawn.

    Parameters
    ----------
    kind : {"rates", "ratios", "calibration"}
        Dots of the rates of groups; ratios to the rate of a reference group; or label rates over scores.
    title : str
        What the chart shows.
    table : Table
        The numbers drawn, for those who cannot see the chart and those who check it.
    counts : GroupCounts, optional
        What rates and ratios are computed from, without strata.
    rates : sequence of str or Rate, default=("selection_rate",)
        Which rates; of a chart of ratios, one.
    reference : hashable, optional
        The group that ratios compare with; by default the one with the highest rate.
    confidence : float, default=0.95
        The confidence of the intervals.
    min_group_size : int, default=30
        Groups measured on fewer rows are marked.
    lines : mapping of group to Line, optional
        The points of a calibration chart.
    folded : bool, default=False
        Whether the table is long, and is shown when it is asked for.
    """

    kind: ChartKind
    title: str
    table: Table
    counts: GroupCounts | None = None
    rates: Sequence[str | Rate] = ("selection_rate",)
    reference: Hashable = None
    confidence: float = 0.95
    min_group_size: int = 30
    lines: Mapping[Hashable, Line] | None = None
    folded: bool = False


Block: TypeAlias = Table | Entries | Chart | Cards


@dataclass(frozen=True, eq=False)
class Section:
    """A heading, what is said under it, and its tables and charts.

    Parameters
    ----------
    heading : str
        The heading.
    paragraphs : sequence of str, default=()
        Sentences.
    blocks : sequence of Table, Entries, Chart or Cards, default=()
        What follows them.
    """

    heading: str
    paragraphs: Sequence[str] = ()
    blocks: Sequence[Block] = ()
