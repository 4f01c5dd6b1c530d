"""The objective of the worst group against brute force: alone, under bounds, with requirements."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from threshold_tools import choose_thresholds

from fairsk import GroupThresholdOptimizer
from fairsk._core.groups import Grouping
from fairsk._held_out.objective import make_objective
from fairsk.metrics import ScoreHistograms
from fairsk.thresholds import thresholds_from_histograms
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._spec import ThresholdSpec


def share(above, below):
    return above / below if below else np.nan


#: The objective, its value in a group, and whether less of it is better: the oracle.
OBJECTIVES: dict[str, tuple[Any, bool]] = {
    "accuracy": (lambda tp, fp, fn, tn: share(tp + tn, tp + fp + fn + tn), False),
    "true_positive_rate": (lambda tp, fp, fn, tn: share(tp, tp + fn), False),
    "balanced_accuracy": (lambda tp, fp, fn, tn: (share(tp, tp + fn) + share(tn, tn + fp)) / 2, False),
    "error_rate": (lambda tp, fp, fn, tn: share(fp + fn, tp + fp + fn + tn), True),
    "precision": (lambda tp, fp, fn, tn: share(tp, tp + fp), False),
    "f1": (lambda tp, fp, fn, tn: share(2 * tp, 2 * tp + fp + fn), False),
}
#: A bounded rate of a group, from its cells.
RATES = {
    "demographic_parity": [lambda tp, fp, fn, tn: share(tp + fp, tp + fp + fn + tn)],
    "equal_opportunity": [lambda tp, fp, fn, tn: share(tp, tp + fn)],
    "equalized_odds": [lambda tp, fp, fn, tn: share(tp, tp + fn), lambda tp, fp, fn, tn: share(fp, fp + tn)],
    "predictive_parity": [lambda tp, fp, fn, tn: share(tp, tp + fp)],
}


@dataclass(frozen=True)
class Case:
    """Rows of two or three groups, each of which has both labels."""

    scores: np.ndarray
    actual: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None
    objective: str
    constraint: str
    max_difference: float | None
    min_ratio: float | None
    capacity: float | None
    min_rates: dict[str, float]

    def spec(self, policy="threshold"):
        return ThresholdSpec.from_parameters(
            self.constraint, self.max_difference, self.min_ratio,
            objective=f"worst_group_{self.objective}", min_rates=self.min_rates, capacity=self.capacity,
            level_up=False, policy=policy, margin=0.0, min_group_size=1,
        )  # fmt: skip

    def curves(self):
        groups = Grouping(("group",), tuple(range(int(self.codes.max()) + 1)), self.codes)
        return GroupCurves.from_rows(self.scores, self.actual, groups, self.weights)

    def choose(self, policy="threshold"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the same decision for every row
            return choose_thresholds(self.curves(), self.spec(policy)).report

    def options(self):
        """Return the cells of every threshold of every group."""
        weights = np.ones(len(self.scores)) if self.weights is None else self.weights
        options = []
        for g in range(int(self.codes.max()) + 1):
            own = self.codes == g
            sets = [self.scores[own] >= level for level in (*np.unique(self.scores[own]), np.inf)]
            actual, w = self.actual[own], weights[own]
            options.append(
                [
                    tuple(
                        float(w[part].sum()) for part in (s & actual, s & ~actual, ~s & actual, ~s & ~actual)
                    )
                    for s in sets
                ]
            )
        return options


@st.composite
def cases(draw):
    n_groups = draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [draw(st.integers(2, {2: 12, 3: 7}[n_groups])) for _ in range(n_groups)]
    n = sum(sizes)
    codes = np.repeat(np.arange(n_groups), sizes)
    actual = rng.random(n) < 0.5
    first = np.cumsum([0, *sizes[:-1]])
    actual[first], actual[first + 1] = True, False
    levels = draw(st.sampled_from([3, 8, 1000]))  # many ties, some, none
    scores = np.floor((rng.random(n) + draw(st.sampled_from([0.0, 0.5])) * actual) * levels) / levels
    by_ratio = draw(st.booleans())
    return Case(
        scores,
        actual,
        codes,
        rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else None,
        draw(st.sampled_from(sorted(OBJECTIVES))),
        draw(st.sampled_from(sorted(RATES))),
        None if by_ratio else draw(st.sampled_from([0.0, 0.1, 0.3, np.inf])),
        draw(st.sampled_from([0.0, 0.5, 0.8])) if by_ratio else None,
        draw(st.sampled_from([0.4, 0.7])) if draw(st.integers(0, 3)) == 0 else None,
        {"true_negative_rate": 0.5} if draw(st.integers(0, 3)) == 0 else {},
    )


def brute_force(case):
    """Return the best (worst group's value, value of all rows), greater being better; None without any."""
    value, lower = OBJECTIVES[case.objective]
    sign = -1 if lower else 1
    total = sum(sum(cells) for cells in (option[0] for option in case.options()))
    best = None
    for choice in itertools.product(*case.options()):
        rates = [[rate(*cells) for cells in choice] for rate in RATES[case.constraint]]
        values = [sign * value(*cells) for cells in choice]
        if np.isnan(rates).any() or np.isnan(values).any():
            continue
        if case.max_difference is not None and any(
            max(r) - min(r) > case.max_difference + 1e-9 for r in rates
        ):
            continue
        if case.min_ratio is not None and any(min(r) < case.min_ratio * max(r) - 1e-9 for r in rates):
            continue
        if case.capacity is not None and sum(c[0] + c[1] for c in choice) > case.capacity * total + 1e-9:
            continue
        if case.min_rates and any(c[3] / (c[1] + c[3]) < 0.5 - 1e-9 for c in choice):
            continue
        overall = sign * value(*np.sum(choice, axis=0))
        worst = min(values)
        if best is None or worst > best[0] + 1e-9 or (worst > best[0] - 1e-9 and overall > best[1]):
            best = (worst, overall)
    return best


#: The linear program finds mixtures that are 1e-9 worse than what single thresholds reach.
ROUNDED_BELOW = Case(
    np.array([0, 0.625, 0.125, 0.75, 0.5, 0.25, 0.375, 0, 0, 0.625, 0.625, 0.5, 0.375]),
    np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0], dtype=bool),
    np.repeat([0, 1], [11, 2]),
    None, "f1", "demographic_parity", np.inf, None, 0.4, {"true_negative_rate": 0.5},
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(cases())
@example(ROUNDED_BELOW)
def test_the_worst_group_is_lifted_as_far_as_any_thresholds_can(case):
    expected = brute_force(case)
    if expected is None:
        with pytest.raises(ValueError, match="No threshold"):
            case.choose()
        return
    report = case.choose()
    value, lower = OBJECTIVES[case.objective]
    sign = -1 if lower else 1
    cells = np.array([report.counts.cells[cell] for cell in ("tp", "fp", "fn", "tn")])
    assert sign * report.value == pytest.approx(expected[0], abs=1e-9)
    assert min(sign * value(*column) for column in cells.T) == pytest.approx(expected[0], abs=1e-9)
    if case.objective == "balanced_accuracy":  # of all rows, weighed by their labels
        tp, fp, fn, tn = cells.sum(1)
        assert (tp / (tp + fn) + tn / (tn + fp)) / 2 == pytest.approx(expected[1], abs=1e-9)
    else:
        assert sign * value(*cells.sum(1)) == pytest.approx(expected[1], abs=1e-9)
    assert report.optimality_gap >= -1e-8  # the linear program rounds


def bounded_by_scipy(case):
    """Return the greatest level that mixtures give to every group, by bisection over linear programs."""
    lower = OBJECTIVES[case.objective][1]
    parts = {
        "accuracy": lambda tp, fp, fn, tn: (tp + tn, tp + fp + fn + tn),
        "true_positive_rate": lambda tp, fp, fn, tn: (tp, tp + fn),
        "balanced_accuracy": lambda tp, fp, fn, tn: ((tp / (tp + fn) + tn / (tn + fp)) / 2, 1.0),
        "error_rate": lambda tp, fp, fn, tn: (-fp - fn, tp + fp + fn + tn),
        "precision": lambda tp, fp, fn, tn: (tp, tp + fp),
        "f1": lambda tp, fp, fn, tn: (2 * tp, 2 * tp + fp + fn),
    }[case.objective]
    options = [[cells for cells in group if parts(*cells)[1] > 0] for group in case.options()]
    starts = np.cumsum([0, *map(len, options)])
    n, rates = int(starts[-1]), RATES[case.constraint]

    def is_reachable(level):
        rows, limits = [], []
        for g, group in enumerate(options):
            own = slice(starts[g], starts[g + 1])
            row = np.zeros(n + len(rates))
            row[own] = [level * whole - part for part, whole in (parts(*cells) for cells in group)]
            rows.append(row)
            limits.append(0.0)
            for j, rate in enumerate(rates):
                values = np.array([rate(*cells) for cells in group])
                above, below = np.zeros((2, n + len(rates)))
                above[own], above[n + j] = -values, 1
                if case.max_difference is None:
                    below[own], below[n + j] = case.min_ratio * values, -1
                else:
                    below[own], below[n + j] = values, -1
                rows += [above, below]
                limits += [0.0, 0.0 if case.max_difference is None else min(case.max_difference, 1.0)]
        one = np.zeros((len(options), n + len(rates)))
        for g in range(len(options)):
            one[g, starts[g] : starts[g + 1]] = 1
        limits = [limit + 1e-9 for limit in limits]
        bounds = [(0, None)] * n + [(None, None)] * len(rates)
        return linprog(np.zeros(n + len(rates)), rows, limits, one, np.ones(len(options)), bounds).status == 0

    low, high = (-1.0, 0.0) if lower else (0.0, 1.0)
    for _ in range(22):
        middle = (low + high) / 2
        low, high = (middle, high) if is_reachable(middle) else (low, middle)
    return -low if lower else low


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_mixtures_reach_what_a_linear_program_over_everything_does(case):
    case = replace(case, capacity=None, min_rates={})
    if case.constraint == "predictive_parity":
        return
    try:
        report = case.choose("randomized")
    except ValueError:
        assert brute_force(case) is None
        return
    assert report.value == pytest.approx(bounded_by_scipy(case), abs=2e-6)
    for part in report.constraints:
        assert part.violation <= 1e-6
    single = brute_force(case)
    if single is not None:
        reached = case.choose()
        assert reached.optimality_gap == pytest.approx(abs(report.value - reached.value), abs=1e-6)


@pytest.mark.parametrize("limit", [{"max_difference": np.inf}, {"max_difference": 1.0}, {"min_ratio": 0.0}])
def test_without_a_bound_every_group_is_as_good_as_it_can_be(limit):
    X, y, groups = applicants(seed=3)
    report = fit(X, y, groups, **limit).report_
    best = [
        max(np.mean((X[groups == g, 0] >= at) == y[groups == g]) for at in (*X[groups == g, 0], np.inf))
        for g in "abc"
    ]
    assert report.value == min(best)
    assert report.worst_group == "abc"[int(np.argmin(best))]
    assert report.value_of_all == pytest.approx(np.bincount(codes_of(groups)) @ best / len(y))
    assert report.objective == "worst_group_accuracy"
    assert f"  {report.worst_group}; over all rows {report.value_of_all:.4f}\n" in str(report)


class ScoreColumn(ClassifierMixin, BaseEstimator):
    """A classifier whose score is the first column of X."""

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0]


def codes_of(groups):
    return np.unique(groups, return_inverse=True)[1]


def applicants(seed=0, n=600):
    """Return rows of three groups whose scores say less and less of the label."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2])
    y = rng.random(n) < np.where(groups == "a", 0.5, 0.35)
    return (
        rng.normal(size=(n, 1)) + y[:, None] * (2.0 - 0.6 * codes_of(groups)[:, None]),
        y.astype(int),
        groups,
    )


def fit(X, y, groups, objective="worst_group_accuracy", **parameters):
    model = FrozenEstimator(ScoreColumn().fit(X, y))
    optimizer = GroupThresholdOptimizer(model, objective=objective, **{"policy": "threshold", **parameters})
    return optimizer.fit(X, y, sensitive_features=groups)


def test_decisions_are_what_the_report_says_and_better_for_the_worst_group():
    X, y, groups = applicants()
    fair = fit(X, y, groups, max_difference=0.02)
    right = fair.predict(X, sensitive_features=groups) == y
    shares = {str(g): np.mean(right[groups == g]) for g in "abc"}
    assert fair.report_.value == pytest.approx(min(shares.values()))
    assert shares[fair.report_.worst_group] == pytest.approx(fair.report_.value)
    plain = fit(X, y, groups, objective="accuracy", max_difference=0.02)
    right = plain.predict(X, sensitive_features=groups) == y
    assert min(np.mean(right[groups == g]) for g in "abc") < fair.report_.value
    assert fair.report_.value_of_all <= plain.report_.value
    assert fair.report_.to_dict()["worst_group"] == fair.report_.worst_group


def test_the_overall_threshold_is_the_best_one_of_all_for_the_worst_group():
    X, y, groups = applicants(seed=1, n=300)
    fair = fit(X, y, groups)
    tried = {}
    for at in (*np.unique(X[:, 0]), np.inf):
        right = (X[:, 0] >= at) == y
        tried[at] = (round(min(np.mean(right[groups == g]) for g in "abc"), 12), np.mean(right))
    assert fair.report_.value_without_bound == pytest.approx(max(tried.values())[0])
    at = min(at for at in tried if at >= fair.overall_threshold_)
    assert tried[at] == max(tried.values())
    levelled = fit(X, y, groups, level_up=True, max_difference=np.inf)
    assert max(levelled.thresholds_.values()) <= levelled.overall_threshold_


def test_a_group_that_cannot_be_measured_does_not_count():
    X, y, groups = applicants(seed=2)
    y[groups == "c"] = 0
    y[np.flatnonzero(groups == "c")[:5]] = 1
    with pytest.warns(UserWarning, match=r"to measure objective='worst_group_recall' on in: c\. The worst"):
        report = fit(X, y, groups, "worst_group_recall", max_difference=0.1).report_
    assert report.exempt == ()
    assert report.objective == "worst_group_true_positive_rate"
    recall = report.counts.rate("recall")
    assert report.value == pytest.approx(recall[:2].min())
    y[:] = 0
    y[np.flatnonzero(groups == "a")[:20]] = 1
    with pytest.raises(ValueError, match="needs a group with min_group_size=30 rows"):
        fit(X, y, groups, "worst_group_recall")


def test_exempt_groups_do_not_count_either():
    X, y, groups = applicants(seed=4)
    few = np.flatnonzero(groups == "c")[:10]
    kept = np.append(np.flatnonzero(groups != "c"), few)
    y[few] = X[few, 0] < np.median(X[few, 0])  # the scores are wrong about them
    with pytest.warns(UserWarning, match="min_group_size=30"):
        report = fit(X[kept], y[kept], groups[kept]).report_
    assert report.exempt == ("c",)
    assert report.value == pytest.approx(report.counts.rate("accuracy")[:2].min())
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        alone = fit(X[few], y[few], groups[few], min_group_size=1).report_
    assert alone.value == pytest.approx(alone.counts.rate("accuracy")[0])


def test_a_path_of_bounds():
    X, y, groups = applicants()
    model = FrozenEstimator(ScoreColumn().fit(X, y))
    optimizer = GroupThresholdOptimizer(model, objective="worst_group_accuracy")
    path = optimizer.pareto_path(X, y, sensitive_features=groups, n_points=5)
    assert path.objective == "worst_group_accuracy"
    defined = ~np.isnan(path.value)
    assert defined[-1]
    assert (np.diff(path.value[defined]) >= -1e-12).all()  # a looser bound never costs
    assert (path.best_mixture[defined] >= path.value[defined] - 1e-7).all()
    middle = path.bounds[2]
    assert path.value[2] == pytest.approx(fit(X, y, groups, max_difference=middle).report_.value)


def test_histograms_with_a_bin_for_every_score_give_the_same():
    X, y, groups = applicants(n=200)
    scores = X[:, 0].round(1)
    edges = np.unique(scores)
    counts = ScoreHistograms.from_scores(y, scores, sensitive_features=groups, edges=edges)
    parameters = {"objective": "worst_group_accuracy", "policy": "threshold", "max_difference": 0.1}
    found = thresholds_from_histograms(counts, **parameters).report
    rows = fit(scores[:, None], y, groups, max_difference=0.1).report_
    assert found.value == pytest.approx(rows.value)
    coarse = ScoreHistograms.from_scores(y, scores, sensitive_features=groups, edges=edges[::5])
    found = thresholds_from_histograms(coarse, **parameters).report
    assert found.value <= rows.value <= found.value + found.binning_loss + 1e-12


def test_what_cannot_be_asked_for():
    X, y, groups = applicants()
    with pytest.raises(ValueError, match="policy='blind' cannot maximise 'worst_group_accuracy'"):
        fit(X, y, groups, policy="blind")
    with pytest.raises(ValueError, match="needs a bound: max_difference is infinite"):
        fit(X, y, groups, "accuracy", policy="blind", max_difference=np.inf)
    with pytest.raises(ValueError, match="Unknown objective 'acuracy'"):
        fit(X, y, groups, "worst_group_acuracy")
    for long in ("worst_group_" + "x" * 9999, "x" * 9999, {"x" * 9999: 1}, {"tp": "x" * 9999}):
        with pytest.raises(ValueError, match=r"Unknown objective|dict as objective|of a cell") as told:
            fit(X, y, groups, long)
        assert len(str(told.value)) < 2000
    with pytest.raises(ValueError, match="which GroupThresholdOptimizer and thresholds_from_histograms"):
        make_objective("worst_group_accuracy", 1.0, 1.0)


def test_weights_and_a_margin():
    X, y, groups = applicants()
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = FrozenEstimator(ScoreColumn().fit(X, y))
    optimizer = GroupThresholdOptimizer(
        model, objective="worst_group_accuracy", max_difference=0.3, margin="1se"
    )
    fair = optimizer.fit(X, y, sensitive_features=groups, sample_weight=weights)
    right = fair.predict(X, sensitive_features=groups) == y
    worst = min(np.average(right[groups == g], weights=weights[groups == g]) for g in "abc")
    assert fair.report_.value == pytest.approx(
        worst, abs=0.02 if fair.report_.policy == "randomized" else 1e-9
    )
    none = GroupThresholdOptimizer(model, max_difference=[np.inf, 0.1], min_group_size=1,
        constraint=["demographic_parity", "equal_opportunity"])  # fmt: skip
    report = none.fit(X, y, sensitive_features=groups).report_
    assert "demographic_parity, no bound" in str(report)


def test_constraint_none_is_told_how_to_leave_out_the_bound():
    X, y, groups = applicants()
    optimizer = GroupThresholdOptimizer(ScoreColumn(), constraint=None, objective="worst_group_accuracy")
    with pytest.raises(ValueError, match=r"constraint=None .* max_difference=float\('inf'\)"):
        optimizer.fit(X, y, sensitive_features=groups)
