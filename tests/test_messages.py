"""Messages: values in them are shortened, so that none is longer than people read, whatever comes in."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    FairClassifier,
    FairResampler,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    Reweigher,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
    statistics,
)
from fairsk._core.groups import list_groups
from fairsk._core.messages import did_you_mean, list_labels, list_texts, shorten, show
from fairsk._held_out.objective import check_objective
from fairsk.audit import audit_dataset
from fairsk.metrics import (
    GroupCounts,
    ScoreHistograms,
    amount_disparity,
    auc_difference,
    conditional_demographic_disparity,
    demographic_parity_difference,
    disparity,
    group_metrics,
    mantel_haenszel_odds_ratio,
    multiclass_disparity,
    one_vs_rest_counts,
    regression_metrics,
    score_metrics,
)
from fairsk.model_selection import GroupStratifiedKFold
from fairsk.rates import get_constraint, get_rate
from fairsk.repair import ConceptEraser, DistributionRepairer, GaussianRepairer
from fairsk.scoring import make_fair_scorer, make_group_scorer, make_tradeoff_scorer

#: No message has more characters.
MOST = 2000


def test_names_that_differ_in_case_or_blanks_are_meant_first():
    names = ["Female", "Male", "Non-binary"]
    assert did_you_mean("male", iter(names)) == " Did you mean 'Male'?"
    assert did_you_mean(" MALE", names) == " Did you mean 'Male'?"
    assert did_you_mean("femal", names) == " Did you mean 'Female'?"
    assert did_you_mean("other", names) == did_you_mean(3, names) == ""
    with pytest.raises(ValueError, match=r"'yes' never occurs: .* Did you mean 'Yes'\?"):
        GroupCounts.from_predictions(
            ["No", "Yes"], ["No", "Yes"], sensitive_features=["a", "b"], pos_label="yes"
        )


def long(i: int) -> str:
    """Return a long name that differs from others at both ends."""
    return f"{i}{'n' * 10_000}{i}"


# --- how values are written ---------------------------------------------------------------------------


def test_short_values_are_written_as_they_are() -> None:
    assert [show(value) for value in ("a", 1, 1.5, None, ["a", 1], ("f", 1))] == [
        *("'a'", "1", "1.5", "None"),
        *("['a', 1]", "('f', 1)"),
    ]
    assert (show(np.str_("a")), show(np.int64(3))) == ("'a'", "3")
    assert (list_labels(["0", 0]), list_texts(["a", "b"]), list_groups([("f", 1), 2])) == (
        *("'0', 0", "a, b", "f & 1, 2"),
    )


def test_long_values_keep_their_ends() -> None:
    assert shorten(long(7)).startswith("7nn")
    assert shorten(long(7)).endswith("nn7")
    assert "..." in shorten(long(7))
    assert list_groups(range(1500), most=3) == "0, 1, 2 and 1,497 more"


def test_of_tables_and_arrays_kind_and_shape_are_written() -> None:
    assert show(np.zeros((3, 2))) == "ndarray of shape (3, 2)"
    assert show(pd.DataFrame({"a": [1, 2]})) == "DataFrame of shape (2, 1)"
    assert "\n" not in show(type("Lines", (), {"__repr__": lambda self: "a\n  b"})())


@settings(max_examples=20)
@given(
    st.recursive(
        st.text() | st.integers() | st.floats() | st.none() | st.binary() | st.just(long(1)),
        lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts) | st.tuples(parts, parts),
    ),
    st.integers(0, 500),
)
def test_a_value_or_a_list_of_them_is_never_long(value: Any, times: int) -> None:
    assert len(show(value)) <= 120
    assert len(list_labels([value] * times)) <= 650  # two such lists fit into a message
    assert len(list_groups([long(i) for i in range(times)])) <= 1300


# --- what people see ----------------------------------------------------------------------------------

N = 60
Y, GROUP, SCORE = np.arange(N) % 2, np.arange(N) // 2 % 2, np.linspace(0, 1, N)
X = pd.DataFrame({"x": SCORE, "group": GROUP})
TWO, MANY = (np.array([long(i) for i in codes], dtype=object) for codes in (GROUP, range(N)))
LARGE: dict[str, Any] = {
    "two long names": TWO,
    "many long names": MANY,
    "names that differ in a full stop": np.array([long(0), long(0) + "."], dtype=object)[GROUP],
    "many numbers": np.arange(N),
    "fractions": SCORE,
    "a row": GROUP.reshape(1, -1),
    "a wide table": pd.DataFrame(np.zeros((N, 50)), columns=[long(j) for j in range(50)]),
    "missing in columns with long names": pd.DataFrame({long(j): [None, *TWO[1:]] for j in range(20)}),
    "a column with a long name": pd.Series(SCORE, name=long(1)),
    "lists of lists": [[long(1)]] * 3,
    "ragged lists": [[1, 2], [3]],
    "lists as long as the rows": [[long(1)]] * N,
    "a long text": long(1),
    "long names": [long(j) for j in range(30)],
    "a dict": {long(j): [1] for j in range(50)},
    "a large number": 10**300,
    "text and numbers": np.array([long(1), 1] * (N // 2), dtype=object),
    "sets": [{long(1)}] * N,
    "bytes": long(1).encode(),
    "too few": TWO[:3],
}
FRAME = pd.DataFrame({long(j): Y for j in range(30)} | {"y": Y, "p": Y, "g": GROUP})


def _fitted() -> Any:
    return LogisticRegression().fit(X.to_numpy(), Y)


def _scorer(make: Callable[..., Any]) -> Callable[..., Any]:
    def score(selector: Any, y: Any, groups: Any, weights: Any) -> Any:
        return make(sensitive_features=selector)(
            _fitted(), X.to_numpy(), y, sensitive_features=groups, sample_weight=weights
        )

    return score


def _estimator(cls: Any, *args: Any, **options: Any) -> Callable[..., Any]:
    def fit(selector: Any, y: Any, groups: Any = None, weights: Any = None, X: Any = X) -> Any:
        model = cls(*args, sensitive_features=selector, **options)
        given = {} if weights is None else {"sample_weight": weights}
        return model.fit(X, y, sensitive_features=groups, **given)

    return fit


_PREDICTION = {"y_true": Y, "y_pred": 1 - Y, "sensitive_features": GROUP, "sample_weight": None}
_SCORED = {"y_true": Y, "y_score": SCORE, "sensitive_features": GROUP, "sample_weight": None}
_ROWS = {"selector": 1, "y": Y, "groups": None, "weights": None}
#: What is called, with arguments that it takes; each of them is replaced by each of the large ones.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "counts": (GroupCounts.from_predictions, {**_PREDICTION, "pos_label": None, "strata": None}),
    "probabilities": (
        GroupCounts.from_probabilities,
        {"y_true": Y, "y_prob": SCORE, "sensitive_features": GROUP, "sample_weight": None},
    ),
    "histograms": (ScoreHistograms.from_scores, {**_SCORED, "bins": 4, "edges": None}),
    "counts of a frame": (
        GroupCounts.from_frame,
        {"frame": FRAME, "y_true": "y", "y_pred": "p", "sensitive_features": "g", "pos_label": None},
    ),
    "difference": (demographic_parity_difference, {**_PREDICTION, "reference": None, "method": "to_overall"}),
    "difference to a reference": (
        demographic_parity_difference,
        {**_PREDICTION, "reference": 1, "method": "to_reference"},
    ),
    "disparity": (disparity, {**_PREDICTION, "constraint": "equalized_odds", "comparison": "ratio"}),
    "classes": (one_vs_rest_counts, {**_PREDICTION, "classes": None}),
    "conditional": (conditional_demographic_disparity, {**_PREDICTION, "strata": GROUP}),
    "odds ratios": (mantel_haenszel_odds_ratio, {**_PREDICTION, "strata": Y, "reference": 0}),
    "functions": (
        lambda **rows: group_metrics(**rows, metrics={"gap": lambda y, p: np.mean(y == p)}),
        {**_PREDICTION, "sample_weight": None},
    ),
    "table": (group_metrics, {**_PREDICTION, "metrics": None}),
    "auc": (auc_difference, {**_SCORED, "reference": None}),
    "score table": (score_metrics, {**_SCORED, "metrics": None}),
    "amounts": (regression_metrics, _PREDICTION),
    "amounts apart": (
        amount_disparity,
        {**_PREDICTION, "constraint": "error_parity", "comparison": "ratio", "method": "between_groups"},
    ),
    "splitter": (
        lambda selector, y, groups: GroupStratifiedKFold(2, sensitive_features=selector).split(X, y, groups),
        {"selector": 1, "y": Y, "groups": None},
    ),
    "weights of rows": (
        lambda **rows: Reweigher().fit(X, Y, sensitive_features=GROUP).sample_weight(**rows),
        {"y": Y, "sensitive_features": GROUP, "sample_weight": None},
    ),
    "reweigher": (_estimator(Reweigher), {**_ROWS, "X": X}),
    "resampler": (_estimator(FairResampler), {"selector": 1, "y": Y, "groups": None, "weights": None}),
    "reweighted": (_estimator(ReweightedClassifier, LogisticRegression()), _ROWS),
    "thresholds": (_estimator(GroupThresholdOptimizer, LogisticRegression(), min_group_size=5), _ROWS),
    "constrained": (
        _estimator(ConstrainedClassifier, LogisticRegression(), cv=2, min_group_size=5, max_models=2),
        {**_ROWS, "X": X},
    ),
    "repair": (_estimator(ScoreRepair, LogisticRegression()), _ROWS),
    "repair of amounts": (_estimator(PredictionRepair, LinearRegression()), _ROWS),
    "bound on amounts": (
        _estimator(ConstrainedRegressor, LinearRegression(), max_difference=1.0, cv=2, min_group_size=5),
        {**_ROWS, "X": X},
    ),
    "thresholds of classes": (
        _estimator(GroupThresholdOptimizer, LogisticRegression(), cv=2, min_group_size=5),
        {"selector": 1, "y": np.arange(N) % 3},
    ),
    "calibrated": (_estimator(GroupCalibratedClassifier, LogisticRegression()), _ROWS),
    "net": (_estimator(FairClassifier, max_epochs=1), _ROWS),
    "router": (_estimator(SensitiveRouter, FairClassifier(max_epochs=1)), _ROWS),
    "eraser": (_estimator(ConceptEraser, within_label=True, preserve_label=True), {**_ROWS, "X": X}),
    "eraser of a number": (_estimator(ConceptEraser, continuous=True), _ROWS),
    "Gaussian repairer": (_estimator(GaussianRepairer), {**_ROWS, "X": X}),
    "distribution repairer": (_estimator(DistributionRepairer), _ROWS),
    "aware eraser, later": (
        lambda groups: (
            ConceptEraser(aware=True).fit(X, sensitive_features=TWO).transform(X, sensitive_features=groups)
        ),
        {"groups": TWO},
    ),
    "scorer": (_scorer(lambda **o: make_fair_scorer("equal_opportunity", **o)), _ROWS),
    "group scorer": (_scorer(lambda **o: make_group_scorer("accuracy", **o)), _ROWS),
    "scorer of a label": (
        lambda pos_label: make_group_scorer("f1", sensitive_features=1, pos_label=pos_label)(
            _fitted(), X.to_numpy(), Y
        ),
        {"pos_label": 1},
    ),
    "tradeoff": (_scorer(lambda **o: make_tradeoff_scorer("accuracy", "equalized_odds", **o)), _ROWS),
    "audit": (
        lambda **options: audit_dataset(X, cv=2, random_state=0, **options),
        {"sensitive_features": "group", "y": None, "baseline": None},
    ),
    "constraint": (get_constraint, {"constraint": None}),
    "rate": (get_rate, {"rate": None}),
}


def longest_message(call: Callable[[], Any]) -> str:
    """Return the longest message of an error, or of a warning, that a call gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except (ValueError, TypeError) as error:
            texts = [str(error), *getattr(error, "__notes__", [])]
        else:
            texts = []
    return max([*texts, *(str(warning.message) for warning in caught), ""], key=len)


@pytest.mark.parametrize(
    ("name", "argument"), [(name, arg) for name, (_, args) in CALLS.items() for arg in args]
)
def test_no_message_is_long(name: str, argument: str) -> None:
    call, arguments = CALLS[name]
    for what, value in LARGE.items():
        if (name, argument, what) == ("reweighted", "y", "lists as long as the rows"):
            continue  # the message of LogisticRegression about its only class
        text = longest_message(lambda value=value: call(**{**arguments, argument: value}))
        assert len(text) <= MOST, f"{argument}={what}: {len(text)} characters: {text[:200]}"


@pytest.mark.parametrize("groups", ["two long names", "many long names"])
def test_no_message_about_a_table_of_counts_is_long(groups: str) -> None:
    counts = GroupCounts.from_predictions(Y, 1 - Y, sensitive_features=LARGE[groups])
    strata = GroupCounts.from_predictions(Y, 1 - Y, sensitive_features=LARGE[groups], strata=MANY)
    for table in (counts, strata):
        for call in (
            lambda table=table: table.compare("equal_opportunity"),
            lambda table=table: table.compare("predictive_parity", "ratio"),
            lambda table=table: table.compare(
                "demographic_parity", method="to_reference", reference=long(77)
            ),
            lambda table=table: table.compare("demographic_parity", method="to_reference"),
            lambda table=table: table.take([long(77)]),
            lambda table=table: table.stratum(long(77)),
            lambda table=table: table.marginal(long(77)),
            lambda table=table: table.frame(long(77)),
            lambda table=table: table.rate(long(77)),
            lambda table=table: statistics.two_group_test(table, "selection_rate"),
            lambda table=table: statistics.smallest_detectable(
                table, "precision", groups=(long(0), long(77))
            ),
            lambda table=table: statistics.bootstrap(table, "precision", n_resamples=20, random_state=0),
            lambda table=table: statistics.verdict(table, "precision", max_difference=0.1, reference=long(0)),
        ):
            text = longest_message(call)
            assert len(text) <= MOST, f"{len(text)} characters: {text[:200]}"


def test_an_option_that_came_as_an_array_is_refused_by_its_name() -> None:
    table = GroupCounts.from_predictions([1, 0, 1, 0], [1, 1, 0, 0], sensitive_features=list("aabb"))
    array: Any = np.array(["holm", "pooled_z"])
    for name, call in {
        "adjust": lambda: statistics.contrasts(table, "selection_rate", adjust=array),
        "method": lambda: statistics.contrasts(table, "selection_rate", method=array),
        "comparison": lambda: statistics.contrasts(table, "selection_rate", comparison=array),
        "method ": lambda: statistics.adjust_p_values([0.1, 0.2], method=array),
        " method": lambda: statistics.two_group_test(table, "selection_rate", method=array),
        "backend": lambda: table.frame(array),
        "average": lambda: multiclass_disparity(
            list("abab"), list("abab"), sensitive_features=list("ccdd"), average=array
        ),
    }.items():
        with pytest.raises(ValueError, match=f"^{name.strip()} must be one of .*; got ndarray"):
            call()


def test_a_baseline_of_long_names_is_told_in_brief() -> None:
    groups = [f"{'name ' * 200}{i}" for i in range(10)]
    with pytest.raises(ValueError, match="must expect something of every group") as told:
        audit_dataset(np.array(groups).reshape(-1, 1), 0, baseline=dict.fromkeys(groups, 0), proxies=False)
    assert "name 0': 0" in str(told.value)
    assert len(str(told.value)) <= MOST


def test_groups_that_are_unknown_at_prediction_are_listed_in_brief() -> None:
    model = GroupThresholdOptimizer(LogisticRegression(), unknown_group="overall", min_group_size=5)
    model.fit(X, Y, sensitive_features=GROUP)
    named = ScoreRepair(LogisticRegression()).fit(X, Y, sensitive_features=TWO)
    for estimator in (model, model.set_params(unknown_group="error"), named):
        for what in ("two long names", "many long names", "text and numbers", "a wide table", "a row"):
            text = longest_message(lambda e=estimator, w=what: e.predict(X, sensitive_features=LARGE[w]))
            assert len(text) <= MOST, f"{what}: {len(text)} characters: {text[:200]}"


#: Estimators that need the group of new rows, with a policy for those whose group is unknown.
ASKING = {
    "thresholds": GroupThresholdOptimizer(LogisticRegression(), min_group_size=5),
    "scores": ScoreRepair(LogisticRegression()),
    "amounts": PredictionRepair(LinearRegression()),
    "calibrated": GroupCalibratedClassifier(LogisticRegression()),
    "Gaussian": GaussianRepairer(),
    "distribution": DistributionRepairer(),
    "aware": ConceptEraser(aware=True),
    "aware of a number": ConceptEraser(aware=True, continuous=True),
}


@pytest.mark.parametrize("name", ASKING)
def test_a_missing_group_of_new_rows_names_the_policy_that_takes_it(name: str) -> None:
    model = clone(ASKING[name]).fit(X[["x"]], Y, sensitive_features=GROUP)
    answer = model.predict if hasattr(model, "predict") else model.transform
    some = np.where(np.arange(N) < 3, np.nan, GROUP)
    with pytest.raises(ValueError, match=r"is missing .* in 3 of 60 rows.*unknown_group='overall'"):
        answer(X[["x"]], sensitive_features=some)
    with pytest.raises(ValueError, match=r"is missing .* in 3 of 60 rows") as seen:
        model.fit(X[["x"]], Y, sensitive_features=some)
    assert "unknown_group" not in str(seen.value)  # it says nothing of rows to learn from
    model.set_params(unknown_group="overall").fit(X[["x"]], Y, sensitive_features=GROUP)
    answer = model.predict if hasattr(model, "predict") else model.transform
    assert len(answer(X[["x"]], sensitive_features=some)) == N


@pytest.mark.parametrize(
    ("objective", "meant"),
    [
        ("acuracy", "accuracy"),
        ("worst_accuracy", "worst_group_accuracy"),
        ("min_group_accuracy", "worst_group_accuracy"),
    ],
)
def test_an_objective_by_another_name_gets_a_suggestion(objective: str, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"Unknown objective '{objective}'\. Did you mean '{meant}'\?"):
        check_objective(objective)


def test_metrics_and_shares_by_another_name() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'share_of_selected'\?.*, share_of_selected\.$"):
        group_metrics([1, 0], [1, 0], sensitive_features=[0, 1], metrics="shares_of_selected")
    with pytest.raises(ValueError, match=r"Did you mean 'accuracy'\? sklearn"):
        make_group_scorer("acuracy")
    table = group_metrics(None, [1, 0, 1], sensitive_features=list("aab"), metrics="share_of_selected")
    for compare in (table.difference, table.ratio, table.lowest):
        with pytest.raises(ValueError, match="shares of one whole add up to 1"):
            compare("share_of_selected")


def test_what_the_page_says_of_orders_inside_cross_validation() -> None:
    """Parts cut by position have other labels, and cannot be told from a y with an index of its own."""
    X = pd.DataFrame({"a": np.arange(40.0) % 7, "sex": list("fm") * 20})
    y = pd.Series([0, 0, 1, 1] * 10).iloc[::-1]
    scorer = make_fair_scorer("demographic_parity", sensitive_features="sex")
    model = make_pipeline(make_column_transformer(("passthrough", ["a"])), LogisticRegression())
    options: dict[str, Any] = {"scoring": scorer, "cv": 3, "error_score": "raise"}
    assert len(cross_val_score(model, X, y, **options)) == 3
    with pytest.raises(ValueError, match="order"):
        scorer(model.fit(X, y), X, y)
