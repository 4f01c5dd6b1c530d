"""Thresholds whose bound holds within strata, against brute force, and inside scikit-learn's tools."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threshold_tools import choose_thresholds

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.bounds import Bound
from fairsk._core.groups import Grouping
from fairsk.metrics import GroupCounts
from fairsk.statistics import difference_interval
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._solvers.linear_program import LinearProgramSolver
from fairsk.thresholds._solvers.problem import OperatingPoints, Problem
from fairsk.thresholds._spec import ThresholdSpec


def share(above, below):
    return above / below if below else np.nan


#: A bounded rate of a cell, and how many rows it can be measured on at the most (positives and negatives).
RATES = {
    "demographic_parity": [(lambda tp, fp, fn, tn: share(tp + fp, tp + fp + fn + tn), lambda p, n: p + n)],
    "equal_opportunity": [(lambda tp, fp, fn, tn: share(tp, tp + fn), lambda p, n: p)],
    "equalized_odds": [
        (lambda tp, fp, fn, tn: share(tp, tp + fn), lambda p, n: p),
        (lambda tp, fp, fn, tn: share(fp, fp + tn), lambda p, n: n),
    ],
    "predictive_parity": [(lambda tp, fp, fn, tn: share(tp, tp + fp), lambda p, n: p + n)],
}
#: The denominator of a rate that has no fixed one.
SELECTED = "predictive_parity"


@dataclass(frozen=True)
class Case:
    """Rows of a few groups in a few strata."""

    scores: np.ndarray
    actual: np.ndarray
    codes: np.ndarray
    strata: np.ndarray
    weights: np.ndarray | None
    constraint: str
    max_difference: float | None
    min_ratio: float | None
    capacity: float | None
    worst_group: bool
    min_group_size: int

    @property
    def n_groups(self):
        return int(self.codes.max()) + 1

    @property
    def n_strata(self):
        return int(self.strata.max()) + 1

    @property
    def mass(self):
        return np.ones(len(self.scores)) if self.weights is None else self.weights

    def choose(self, policy="threshold"):
        groups = Grouping(("group",), tuple(range(self.n_groups)), self.codes)
        strata = Grouping(("stratum",), tuple("xyz"[: self.n_strata]), self.strata)
        curves = GroupCurves.from_rows(self.scores, self.actual, groups, self.weights, strata)
        spec = ThresholdSpec.from_parameters(
            self.constraint, self.max_difference, self.min_ratio,
            objective="worst_group_accuracy" if self.worst_group else "accuracy", min_rates=None,
            capacity=self.capacity, level_up=False, policy=policy, margin=0.0,
            min_group_size=self.min_group_size,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return choose_thresholds(curves, spec)

    def cells(self, rows, selected, mass):
        parts = (
            selected & self.actual[rows], selected & ~self.actual[rows],
            ~selected & self.actual[rows], ~selected & ~self.actual[rows],
        )  # fmt: skip
        return np.array([float(mass[rows][part].sum()) for part in parts])

    def covered(self):
        """Return which groups are compared in which strata."""
        large = np.zeros((self.n_groups, self.n_strata), dtype=bool)
        for g, s in np.ndindex(large.shape):
            own = (self.codes == g) & (self.strata == s)
            positives, negatives = (own & self.actual).sum(), (own & ~self.actual).sum()
            rows = min(most(positives, negatives) for _, most in RATES[self.constraint])
            large[g, s] = rows >= self.min_group_size
        return large & (large.sum(0) >= 2)


@st.composite
def cases(draw):
    n_groups, n_strata = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(6, 26 if n_groups == 2 else 21))
    codes = np.append(np.arange(n_groups), rng.integers(0, n_groups, n - n_groups))
    strata = np.append(rng.integers(0, n_strata, n - n_strata), np.arange(n_strata))
    actual = rng.random(n) < 0.5
    actual[:2] = True, False
    levels = draw(st.sampled_from([4, 1000]))
    scores = np.floor((rng.random(n) + draw(st.sampled_from([0.0, 0.5])) * actual) * levels) / levels
    by_ratio = draw(st.booleans())
    return Case(
        scores,
        actual,
        codes,
        strata,
        rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else None,
        draw(st.sampled_from(sorted(RATES))),
        None if by_ratio else draw(st.sampled_from([0.0, 0.2, 0.4])),
        draw(st.sampled_from([0.5, 0.8])) if by_ratio else None,
        draw(st.sampled_from([0.4, 0.7])) if draw(st.integers(0, 3)) == 0 else None,
        draw(st.integers(0, 3)) == 0,
        draw(st.integers(1, 3)),
    )


def brute_force(case, rules):
    """Return the best value; groups that are compared nowhere keep the rule that they were given."""
    covered, mass = case.covered(), case.mass
    ones = np.ones(len(mass))
    options = []
    for g in range(case.n_groups):
        rows = case.codes == g
        levels = (*np.unique(case.scores[rows]), np.inf)
        if not covered[g].any():
            levels = (rules[g].thresholds[0],)
        table = []
        for at in levels:
            of_group = case.cells(rows, case.scores[rows] >= at, mass)
            rates, is_open = [], True
            for s in range(case.n_strata):
                own = rows & (case.strata == s)
                selected = case.scores[own] >= at
                rates.append([rate(*case.cells(own, selected, mass)) for rate, _ in RATES[case.constraint]])
                if covered[g, s]:
                    is_open &= not np.isnan(rates[-1]).any()
                    if case.constraint == SELECTED:
                        is_open &= case.cells(own, selected, ones)[:2].sum() >= case.min_group_size
                else:
                    rates[-1] = [np.nan] * len(rates[-1])
            if is_open:
                table.append((of_group, np.array(rates)))
        options.append(table)
    best = None
    for choice in itertools.product(*options):
        rates = np.array([rates for _, rates in choice])
        low, high = (np.nanmin(rates, axis=0), np.nanmax(rates, axis=0))
        compared = (~np.isnan(rates)).sum(0) >= 2
        if (
            case.max_difference is not None
            and (high - low)[compared].max(initial=0) > case.max_difference + 1e-9
        ):
            continue
        if case.min_ratio is not None and (low - case.min_ratio * high)[compared].min(initial=0) < -1e-9:
            continue
        cells = np.array([cells for cells, _ in choice])
        if case.capacity is not None and cells[:, :2].sum() > case.capacity * mass.sum() + 1e-9:
            continue
        accuracy = cells[:, [0, 3]].sum(1) / cells.sum(1)
        value = cells[:, [0, 3]].sum() / mass.sum()
        if case.worst_group:
            counted = [
                g
                for g in range(case.n_groups)
                if covered[g].any() and (case.codes == g).sum() >= case.min_group_size
            ]
            value = accuracy[counted].min()
        best = value if best is None else max(best, value)
    return best


@settings(max_examples=200, deadline=None, derandomize=True)
@given(cases())
def test_within_strata_the_best_thresholds_are_found(case):
    covered = case.covered()
    if case.worst_group and np.bincount(case.codes).max() < case.min_group_size:
        with pytest.raises(ValueError, match="needs a group with min_group_size"):
            case.choose()
        return
    if not covered.any():
        assert case.choose().report.reason == "nothing can be compared"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing is compared in a stratum
        try:
            chosen = case.choose()
        except ValueError:
            assert brute_force(case, [Everybody()] * case.n_groups) is None or not covered.any(1).all()
            return
        assert chosen.report.value == pytest.approx(brute_force(case, chosen.rules), abs=1e-9)
    (constraint,) = chosen.report.constraints
    assert constraint.violation <= 1e-9
    # The report says what the rules do, stratum by stratum.
    worst = {}
    for s in range(case.n_strata):
        rates = []
        for g in np.flatnonzero(covered[:, s]):
            own = (case.codes == g) & (case.strata == s)
            selected = case.scores[own] >= chosen.rules[g].thresholds[0]
            cells = case.cells(own, selected, case.mass)
            assert cells == pytest.approx(
                [chosen.report.counts.cells[c][g, s] for c in ("tp", "fp", "fn", "tn")]
            )
            rates.append([rate(*cells) for rate, _ in RATES[case.constraint]])
        if rates:
            low, high = np.min(rates, axis=0), np.max(rates, axis=0)
            ratios = np.divide(low, high, out=np.ones_like(low), where=high > 0)
            worst["xyz"[s]] = -ratios.min() if case.min_ratio is not None else (high - low).max()
    expected = max(worst.values())
    assert constraint.disparity == pytest.approx(abs(expected), abs=1e-9)
    assert worst[constraint.stratum] == pytest.approx(expected)


class Everybody:
    """A rule that selects all."""

    thresholds = (-np.inf,)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cases())
def test_mixtures_within_strata_meet_the_bound_and_are_never_below(case):
    if case.constraint == SELECTED or not case.covered().any():
        return
    try:
        single = case.choose()
    except ValueError:
        return
    mixed = case.choose("randomized").report
    assert mixed.value >= single.report.value - 1e-6
    assert mixed.constraints[0].violation <= 1e-6
    assert single.report.optimality_gap == pytest.approx(mixed.value - single.report.value, abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_the_search_over_groups_equals_brute_force_where_groups_lack_rates(seed):
    rng = np.random.default_rng(seed)
    n_groups, n_rates = rng.integers(2, 4), rng.integers(2, 5)
    groups = []
    for _ in range(n_groups):
        n = rng.integers(2, 9)
        rates = rng.random((n_rates, n)).round(2)
        if n_rates > 2 and rng.random() < 0.5:
            rates[rng.integers(n_rates)] = np.nan
        groups.append(
            OperatingPoints(np.arange(n), rates, rng.random(n), rng.integers(0, 10, n).astype(float))
        )
    kinds = [Bound(difference=0.4), Bound(ratio=0.4)]
    bounds = tuple(kinds[i] for i in rng.integers(0, 2, n_rates))
    capacity = float(rng.integers(8, 20)) if seed % 2 else None
    found = LinearProgramSolver(Problem(groups, bounds, capacity, has_strata=True)).thresholds()
    best = None
    for choice in itertools.product(*map(range, map(len, groups))):
        rates = np.array([group.rates[:, i] for group, i in zip(groups, choice, strict=True)])
        low, high = np.nanmin(rates, axis=0), np.nanmax(rates, axis=0)
        met = [
            high[j] - low[j] <= 0.4 if bound.difference else low[j] >= 0.4 * high[j]
            for j, bound in enumerate(bounds)
        ]
        selected = sum(group.selected[i] for group, i in zip(groups, choice, strict=True))
        if all(met) and (capacity is None or selected <= capacity):
            total = sum(group.utility[i] for group, i in zip(groups, choice, strict=True))
            best = total if best is None else max(best, total)
    if best is None:
        assert found is None
    else:
        assert sum(g.utility[i] for g, i in zip(groups, found, strict=True)) == pytest.approx(best)


# --- the estimator ----------------------------------------------------------------------------------------


def admissions(n=3000, seed=0):
    """Return applicants: women apply to the department that admits few, men to the one that admits many."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    department = np.where(rng.random(n) < np.where(sex == "f", 0.8, 0.2), "hard", "easy")
    grade = rng.normal(size=n) + 0.3 * (sex == "m")
    admitted = (grade + rng.normal(size=n) > np.where(department == "hard", 1.2, -0.5)).astype(int)
    return pd.DataFrame(
        {"grade": grade, "easy": (department == "easy") * 1.0, "sex": sex, "department": department}
    ), admitted


def make_model():
    return make_pipeline(make_column_transformer((StandardScaler(), ["grade", "easy"])), LogisticRegression())


def gaps(X, selected):
    return {
        place: abs(
            np.subtract(*(selected[(X["department"] == place) & (X["sex"] == s)].mean() for s in "fm"))
        )
        for place in ("easy", "hard")
    }


def test_a_bound_within_departments_and_not_over_all():
    X, y = admissions()
    plain = GroupThresholdOptimizer(make_model(), sensitive_features="sex", max_difference=0.02).fit(X, y)
    fair = GroupThresholdOptimizer(
        make_model(), sensitive_features="sex", strata="department", max_difference=0.02, policy="threshold"
    ).fit(X, y)
    assert max(gaps(X, plain.predict(X)).values()) > 0.2  # equal shares over all rows, but nowhere else
    assert max(gaps(X, fair.predict(X)).values()) < 0.06  # chosen out of fold
    report = fair.report_
    assert report.disparity <= 0.02
    assert report.value > plain.report_.value
    assert fair.strata_ == report.counts.strata == ("easy", "hard")
    assert plain.strata_ is None
    assert len(fair.thresholds_) == 2
    by_stratum = report.counts.rate("selection_rate")
    differences = dict(zip(fair.strata_, np.abs(np.subtract(*by_stratum)), strict=True))
    assert report.constraints[0].stratum == max(differences, key=differences.get)
    assert report.disparity == pytest.approx(max(differences.values()))
    # Over all rows, the table and the records sum over the departments.
    records = report.to_dict()["groups"]
    assert [record["n"] for record in records] == [(X["sex"] == s).sum() for s in "fm"]
    assert f"largest within a stratum: {report.constraints[0].stratum}" in str(report)
    ends = [difference_interval(report.counts.stratum(s), "demographic_parity", 0.975) for s in fair.strata_]
    assert report.interval == pytest.approx((max(e[0] for e in ends), max(e[1] for e in ends)))


def test_values_columns_and_callables_say_the_same():
    X, y = admissions(1200)
    parameters = {"sensitive_features": "sex", "max_difference": 0.05}
    named = GroupThresholdOptimizer(GradeColumn(), strata="department", **parameters).fit(X, y)
    others = [
        GroupThresholdOptimizer(GradeColumn(), strata=lambda X: X["department"], **parameters).fit(X, y),
        GroupThresholdOptimizer(GradeColumn(), strata=["department"], **parameters).fit(X, y),
        GroupThresholdOptimizer(GradeColumn(), **parameters).fit(X, y, strata=X["department"]),
        GroupThresholdOptimizer(GradeColumn(), strata="sex", **parameters).fit(
            X, y, strata=X["department"].tolist()
        ),
        GroupThresholdOptimizer(GradeColumn(), strata="department", **parameters).fit(pl.from_pandas(X), y),
    ]
    for other in others:
        assert other.thresholds_ == named.thresholds_
        assert other.strata_ == ("easy", "hard")
    # Predictions need no strata.
    rest = X.drop(columns="department")
    assert (named.predict(rest) == named.predict(X)).all()
    two = GroupThresholdOptimizer(GradeColumn(), strata=["department", "easy"], **parameters).fit(X, y)
    assert two.thresholds_ == named.thresholds_
    assert two.strata_ == (("easy", 1.0), ("hard", 0.0))


def test_weights_stand_for_rows():
    X, y = admissions(900)
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    scores = X["grade"].to_numpy()
    model = FrozenEstimator(GradeColumn().fit(X, y))
    fair = GroupThresholdOptimizer(model, sensitive_features="sex", strata="department", policy="threshold")
    weighted = clone(fair).fit(X, y, sample_weight=weights.astype(float))
    rows = np.repeat(np.arange(len(y)), weights)
    repeated = clone(fair).fit(X.iloc[rows], y[rows])
    assert weighted.thresholds_ == repeated.thresholds_
    for cell, values in repeated.report_.counts.cells.items():
        np.testing.assert_allclose(weighted.report_.counts.cells[cell], values)
    assert np.isfinite(scores).all()


class GradeColumn(ClassifierMixin, BaseEstimator):
    """A classifier whose score is the grade."""

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X):
        return X["grade"].to_numpy()


def test_small_cells_are_passed_over_with_one_warning():
    X, y = admissions(2000)
    X.loc[:9, ["sex", "department"]] = ["f", "tiny"]
    X.loc[10:59, ["sex", "department"]] = ["f", "lonely"]
    X.loc[60:69, ["sex", "department"]] = ["m", "lonely"]
    X.loc[70:79, "sex"] = "x"
    optimizer = GroupThresholdOptimizer(
        GradeColumn(), sensitive_features="sex", strata="department", max_difference=0.03
    )
    with pytest.warns(UserWarning, match="Fewer than min_group_size=30 rows") as caught:
        fair = optimizer.fit(X, y)
    assert sum("min_group_size=30" in str(each.message) for each in caught) == 1
    message = str(caught[0].message)
    assert "does not cover" not in message  # x is in none of them, which is said once
    assert "There are not two groups to compare in: lonely, tiny." in message
    assert "Compared in no stratum, with the overall threshold: x." in message
    assert fair.report_.exempt == ("x",)
    assert fair.thresholds_["x"] == fair.overall_threshold_
    assert fair.report_.disparity <= 0.03
    with pytest.warns(UserWarning, match="Nothing can be compared in any of them: every group gets"):
        nothing = clone(optimizer).set_params(min_group_size=1900).fit(X, y)
    assert np.isnan(nothing.report_.disparity)
    assert set(nothing.thresholds_.values()) == {nothing.overall_threshold_}
    assert "nothing can be compared" in str(nothing.report_)


def test_own_constraints_and_several():
    X, y = admissions(1500)
    fdr = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True)])
    fair = GroupThresholdOptimizer(
        make_model(),
        sensitive_features="sex",
        strata="department",
        constraint=["equal_opportunity", fdr],
        max_difference=[0.05, 0.1],
        policy="threshold",
    ).fit(X, y)
    assert [part.violation <= 1e-9 for part in fair.report_.constraints] == [True, True]
    for constraint, bound in (("equal_opportunity", 0.05), (fdr, 0.1)):
        assert (fair.report_.counts.compare(constraint) <= bound + 1e-9).all()


def test_a_path_within_strata():
    X, y = admissions(1000)
    optimizer = GroupThresholdOptimizer(GradeColumn(), sensitive_features="sex", strata="department")
    path = optimizer.pareto_path(X, y, n_points=4)
    same = optimizer.pareto_path(X, y, strata=X["department"], n_points=4)
    np.testing.assert_array_equal(path.value, same.value)
    defined = ~np.isnan(path.value)
    assert (path.disparity[defined] <= path.bounds[defined] + 1e-9).all()
    at = path.bounds[2]
    chosen = clone(optimizer).set_params(max_difference=at, policy="threshold").fit(X, y)
    assert path.value[2] == pytest.approx(chosen.report_.value)


def test_inside_a_search_with_a_column_and_with_metadata():
    X, y = admissions(900)
    fair = GroupThresholdOptimizer(GradeColumn(), sensitive_features="sex", strata="department", cv=3)
    grid = {"max_difference": [0.02, 0.1]}
    search = GridSearchCV(fair, grid, cv=2).fit(X, y)
    assert search.best_estimator_.strata_ == ("easy", "hard")
    assert len(search.predict(X.drop(columns="department"))) == len(X)
    without = GroupThresholdOptimizer(GradeColumn(), cv=3, sensitive_features="sex")
    routed = GridSearchCV(without, grid, cv=2).fit(X, y, strata=X["department"])  # routing disabled
    np.testing.assert_array_equal(
        routed.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )
    with config_context(enable_metadata_routing=True):
        routed = GridSearchCV(without, grid, cv=2).fit(X, y, strata=X["department"])
        np.testing.assert_array_equal(
            routed.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
        )
        pipeline = make_pipeline(StandardScaler(), GroupThresholdOptimizer(LogisticRegression()))
        pipeline.fit(X[["grade", "easy"]], y, sensitive_features=X["sex"], strata=X["department"])
        assert pipeline[-1].strata_ == ("easy", "hard")
        scores = cross_validate(without, X, y, cv=2, params={"strata": X["department"]})
        assert np.isfinite(scores["test_score"]).all()


def test_what_is_refused():
    X, y = admissions(600)
    fair = GroupThresholdOptimizer(GradeColumn(), sensitive_features="sex", strata="department")
    with pytest.raises(
        ValueError, match="policy='blind' compares groups over all rows only: leave out strata"
    ):
        clone(fair).set_params(policy="blind").fit(X, y)
    with pytest.raises(ValueError, match=r"margin=.1se. is not open to strata"):
        clone(fair).set_params(margin="1se").fit(X, y)
    with pytest.raises(ValueError, match=r"'departement' is not in X.*Did you mean 'department'"):
        clone(fair).set_params(strata="departement").fit(X, y)
    with pytest.raises(ValueError, match="strata has 3 rows where 600 are expected"):
        fair.fit(X, y, strata=["a"] * 3)
    with pytest.raises(TypeError, match="strata passed to a method must be values, one per row, not str"):
        fair.fit(X, y, strata="department")
    with pytest.raises(ValueError, match="strata has the index of X in another order"):
        fair.fit(X, y, strata=X["department"].sample(frac=1, random_state=0))
    with pytest.raises(ValueError, match="column of strata 'grade' looks continuous"):
        clone(fair).set_params(strata="grade").fit(X, y)
    with pytest.raises(ValueError, match="column of strata 'department' is missing"):
        fair.fit(X.assign(department=X["department"].where(X.index > 3)), y)
    impossible = clone(fair).set_params(max_difference=0.0, policy="threshold", constraint="accuracy_parity")
    with pytest.raises(ValueError, match=r"the least difference in (easy|hard) is 0\.0"):
        impossible.fit(X, y)


def test_one_stratum_is_no_stratum():
    X, y = admissions(600)
    plain = GroupThresholdOptimizer(GradeColumn(), sensitive_features="sex").fit(X, y)
    alike = clone(plain).fit(X, y, strata=np.zeros(len(y), dtype=int))
    assert alike.thresholds_ == plain.thresholds_
    assert alike.report_.solver == plain.report_.solver
    assert alike.report_.interval == pytest.approx(plain.report_.interval)
    counts = GroupCounts.from_predictions(y, y, sensitive_features=X["sex"])
    np.testing.assert_array_equal(alike.report_.counts.n[:, 0], counts.n)
