"""Proxies: columns that predict the group of a row.

Each column alone is cut into bins, whose shares of every group, learned on some rows, rank the others. All
columns together go to boosted trees. The number is the area under the ROC curve, one group against all
others: how often a random member is ranked above a random other row, .5 by guessing and 1 for a column that
gives the group away. Its variance is DeLong's [1]_ in each fold; that of the mean over folds is larger than
if they were independent, for they learn on the same rows, and is corrected for that as Nadeau and Bengio
do [2]_: it errs on the side of caution.

References
----------
.. [1] DeLong, DeLong & Clarke-Pearson, Comparing the Areas under Two or More Correlated Receiver Operating
   Characteristic Curves: A Nonparametric Approach, Biometrics 44, 1988.
.. [2] Nadeau & Bengio, Inference for the Generalization Error, Machine Learning 52, 2003.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier

from fairsk._core.groups import Grouping, format_group
from fairsk._core.results import Backend, Result, Table, number, p_value, with_interval
from fairsk._core.typing import Floats, Ints
from fairsk.audit._data.columns import Bins, Column, bin_column
from fairsk.audit._data.findings import Finding, Settings, Severity, listed
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._multiplicity import adjust_p_values

__all__ = ["ALL_COLUMNS", "Proxies", "Proxy", "measure_proxies"]

ALL_COLUMNS = "(all columns)"
#: Of larger tables so many rows are drawn at random.
_MOST_ROWS = 20_000
#: So many values of a column of words the trees distinguish; rarer ones are one value.
_MOST_VALUES = 250


@dataclass(frozen=True)
class Proxy:
    """How well a column predicts the groups of an attribute.

    Parameters
    ----------
    attribute, column : str
        What they are called.
    auc : float
        The area under the ROC curve of the group that the column predicts best.
    low, high, p : float
        Its interval, and p that it is no better than guessing, both for all groups at once.
    group : Hashable
        That group.
    mean_auc : float
        The mean over groups.
    """

    attribute: str
    column: str
    auc: float
    low: float
    high: float
    p: float
    group: Hashable
    mean_auc: float


@dataclass(frozen=True, eq=False, repr=False)
class Proxies(Result):
    """How well other columns predict the group. Prints and renders itself.

    Parameters
    ----------
    parts : tuple of Proxy
        One for each attribute and column, and one for each attribute and all columns; the best first.
    not_measured : mapping of str to tuple
        Groups of each attribute with too few rows to be predicted.
    attributes, columns : tuple of str
        The attributes and the other columns that were looked at.
    fewest : int
        The smallest number of rows of a group that is predicted.
    n_used : int
        How many rows they are measured on.
    n_samples : int
        How many rows there are.
    settings : Settings
        Confidence, tolerances and the smallest group.
    free_text : tuple of str
        Columns of texts, which are not measured: each text is a value of its own.
    """

    parts: tuple[Proxy, ...]
    not_measured: Mapping[str, tuple[Hashable, ...]]
    attributes: tuple[str, ...]
    columns: tuple[str, ...]
    fewest: int
    n_used: int
    n_samples: int
    settings: Settings
    free_text: tuple[str, ...] = ()
    library: Backend | None = None

    @property
    def adjusted_p_values(self) -> list[float]:
        """The p-value of each part, adjusted for how many there are (Holm)."""
        return adjust_p_values([part.p for part in self.parts]).tolist()

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "column": [part.column for part in self.parts],
            "attribute": [part.attribute for part in self.parts],
            "group": [format_group(part.group) for part in self.parts],
            "auc": [part.auc for part in self.parts],
            "low": [part.low for part in self.parts],
            "high": [part.high for part in self.parts],
            "mean_auc": [part.mean_auc for part in self.parts],
            "adjusted_p": self.adjusted_p_values,
        }
        text = {name: columns[name] for name in ("column", "attribute")}
        text["group told best"] = columns["group"]
        intervals = zip(columns["auc"], columns["low"], columns["high"], strict=True)
        text["AUC"] = [with_interval(*values) for values in intervals]
        text["mean AUC"] = list(map(number, columns["mean_auc"]))
        text["adjusted p"] = list(map(p_value, columns["adjusted_p"]))
        notes = ["AUC on rows not learned from: .5 is guessing, 1 gives the group away."]
        if self.n_used < self.n_samples:
            notes.append(f"Measured on {self.n_used:,} of {self.n_samples:,} rows, drawn at random.")
        notes += [
            f"Too few rows to be told, for {attribute}: {listed(map(format_group, groups))}."
            for attribute, groups in self.not_measured.items()
            if groups
        ]
        if self.free_text:
            notes.append(f"Not measured, free text: {listed(self.free_text)}.")
        words = ("attribute", "group told best")
        return [Table(columns, text, "Proxies: columns that tell the group", notes, words)]

    def findings(self) -> list[Finding]:
        """Return what to make of the proxies."""
        findings = []
        pairs = list(zip(self.parts, self.adjusted_p_values, strict=True))
        for attribute in self.attributes:
            of_attribute = [self._column(part, p) for part, p in pairs if part.attribute == attribute]
            if not of_attribute:
                nan = np.nan
                reason = (
                    f"Fewer than two groups have the {self.fewest} rows that this takes."
                    if self.columns
                    else "There are no columns beside the sensitive ones and the labels."
                    if not self.free_text
                    else f"There are no other columns but free text ({listed(self.free_text)}), in which "
                    "each row is a value of its own: words beside groups are counted by CorpusCounts."
                )
                advice: Mapping[Severity, str] = {"NOT APPLICABLE": reason}
                of_attribute = [
                    self.settings.finding("proxies", attribute, "AUC", (nan, nan, nan, nan), advice)
                ]
            findings += of_attribute
        return findings

    def _column(self, part: Proxy, p: float) -> Finding:
        group = format_group(part.group)
        all_columns = part.column == ALL_COLUMNS
        subject = "All columns together tell" if all_columns else f"{part.column} tells"
        fact = f"{subject} who is {group}"
        remedy = (
            f"{fact}: a model that does not see {part.attribute} can still act on it. Keep {part.attribute} "
            "to measure the model's disparities with (group_metrics)."
            if all_columns
            else f"{fact}: leaving out {part.attribute} hides little. Keep {part.column} only if you can say "
            "why it is needed."
        )
        advice: Mapping[Severity, str] = {
            "WARNING": remedy,
            "NOTICE": f"This tells something of who is {group}: a model that does not see {part.attribute} "
            "can still act on it to some degree. Compare its rates between groups (group_metrics).",
            "INCONCLUSIVE": f"Too few rows to tell how well this gives {group} away.",
            "OK": f"{fact} hardly better than guessing does." if part.auc < 0.6 else f"{fact}, but not well.",
        }
        numbers = part.auc, part.low, part.high, p
        about = f"{part.column} for {part.attribute}"
        return self.settings.finding("proxies", part.attribute, "AUC", numbers, advice, about)


def measure_proxies(
    columns: Sequence[tuple[str, Column]],
    attributes: Sequence[tuple[str, Grouping]],
    cv: int,
    settings: Settings,
    rng: RandomState,
    library: Backend | None = None,
    free_text: Sequence[str] = (),
) -> Proxies:
    """Measure how well columns, alone and together, predict the groups of each attribute.

    Parameters
    ----------
    columns : sequence of (str, column)
        The other columns.
    attributes : sequence of (str, Grouping)
        The attributes.
    cv : int
        Number of folds.
    settings : Settings
        Confidence and the smallest group.
    rng : RandomState
        Draws rows and folds.
    library : str, optional
        The library of the user's frame.
    free_text : sequence of str, default=()
        Columns of texts, which are not among ``columns``.
    """
    n_samples = len(attributes[0][1].codes)
    sample = np.arange(n_samples)
    if n_samples > _MOST_ROWS:
        sample = np.sort(rng.choice(n_samples, _MOST_ROWS, replace=False))
    bins = {name: bin_column(column[sample]) for name, column in columns}
    parts: list[Proxy] = []
    not_measured = {}
    min_rows = max(settings.min_group_size, 2 * cv)  # each fold needs at least two rows of a group
    for attribute, grouping in attributes:
        codes = grouping.codes[sample]
        n = np.bincount(codes, minlength=len(grouping.labels))
        large = np.flatnonzero(n >= min_rows)
        not_measured[attribute] = tuple(label for i, label in enumerate(grouping.labels) if i not in large)
        if len(large) < 2 or not bins:
            continue
        rows = np.flatnonzero(np.isin(codes, large))
        group = np.searchsorted(large, codes[rows])
        fold = _folds(group, cv, rng)
        labels = [grouping.labels[i] for i in large]
        scores = {
            name: _shares_by_bin(column_bins, rows, group, fold, len(large))
            for name, column_bins in bins.items()
        }
        if len(bins) > 1:
            scores[ALL_COLUMNS] = _boosted(list(bins.values()), rows, group, fold, len(large), rng)
        proxies = [
            _best_predicted(attribute, name, labels, _areas(score, group, fold), cv, settings.confidence)
            for name, score in scores.items()
        ]
        parts += sorted(proxies, key=lambda proxy: -proxy.auc)
    names = tuple(name for name, _ in attributes)
    return Proxies(
        tuple(parts),
        not_measured,
        names,
        tuple(bins),
        min_rows,
        len(sample),
        n_samples,
        settings,
        tuple(free_text),
        library,
    )


def _folds(group: Ints, cv: int, rng: RandomState) -> Ints:
    """Spread the rows of each group over folds, evenly and at random."""
    fold = np.empty(len(group), dtype=np.intp)
    fold[np.lexsort((rng.random_sample(len(group)), group))] = np.arange(len(group)) % cv
    return fold


def _shares_by_bin(bins: Bins, rows: Ints, group: Ints, fold: Ints, n_groups: int) -> Floats:
    """Return the share of every group in the bin of each row, among the rows of all other folds."""
    codes, n_folds = bins.codes[rows], int(fold.max()) + 1
    shape = n_folds, bins.n_bins, n_groups
    flat_index = np.ravel_multi_index((fold, codes, group), shape)
    table = np.bincount(flat_index, minlength=int(np.prod(shape))).reshape(shape)
    other_folds = table.sum(0) - table
    prior = other_folds.sum(1, keepdims=True) / other_folds.sum((1, 2))[:, None, None]
    # One pseudo-row with the overall shares: a bin without rows has these shares.
    return ((other_folds + prior) / (other_folds.sum(2, keepdims=True) + 1))[fold, codes]


def _boosted(
    bins: Sequence[Bins],
    rows: Ints,
    group: Ints,
    fold: Ints,
    n_groups: int,
    rng: RandomState,
) -> Floats:
    """Return the probability of every group by trees of all columns, learned on all other folds."""
    X = np.stack([np.minimum(column.codes[rows], _MOST_VALUES) for column in bins], axis=1)
    trees = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=[not column.ordered for column in bins],
        random_state=rng.randint(2**31 - 1),
    )
    scores = np.empty((len(rows), n_groups))
    for held_out in range(int(fold.max()) + 1):
        train = fold != held_out
        scores[~train] = trees.fit(X[train], group[train]).predict_proba(X[~train])
    return scores


def _areas(scores: Floats, group: Ints, fold: Ints) -> tuple[Floats, Floats]:
    """Return each group's area under the ROC curve, the mean over folds, and its variance."""
    n_groups, n_folds = scores.shape[1], int(fold.max()) + 1
    areas, variances = np.empty((n_folds, n_groups)), np.empty((n_folds, n_groups))
    for k in range(n_folds):
        score, member = scores[fold == k], group[fold == k]
        ranks = rankdata(score, axis=0)
        for j in range(n_groups):
            inside = member == j
            n, m = inside.sum(), (~inside).sum()
            # How many of the others each row lies above (members) or does not lie above (others).
            above = (ranks[inside, j] - rankdata(score[inside, j])) / m
            below = 1 - (ranks[~inside, j] - rankdata(score[~inside, j])) / n
            areas[k, j] = above.mean()
            variances[k, j] = above.var(ddof=1) / n + below.var(ddof=1) / m
    return areas.mean(0), variances.sum(0) / n_folds**2


def _best_predicted(
    attribute: str,
    column: str,
    labels: Sequence[Hashable],
    area_estimates: tuple[Floats, Floats],
    cv: int,
    confidence: float,
) -> Proxy:
    """Return how well a column predicts the group that it predicts best."""
    areas, variances = area_estimates
    # Of two groups each is the rest of the other: their areas are equal, and one comparison is made.
    n_comparisons = len(labels) if len(labels) > 2 else 1
    best = int(areas[:n_comparisons].argmax())
    area = float(areas[best])
    error = float(np.sqrt(variances[best] * (1 + cv / (cv - 1))))  # cv * rows held out / rows learned from
    z = float(ndtri(0.5 + joint_confidence(confidence, n_comparisons) / 2))
    low, high = max(0.0, area - z * error), min(1.0, area + z * error)
    # A constant column has no error; it tells nothing.
    p = float(ndtr(-(area - 0.5) / error)) if error > 0 else float(area <= 0.5)
    return Proxy(
        attribute, column, area, low, high, min(1.0, p * n_comparisons), labels[best], float(areas.mean())
    )
