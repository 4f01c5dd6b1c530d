"""What a repair of predicted amounts does: distances of groups and errors, before it and after it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.special import kolmogi

from fairsk._core.amount_sums import GroupAmounts, tabulate_amounts
from fairsk._core.groups import Grouping, format_group
from fairsk._core.results import (
    Backend,
    Entries,
    Result,
    Table,
    amount,
    amount_with_interval,
    number,
    percent,
    row_count,
)
from fairsk._core.typing import Floats
from fairsk.metrics._scores.distances import largest_ks, largest_wasserstein
from fairsk.metrics._scores.grouped import GroupedScores

__all__ = ["MeasuredOn", "PredictionRepairReport", "RepairPolicy", "report_repair"]

RepairPolicy: TypeAlias = Literal["aware", "blind"]
#: Repaired predictions of rows, their groups and their weights.
Rows: TypeAlias = tuple[Floats, Grouping, Floats | None]
MeasuredOn: TypeAlias = Literal["out of fold", "held out"]

#: The coverage of intervals, and of the limit of the distance.
_CONFIDENCE = 0.95
#: Of more groups, pairs are not listed: they would be hundreds, and each takes a pass over its rows.
_MOST_GROUPS = 20
_ERROR, _MEAN = "root_mean_squared_error", "mean_prediction"


@dataclass(frozen=True, eq=False, repr=False)
class PredictionRepairReport(Result):
    r"""What a repair makes of predictions, on rows that the regressor had not seen.

    Parameters
    ----------
    policy : {"aware", "blind"}
        Whether the group is looked at.
    strength : float
        The strength at ``fit``, which what follows is about.
    measured_on : {"out of fold", "held out"}
        The rows: those of all folds, each predicted and repaired by the model of its fold; or those that a
        single model was not trained on.
    before, after : GroupAmounts
        Means and errors of the predictions per group; also ``before.intervals(...)``.
    ks_before, ks_after : float
        The Kolmogorov-Smirnov distance of the two groups whose predictions lie furthest apart; NaN for fewer
        than two groups.
    wasserstein_before, wasserstein_after : float
        The Wasserstein-1 distance of those furthest apart, in the unit of the amounts.
    ks_limit : float
        A limit for the distance of any two groups in the population that the rows are drawn from, as it is
        after the repair, with the probability ``confidence``.
    pairs : tuple of tuple of two groups
        All pairs of groups; none where there are more than 20 groups.
    pair_distances : dict of str to array of shape (n_pairs,)
        The four distances of each pair.
    confidence : float
        The coverage of the intervals, and of the limit.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    fairsk.PredictionRepair : What makes it, as ``report_``.

    Notes
    -----
    *The limit.* Let :math:`D` be the distance after the repair of one model, on the rows that it was learned
    on, of which two groups have :math:`m_a` and :math:`m_b`. A rising map of each group changes no distance
    between a sample and its population, so in the population the distance is at most :math:`D + K \sqrt{1/m_a
    + 1/m_b}`, with :math:`K` Kolmogorov's quantile, shared out over the pairs (Bonferroni). This is so
    although the map was learned on the same rows. A blind repair is learned of the chances of groups, and the
    true ones only measure it, so for it the same is an approximation.

    Of several models the greatest of their limits is taken, while their mean is predicted. That has another
    distribution than each of them: it errs less, for their samples are independent, and it is narrower where
    they disagree, which may be more so in one group than in another. No bound is known of the latter, and
    it does not shrink as the error of the samples does. What is left for it is what the limit of one model is
    wider than the error of all samples together, by about the root of the number of models. Linear models,
    trees and boosted trees were within it on up to 100,000 rows; boosted trees on 400,000 were not (.016
    apart, limit .014). Of a single model (``FrozenEstimator``, or ``cv=0.5``) the limit is proven: with so
    many rows, take one.

    Where models give many rows one prediction, the groups of each stay further apart than ``ks_after`` says
    of all folds together, since each has them elsewhere. The limit takes each model alone.

    Examples
    --------
    >>> from fairsk import PredictionRepair
    >>> from sklearn.linear_model import LinearRegression
    >>> X, y = [[i, i % 2] for i in range(40)], [i + 8.0 * (i % 2) for i in range(40)]
    >>> report = PredictionRepair(LinearRegression(), sensitive_features=1).fit(X, y).report_
    >>> round(report.ks_before, 2), round(report.ks_after, 2)
    (0.25, 0.0)
    """

    policy: RepairPolicy
    strength: float
    measured_on: MeasuredOn
    before: GroupAmounts
    after: GroupAmounts
    ks_before: float
    ks_after: float
    wasserstein_before: float
    wasserstein_after: float
    ks_limit: float
    pairs: tuple[tuple[Hashable, Hashable], ...]
    pair_distances: Mapping[str, Floats]
    confidence: float
    library: Backend | None = None

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups."""
        return self.before.groups

    def summary(self) -> str:
        """Return what the report says in plain sentences, a line each.

        Returns
        -------
        str
            Plain text.
        """
        lines = []
        if np.isnan(self.ks_before):
            lines.append("There are not two groups with rows to compare, so nothing is promised.")
        else:
            lines.append(
                "The Kolmogorov-Smirnov distance of the two groups whose predictions lie furthest apart is "
                f"{number(self.ks_after)}, and {number(self.ks_before)} without the repair; their "
                f"Wasserstein distance is {amount(self.wasserstein_after)}, and "
                f"{amount(self.wasserstein_before)} without."
            )
            of_folds = ", by each fold's model alone" if self.measured_on == "out of fold" else ""
            lines.append(
                "In the population, the Kolmogorov-Smirnov distance of any two groups is at most "
                f"{number(self.ks_limit)} ({percent(self.confidence)}{of_folds})."
            )
        means, errors = (
            [table.rate(name) for table in (self.before, self.after)] for name in (_MEAN, _ERROR)
        )
        moved = np.nan_to_num(np.abs(means[1] - means[0]))
        shown = np.sort(np.argsort(-moved, kind="stable")[:_MOST_GROUPS]).tolist()
        lines += [
            f"In {format_group(self.groups[g])} the mean prediction is {amount(means[1][g])} "
            f"(without the repair {amount(means[0][g])}), and the root mean squared error "
            f"{amount(errors[1][g])} (without {amount(errors[0][g])})."
            for g in shown
        ]
        if len(self.groups) > len(shown):
            lines.append(f"In the other {len(self.groups) - len(shown):,} groups the mean moves less.")
        total = [amount(float(table.overall().rate(_ERROR)[0])) for table in (self.before, self.after)]
        lines.append(f"Of all rows the root mean squared error is {total[1]}, and {total[0]} without.")
        n = row_count(float(self.before.n.sum()))
        if self.measured_on == "out of fold":
            lines.append(
                f"Measured on {n} training rows, each predicted by a model that was fitted without it."
            )
        else:
            lines.append(f"Measured on {n} rows that the regressor was not trained on.")
        return "\n".join(lines)

    def _content(self) -> dict[str, Any]:
        by_group = dict(self._by_group().columns)
        return super()._content() | {name: by_group[name] for name in by_group if name != "group"}

    def _tables(self) -> list[Table | Entries]:
        tables: list[Table | Entries] = [self._by_group(), Entries(self._summary())]
        if len(self.pairs) > 1:
            tables.append(self._by_pair())
        return tables

    def _summary(self) -> list[tuple[str, str]]:
        lines = [("repair", f"{self.policy}, strength {self.strength:g}; {self.measured_on}")]
        if not np.isnan(self.ks_before):
            whose = "each fold's model" if self.measured_on == "out of fold" else "the model"
            lines += [
                (
                    "Kolmogorov-Smirnov",
                    f"{number(self.ks_before)} before, {number(self.ks_after)} after; of {whose} in the "
                    f"population at most {number(self.ks_limit)} ({percent(self.confidence)})",
                ),
                (
                    "Wasserstein",
                    f"{amount(self.wasserstein_before)} before, {amount(self.wasserstein_after)} after",
                ),
            ]
        errors = [float(table.overall().rate(_ERROR)[0]) for table in (self.before, self.after)]
        lines.append(("RMSE", f"{amount(errors[0])} before, {amount(errors[1])} after"))
        return lines

    def _by_group(self) -> Table:
        columns: dict[str, list[object]] = {"group": list(map(format_group, self.groups))}
        columns["n"] = self.before.n.tolist()
        shown = {"group": list(map(format_group, self.groups)), "n": list(map(row_count, self.before.n))}
        for name, mean in (("mean", _MEAN), ("rmse", _ERROR)):
            for when, table in (("before", self.before), ("after", self.after)):
                values, (low, high) = table.rate(mean), table.intervals(mean, self.confidence)
                title = f"{name}_{when}"
                columns |= {title: values.tolist()}
                columns |= {f"{title}_low": low.tolist(), f"{title}_high": high.tolist()}
                shown[title] = list(map(amount_with_interval, values, low, high))
        return Table(columns, shown, notes=[f"in brackets: {percent(self.confidence)} intervals"])

    def _by_pair(self) -> Table:
        columns: dict[str, list[object]] = {
            "group": [format_group(first) for first, _ in self.pairs],
            "other group": [format_group(second) for _, second in self.pairs],
        }
        shown = {name: list(map(str, values)) for name, values in columns.items()}
        for name, distances in self.pair_distances.items():
            columns[name] = distances.tolist()
            shown[name] = list(map(number if name.startswith("ks") else amount, distances.tolist()))
        return Table(columns, shown, words=["other group"])


def report_repair(
    target: Floats,
    before: Floats,
    after: Floats,
    groups: Grouping,
    weights: Floats | None,
    *,
    policy: RepairPolicy,
    strength: float,
    measured_on: MeasuredOn,
    models: Sequence[Rows],
    library: Backend | None,
) -> PredictionRepairReport:
    """Measure a repair on rows.

    Parameters
    ----------
    target, before, after : arrays of shape (n_samples,)
        The amounts, and their predictions before the repair and after it.
    groups : Grouping
        The true group of each row.
    weights : array of shape (n_samples,) or None
        The weight of each row.
    policy, strength, measured_on, library
        For the report.
    models : sequence of tuple of repaired predictions, groups and weights
        For each model the rows that its repair was learned on.

    Returns
    -------
    PredictionRepairReport
        What was measured.
    """
    tables = [
        tabulate_amounts(target, predicted, groups, weights, library=library) for predicted in (before, after)
    ]
    present = np.flatnonzero(tables[0].n > 0).tolist()
    scores = [_sorted(predicted, groups, weights, present) for predicted in (before, after)]
    ks = [largest_ks(each) if len(present) > 1 else np.nan for each in scores]
    wasserstein = [largest_wasserstein(each) if len(present) > 1 else np.nan for each in scores]
    places = list(combinations(range(len(present)), 2)) if len(present) <= _MOST_GROUPS else []
    pair_distances = {
        f"{name}_{when}": np.array([distance(_pair(each, *pair)) for pair in places], dtype=float)
        for name, distance in (("ks", largest_ks), ("wasserstein", largest_wasserstein))
        for when, each in zip(("before", "after"), scores, strict=True)
    }
    return PredictionRepairReport(
        policy=policy,
        strength=strength,
        measured_on=measured_on,
        before=tables[0],
        after=tables[1],
        ks_before=ks[0],
        ks_after=ks[1],
        wasserstein_before=wasserstein[0],
        wasserstein_after=wasserstein[1],
        ks_limit=float(np.minimum(1.0, max(_limit(*rows, present) for rows in models))),
        pairs=tuple((scores[0].groups[i], scores[0].groups[j]) for i, j in places),
        pair_distances=pair_distances,
        confidence=_CONFIDENCE,
        library=library,
    )


def _limit(after: Floats, groups: Grouping, weights: Floats | None, present: list[int]) -> float:
    """Return the limit of one model, from the rows of its repair; infinite if a group has none."""
    if len(present) < 2:
        return float("nan")
    squares = None if weights is None else weights**2
    mass, squared = groups.sums(weights)[present], groups.sums(squares)[present]
    if not mass.all():
        return float("inf")
    return largest_ks(_sorted(after, groups, weights, present)) + chance_distance(mass**2 / squared)


def chance_distance(n: Floats) -> float:
    """Return how far apart samples of these sizes from one distribution lie at most, any two of them.

    By Kolmogorov's law, with the probability ``_CONFIDENCE``, shared out over the pairs of samples.
    """
    if len(n) < 2:
        return float("nan")
    n_pairs = len(n) * (len(n) - 1) / 2
    smallest, second = np.sort(n)[:2]
    return float(kolmogi((1 - _CONFIDENCE) / n_pairs) * np.sqrt(1 / smallest + 1 / second))


def _sorted(predicted: Floats, groups: Grouping, weights: Floats | None, present: list[int]) -> GroupedScores:
    """Return the sorted predictions of the groups that have rows; they have no labels, which stay False."""
    scores = GroupedScores.of_groups(predicted, np.zeros(len(predicted), dtype=bool), groups, weights)
    labels = tuple(scores.groups[i] for i in present)
    return replace(scores, groups=labels, parts=[scores.parts[i] for i in present])


def _pair(scores: GroupedScores, i: int, j: int) -> GroupedScores:
    """Return two of the groups."""
    return replace(
        scores, groups=(scores.groups[i], scores.groups[j]), parts=[scores.parts[i], scores.parts[j]]
    )
