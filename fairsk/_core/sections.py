"""Sections of a document, as data: what a page, Markdown or a terminal shows, in the order of reading."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairsk._core.counts import GroupCounts
from fairsk._core.results import Entries, Table
from fairsk._core.typing import Floats
from fairsk.rates import Rate

__all__ = ["Block", "Card", "Cards", "Chart", "ChartKind", "Limit", "Line", "Mark", "Section", "Series"]

ChartKind: TypeAlias = Literal["rates", "ratios", "calibration", "timeline"]


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
class Series:
    """What a timeline shows of a group, or of anything else that has a name, batch by batch.

    Parameters
    ----------
    values : array of shape (n_batches,)
        The values; NaN where there is none.
    low, high : arrays of shape (n_batches,), optional
        The interval of each value.
    """

    values: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, eq=False)
class Limit:
    """A value that a timeline shows as a horizontal line with a name, such as a tolerance."""

    value: float
    name: str


@dataclass(frozen=True, eq=False)
class Mark:
    """A batch that a timeline shows as a vertical line with a name, such as that of an alarm."""

    batch: str
    name: str


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart, and the table of what is drawn, which stands for it where nothing can be drawn.

    Parameters
    ----------
    kind : {"rates", "ratios", "calibration", "timeline"}
        Dots of the rates of groups; ratios to the rate of a reference group; label rates over scores; or
        lines over batches.
    title : str
        What the chart shows.
    table : Table
        The numbers drawn, for those who cannot see the chart and those who check it.
    counts : GroupCounts, optional
        What rates and ratios are computed from, without strata.
    rates : sequence of str or Rate, default=("selection_rate",)
        Which rates; of a chart of ratios, one.
    reference : hashable, optional
        The group that ratios compare with; by default the one with the highest rate. In a timeline, the
        group that has a line of its own however many groups there are.
    confidence : float, default=0.95
        The confidence of the intervals.
    min_group_size : int, default=30
        Groups measured on fewer rows are marked.
    lines : mapping of group to Line, optional
        The points of a calibration chart.
    folded : bool, default=False
        Whether the table is long, and is shown when it is asked for.
    batches : sequence of str, default=()
        The names of the batches of a timeline, in their order.
    series : mapping of group to Series, optional
        The lines of a timeline.
    limits : sequence of Limit, default=()
        The horizontal lines of a timeline.
    band : (float, float), optional
        From where to where a timeline is shaded, such as within a tolerance; an end may be infinite.
    marks : sequence of Mark, default=()
        The vertical lines of a timeline.
    axis : str, default=""
        What the values of a timeline are.
    log : bool, default=False
        Whether values, limits and band of a timeline are natural logarithms, drawn on a logarithmic axis as
        what they are the logarithms of.
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
    batches: Sequence[str] = ()
    series: Mapping[Hashable, Series] | None = None
    limits: Sequence[Limit] = ()
    band: tuple[float, float] | None = None
    marks: Sequence[Mark] = ()
    axis: str = ""
    log: bool = False


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
    folded : bool, default=False
        Whether the blocks are many, and are shown when they are asked for.
    """

    heading: str
    paragraphs: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    folded: bool = False
