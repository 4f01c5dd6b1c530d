"""GroupScoring: counts of every group in searches, and what is made of their sums over the folds."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import class_likelihood_ratios, f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.tree import DecisionTreeClassifier
from toy_data import ScoreColumn, logistic, people

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.counts import GroupCounts
from fairsk.scoring import (
    GroupScoring,
    best_under,
    cv_disparities,
    make_fair_scorer,
    make_group_scorer,
    make_tradeoff_scorer,
    pareto_front,
)

X, Y = people(n=240)
CELLS = {"tp": ("yes", "yes"), "fp": ("no", "yes"), "fn": ("yes", "no"), "tn": ("no", "no")}
FOLDS = StratifiedKFold(4)
GRID = {"logisticregression__C": [0.001, 0.03, 1]}
SCORES: dict[str, Any] = {"acc": "accuracy", "dp": "demographic_parity"}
DI = make_fair_scorer("demographic_parity", comparison="ratio")


def scoring(**options: Any) -> GroupScoring:
    return GroupScoring(SCORES, sensitive_features="sex", pos_label="yes", **options).of(X)


def table_of(predicted: Any, group: Any, weights: Any = None) -> dict[str, dict[Any, float]]:
    """Count decisions by group, row by row."""
    table: dict[str, dict[Any, float]] = {cell: dict.fromkeys(sorted(set(group)), 0.0) for cell in CELLS}
    for i, (label, decision, who) in enumerate(zip(Y, predicted, group, strict=True)):
        cell = next(name for name, pair in CELLS.items() if pair == (label, decision))
        table[cell][who] += 1.0 if weights is None else weights[i]
    return table


def as_table(counts: GroupCounts | None, kind: str = "cells") -> dict[str, dict[Any, float]]:
    assert counts is not None
    cells = getattr(counts, kind)
    return {cell: dict(zip(counts.groups, cells[cell].tolist(), strict=True)) for cell in CELLS}


def results_of(tables: list[GroupCounts], n_folds: int = 1, **means: list[float]) -> dict[str, Any]:
    """Return what a search over candidates with these counts would say, all folds alike."""
    results = {
        f"split{fold}_test_counts_{g}_{cell}": np.array([table.cells[cell][g] / n_folds for table in tables])
        for fold in range(n_folds)
        for g in range(len(tables[0].groups))
        for cell in CELLS
    }
    return results | {f"mean_test_{name}": np.array(values) for name, values in means.items()}


def selected_of_100(*selected: float) -> GroupCounts:
    """Return groups of a hundred rows, all of them negatives."""
    fp = np.array(selected, dtype=float)
    none = np.zeros(len(fp))
    groups = list("abcdefgh")[: len(fp)]
    return GroupCounts(groups, {"tp": none, "fp": fp, "fn": none, "tn": 100 - fp})


AB = GroupScoring(SCORES | {"di": DI, "f1": "f1"}, sensitive_features="sex", groups=["a", "b"])


# --- counts in cv_results_ ----------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars", "numpy"])
def test_pooled_counts_are_those_of_predictions_out_of_fold(library: str, routing: bool) -> None:
    frame: Any = {"pandas": X, "polars": pl.from_pandas(X), "numpy": None}[library]
    model, column = logistic(), "sex"
    if library == "numpy":
        frame = np.column_stack([X["skill"], (X["sex"] == "M").astype(float)])
        model, column = LogisticRegression(), 1  # type: ignore[assignment]
    own = GroupScoring(SCORES, sensitive_features=column, pos_label="yes").of(frame)
    predicted = cross_val_predict(model, frame, Y, cv=FOLDS)
    group = X["sex"] if library != "numpy" else frame[:, 1]
    found = cross_validate(model, frame, Y, scoring=own, cv=FOLDS, error_score="raise")
    assert as_table(cv_disparities(found, own).counts[0]) == table_of(predicted, group)
    key = "C" if library == "numpy" else "logisticregression__C"
    grid = {key: [0.01, 1.0]}
    options: dict[str, Any] = {"scoring": own, "cv": FOLDS, "refit": "acc", "error_score": "raise"}
    for search in (
        GridSearchCV(model, grid, **options),
        RandomizedSearchCV(model, grid, n_iter=2, random_state=0, **options),
    ):
        search.fit(frame, Y)
        tables = cv_disparities(search).counts
        for params, counts in zip(search.cv_results_["params"], tables, strict=True):
            predicted = cross_val_predict(clone(model).set_params(**params), frame, Y, cv=FOLDS)
            assert as_table(counts) == table_of(predicted, group)


def test_scores_are_those_of_single_scorers_in_every_fold(routing: bool) -> None:
    values: dict[str, Any] = {
        "acc": "accuracy",
        "auc": "roc_auc",
        "loss": "neg_log_loss",
        "f1": make_scorer(f1_score, pos_label="yes"),
        "own": lambda model, X, y: float(np.mean(model.predict(X) == y)),
        "eo": "equalized_odds",
        "constraint": Constraint("fdr_parity", [Rate("fdr", "fp", "tp+fp")]),
    }
    fair = {
        "di": ("demographic_parity", {"comparison": "ratio"}),
        "to_m": ("demographic_parity", {"method": "to_reference", "reference": "M"}),
        "overall": ("equal_opportunity", {"method": "to_overall"}),
        "worst": ("error_rate_parity", {"comparison": "worst_group"}),
        "soft": ("demographic_parity", {"response_method": "predict_proba"}),
    }
    own = values | {name: make_fair_scorer(constraint, **more) for name, (constraint, more) in fair.items()}
    own |= {
        "group": make_group_scorer("f1", comparison="difference"),
        "tradeoff": make_tradeoff_scorer("accuracy", "demographic_parity"),
    }
    column: dict[str, Any] = {"sensitive_features": "sex", "pos_label": "yes"}
    single = values | {
        "eo": make_fair_scorer("equalized_odds", **column),
        "constraint": make_fair_scorer(values["constraint"], **column),
        "group": make_group_scorer("f1", comparison="difference", **column),
        "tradeoff": make_tradeoff_scorer("accuracy", "demographic_parity", **column),
    }
    single |= {
        name: make_fair_scorer(constraint, **column, **more) for name, (constraint, more) in fair.items()
    }
    group_scoring = GroupScoring(own, **column).of(X)
    options: dict[str, Any] = {"cv": FOLDS, "error_score": "raise"}
    together = cross_validate(logistic(), X, Y, scoring=group_scoring, **options)
    alone = cross_validate(logistic(), X, Y, scoring=single, **options)
    for name in own:
        np.testing.assert_allclose(together[f"test_{name}"], alone[f"test_{name}"], rtol=1e-12, err_msg=name)


class Counting(DecisionTreeClassifier):
    """A tree that counts how often it responds."""

    calls = 0

    def predict(self, X: Any, check_input: bool = True) -> Any:
        type(self).calls += 1
        return super().predict(X, check_input)


def test_predictions_are_computed_once_for_all_scores() -> None:
    own = {"acc": "accuracy", "dp": "demographic_parity", "eo": "equalized_odds", "mcc": "matthews_corrcoef"}
    own |= {"worst": make_group_scorer("accuracy")}
    numbers = X[["age", "skill"]].assign(sex=X["sex"] == "M")
    Counting.calls = 0
    group_scoring = GroupScoring(own, sensitive_features="sex", pos_label="yes").of(numbers)
    cross_validate(Counting(max_depth=2), numbers, Y, scoring=group_scoring, cv=3, error_score="raise")
    assert Counting.calls == 3


def test_metadata_score_as_the_column_does_and_reach_predict() -> None:
    """Also scikit-learn's own accuracy, of thresholds that need the groups to predict."""
    inner = X.drop(columns="sex")
    by_column = scoring()
    with sklearn.config_context(enable_metadata_routing=True):
        bare = GroupScoring(SCORES, pos_label="yes").of(inner, sensitive_features=X["sex"])
        assert bare.groups == by_column.groups
        optimizer = GroupThresholdOptimizer(logistic(), max_difference=0.1, pos_label="yes")
        options: dict[str, Any] = {"cv": FOLDS, "error_score": "raise"}
        found = cross_validate(
            optimizer, inner, Y, scoring=bare, params={"sensitive_features": X["sex"]}, **options
        )
        named = clone(optimizer).set_params(sensitive_features="sex")
        expected = cross_validate(named, X, Y, scoring=by_column, **options)
        assert {k: list(v) for k, v in found.items() if "test" in k} == {
            k: list(v) for k, v in expected.items() if "test" in k
        }
        search = GridSearchCV(optimizer, {"max_difference": [0.05, 0.3]}, scoring=bare, refit="acc", cv=FOLDS)
        search.fit(inner, Y, sensitive_features=X["sex"])
        assert np.isfinite(cv_disparities(search).values).all()
        assert 0 < search.score(inner, Y, sensitive_features=X["sex"]) <= 1


def test_weights_count_rows_and_their_squares() -> None:
    weights = np.random.default_rng(0).uniform(0.5, 3, len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        own = scoring().set_score_request(sample_weight=True)
        model = LogisticRegression().set_fit_request(sample_weight=False)
        numbers = X[["skill"]].assign(sex=X["sex"] == "M")
        own = GroupScoring(SCORES, sensitive_features="sex", pos_label="yes")
        own = own.set_score_request(sample_weight=True).of(numbers)
        found = cross_validate(
            model, numbers, Y, scoring=own, cv=FOLDS, params={"sample_weight": weights}, error_score="raise"
        )
        predicted = cross_val_predict(model, numbers, Y, cv=FOLDS)
    counts = cv_disparities(found, own).counts[0]
    for kind, row_weights in (("cells", weights), ("squares", weights**2)):
        expected = table_of(predicted, numbers["sex"], row_weights)
        for cell, values in as_table(counts, kind).items():
            for group, value in values.items():
                assert value == pytest.approx(expected[cell][group])
    right = predicted == Y
    folds = [np.average(right[test], weights=weights[test]) for _, test in FOLDS.split(X, Y)]
    np.testing.assert_allclose(found["test_acc"], folds)


def test_a_score_without_weights_refuses_them() -> None:
    own = GroupScoring(SCORES | {"own": lambda model, X, y: 1.0}, sensitive_features="sex").of(X)
    with pytest.raises(ValueError, match="'own' takes no sample_weight"):
        own(logistic().fit(X, Y), X, Y, sample_weight=np.ones(len(Y)))


def test_weights_must_be_requested_where_routing_is_on() -> None:
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match=r"sample_weight.* are passed"),
    ):
        cross_validate(
            LogisticRegression().set_fit_request(sample_weight=True),
            X[["skill"]].assign(sex=X["sex"] == "M"),
            Y,
            scoring=scoring(),
            params={"sample_weight": np.ones(len(Y))},
        )


def test_it_is_pickled_cloned_and_sent_to_processes() -> None:
    own = scoring()
    rule = own.best_under("acc", dp=0.3)
    search = GridSearchCV(logistic(), GRID, scoring=own, refit=rule, cv=3, n_jobs=2, error_score="raise")
    first = search.fit(X, Y)
    second = pickle.loads(pickle.dumps(clone(search).set_params(n_jobs=1))).fit(X, Y)
    for key, values in first.cv_results_.items():
        if "test" in key:
            assert list(values) == list(second.cv_results_[key])
    assert first.best_index_ == second.best_index_
    assert first.score(X, Y) == first.best_estimator_.score(X, Y)
    loaded = pickle.loads(pickle.dumps(first))
    assert (
        repr(loaded.refit)
        == repr(rule)
        == ("GroupScoring.best_under('acc', dp=0.3, confidence=0.95, require='not_refuted')")
    )
    assert loaded.refit == "acc"
    assert repr(copy.deepcopy(own)) == repr(own)
    assert repr(own) == (
        "GroupScoring({'acc': 'accuracy', 'dp': 'demographic_parity'}, sensitive_features='sex', "
        "groups=('F', 'M'), pos_label='yes')"
    )
    assert "groups=<40 groups>" in repr(GroupScoring(SCORES, groups=range(40)))


# --- groups -------------------------------------------------------------------------------------------


def test_a_group_that_a_fold_lacks_counts_nothing_there() -> None:
    frame = pd.DataFrame({"skill": np.linspace(-1, 1, 60), "team": ["a", "b"] * 28 + ["c"] * 4})
    y = np.arange(60) % 3 > 0
    own = GroupScoring(SCORES, sensitive_features="team").of(frame)
    found = cross_validate(
        logistic_of_skill(), frame, y, scoring=own, cv=KFold(4), error_score="raise"
    )  # unshuffled: the first folds have no c
    assert found["test_counts_2_tp"][:3].tolist() == [0, 0, 0]
    counts = cv_disparities(found, own).counts[0]
    assert counts is not None
    assert counts.groups == ("a", "b", "c")
    assert counts.n.tolist() == [28, 28, 4]


def logistic_of_skill() -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(make_column_transformer(("passthrough", ["skill"])), LogisticRegression())


def test_groups_must_be_known_and_hold_every_row() -> None:
    bare = GroupScoring(SCORES, sensitive_features="sex", pos_label="yes")
    model = logistic().fit(X, Y)
    for refused in (lambda: bare(model, X, Y), lambda: bare.best_under("acc", dp=0.1)):
        with pytest.raises(ValueError, match=r"does not know the groups.*GroupScoring\(\.\.\.\)\.of\(X\)"):
            refused()
    with pytest.raises(ValueError, match=r"does not know: M\. It knows F\. List them all in groups="):
        GroupScoring(SCORES, sensitive_features="sex", groups=["F"])(model, X, Y)
    with pytest.raises(ValueError, match=r"does not know: 0, 1\. It knows '0', '1'\."):
        GroupScoring(SCORES, groups=["0", "1"])(model, X, Y, sensitive_features=np.arange(len(Y)) % 2)
    with pytest.raises(ValueError, match="was given no groups"):
        GroupScoring(SCORES, groups=["F", "M"])(model, X, Y)
    with pytest.raises(ValueError, match="was given no y"):
        scoring()(model, X)


def test_messages_stay_short_for_many_groups_with_long_names() -> None:
    names = [f"{i} " + "x" * 30 for i in range(1000)]
    own = GroupScoring(SCORES, groups=names)
    counts = GroupCounts(["other " + str(i) for i in range(1000)], {cell: [1] * 1000 for cell in CELLS})
    with pytest.raises(ValueError, match="does not know") as refused:
        own._refuse_unknown(counts)
    assert len(str(refused.value)) < 2000
    assert len(repr(own)) < 300


@pytest.mark.parametrize("error_score", ["raise", np.nan])
def test_an_error_in_one_fold_is_raised_or_makes_it_nan(error_score: Any) -> None:
    frame = X.assign(sex=["X"] * 3 + X["sex"].tolist()[3:])
    own = GroupScoring(
        SCORES, sensitive_features="sex", groups=["F", "M"], pos_label="yes", error_score=error_score
    )
    options: dict[str, Any] = {"scoring": own, "cv": KFold(3)}
    if error_score == "raise":
        with pytest.raises(ValueError, match="does not know: X"):
            cross_validate(logistic(), frame, Y, error_score="raise", **options)
        return
    with pytest.warns(UserWarning, match=r"every score of this fold is nan: ValueError: Some rows"):
        found = cross_validate(logistic(), frame, Y, **options)
    assert np.isnan(found["test_acc"]).tolist() == [True, False, False]
    table = cv_disparities(found, own)
    assert table.counts == (None,)
    assert np.isnan(table.values).all()
    assert str(table).splitlines()[2].split() == ["0", "dp", "difference", *"----"]


@settings(max_examples=20)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", min_codepoint=1), max_size=8),
        min_size=2,
        max_size=5,
        unique=True,
    )
)
def test_any_text_names_a_group(labels: list[str]) -> None:
    group = np.array(labels, dtype=object)[np.arange(30) % len(labels)]
    frame = pd.DataFrame({"skill": np.arange(30) % 7, "team": group})
    y = np.arange(30) % 2
    own = GroupScoring({"dp": "demographic_parity"}, sensitive_features="team").of(frame)
    model = ScoreColumn().fit(frame[["skill"]], y)
    found = own(model, frame, y)
    assert list(found)[1:] == [f"counts_{g}_{cell}" for g in range(len(labels)) for cell in CELLS]
    selected = model.predict(frame)
    for place, label in enumerate(own.groups or ()):
        mine = selected[group == label]
        assert found[f"counts_{place}_tp"] + found[f"counts_{place}_fp"] == mine.sum()
        assert sum(found[f"counts_{place}_{cell}"] for cell in CELLS) == len(mine)


@pytest.mark.parametrize(
    "container",
    [
        list,
        np.asarray,
        lambda group: group.astype("category"),
        lambda group: group.astype("string"),
        lambda group: group.astype("string[pyarrow]"),
        lambda group: group.set_axis(range(100, 100 + len(group))).to_numpy(),
        lambda group: pl.Series("sex", group.tolist()),
        lambda group: pl.Series("sex", group.tolist(), dtype=pl.Categorical),
        lambda group: pl.Series("sex", group.tolist()).to_arrow(),
        lambda group: group.to_frame(),
    ],
)
def test_groups_come_in_any_container(container: Any) -> None:
    """Whether the groups are read from it, or the rows to be scored are."""
    model, values = logistic().fit(X, Y), container(X["sex"])
    own = GroupScoring(SCORES, sensitive_features="sex", pos_label="yes")
    expected = scoring()(model, X, Y)
    assert own.of(X)(model, X, Y, sensitive_features=values) == expected
    read = own.of(X, sensitive_features=values)
    assert read.groups == ("F", "M")
    assert read(model, X, Y) == expected


def test_scores_may_read_some_of_the_columns_of_an_intersection() -> None:
    own = GroupScoring(
        {
            "acc": "accuracy",
            "both": "demographic_parity",
            "sex": make_fair_scorer("demographic_parity", sensitive_features="sex"),
            "race": make_fair_scorer("demographic_parity", sensitive_features=["race"]),
        },
        sensitive_features=["sex", "race"],
        pos_label="yes",
    ).of(X)
    found = cross_validate(logistic(), X, Y, scoring=own, cv=FOLDS, error_score="raise")
    predicted = cross_val_predict(logistic(), X, Y, cv=FOLDS) == "yes"
    expected = {}
    for name, columns in {"both": ["sex", "race"], "sex": ["sex"], "race": ["race"]}.items():
        rates = pd.Series(predicted).groupby([X[column] for column in columns]).mean()
        expected[name] = rates.max() - rates.min()
    table = cv_disparities(found, own)
    assert table.scores == ("both", "sex", "race")
    np.testing.assert_allclose(table.values[0], [expected[name] for name in table.scores])
    single = make_fair_scorer("demographic_parity", sensitive_features="race", pos_label="yes")
    alone = cross_validate(logistic(), X, Y, scoring=single, cv=FOLDS)["test_score"]
    np.testing.assert_allclose(found["test_race"], alone)
    with pytest.raises(ValueError, match=r"'town'.*List every column"):
        GroupScoring(
            {"dp": make_fair_scorer("demographic_parity", sensitive_features="town")},
            sensitive_features=["sex", "race"],
        )


def test_columns_of_metadata_are_matched_by_name() -> None:
    own = GroupScoring(
        {"sex": make_fair_scorer("demographic_parity", sensitive_features="sex")},
        sensitive_features=["sex", "race"],
        pos_label="yes",
    ).of(X)
    model = logistic().fit(X, Y)
    assert own(model, X, Y, sensitive_features=X[["race", "sex"]]) == own(model, X, Y)


# --- best_under ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        # 60 of 100 against 45 of 100: a difference of .15, from .012 to .280 (Newcombe); a ratio of .75,
        # from .571 to .978 (MOVER-R), as the docstrings of difference_interval and ratio_interval say.
        ({"dp": 0.011}, False),
        ({"dp": 0.013}, True),
        ({"dp": 0.149, "require": "value"}, False),
        ({"dp": 0.15, "require": "value"}, True),
        ({"dp": 0.279, "require": "shown"}, False),
        ({"dp": 0.281, "require": "shown"}, True),
        ({"min_ratio": {"di": 0.979}}, False),
        ({"min_ratio": {"di": 0.977}}, True),
        ({"min_ratio": {"di": 0.751}, "require": "value"}, False),
        ({"min_ratio": {"di": 0.75}, "require": "value"}, True),
        ({"min_ratio": {"di": 0.572}, "require": "shown"}, False),
        ({"min_ratio": {"di": 0.570}, "require": "shown"}, True),
        # Two bounds share the 5%: at 97.5% each, the difference is from -.008.
        ({"dp": 0.0, "min_ratio": {"di": 0.9}}, True),
        ({"dp": 0.0, "min_ratio": {"di": 0.9}, "confidence": 0.9}, False),
        ({"dp": 0.5, "min_score": {"f1": 0.6}}, False),
        ({"dp": 0.5, "min_score": {"f1": 0.4}}, True),
    ],
)
def test_a_candidate_is_refused_by_its_interval(bounds: dict[str, Any], kept: bool) -> None:
    tables = [selected_of_100(60, 45), selected_of_100(5000 / 100, 50)]
    tables[1] = GroupCounts(["a", "b"], {cell: 100 * table for cell, table in tables[1].cells.items()})
    results = results_of(tables, n_folds=5, acc=[0.8, 0.7], f1=[0.5, 0.9])
    assert AB.best_under("acc", **bounds)(results) == (0 if kept else 1)


@pytest.mark.parametrize("require", ["not_refuted", "shown", "value"])
def test_if_no_candidate_qualifies_the_nearest_is_chosen_with_a_warning(require: Any) -> None:
    results = results_of([selected_of_100(90, 20), selected_of_100(90, 40)], acc=[0.8, 0.7])
    rule = AB.best_under("acc", dp=0.01, require=require)
    with pytest.warns(UserWarning, match=r"No candidate meets GroupScoring\.best_under\('acc', dp=0\.01"):
        assert rule(results) == 1


def test_what_is_not_measured_is_not_shown() -> None:
    some = GroupCounts(
        list("abc"), {"tp": [500, 500, 0], "fp": [0, 0, 5], "fn": [500, 500, 0], "tn": [0, 0, 5]}
    )
    every = GroupCounts(
        list("abc"), {"tp": [600, 620, 600], "fp": [0] * 3, "fn": [400, 380, 400], "tn": [0] * 3}
    )
    own = GroupScoring({"acc": "accuracy", "eo": "equal_opportunity"}, groups=list("abc"))
    results = results_of([some, every], acc=[0.9, 0.8])
    assert own.best_under("acc", eo=0.1)(results) == 0
    assert own.best_under("acc", eo=0.1, require="shown")(results) == 1
    with pytest.warns(UserWarning, match=r"counts as 1\.0: beyond the bound 0\.1 by 0\.9000"):
        own.best_under("acc", eo=0.1, require="shown")(results_of([some], acc=[0.9]))


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_candidate_that_failed_is_passed_over() -> None:
    results = results_of([selected_of_100(50, 50), selected_of_100(50, 45)], acc=[0.9, 0.8])
    results["split0_test_counts_1_tp"][0] = np.nan
    assert AB.best_under("acc", dp=0.2)(results) == 1
    results["split0_test_counts_1_tp"][1] = np.nan
    with pytest.raises(ValueError, match="Every candidate has a score of NaN"):
        AB.best_under("acc", dp=0.2)(results)


def test_a_rate_without_an_upper_end_is_not_shown() -> None:
    some = GroupCounts(list("ab"), {"tp": [5, 5], "fp": [0, 5], "fn": [5, 5], "tn": [5, 5]})
    own = GroupScoring({"acc": "accuracy", "te": "treatment_equality"}, groups=list("ab"))
    rule = own.best_under("acc", te=0.1, require="shown")
    with pytest.warns(UserWarning, match="Its 'te' is -, .* counts as inf: beyond the bound 0.1 by inf"):
        assert rule(results_of([some, some], acc=[0.8, 0.9])) == 1
    with pytest.warns(UserWarning, match="Its 'te' is -, .* counts as inf: beyond the bound 0.1 by inf"):
        assert rule(results_of([some, some], acc=[0.8, np.nan])) == 0


def test_scorers_by_name_have_the_positive_label_of_the_counts() -> None:
    numbers = pd.DataFrame({"x": [0, 1, 2, 3, 4, 5, 6, 7] * 5, "sex": list("FM") * 20})
    y = np.tile([0, 0, 1, 0, 0, 1, 0, 1], 5)
    model = LogisticRegression().fit(numbers[["x"]], y)
    names: dict[str, Any] = {"f1": "f1", "acc": "accuracy", "own": make_scorer(f1_score, pos_label=1)}
    own = GroupScoring(names, pos_label=0).of(numbers, sensitive_features=numbers["sex"])
    scores = own(model, numbers[["x"]], y, sensitive_features=numbers["sex"])
    predicted = model.predict(numbers[["x"]])
    assert scores["f1"] == pytest.approx(f1_score(y, predicted, pos_label=0))
    assert scores["own"] == pytest.approx(f1_score(y, predicted))
    assert scores["f1"] != pytest.approx(scores["own"])
    text = np.where(y == 1, "granted", "refused")
    own = GroupScoring({"f1": "f1"}, pos_label="granted").of(numbers, sensitive_features=numbers["sex"])
    model.fit(numbers[["x"]], text)
    scores = own(model, numbers[["x"]], text, sensitive_features=numbers["sex"])
    assert scores["f1"] == pytest.approx(f1_score(y, predicted))


def test_likelihood_ratios_are_never_those_of_another_label() -> None:
    numbers = pd.DataFrame({"x": [0, 1, 2, 3, 4, 5, 6, 7] * 5, "sex": list("FM") * 20})
    y = np.tile([0, 0, 1, 0, 0, 1, 0, 1], 5)
    model = LogisticRegression().fit(numbers[["x"]], y)
    metadata = {"sensitive_features": numbers["sex"]}
    for pos_label in (None, 1):
        own = GroupScoring({"plr": "positive_likelihood_ratio"}, pos_label=pos_label).of(numbers, **metadata)
        score = own(model, numbers[["x"]], y, **metadata)["plr"]
        assert score == pytest.approx(class_likelihood_ratios(y, model.predict(numbers[["x"]]))[0])
    own = GroupScoring({"plr": "positive_likelihood_ratio"}, pos_label=0).of(numbers, **metadata)
    with pytest.raises(ValueError, match="takes no pos_label"):
        own(model, numbers[["x"]], y, **metadata)


def test_a_disparity_can_be_what_is_maximised() -> None:
    results = results_of([selected_of_100(60, 45), selected_of_100(60, 55)], f1=[0.7, 0.9])
    assert AB.best_under("dp", min_score={"f1": 0.6})(results) == 1
    assert AB.best_under("di", min_score={"f1": 0.6})(results) == 1


WITHOUT_INTERVAL = GroupScoring(
    {
        "acc": "accuracy",
        "mean": make_fair_scorer("demographic_parity", comparison="mean_difference"),
        "l1": make_fair_scorer("equalized_odds", norm="l1"),
    },
    groups=["a", "b"],
)


FEW = {"mean_test_acc": [0.9], "mean_test_dp": [-0.1]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AB.best_under("acc"), "needs a bound"),
        (
            lambda: AB.best_under("accuracy", dp=0.1),
            r"no score 'accuracy' .* The scores are: acc, dp, di, f1",
        ),
        (lambda: AB.best_under("acc", eo=0.1), "no score 'eo'"),
        (lambda: AB.best_under("accc", dp=0.1), r"no score 'accc' .* Did you mean 'acc'\?"),
        (lambda: AB.best_under("acc", ddp=0.1), r"no score 'ddp' .* Did you mean 'dp'\?"),
        (lambda: best_under("accc", dp=0.1)(FEW), r"no scorer 'accc'\. Did you mean 'acc'\?"),
        (
            lambda: AB.best_under("acc", di=0.8),
            r"'di' is a max_difference.*a ratio: write min_ratio=\{'di': 0.8\}",
        ),
        (lambda: AB.best_under("acc", f1=0.8), r"not a difference or ratio .* min_score=\{'f1': \.\.\.\}"),
        (lambda: AB.best_under("acc", min_ratio={"dp": 0.8}), "a difference: write dp=0.05, say"),
        (lambda: AB.best_under("acc", min_ratio={"f1": 0.8}), "min_score"),
        (lambda: AB.best_under("acc", min_score={"dp": 0.1}), "a difference: write dp=0.05, say"),
        (lambda: AB.best_under("acc", min_score={"di": 0.8}), "a ratio: write min_ratio"),
        (lambda: AB.best_under("acc", dp=-0.1), "finite and not negative"),
        (lambda: AB.best_under("acc", dp=1.2), "max_difference=1.2 bounds nothing"),
        (lambda: AB.best_under("acc", min_ratio={"di": 1.2}), "between 0 and 1"),
        (lambda: AB.best_under("acc", dp=0.1, require="proven"), "require must be one of 'not_refuted'"),
        (lambda: AB.best_under("acc", dp=0.1, confidence=95), "confidence must lie between 0 and 1"),
        (lambda: WITHOUT_INTERVAL.best_under("acc", mean=0.1), "'mean' is a mean over pairs of groups"),
        (lambda: WITHOUT_INTERVAL.best_under("acc", l1=0.1), r"'l1' adds up .*\(norm='l1'\)"),
    ],
)
def test_a_wrong_bound_is_refused_before_any_fit(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scoring": ["accuracy"]}, TypeError, "must be a dict of scores by name"),
        ({"scoring": {}}, TypeError, "must be a dict of scores by name"),
        ({"scoring": {1: "accuracy"}}, TypeError, "named by text"),
        ({"scoring": {"counts_0_tp": "accuracy"}}, ValueError, "those of counts"),
        ({"scoring": {"require": "accuracy"}}, ValueError, "options of best_under"),
        (
            {"scoring": {"a": "acuracy"}},
            ValueError,
            r"'a', 'acuracy', is the name of no .* and of no con.* Did you mean 'accuracy'\?",
        ),
        ({"scoring": {"a": "demographic_party"}}, ValueError, "Did you mean 'demographic_parity'"),
        ({"scoring": {"a": 3}}, TypeError, "must be the name of a scikit-learn scorer"),
        ({"scoring": {"a": Rate("r", "tp", "n")}}, TypeError, r"Constraint\('r', rate\)"),
        (
            {"scoring": {"a": make_fair_scorer("f1_parity", pos_label="no")}},
            ValueError,
            "name it in GroupScoring",
        ),
        ({"groups": "FM"}, TypeError, "groups must list"),
        ({"groups": ["F", "F"]}, ValueError, "each once"),
        ({"groups": []}, ValueError, "one or more groups"),
        ({"groups": [0, None]}, ValueError, "groups must not list missing values, .* got None"),
        ({"groups": np.array([0.0, np.nan])}, ValueError, "groups must not list missing values, .* got nan"),
        ({"groups": [pd.NaT]}, ValueError, "groups must not list missing values"),
        ({"groups": ["F", pd.NA]}, ValueError, "groups must not list missing values"),
        ({"groups": [("F", 1), ("M", None)]}, ValueError, "groups must not list missing values"),
        ({"groups": ["F", {"M"}]}, TypeError, r"groups must list texts, numbers .* got \{'M'\}"),
        ({"groups": [["F", ["old"]]]}, TypeError, "groups must list texts, numbers"),
        ({"groups": np.array([["F", "old"]])}, TypeError, r"tuples of these; got ndarray of shape \(2,\)"),
        ({"n_repeats": 0}, ValueError, "n_repeats must be a whole number"),
        ({"error_score": "nan"}, ValueError, "error_score must be 'raise' or a number"),
    ],
)
def test_a_mistake_is_told_when_it_is_made(options: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        GroupScoring(**{"scoring": SCORES, **options})


def test_a_comparison_with_all_groups_together_has_a_value_and_no_interval() -> None:
    to_overall = make_fair_scorer("demographic_parity", method="to_overall")
    own = GroupScoring({"acc": "accuracy", "dp": to_overall}, groups=["a", "b"])
    results = results_of([selected_of_100(60, 40), selected_of_100(50, 45)], acc=[0.8, 0.7], dp=[0, 0])
    with pytest.raises(ValueError, match="set require='value'"):
        own.best_under("acc", dp=0.05)
    assert own.best_under("acc", dp=0.05, require="value")(results) == 1
    table = cv_disparities(results, own)
    np.testing.assert_allclose(table.values[:, 0], [0.1, 0.025])
    assert np.isnan(table.low).all()


def test_a_reference_compares_fewer_pairs() -> None:
    to_a = make_fair_scorer("demographic_parity", method="to_reference", reference="a")
    own = GroupScoring({"acc": "accuracy", "all": "demographic_parity", "to_a": to_a}, groups=list("abcd"))
    results = results_of([selected_of_100(50, 40, 45, 60)], acc=[0.8], all=[0], to_a=[0])
    table = cv_disparities(results, own)
    np.testing.assert_allclose(table.values[0], [0.2, 0.1])
    assert table.high[0, 1] < table.high[0, 0]


def test_a_reference_must_be_a_group() -> None:
    to_z = make_fair_scorer("demographic_parity", method="to_reference", reference="z")
    with pytest.raises(ValueError, match=r"compares with the group 'z', which is none of 'F', 'M'"):
        GroupScoring({"dp": to_z}, sensitive_features="sex").of(X)
    for reference, known in (("F", True), ("a", False)):
        by_sex = make_fair_scorer(
            "demographic_parity", sensitive_features="sex", method="to_reference", reference=reference
        )
        groups = [("a", "F"), ("a", "M"), ("b", "F")]
        options: dict[str, Any] = {"sensitive_features": ["race", "sex"], "groups": groups}
        if known:
            assert GroupScoring({"dp": by_sex}, **options).pooling.groups == tuple(groups)
        else:
            with pytest.raises(ValueError, match=r"none of 'F', 'M'"):
                GroupScoring({"dp": by_sex}, **options)


def test_columns_may_be_named_by_an_array() -> None:
    own = GroupScoring(SCORES, sensitive_features=np.array(["sex"]), pos_label="yes").of(X)
    assert own.groups == ("F", "M")
    assert "array(['sex']" in repr(own)


def test_repeats_do_not_make_rows() -> None:
    repeated = RepeatedKFold(n_splits=3, n_repeats=4, random_state=0)
    options: dict[str, Any] = {"cv": repeated, "error_score": "raise"}
    own = scoring(n_repeats=4)
    table = cv_disparities(cross_validate(logistic(), X, Y, scoring=own, **options), own)
    assert table.n.tolist() == [240]
    assert table.counts[0] is not None
    np.testing.assert_allclose(table.counts[0].n, [(X["sex"] == "F").sum(), (X["sex"] == "M").sum()])
    once = scoring()
    found = cross_validate(logistic(), X, Y, scoring=once, **options)
    with pytest.warns(UserWarning, match=r"about 4\.0 times, and n_repeats=1.*too narrow"):
        cv_disparities(found, once)


def test_the_search_of_the_issue_finds_its_candidate() -> None:
    """Eight groups of 500 without any disparity: folds say .79, .72 and .63 on average, their sums .87."""
    rng = np.random.default_rng(0)
    n_runs, rate = 200, 0.45
    own = GroupScoring({"acc": "accuracy", "di": DI}, groups=list("abcdefgh"))
    means = {}
    refused = 0
    for n_folds in (3, 5, 10):
        sizes = np.array([500 // n_folds + (fold < 500 % n_folds) for fold in range(n_folds)])
        selected = rng.binomial(sizes[None, None], rate, (n_runs, 8, n_folds))
        rates = selected / sizes
        means[n_folds] = (rates.min(1) / rates.max(1)).mean()
        pooled = selected.sum(2)
        means["pooled"] = (pooled.min(1) / pooled.max(1)).mean()
        for run in range(20):
            fair = selected_of_500(pooled[run])
            results = results_of([fair, selected_of_500([225] * 8)], acc=[0.9, 0.1])
            refused += own.best_under("acc", min_ratio={"di": 0.8})(results)
    assert refused == 0
    assert {key: round(value, 2) for key, value in means.items()} == pytest.approx(
        {3: 0.79, 5: 0.72, 10: 0.63, "pooled": 0.87}, abs=0.015
    )


def selected_of_500(selected: Any) -> GroupCounts:
    fp, none = np.array(selected, dtype=float), np.zeros(8)
    return GroupCounts(list("abcdefgh"), {"tp": none, "fp": fp, "fn": none, "tn": 500 - fp})


# --- tables -------------------------------------------------------------------------------------------


def test_the_table_says_what_was_pooled() -> None:
    own = GroupScoring(SCORES | {"di": DI}, sensitive_features="sex", pos_label="yes").of(X)
    search = GridSearchCV(logistic(), GRID, scoring=own, refit="acc", cv=FOLDS).fit(X, Y)
    table = cv_disparities(search, confidence=0.9)
    assert table.values.shape == (3, 2)
    by_results = cv_disparities(search.cv_results_, own, confidence=0.9)
    assert str(table).replace(" (chosen)", "").split() != str(table).split()  # one is marked
    assert (
        str(table).replace(" (chosen)", "").replace("-", "").split()
        == str(by_results).replace("-", "").split()
    )
    frame = table.frame("pandas")
    assert set(frame["candidate"][frame["chosen"]]) == {search.best_index_}
    assert not by_results.frame("pandas")["chosen"].any()
    np.testing.assert_allclose(frame["mean_test_acc"][::2], search.cv_results_["mean_test_acc"])
    assert list(frame["score"]) == ["dp", "di"] * 3
    assert list(frame["param_logisticregression__C"]) == [0.001, 0.001, 0.03, 0.03, 1, 1]
    np.testing.assert_allclose(frame["mean_of_folds"][::2], -search.cv_results_["mean_test_dp"])
    np.testing.assert_allclose(frame["mean_of_folds"][1::2], search.cv_results_["mean_test_di"])
    assert (table.low <= table.values).all()
    assert (table.values <= table.high).all()
    assert table.n.tolist() == [240] * 3
    assert json.loads(json.dumps(table.to_dict()))["params"][2] == {"logisticregression__C": 1}


class _Searched:
    """What a fitted search has of results that were made up."""

    def __init__(self, results: dict[str, Any], rule: Any, own: GroupScoring) -> None:
        self.cv_results_, self.refit, self.scoring = results, rule, own
        self.best_index_ = rule(results)


@pytest.mark.parametrize("require", ["not_refuted", "shown", "value"])
def test_the_table_of_a_rule_shows_why_it_refuses(require: Any) -> None:
    """60 of 100 against 45 of 100 differ by .15: from .012 to .280 at 95%, and from below 0 at 97.5%."""
    tables = [selected_of_100(60, 45), selected_of_100(70, 45)]
    results = results_of(tables, acc=[0.9, 0.8], dp=[-0.15, -0.25], di=[0.75, 0.64])
    rule = AB.best_under("acc", dp=0.0, min_ratio={"di": 0.99}, require=require)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        search = _Searched(results, rule, AB)
    table = cv_disparities(search)
    assert table.confidence == pytest.approx(0.975)
    for place, counts in enumerate(tables):
        estimates = [AB.pooling.criteria[name].estimate(counts, 0.975) for name in ("dp", "di")]
        np.testing.assert_allclose(table.low[place], [one.low for one in estimates])
        (dp_value, dp_low, dp_high), (di_value, di_low, di_high) = estimates
        beyond = {
            "not_refuted": [dp_low, 0.99 - di_high],
            "shown": [dp_high, 0.99 - di_low],
            "value": [dp_value, 0.99 - di_value],
        }[require]
        np.testing.assert_allclose(table.beyond[place], np.maximum(beyond, 0))
    # What is chosen is derived from the table alone: within the bounds, else the least beyond one of them.
    worst = table.beyond.max(1)
    expected = int(np.argmin(worst)) if worst.min() > 0 else int(np.argmax(worst == 0))
    assert table.chosen == search.best_index_ == expected == 0
    assert table.bounds.tolist() == [0.0, 0.99]
    assert "0 (chosen)" in str(table)
    assert repr(rule) in str(table)
    assert len(said) == (worst[0] > 0)
    assert (require == "not_refuted") == (not said)
    for warning in said:
        place = int(np.argmax(table.beyond[0]))
        assert f"candidate 0 is chosen, the nearest. Its {table.scores[place]!r} is" in str(warning.message)
        assert f"beyond the bound {table.bounds[place]:g} by {worst[0]:.4f}." in str(warning.message)
        if require == "shown":
            shown = f"[{table.low[0, place]:.4f}, {table.high[0, place]:.4f}], a 97.5% interval"
            assert shown in str(warning.message)
    at_95 = cv_disparities(search, confidence=0.95)
    assert at_95.low[0, 0] == pytest.approx(0.012, abs=0.001)  # beyond the bound, and not refuted
    np.testing.assert_array_equal(at_95.beyond, table.beyond)
    assert cv_disparities(results, AB).confidence == 0.95


def test_the_warning_names_the_interval_or_the_mean_that_decides() -> None:
    results = results_of([selected_of_100(90, 20)], acc=[0.8], f1=[0.5])
    low = AB.pooling.criteria["dp"].estimate(selected_of_100(90, 20), 0.95).low
    with pytest.warns(
        UserWarning, match=rf"a 95% interval that lies wholly beyond .* 0\.01, by {low - 0.01:.4f}"
    ):
        AB.best_under("acc", dp=0.01)(results)
    with pytest.warns(
        UserWarning, match=r"mean of 'f1' over the folds is 0\.5000, below the bound 0\.9 by 0\.4000"
    ):
        AB.best_under("acc", dp=0.9, min_score={"f1": 0.9})(results)
    with pytest.warns(
        UserWarning, match=r"mean of 'f1' over the folds is 0\.5000, below the bound 0\.9 by 0\.4000"
    ):
        AB.best_under("acc", min_score={"f1": 0.9})(results)


@pytest.mark.parametrize(
    ("results", "own", "error", "message"),
    [
        (logistic(), AB, TypeError, "Give a fitted search"),
        (GridSearchCV(logistic(), GRID), AB, TypeError, "GridSearchCV, which is not fitted"),
        (results_of([selected_of_100(1, 2)]), None, TypeError, "not scored by GroupScoring"),
        ({"mean_test_acc": [1]}, AB, ValueError, "do not hold the counts of 2 groups: .* or scoring failed"),
        (results_of([selected_of_100(1, 2, 3)], dp=[0], di=[0]), AB, ValueError, "counts of 2 groups"),
        (results_of([selected_of_100(1)], dp=[0], di=[0]), AB, ValueError, "counts of 2 groups"),
    ],
)
def test_results_of_something_else_are_refused(results: Any, own: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cv_disparities(results, own)


def test_the_front_is_that_of_pooled_disparities() -> None:
    tables = [selected_of_100(60, 45), selected_of_100(60, 50), selected_of_100(60, 58)]
    means: dict[str, Any] = {"acc": [0.9, 0.8, 0.7], "dp": [-0.1, -0.3, -0.2]}
    results = results_of(tables, **means)
    assert pareto_front(results, "acc", "dp").tolist() == [0]
    assert pareto_front(results, "acc", "dp", scoring=AB).tolist() == [0, 1, 2]
    assert pareto_front(results, "acc", "di", scoring=AB).tolist() == [0, 1, 2]
    own = scoring()
    search = GridSearchCV(logistic(), GRID, scoring=own, refit="acc", cv=FOLDS).fit(X, Y)
    expected = pareto_front(search.cv_results_, "acc", "dp", scoring=own)
    assert pareto_front(search, "acc", "dp").tolist() == expected.tolist()


def test_halving_goes_by_a_score_of_that_name() -> None:
    tradeoff = make_tradeoff_scorer("accuracy", "demographic_parity")
    own = GroupScoring(
        {"score": tradeoff, "dp": "demographic_parity"}, sensitive_features="sex", pos_label="yes"
    ).of(X)
    search = HalvingGridSearchCV(
        logistic(),
        GRID,
        scoring=own,
        refit="score",
        cv=3,
        min_resources=80,
        random_state=0,
        error_score="raise",
    ).fit(X, Y)
    table = cv_disparities(search)
    assert len(table.params) == len(search.cv_results_["params"]) > 3
    assert table.n.max() <= 240


# --- best_under with plain scorers --------------------------------------------------------------------


def plain(values: list[list[float]], acc: list[float], name: str = "dp") -> dict[str, Any]:
    """Return the results of a search with plain scorers: a line of folds per candidate."""
    table = np.array(values)
    folds = {f"split{fold}_test_{name}": column for fold, column in enumerate(table.T)}
    return folds | {f"mean_test_{name}": table.mean(1), "mean_test_acc": np.array(acc)}


def test_plain_scores_are_said_to_depend_on_the_folds_where_that_may_decide() -> None:
    noisy, fair, unfair = [-0.02, -0.14, -0.08], [-0.01, -0.02, -0.03], [-0.39, -0.40, -0.41]
    rule = best_under("acc", dp=0.05)
    said = r"refuses candidate 0, .* beyond a bound by 0\.0300\. That may be chance.*Score with GroupScoring"
    with pytest.warns(UserWarning, match=said):
        assert rule(plain([noisy, fair], [0.9, 0.8])) == 1
    assert rule(plain([unfair, fair], [0.9, 0.8])) == 1  # .35 beyond, and the folds agree
    assert rule(plain([noisy, fair], [0.7, 0.8])) == 1  # it is not the best one
    with pytest.warns(UserWarning, match=r"No candidate meets.*Widen the bound.*That may be chance"):
        assert rule(plain([noisy], [0.9])) == 0
    with pytest.warns(UserWarning, match=r"No candidate meets.*search\.$"):
        assert rule(plain([unfair], [0.9])) == 0
    ratios = best_under("acc", min_ratio={"di": 0.8})
    with pytest.warns(UserWarning, match="That may be chance"):
        assert ratios(plain([[0.6, 0.9, 0.75], [0.9, 0.9, 0.9]], [0.9, 0.8], "di")) == 1
