"""Summaries of reports: what decisions under a bound change, cost and promise, in plain sentences.

The words for a rate follow from the cells that it counts (:mod:`fairsk.rates` has its formula), so they are
right for a user's own rates too. A sentence names few groups, those with the largest changes first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import in_words, show
from fairsk._core.results import number, printable, row_count
from fairsk._core.typing import Floats
from fairsk.rates import CELLS, Rate

if TYPE_CHECKING:
    from fairsk._held_out.report import BoundReport, ConstraintReport

__all__ = ["list_cells", "rate_in_words", "summary_lines"]

#: How many groups a sentence names.
_NAMED_GROUPS = 4
#: Of how many rates and constraints there are sentences.
_NAMED_RATES = 4
#: A value that is closer to another than this looks the same in print.
_SAME = 5e-5

#: What is said of people in some cells of the confusion table (in the order of CELLS, which are counted).
_COUNTED: dict[tuple[float, ...], str] = {
    (1, 1, 0, 0): "selected",
    (1, 0, 0, 0): "rightly selected",
    (0, 1, 0, 0): "wrongly selected",
    (0, 0, 1, 1): "turned down",
    (0, 0, 1, 0): "wrongly turned down",
    (0, 0, 0, 1): "rightly turned down",
    (1, 0, 0, 1): "decided rightly",
    (0, 1, 1, 0): "decided wrongly",
}
#: Whom a rate's denominator counts; {} stands for the positive label.
_COUNTED_AMONG: dict[tuple[float, ...], str] = {
    (1, 1, 1, 1): "all people",
    (1, 0, 1, 0): "the people labelled {}",
    (0, 1, 0, 1): "the people not labelled {}",
    (1, 1, 0, 0): "the selected",
    (0, 0, 1, 1): "those turned down",
}
_SELECTED: tuple[float, ...] = (1, 1, 0, 0)
#: What a row in a cell of the confusion table is called.
_ERRORS = {"tp": "true positive", "fp": "false positive", "fn": "false negative", "tn": "true negative"}

_MEASURED = {
    "out of fold": "{n} training rows, each decided by a model that was fitted without it",
    "held out": "{n} rows that no model was fitted to",
    "training": ("the {n} rows that the model was fitted to: new rows usually show groups further apart"),
}


def summary_lines(report: BoundReport, decided_by: str) -> list[str]:
    """Return the sentences of a report's summary, a text per line.

    Parameters
    ----------
    report : BoundReport
        The report.
    decided_by : str
        Who or what decides, the subject of a sentence that goes on with "..., so that".
    """
    lines = [
        *_aims(report, decided_by),
        *_changes(report),
        *_rates(report),
        *_costs(report),
        *_requirements(report),
        *_margin(report),
        *_expectations(report),
        *_strata(report),
        *_limits(report),
        _measured(report),
    ]
    return list(map(printable, lines))


def rate_in_words(rate: Rate, pos_label: str) -> str:
    """Return a rate's name, and in brackets what it is a share of, where words can say it."""
    name = in_words(rate.name)
    part = _COUNTED.get(_as_integers(rate.numerator_coefficients))
    whole = _COUNTED_AMONG.get(_as_integers(rate.denominator_coefficients))
    if part is None or whole is None or not rate.is_share:
        return name
    return f"{name} (share of {whole.format(pos_label)} who are {part})"


def _as_integers(coefficients: Sequence[float]) -> tuple[float, ...]:
    """Return coefficients such that (2, 0, 2, 0) and (1, 0, 1, 0) are the same."""
    largest = max(map(abs, coefficients))
    return tuple(each / largest for each in coefficients) if largest else tuple(coefficients)


def list_cells(cells: Sequence[tuple[Hashable, Hashable]], most: int = 20) -> str:
    """Write cells, each a group and a stratum, one after another: the first of them if there are many."""
    return list_groups((f"{format_group(group)} in {format_group(label)}" for group, label in cells), most)


# --- what was asked for, and what changes ----------------------------------------------------------------


def _aims(report: BoundReport, decided_by: str) -> Iterator[str]:
    aims = []
    of_stratum = report._among()
    bounded = [part for part in report.constraints if np.isfinite(part.bound)]
    selected = report._selected_means()
    for part in bounded[:_NAMED_RATES]:
        names = " and the ".join(rate_in_words(rate, report._positive()) for rate in part.rates)
        if part.comparison == "difference":
            aims.append(
                f"the {names} {'differs' if len(part.rates) == 1 else 'differ'} by at most "
                f"{part.bound:g} between groups{of_stratum}"
            )
        else:
            aims.append(
                f"the {names} of no group {_is_or_are(part)} below {part.bound:g} times that of another"
                f"{of_stratum}"
            )
    more = len(bounded) - len(aims)
    if more:
        aims.append(f"{_counted(more, 'more bound holds', 'more bounds hold')}")
    if len(bounded) < len(report.constraints):
        free = [in_words(part.constraint) for part in report.constraints if part not in bounded]
        unbounded = (
            f"No bound was asked for on {list_groups(free, _NAMED_RATES)}, which "
            f"{'is' if len(free) == 1 else 'are'} only measured."
        )
        selected = f"{unbounded} {selected}"
    if not aims:
        yield f"{decided_by}. {selected}"
        return
    is_missed = any(_is_missed(part) for part in report.constraints)
    so_that = "with an aim that these rows miss: that" if is_missed else "so that"
    yield f"{decided_by}, {so_that} {'; and '.join(aims)}. {selected}"


def _is_missed(part: ConstraintReport) -> bool:
    """Whether a bound is exceeded on the rows that were counted."""
    return part.violation > ROUNDING


def _is_or_are(part: ConstraintReport) -> str:
    return "is" if len(part.rates) == 1 else "are"


def _changes(report: BoundReport) -> Iterator[str]:
    """Say how many more or fewer people of each group are selected, and what else the bounds are about."""
    for what, before, now in report._changes():
        yield from _changes_of(report, what, before, now)


def _changes_of(
    report: BoundReport, what: str, before: GroupCounts | None, now: GroupCounts
) -> Iterator[str]:
    if before is None:
        selected = _total(now, _SELECTED)
        shares = now.rate("selection_rate")
        largest = np.argsort(-now.n, kind="stable")[:_NAMED_GROUPS]
        listed = [
            f"{_people(selected[g])} of {_people(n)} in {format_group(now.groups[g])} ({shares[g]:.1%})"
            for g, n in zip(largest, now.n[largest], strict=True)
        ]
        rest = len(now.groups) - len(listed)
        others = f" (and others in {_more_groups(rest)})" if rest else ""
        yield f"{what[:1].upper()}{what[1:]} are {', '.join(listed)}{others}."
        return
    counted = {_SELECTED: "selected"}
    for rate in report._rates():
        cells = _as_integers(rate.numerator_coefficients)
        if cells in _COUNTED and cells != (0, 0, 1, 1):  # the others are selected
            counted.setdefault(cells, _COUNTED[cells])
    opening = f"Compared with {report._BASELINES[0]}, "
    for cells, words in list(counted.items())[:_NAMED_RATES]:
        called = words.replace("selected", what)
        yield opening + _change(now.groups, _total(before, cells), _total(now, cells), called) + "."
        opening = "Of these, " if words.endswith("selected") and cells == _SELECTED else "Likewise, "


def _total(counts: GroupCounts, cells: Sequence[float]) -> Floats:
    """Return how many people of each group are in some cells."""
    terms = [counts.cells[cell] for cell, factor in zip(CELLS, cells, strict=True) if factor]
    return np.sum(terms, axis=0)


def _change(groups: Sequence[Hashable], before: Floats, now: Floats, words: str) -> str:
    """Say what changes in the groups where most does."""
    change = now - before
    order = [g for g in np.argsort(-np.abs(change), kind="stable") if abs(change[g]) >= 0.05]
    if not order:
        return f"as many people are {words} in every group"
    total = float(change.sum())
    who = "person is" if _people(abs(total)) == "1" else "people are"
    in_all = f"{_more(total)} {who} {words} in all" if abs(total) >= 0.05 else f"as many are {words} in all"
    listed = []
    for g in order[:_NAMED_GROUPS]:
        share = f" ({change[g] / before[g]:+.1%})" if before[g] > 0 else " (from none)"
        listed.append(f"{_more(change[g])}{share} in {format_group(groups[g])}")
    rest = len(order) - len(listed)
    return f"{in_all}: {', '.join(listed)}{f' (and changes in {_more_groups(rest)})' if rest else ''}"


def _more_groups(n: int) -> str:
    return _counted(n, "more group", "more groups")


def _more(change: float) -> str:
    return f"{_people(abs(change))} {'more' if change > 0 else 'fewer'}"


def _people(n: float) -> str:
    """Write a number of people, ten and more without decimals, which expected numbers have."""
    return row_count(round(n) if abs(n) >= 10 else round(n, 1))


def _rates(report: BoundReport) -> Iterator[str]:
    """Say between which groups a rate is lowest and highest, now and under one threshold for all."""
    aside = {*report.exempt, *report.borrowed}  # their own rows are too few to measure
    covered = [label not in aside for label in report.groups]
    rates = report._rates()
    if sum(covered) < 2 or report.counts.strata is not None:
        return  # what is compared within strata is no such range
    for rate in rates[:_NAMED_RATES]:
        now = _range(report.counts_by_group, rate, covered, "goes", "is")
        if now is None:
            continue
        before = None
        if report.counts_without_bound is not None:
            before = _range(report.counts_without_bound, rate, covered, "would go", "would be")
        beside = "" if before is None else f"; with one threshold for all it {before}"
        yield f"The {rate.name.replace('_', ' ')} {now}{beside}."


def _range(counts: GroupCounts, rate: Rate, covered: Sequence[bool], goes: str, is_: str) -> str | None:
    """Say from where to where a rate goes over the covered groups; None where it is not defined for any."""
    values = np.where(covered, counts.rate(rate), np.nan)
    if np.isnan(values).all():
        return None
    ends = int(np.nanargmin(values)), int(np.nanargmax(values))
    low, high = (number(values[g], 4) for g in ends)
    if low == high:
        return f"{is_} {low} in all groups that are compared"
    first, last = (format_group(counts.groups[g]) for g in ends)
    return f"{goes} from {low} ({first}) to {high} ({last})"


# --- what it costs -----------------------------------------------------------------------------------------


def _costs(report: BoundReport) -> Iterator[str]:
    value, name = report.value, in_words(report.objective)
    reached = f"{value:.4f}{_of_whom(report)}"
    name += _in_worths(report)
    if np.isnan(value):
        yield f"The {name} is not defined for these decisions."
        return
    baselines = [
        (other, how)
        for other, how in zip(
            (report.value_without_bound, report.group_value_without_bound),
            report._without_bound(),
            strict=True,
        )
        if other is not None and not np.isnan(other)
    ]
    if not baselines:
        is_bounded = any(np.isfinite(part.bound) for part in report.constraints)
        unknown = "; what would be reached without the bound was not measured" if is_bounded else ""
        yield f"The {name} is {reached}{unknown}."
        return
    compared = []
    for other, how in baselines:
        loss = value - other if report.lower_is_better else other - value
        decisions = ""
        if report.objective == "accuracy" and abs(loss) >= _SAME:
            n = _people(abs(loss) * float(report.counts_by_group.n.sum()))
            decisions = f", {n} {'more' if loss > 0 else 'fewer'} wrong decisions"
        compared.append(f"{_worse(loss)} {how} ({other:.4f}{decisions})")
    is_bounded = any(np.isfinite(part.bound) for part in report.constraints)
    without = " without the bound" if is_bounded else ""
    yield f"The {name} is {reached}: {' and '.join(compared)} would reach{without}."


def _of_whom(report: BoundReport) -> str:
    """Say whose value that of the worst group is, and that of all rows."""
    if report.value_of_all is None:
        return ""
    return f" (that of {format_group(report.worst_group)}; over all rows it is {report.value_of_all:.4f})"


def _in_worths(report: BoundReport) -> str:
    """Say what a row is worth, where that is what was maximised."""
    worths = report.worths or {}
    listed = [f"{_what_is_worth(cell)} at {worth:g}" for cell, worth in worths.items() if worth]
    if not listed:
        return ""
    *first, last = listed
    return f" (the mean worth of a row, with {', '.join(first)}{' and ' if first else ''}{last})"


def _what_is_worth(cell: Any) -> str:
    """Return a row of a cell in words: of several classes, a cell is a label and a decision."""
    return f"a {_ERRORS[cell]}" if cell in _ERRORS else f"a {show(cell[0])} decided {show(cell[1])}"


def _requirements(report: BoundReport) -> Iterator[str]:
    """Say what else is kept; where nothing can be compared, nothing but a capacity is."""
    if report.requirements and not np.isnan(report.binding.disparity):
        yield f"Also kept: {'; '.join(report.requirements).replace('_', ' ')}."


def _margin(report: BoundReport) -> Iterator[str]:
    """Say which margin was asked for, and for which groups less is kept."""
    asked = report.margin_asked
    if not asked:
        return
    if asked == "1se":
        wanted = "A margin of one standard error was asked for"
    else:
        wanted = f"A margin for a confidence of {asked:.4g} on new rows was asked for"
    if not report.margin:
        yield f"{wanted}; these rows are too few to keep any of it, so the bound holds on them only."
        return
    rates = f"every group's rates stay {report.margin:.2f} standard errors within what the bound allows"
    if not report.margins:
        yield f"{wanted}, and is kept: {rates}."
        return
    shown = [f"{format_group(label)} ({kept:.2f})" for label, kept in report.margins.items()]
    n_covered = len(report.groups) - len(report.exempt)
    whom = "every group" if len(shown) == n_covered else f"{len(shown):,} of {n_covered:,} groups"
    yield (
        f"{wanted}: that {rates}. For {whom} the rows are too few, and less was kept, as much as fits: "
        f"{list_groups(shown, _NAMED_GROUPS)}."
    )


def _worse(loss: float) -> str:
    if abs(loss) < _SAME:
        return "the same as"
    return f"{abs(loss):.4f} {'worse' if loss > 0 else 'better'} than"


# --- what to expect, and how surely ------------------------------------------------------------------------


def _expectations(report: BoundReport) -> Iterator[str]:
    for part in report.constraints[:_NAMED_RATES]:
        name = in_words(part.constraint)
        if np.isnan(part.disparity):
            yield f"Fewer than two groups can be compared under {name}: nothing is promised."
            continue
        what = "difference" if part.comparison == "difference" else "ratio of the lowest to the highest"
        low, high = part.interval
        where = "between groups"
        if part.stratum is not None:
            where = f"between groups{report._among()}, at its worst {report._stratum_words(part.stratum)},"
        yield (
            f"Under {name}, the {what} {where} is {part.disparity:.4f} on these rows; on new rows "
            f"expect {number(low, 4)} to {number(high, 4)} (95% interval over all pairs{_judged(part)})."
        )


def _judged(part: ConstraintReport) -> str:
    """Say what an interval means for the bound."""
    if not np.isfinite(part.bound) or part.is_sure is None:
        return ""
    word = "most" if part.comparison == "difference" else "least"
    asked = f"at {word} {part.bound:g} was asked for"
    if _is_missed(part):
        return f"; {asked}, which these rows do not keep"
    if part.is_sure:
        return f"; {asked}, and new rows should keep that"
    if part.is_far:
        return f"; {asked}, and these rows say little about that"
    return f"; {asked}, and new rows may not keep that"


def _strata(report: BoundReport) -> Iterator[str]:
    """Say in which strata groups are compared, and where they are not."""
    strata = report.counts.strata
    if strata is None:
        return
    n_compared = len(strata) - len(report.not_compared)
    text = f"Groups are compared {report._compared_in(n_compared)}"
    if report.not_compared:
        passed_over = list_groups(report.not_compared, _NAMED_GROUPS)
        text += f"; not in: {passed_over}, where there are not two groups with enough rows"
    if report.cells_not_compared:
        text += f"; too few rows to compare have {list_cells(report.cells_not_compared, _NAMED_GROUPS)}"
    yield f"{text}."


def _counted(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def _limits(report: BoundReport) -> Iterator[str]:
    covered = len(report.groups) - len(report.exempt) - len(report.borrowed)
    if report.uncertain:
        everyone = len(report.uncertain) == covered
        whom = list_groups(report.uncertain, _NAMED_GROUPS)
        if everyone:
            whom = "both groups" if covered == 2 else f"all {covered:,} groups that are compared"
        margin = "a margin, " if report._takes_margin() and not report.margin_asked else ""
        yield (
            f"New rows may show {whom} further apart than was asked for: the interval of a pair of them "
            f"reaches beyond the bound. More rows, {margin}coarser groups or a looser bound make it surer."
        )
    if report.exempt:
        n = dict(zip(report.groups, report.counts_by_group.n.tolist(), strict=True))
        people = sum(n[label] for label in report.exempt)
        is_bounded = any(np.isfinite(part.bound) for part in report.constraints)
        yield (
            f"{'The bound does' if is_bounded else 'The comparisons do'} not cover "
            f"{list_groups(report.exempt, _NAMED_GROUPS)} ({_people(people)} "
            f"{'person' if people == 1 else 'people'}), too small to measure."
        )
    if report.borrowed:
        yield (
            f"Too small to measure alone are {list_groups(report.borrowed, _NAMED_GROUPS)}: the bound is "
            "held with rows as expected from the coarser groups that they belong to; these figures are "
            "without."
        )


def _measured(report: BoundReport) -> str:
    counts = report.counts_by_group
    weighted = any((counts.cells[cell] != counts.squares[cell]).any() for cell in CELLS)
    text = _MEASURED[report.measured_on].format(n=_people(float(counts.n.sum())))
    return f"Measured on {text}{'; numbers are sums of weights' if weighted else ''}."
