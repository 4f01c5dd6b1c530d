"""Dependence of labels on groups: association, and differences of label rates.

The measures per group compare it (d) with all other rows (a), as audits of labels before training do [1]_:
class imbalance (n_a - n_d) / (n_a + n_d), the difference of base rates DPL = q_a - q_d, the
Kullback-Leibler divergence KL = sum P_a log(P_a / P_d), the Jensen-Shannon divergence JS = (KL(P_a, M) +
KL(P_d, M)) / 2 with M halfway between both, total variation TV = sum |P_a - P_d| / 2, and L-infinity =
max |P_a - P_d|, in natural logarithms.

References
----------
.. [1] Hardt et al., Amazon SageMaker Clarify: Machine Learning Bias Detection and Explainability in the
   Cloud, KDD 2021.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from scipy.special import rel_entr

from fairsk._core.groups import Grouping, format_group
from fairsk._core.labels import positive_class
from fairsk._core.results import Backend, Record, Result, Table, number, p_value, with_interval
from fairsk._core.typing import Floats
from fairsk.audit._data.chi_square import ChiSquare, dependence_test
from fairsk.audit._data.findings import Finding, Settings, Severity, extremes, largest_difference, part_counts
from fairsk.rates import RATES
from fairsk.statistics import rate_intervals, smallest_detectable
from fairsk.statistics._contrasts import pair_intervals, rest_of
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._multiplicity import adjust_p_values

__all__ = ["AttributeLabels", "LabelDependence", "compare_labels"]


#: What the measures are called in print, and the columns that hold them.
_MEASURES = {
    "imbalance": "class_imbalance", "DPL": "dpl", "KL": "kl", "JS": "js", "TV": "tv", "Linf": "linf"
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class AttributeLabels(Record):
    """The labels of one attribute's groups, each group against all other rows.

    Parameters
    ----------
    attribute : str
        What the attribute is called.
    groups, labels : tuple
        Groups that occur, and labels.
    table : array of shape (n_groups, n_labels)
        Rows with both.
    label : tuple
        The label of each group's rates: the positive one, or of more than two, the one whose share differs
        most from that of the other rows.
    rates, low, high : array of shape (n_groups,)
        The share of that label, with Wilson intervals.
    class_imbalance, dpl, dpl_low, dpl_high, kl, js, tv, linf : array of shape (n_groups,)
        Measures against the rest; ``kl`` is infinite for a group that lacks a label.
    test : ChiSquare or None
        The test of dependence, with Cramer's V.
    widest : Hashable
        The label whose share differs most between groups of at least the smallest size.
    difference, difference_low, difference_high, p : float
        That difference, its interval for all pairs of groups (and labels) at once, and the p-value of
        dependence between these groups and the label.
    detectable : float
        The smallest difference that these groups are large enough to show with 80% power.
    """

    attribute: str
    groups: tuple[Hashable, ...]
    labels: tuple[Hashable, ...]
    table: Floats
    label: tuple[Hashable, ...]
    rates: Floats
    low: Floats
    high: Floats
    class_imbalance: Floats
    dpl: Floats
    dpl_low: Floats
    dpl_high: Floats
    kl: Floats
    js: Floats
    tv: Floats
    linf: Floats
    test: ChiSquare | None
    widest: Hashable
    difference: float
    difference_low: float
    difference_high: float
    p: float
    detectable: float


@dataclass(frozen=True, eq=False, repr=False)
class LabelDependence(Result):
    """How labels depend on groups. Prints and renders itself.

    Parameters
    ----------
    parts : tuple of AttributeLabels
        One for each attribute, and one for their intersection.
    settings : Settings
        Confidence, tolerances and the smallest group.
    unlabelled : int
        Rows without a label, which are left out.
    """

    parts: tuple[AttributeLabels, ...]
    settings: Settings
    unlabelled: int = 0
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "attribute": [part.attribute for part in self.parts for _ in part.groups],
            "group": [format_group(group) for part in self.parts for group in part.groups],
            "rows": [int(n) for part in self.parts for n in part.table.sum(1)],
            "label": [str(label) for part in self.parts for label in part.label],
        }
        for name in ("rates", "low", "high", *_MEASURES.values(), "dpl_low", "dpl_high"):
            columns[name] = [value for part in self.parts for value in getattr(part, name).tolist()]
        text = {name: list(map(number, columns[name])) for name in ("attribute", "group", "rows", "label")}
        intervals = zip(columns["rates"], columns["low"], columns["high"], strict=True)
        text["rate"] = [with_interval(*values) for values in intervals]
        text |= {title: list(map(number, columns[name])) for title, name in _MEASURES.items()}
        columns = {{"rates": "rate"}.get(name, name): values for name, values in columns.items()}
        notes = [
            "Each group d against all other rows a. imbalance: (n_a - n_d) / n, above 0 for a minority. "
            "DPL: the rate among the others minus that in the group.",
            "KL, JS, TV, Linf: how far the distributions of all labels lie apart (0: they agree).",
        ]
        notes += [
            f"{part.attribute}: chi-square {part.test.statistic:,.2f}, df {part.test.df}, "
            f"p {p_value(part.test.p)}{part.test.remark}, Cramer's V "
            f"{with_interval(part.test.effect, part.test.low, part.test.high)}; {_power(part)}."
            for part in self.parts
            if part.test is not None
        ]
        if self.unlabelled:
            notes.append(f"Left out: {self.unlabelled:,} rows without a label.")
        return [Table(columns, text, "Groups and labels", notes, words=("group", "label"))]

    def findings(self) -> list[Finding]:
        """Return what to make of the labels."""
        whole = adjust_p_values([np.nan if part.test is None else part.test.p for part in self.parts])
        pairs = adjust_p_values([part.p for part in self.parts])
        findings = []
        for part, whole_p, pair_p in zip(self.parts, whole.tolist(), pairs.tolist(), strict=True):
            findings += [self._dependence(part, whole_p), self._difference(part, pair_p)]
        return findings

    def _dependence(self, part: AttributeLabels, p: float) -> Finding:
        test = part.test
        nan = np.nan
        numbers = (nan, nan, nan, nan) if test is None else (test.effect, test.low, test.high, p)
        fact = f"The label can be guessed from {part.attribute}: a model trained on it will learn that. "
        remedy = "Find out whether the world or the way labels were made is behind it before you train."
        advice: Mapping[Severity, str] = {
            "WARNING": fact + remedy,
            "NOTICE": f"The label depends on {part.attribute} to some degree. {remedy}",
            "OK": "Label and group hardly depend on each other.",
            "NOT APPLICABLE": "There is one group, or one label, only.",
        }
        return self.settings.finding("group and label", part.attribute, "Cramer's V", numbers, advice)

    def _difference(self, part: AttributeLabels, p: float) -> Finding:
        numbers = part.difference, part.difference_low, part.difference_high, p
        n = part.table.sum(1)
        with np.errstate(invalid="ignore"):
            rates = part.table[:, part.labels.index(part.widest)] / n
        rates = np.where(n >= self.settings.min_group_size, rates, np.nan)
        fact = ""
        if not np.isnan(part.difference):
            fact = f"The rate of {part.widest} is {extremes(part.groups, rates, number)}"
        remedy = (
            f"{fact}: correct the labels if they are wrong; else weigh the rows (ReweightedClassifier), "
            "bound the disparity in training (FairClassifier) or give groups thresholds of their own "
            "(GroupThresholdOptimizer)."
        )
        advice: Mapping[Severity, str] = {
            "WARNING": remedy,
            "NOTICE": remedy,
            "INCONCLUSIVE": f"{fact}. Too few rows to tell how far apart they are: {_power(part)}. Collect "
            "more.",
            "OK": f"{fact}.",
            "NOT APPLICABLE": f"Fewer than two groups have {self.settings.min_group_size} labelled rows.",
        }
        return self.settings.finding("label rates", part.attribute, "max - min", numbers, advice)


def compare_labels(
    attribute: str, grouping: Grouping, labels: Grouping, pos_label: Any, settings: Settings, rng: RandomState
) -> AttributeLabels:
    """Compare the labels of each group of an attribute with those of all other rows."""
    shape = len(grouping.labels), len(labels.labels)
    flat_index = np.ravel_multi_index((grouping.codes, labels.codes), shape)
    table = np.bincount(flat_index, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    occurs = np.flatnonzero(table.sum(1) > 0)
    table, groups = table[occurs], [grouping.labels[i] for i in occurs]
    whole = table.sum(1)
    counts = [part_counts(column, whole) for column in table.T]  # each label against all others
    rates, rest_rates = (
        np.stack([side.rate("base_rate") for side in sides], axis=1)
        for sides in (counts, list(map(rest_of, counts)))
    )
    positive = _positive(labels, pos_label)
    label_index = (
        np.argmax(np.nan_to_num(np.abs(rates - rest_rates)), axis=1)
        if positive is None
        else np.full(len(groups), positive)
    )
    groups_index = np.arange(len(groups))

    def of_label(values: list[Floats]) -> Floats:
        """Take each group's value for the label that is reported for it."""
        return np.stack(values, axis=1)[groups_index, label_index]

    intervals = [rate_intervals(side, "base_rate", settings.confidence) for side in counts]
    with_rest = [
        pair_intervals(rest_of(side), side, RATES["base_rate"], "difference", settings.confidence)
        for side in counts
    ]
    middle = (rates + rest_rates) / 2
    candidates = range(shape[1]) if positive is None else [positive]
    largest = _largest_gap(table[whole >= settings.min_group_size], candidates, settings, rng)
    return AttributeLabels(
        attribute=attribute,
        groups=tuple(groups),
        labels=labels.labels,
        table=table,
        label=tuple(labels.labels[j] for j in label_index),
        rates=of_label([side.rate("base_rate") for side in counts]),
        low=of_label([low for low, _ in intervals]),
        high=of_label([high for _, high in intervals]),
        class_imbalance=(whole.sum() - 2 * whole) / whole.sum(),
        dpl=of_label([value for value, _ in with_rest]),
        dpl_low=of_label([low for _, (low, _) in with_rest]),
        dpl_high=of_label([high for _, (_, high) in with_rest]),
        kl=rel_entr(rest_rates, rates).sum(1),
        js=(rel_entr(rest_rates, middle) + rel_entr(rates, middle)).sum(1) / 2,
        tv=np.abs(rest_rates - rates).sum(1) / 2,
        linf=np.abs(rest_rates - rates).max(1),
        test=dependence_test(table, settings.confidence, rng),
        widest=labels.labels[largest.label],
        difference=largest.difference,
        difference_low=largest.low,
        difference_high=largest.high,
        detectable=largest.detectable,
        p=largest.p,
    )


class _LargestGap(NamedTuple):
    """The largest difference between two groups' rates of a label, with a test of it."""

    difference: float
    low: float
    high: float
    label: int
    detectable: float
    p: float


def _largest_gap(
    table: Floats, candidates: Sequence[int], settings: Settings, rng: RandomState
) -> _LargestGap:
    """Find the label whose rates differ most between groups; as if each were the only one, but corrected.

    ``table`` counts the labels of the groups that are large enough to be compared.
    """
    whole = table.sum(1)
    confidence = joint_confidence(settings.confidence, len(candidates))
    difference, low, high, label = max(
        ((*largest_difference(table[:, j], whole, confidence), j) for j in candidates),
        key=lambda candidate: np.nan_to_num(candidate[0]),
    )
    part = table[:, label]
    test = dependence_test(np.stack([part, whole - part], axis=1), settings.confidence, rng)
    p = np.nan if test is None else min(1.0, test.p * len(candidates))
    return _LargestGap(difference, low, high, label, _detectable(part, whole, confidence), p)


def _detectable(part: Floats, whole: Floats, confidence: float) -> float:
    if len(part) < 2:
        return np.nan
    return smallest_detectable(part_counts(part, whole), RATES["base_rate"], confidence=confidence)


def _power(part: AttributeLabels) -> str:
    if np.isnan(part.detectable):
        return "no difference between groups would show"
    return f"differences from {number(part.detectable)} up would show, with 80% power"


def _positive(labels: Grouping, pos_label: Any) -> int | None:
    """Return which label is the positive one; None if there are more than two and none is named."""
    if pos_label is None and len(labels.labels) != 2:
        return None
    classes = np.empty(len(labels.labels), dtype=object)
    classes[:] = labels.labels
    return labels.labels.index(positive_class(classes, pos_label))
