"""Scorers of several classes: each against the rest, or a grade or better, beside counting by hand."""

from __future__ import annotations

import copy
import pickle
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_validate
from sklearn.tree import DecisionTreeClassifier

from fairsk import ReweightedClassifier
from fairsk.metrics import GroupCounts, multiclass_disparity, one_vs_rest_counts
from fairsk.scoring import (
    GroupScoring,
    best_under,
    cv_disparities,
    make_fair_scorer,
    make_group_scorer,
    make_tradeoff_scorer,
    pareto_front,
)
from fairsk.statistics import difference_interval

RNG = np.random.default_rng(7)
N = 180
X = pd.DataFrame(
    {
        "skill": RNG.normal(size=N),
        "luck": RNG.normal(size=N),
        "sex": RNG.choice([0, 1], N),
        "old": RNG.choice([0, 1], N),
    }
)
Y = np.array(["C", "B", "A"])[np.digitize(X.skill + 0.7 * X.sex + RNG.normal(size=N) * 0.4, [-0.2, 0.9])]
GRADES = ["C", "B", "A"]
TREE = DecisionTreeClassifier(random_state=0)
FOLDS = KFold(3)


class Says(ClassifierMixin, BaseEstimator):
    """Predicts the first column of X, an index of its classes; probabilities are the columns after it."""

    def __init__(self, classes: Any) -> None:
        self.classes = classes
        self.classes_ = np.array(sorted(classes))

    def fit(self, X: Any, y: Any) -> Says:
        return self

    def predict(self, X: Any) -> Any:
        return self.classes_[X[:, 0].astype(int)]

    def predict_proba(self, X: Any) -> Any:
        return X[:, 1:]


RATES = {
    "demographic_parity": [lambda label, said: said],
    "equal_opportunity": [lambda label, said: said[label == 1]],
    "equalized_odds": [lambda label, said: said[label == 1], lambda label, said: said[label == 0]],
}


def by_hand(constraint: str, comparison: str, label: Any, said: Any, group: Any) -> float:
    """Return the comparison of one event: labels are 0 or 1, and decisions 0, 1 or probabilities."""
    per_rate = []
    for rate in RATES[constraint]:
        rows = [rate(label[group == g], said[group == g]) for g in sorted(set(group))]
        per_rate.append([float(np.mean(part)) if len(part) else np.nan for part in rows])
    if comparison == "worst_group":
        return float(np.nanmin(per_rate[0])) if not np.isnan(per_rate[0]).all() else float("nan")
    if any(np.sum(~np.isnan(values)) < 2 for values in per_rate):
        return float("nan")
    if comparison == "ratio":
        pairs = [(np.nanmin(values), np.nanmax(values)) for values in per_rate]
        return min(low / high if high > 0 else 1.0 for low, high in pairs)
    gaps = [np.abs(np.subtract(a, b)) for a, b in combinations(zip(*per_rate, strict=True), 2)]
    distances = [np.nanmax(gap) for gap in gaps if not np.isnan(gap).all()]
    return float(max(distances) if comparison == "difference" else np.mean(distances))


def inside(labels: Any, event: Any, grades: Any) -> Any:
    """Return which labels an event holds."""
    if grades is None:
        return (labels == event).astype(float)
    return np.array([grades.index(label) >= grades.index(event) for label in labels], dtype=float)


def test_a_score_is_that_of_the_worst_class_of_hundreds_of_small_problems() -> None:
    rng = np.random.default_rng(0)
    compared = 0
    for trial in range(300):
        classes = sorted(rng.choice(list("abcde"), 3 + trial % 2, replace=False).tolist())
        n = int(rng.integers(8, 30))
        proba = rng.dirichlet(np.ones(len(classes)), n)
        rows = np.column_stack([rng.integers(0, len(classes), n), proba])
        y = np.array(classes)[rng.integers(0, len(classes), n)]
        group = rng.integers(0, 2 + trial % 3, n)
        model = Says(classes)
        constraint = list(RATES)[trial % 3]
        comparisons = ["difference", "ratio", "mean_difference"] + ["worst_group"] * (trial % 3 != 2)
        comparison: Any = comparisons[int(rng.integers(len(comparisons)))]
        grades = rng.permutation(classes).tolist() if rng.random() < 0.5 else None
        wanted = (classes if grades is None else grades[1:])[: None if rng.random() < 0.5 else 2]
        all_of_them = classes if grades is None else grades[1:]
        pos_label = None if wanted == all_of_them else wanted if len(wanted) > 1 else wanted[0]
        for soft in (False, True):
            scorer = make_fair_scorer(
                constraint,
                comparison=comparison,
                grades=grades,
                pos_label=pos_label,
                response_method="predict_proba" if soft else "predict",
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of groups that cannot be measured
                score = scorer(model, rows, y, sensitive_features=group)
            values = []
            for event in wanted:
                said = inside(model.predict(rows), event, grades)
                if soft:
                    said = proba @ inside(np.array(classes), event, grades)
                values.append(by_hand(constraint, comparison, inside(y, event, grades), said, group))
            worst = np.nanmax if comparison.endswith("difference") else np.nanmin
            expected = np.nan if np.isnan(values).all() else worst(values)
            sign = -1 if comparison.endswith("difference") else 1
            assert score == pytest.approx(sign * expected, nan_ok=True)
            compared += not np.isnan(score)
    assert compared > 400


def test_a_metric_of_named_classes_and_grades_is_that_of_the_scorer() -> None:
    model = TREE.fit(X, Y)
    data = {"y_true": Y, "y_pred": model.predict(X), "sensitive_features": X["sex"]}
    named: dict[str, Any]
    for named in ({}, {"pos_label": ["A", "C"]}, {"grades": GRADES}, {"grades": GRADES, "pos_label": "A"}):
        scorer = make_fair_scorer("equalized_odds", sensitive_features="sex", **named)
        value: Any = multiclass_disparity(**data, constraint="equalized_odds", **named)
        assert scorer(model, X, Y) == -value
        traded = make_tradeoff_scorer(
            "accuracy", "equalized_odds", weight=0.5, sensitive_features="sex", **named
        )
        assert traded(model, X, Y) == pytest.approx(model.score(X, Y) - 0.5 * value)
    counts = one_vs_rest_counts(None, Y, sensitive_features=X["sex"], grades=GRADES, pos_label="B")
    assert counts.strata == ("B",)
    share = [np.isin(Y[X["sex"] == sex], ["A", "B"]).mean() for sex in (0, 1)]
    assert counts.rate("selection_rate")[:, 0] == pytest.approx(share)
    absent = one_vs_rest_counts(None, ["A", "C"], sensitive_features=[0, 1], grades=GRADES)
    assert absent.strata == ("B", "A")


def test_within_strata_every_class_has_its_average_and_its_worst() -> None:
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[["skill", "sex"]], Y)
    rows = X[["skill", "sex"]]
    for over_strata, sum_up in (
        ("mean", lambda d, n: np.average(d, weights=n)),
        ("worst", lambda d, n: max(d)),
    ):
        scorer = make_fair_scorer("demographic_parity", grades=GRADES, over_strata=over_strata)  # type: ignore[arg-type]
        found = scorer(model, rows, Y, sensitive_features=X["sex"], strata=X["old"])
        values = []
        for event in ("B", "A"):
            said = inside(model.predict(rows), event, GRADES)
            gaps, sizes = [], []
            for stratum in (0, 1):
                within = (X["old"] == stratum).to_numpy()
                group = X["sex"].to_numpy()[within]
                gaps.append(by_hand("demographic_parity", "difference", group, said[within], group))
                sizes.append(within.sum())
            values.append(sum_up(gaps, sizes))
        assert found == pytest.approx(-max(values))


@pytest.mark.filterwarnings("ignore")
def test_a_class_without_labels_is_passed_over_and_one_without_decisions_is_not() -> None:
    y, group = np.array([*"abab", "c"]), np.array([0, 0, 1, 1, 0])
    never_c = np.array([[0.0], [1], [1], [1], [1]])
    model = Says("abc")
    # The labels say it: one group has a positive of c, whatever is decided.
    assert make_fair_scorer("equal_opportunity")(model, never_c, y, sensitive_features=group) == -1
    # The decisions say it: nobody gets c, so that its precision cannot be compared, in any fold.
    assert np.isnan(make_fair_scorer("predictive_parity")(model, never_c, y, sensitive_features=group))
    of_two = make_fair_scorer("predictive_parity", pos_label=["b"])
    assert of_two(model, never_c, y, sensitive_features=group) == pytest.approx(-(1 / 2 - 1 / 2))
    own = GroupScoring(
        {"tpr": "equal_opportunity", "ppv": "predictive_parity"}, groups=[0, 1], classes=list("abc")
    )
    found = own(model, never_c, y, sensitive_features=group)
    assert found["tpr"] == -1
    assert np.isnan(found["ppv"])


def test_a_model_that_has_not_seen_a_class_is_scored_with_the_others() -> None:
    few = np.flatnonzero(Y != "A")
    model = DecisionTreeClassifier(max_depth=2).fit(X.iloc[few], Y[few])
    scorer = make_fair_scorer("equal_opportunity", sensitive_features="sex", grades=GRADES)
    gap = by_hand(
        "equal_opportunity",
        "difference",
        inside(Y, "B", GRADES),
        inside(model.predict(X), "B", GRADES),
        X["sex"].to_numpy(),
    )
    assert scorer(model, X, Y) == pytest.approx(-gap)  # of A both groups have a rate of 0
    soft = make_fair_scorer(
        "demographic_parity", sensitive_features="sex", grades=GRADES, response_method="predict_proba"
    )
    mean = [model.predict_proba(X)[X["sex"] == sex, 0].mean() for sex in (0, 1)]
    assert list(model.classes_) == ["B", "C"]
    assert soft(model, X, Y) == pytest.approx(-abs(mean[0] - mean[1]))


def test_a_fold_that_lacks_a_class_compares_the_same_classes() -> None:
    few = np.flatnonzero(Y != "A")
    model = DecisionTreeClassifier(max_depth=2).fit(X.iloc[few], Y[few])
    soft = make_fair_scorer("demographic_parity", response_method="predict_proba")
    scoring = GroupScoring({"dp": "demographic_parity", "soft": soft}, sensitive_features="sex").of(X, Y)
    found = scoring(model, X, Y)
    said, sex = model.predict(X), X["sex"].to_numpy()
    gaps = [by_hand("demographic_parity", "difference", sex, said == label, sex) for label in "ABC"]
    assert found["dp"] == pytest.approx(-max(gaps))
    assert found["counts_0_0_tp"] == 0
    mean = [model.predict_proba(X)[sex == g, 0].mean() for g in (0, 1)]
    assert found["soft"] == pytest.approx(-abs(mean[0] - mean[1]))


class Decides(BaseEstimator):
    """Says the first column of X, and not what its classes are."""

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0]


def test_an_estimator_that_does_not_tell_its_classes_is_scored_by_named_ones() -> None:
    rows, y, group = np.array([[0], [1], [2], [2]]), np.array([0, 1, 1, 2]), [0, 0, 1, 1]
    scorer = make_fair_scorer("demographic_parity", grades=[0, 1, 2])
    assert scorer(Decides(), rows, y, sensitive_features=group) == -1  # of the first group nobody gets a 2
    named = make_fair_scorer("demographic_parity", pos_label=np.array([0, 1]))
    assert named(Decides(), rows, y, sensitive_features=group) == -0.5
    with pytest.raises(ValueError, match="labels 2 are not among the classes 0, 1"):
        make_fair_scorer("demographic_parity", grades=[0, 1])(
            Decides(), rows, y, sensitive_features=group, strata=[0, 0, 0, 0]
        )
    soft = make_fair_scorer("demographic_parity", response_method="predict_proba")
    with pytest.raises(ValueError, match="predict_proba gave 2 columns for 3 classes"):
        soft(Says([0, 1, 2]), np.full((4, 3), 0.5), y, sensitive_features=group)


def test_a_fold_without_the_reference_has_no_score_and_the_sum_has() -> None:
    to_two = make_fair_scorer("demographic_parity", method="to_reference", reference=2)
    who = np.repeat([0, 1, 2], N // 3)
    frame = X[["skill"]].assign(who=who)
    scoring = GroupScoring({"to": to_two}, sensitive_features="who", grades=GRADES).of(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a mean over folds that is NaN
        found = cross_validate(DecisionTreeClassifier(max_depth=2), frame, Y, scoring=scoring, cv=FOLDS)
    assert np.isnan(found["test_to"]).all()  # every fold has one group
    table = cv_disparities(found, scoring)
    predicted = cross_val_predict(DecisionTreeClassifier(max_depth=2), frame, Y, cv=FOLDS)
    gaps = []
    for event in ("B", "A"):
        said = inside(predicted, event, GRADES)
        gaps += [abs(said[who == g].mean() - said[who == 2].mean()) for g in (0, 1)]
    assert table.values[0, 0] == pytest.approx(max(gaps))


# --- pooled counts ------------------------------------------------------------------------------------


def own_scoring(**options: Any) -> GroupScoring:
    scores = {"acc": "accuracy", "dp": "demographic_parity", "f1": "f1_macro"}
    return GroupScoring(scores, sensitive_features="sex", **options).of(X, Y)


@pytest.mark.parametrize("named", [{}, {"pos_label": ["A", "B"]}, {"grades": GRADES}])
def test_a_search_under_a_bound_judges_the_worst_class_of_pooled_counts(named: Any, routing: bool) -> None:
    scoring = own_scoring(**named)
    assert scoring.classes == ("A", "B", "C")
    rule = scoring.best_under("acc", dp=0.3, require="value")
    search = GridSearchCV(TREE, {"max_depth": [1, 2, 4]}, scoring=scoring, refit=rule, cv=FOLDS)
    search.fit(X[["skill", "sex"]], Y)
    grades = named.get("grades")
    events = named.get("pos_label", ["A", "B", "C"] if grades is None else ["B", "A"])
    gaps, table = [], cv_disparities(search)
    for params, counts in zip(search.cv_results_["params"], table.counts, strict=True):
        predicted = cross_val_predict(clone(TREE).set_params(**params), X[["skill", "sex"]], Y, cv=FOLDS)
        assert isinstance(counts, GroupCounts)
        assert counts.strata == tuple(events)
        by_class = {}
        for k, event in enumerate(events):
            label, said = inside(Y, event, grades), inside(predicted, event, grades)
            for g in (0, 1):
                rows = (X["sex"] == g).to_numpy()
                assert counts.cells["tp"][g, k] == (label * said)[rows].sum()
                assert counts.cells["fn"][g, k] == (label * (1 - said))[rows].sum()
                assert counts.cells["fp"][g, k] == ((1 - label) * said)[rows].sum()
            by_class[event] = by_hand("demographic_parity", "difference", label, said, X["sex"].to_numpy())
        gaps.append(max(by_class.values()))
        worst = max(by_class, key=by_class.__getitem__)
        assert table.classes[len(gaps) - 1][0] == f"{worst}{' or better' if grades else ''}"
    np.testing.assert_allclose(table.values[:, 0], gaps)
    assert (table.n == N).all()
    accuracy = np.where(np.array(gaps) <= 0.3, search.cv_results_["mean_test_acc"], -1)
    assert search.best_index_ == accuracy.argmax()
    assert (
        pareto_front(search, "acc", "dp").tolist()
        == pareto_front(
            {"mean_test_acc": search.cv_results_["mean_test_acc"], "mean_test_dp": -np.array(gaps)},
            "acc",
            "dp",
        ).tolist()
    )
    frame = table.frame("pandas")
    assert frame["class"].tolist() == [row[0] for row in table.classes]
    assert "class" in str(table)


def test_intervals_of_the_worst_class_hold_for_all_classes_together() -> None:
    scoring = own_scoring()
    found = cross_validate(DecisionTreeClassifier(max_depth=2), X[["skill", "sex"]], Y, scoring=scoring, cv=3)
    table = cv_disparities(found, scoring, confidence=0.95)
    counts = table.counts[0]
    assert isinstance(counts, GroupCounts)
    ends = [
        difference_interval(counts.stratum(label), "demographic_parity", 1 - 0.05 / 3)
        for label in counts.strata or ()
    ]
    assert table.low[0, 0] == pytest.approx(max(low for low, _ in ends))
    assert table.high[0, 0] == pytest.approx(max(high for _, high in ends))


def test_classes_with_weights_attributes_ratios_and_probabilities() -> None:
    rows, weight = X[["skill", "sex", "old"]], np.linspace(0.5, 2, N)
    scores: dict[str, Any] = {
        "sex": make_fair_scorer("equalized_odds", sensitive_features="sex"),
        "old": make_fair_scorer("demographic_parity", sensitive_features="old", comparison="ratio"),
        "to_1": make_fair_scorer(
            "demographic_parity", sensitive_features="sex", method="to_reference", reference=1
        ),
        "soft": make_fair_scorer(
            "demographic_parity", sensitive_features="sex", response_method="predict_proba"
        ),
        "worst": make_fair_scorer("equal_opportunity", sensitive_features="sex", comparison="worst_group"),
        "trade": make_tradeoff_scorer("accuracy", "demographic_parity", sensitive_features="sex"),
        "low": make_group_scorer("accuracy", sensitive_features="old"),
    }
    scoring = GroupScoring(scores, sensitive_features=["sex", "old"]).of(rows, Y)
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(rows, Y)
    found = scoring(model, rows, Y, sample_weight=weight)
    for name, scorer in scores.items():
        assert found[name] == pytest.approx(scorer(model, rows, Y, sample_weight=weight)), name
    assert sum(key.startswith("counts_") for key in found) == 4 * 3 * 4
    said, who = model.predict(rows), (rows["sex"] == 0) & (rows["old"] == 1)
    assert scoring.groups is not None
    assert scoring.groups[1] == (0, 1)
    hit = ((Y == "B") & (said == "B") & who).to_numpy()
    assert found["counts_1_1_tp"] == pytest.approx(weight[hit].sum())
    assert found["squares_1_1_tp"] == pytest.approx((weight[hit] ** 2).sum())


def test_a_reweighted_classifier_is_searched_under_a_bound_on_grades(routing: bool) -> None:
    scoring = own_scoring(grades=GRADES)
    model = ReweightedClassifier(DecisionTreeClassifier(max_depth=2), sensitive_features="sex")
    grid = {"estimator__min_samples_leaf": [2, 20]}
    rule = scoring.best_under("acc", dp=0.9)
    search = GridSearchCV(model, grid, scoring=scoring, refit=rule, cv=FOLDS).fit(X, Y)
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_acc"])
    single = make_fair_scorer("demographic_parity", sensitive_features="sex", grades=GRADES)
    scored = {"acc": "accuracy", "dp": single}
    by_folds = GridSearchCV(model, grid, scoring=scored, refit=best_under("acc", dp=0.9), cv=FOLDS).fit(X, Y)
    np.testing.assert_allclose(by_folds.cv_results_["mean_test_dp"], search.cv_results_["mean_test_dp"])


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_fold_that_failed_has_the_same_numbers() -> None:
    scoring = own_scoring(error_score=np.nan)
    rows = X[["skill", "sex"]].copy()
    rows.loc[:60, "sex"] = 2  # no such group
    with pytest.warns(UserWarning, match="Scoring failed"):
        found = cross_validate(DecisionTreeClassifier(max_depth=1), rows, Y, scoring=scoring, cv=FOLDS)
    assert np.isnan(found["test_counts_1_2_tp"]).tolist()[0]
    assert cv_disparities(found, scoring).classes == (("-",),)


def test_repeats_and_missed_bounds_are_told_of_classes() -> None:
    scoring = own_scoring(grades=GRADES)
    search = GridSearchCV(
        DecisionTreeClassifier(max_depth=2),
        {"min_samples_leaf": [1]},
        scoring=scoring,
        refit=scoring.best_under("acc", dp=0.0, require="value"),
        cv=FOLDS,
    )
    with pytest.warns(UserWarning, match=r"Its 'dp', of [AB] or better, is .*, beyond the bound 0"):
        search.fit(X[["skill", "sex"]], Y)
    other = own_scoring()
    with pytest.raises(ValueError, match="do not hold the counts of 2 groups in 3 classes"):
        cv_disparities(search.cv_results_, other)
    with pytest.raises(ValueError, match="do not hold the counts of 2 groups"):
        cv_disparities(search.cv_results_, GroupScoring({"dp": "demographic_parity"}, groups=[0, 1]))
    with pytest.raises(ValueError, match="do not hold the counts of 2 groups in 1 classes"):
        cv_disparities(search.cv_results_, own_scoring(grades=GRADES, pos_label=["A"]))
    twice = own_scoring()
    found = cross_validate(
        DecisionTreeClassifier(max_depth=1), X[["skill", "sex"]], Y, scoring=twice, cv=[*FOLDS.split(X)] * 2
    )
    with pytest.warns(UserWarning, match=r"each row about 2\.0 times"):
        cv_disparities(found, twice)


def test_scorers_of_classes_are_shown_copied_and_pickled() -> None:
    scorer = make_fair_scorer("demographic_parity", sensitive_features="sex", grades=np.array(GRADES))
    shown = "make_fair_scorer('demographic_parity', sensitive_features='sex', grades=['C', 'B', 'A'])"
    assert repr(scorer) == shown
    scoring = own_scoring(grades=GRADES)
    assert repr(scoring).endswith("groups=(0, 1), classes=('A', 'B', 'C'), grades=['C', 'B', 'A'])")
    model = DecisionTreeClassifier(max_depth=2).fit(X, Y)
    for own in (scorer, scoring):
        for copied in (copy.deepcopy(own), pickle.loads(pickle.dumps(own)), clone(own, safe=False)):
            assert copied(model, X, Y) == own(model, X, Y)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: make_fair_scorer("demographic_parity", pos_label=["a", "a"]), ValueError, "each once"),
        (lambda: make_fair_scorer("demographic_parity", pos_label=[]), ValueError, "name classes"),
        (lambda: make_fair_scorer("demographic_parity", grades="CBA"), TypeError, "from the worst"),
        (
            lambda: make_tradeoff_scorer("accuracy", "demographic_parity", grades=["A", "B"], pos_label="A"),
            ValueError,
            "worst of the grades",
        ),
        (lambda: own_scoring(grades=["A", "B"]), ValueError, "grades must name every class once"),
        (lambda: own_scoring(pos_label=["A", "Z"]), ValueError, "pos_label='Z' is not one of the classes"),
        (lambda: GroupScoring({"dp": "demographic_parity"}, classes="ABC"), TypeError, "classes must list"),
        (
            lambda: GroupScoring({"dp": "demographic_parity"}, classes=["A", None]),
            ValueError,
            "lack its class",
        ),
        (
            lambda: GroupScoring(
                {"dp": make_fair_scorer("demographic_parity", grades=GRADES)}, sensitive_features="sex"
            ),
            ValueError,
            "name them in GroupScoring alone",
        ),
        (
            lambda: GroupScoring({"dp": "demographic_parity"}, sensitive_features="sex").of(X)(
                TREE.fit(X, Y), X, Y
            ),
            ValueError,
            r"y has 3 classes, 'A', 'B', 'C'.*\.of\(X, y\)",
        ),
        (
            lambda: make_fair_scorer("demographic_parity", sensitive_features="sex", grades=["B", "A"])(
                TREE.fit(X, Y), X, Y
            ),
            ValueError,
            "the classes are 'A', 'B', 'C'",
        ),
        (
            lambda: multiclass_disparity(Y, Y, sensitive_features=X["sex"], grades=["B", "A"]),
            ValueError,
            "'C' are not among the classes",
        ),
    ],
)
def test_a_wrong_class_is_told(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
