"""What comes into ConstrainedClassifier: containers, splits, columns and values that cannot be used."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from joblib import parallel_config
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import PredefinedSplit, RepeatedStratifiedKFold, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from fairsk import ConstrainedClassifier, GroupThresholdOptimizer

N = 240
RNG = np.random.default_rng(0)
SEX = RNG.integers(0, 2, N)
SKILL = RNG.normal(size=N) + 0.7 * SEX
ROWS = np.column_stack([SKILL, RNG.normal(size=N), SEX])
Y = (SKILL + RNG.normal(size=N) > 0.5).astype(int)
FRAME = pd.DataFrame(ROWS, columns=["skill", "luck", "sex"])


def lightgbm():
    library = pytest.importorskip("lightgbm")
    return library.LGBMClassifier(n_estimators=5, num_leaves=4, min_child_samples=5, verbosity=-1, n_jobs=1)


def xgboost():
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1)


LEARNERS = {"logistic": LogisticRegression, "LightGBM": lightgbm, "XGBoost": xgboost}
every_engine = pytest.mark.parametrize("learner", LEARNERS)


def make(learner="logistic", **params):
    base = {"sensitive_features": "sex", "cv": 2, "min_group_size": 5, "max_models": 2, "max_difference": 0.6}
    return ConstrainedClassifier(**{"estimator": LEARNERS[learner](), **base, **params})


# --- containers ---------------------------------------------------------------------------------------------

CONTAINERS = {
    "lists": lambda rows: rows.tolist(),
    "objects": lambda rows: rows.astype(object),
    "Fortran": np.asfortranarray,
    "big-endian": lambda rows: rows.astype(">f8"),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
}


@pytest.mark.parametrize(
    ("learner", "container"),
    # XGBoost itself misreads the bytes of big-endian numbers.
    [(a, b) for a in LEARNERS for b in CONTAINERS if (a, b) != ("XGBoost", "big-endian")],
)
def test_arrays_of_all_kinds_give_the_same(learner, container):
    expected = make(learner, sensitive_features=2).fit(ROWS, Y).predict_proba(ROWS)
    held = CONTAINERS[container](ROWS)
    model = make(learner, sensitive_features=2).fit(held, Y)
    np.testing.assert_allclose(model.predict_proba(held), expected, atol=1e-12)


@every_engine
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_give_the_same(learner, library):
    expected = make(learner).fit(FRAME, Y)
    other = pl.DataFrame(FRAME.to_dict("list")) if library == "polars" else pa.Table.from_pandas(FRAME)
    model = make(learner).fit(other, pl.Series(Y))
    np.testing.assert_allclose(model.predict_proba(other), expected.predict_proba(FRAME))


@every_engine
def test_rows_that_cannot_be_written_to_and_inputs_are_left_alone(learner):
    given = ROWS.copy(), Y.copy(), np.ones(N), SEX.copy()
    for array in given:
        array.setflags(write=False)
    estimator = LEARNERS[learner]()
    before = copy.deepcopy(estimator.__dict__)
    model = ConstrainedClassifier(estimator, cv=2, min_group_size=5, max_difference=0.6)
    model.fit(given[0], given[1], sample_weight=given[2], sensitive_features=given[3]).predict(given[0])
    assert estimator.__dict__ == before
    assert model.estimator is estimator


def test_single_precision_is_read():
    model = make(sensitive_features=2).fit(ROWS.astype(np.float32), Y)
    expected = make(sensitive_features=2).fit(ROWS, Y)
    np.testing.assert_allclose(
        model.decision_function(ROWS.astype(np.float32)), expected.decision_function(ROWS), atol=1e-2
    )


# --- columns to predict --------------------------------------------------------------------------------


@every_engine
def test_columns_in_another_order_are_refused(learner):
    """Boosters take columns by position: LightGBM itself predicts without a word."""
    model = make(learner).fit(FRAME, Y)
    for other in (FRAME[["luck", "sex", "skill"]], FRAME[["luck", "skill"]]):
        with pytest.raises(ValueError, match=r"same order|feature_names mismatch"):
            model.predict(other)


@every_engine
def test_other_columns_than_in_fit_are_refused(learner):
    model = make(learner).fit(FRAME, Y)
    with pytest.raises(ValueError, match="luck"):
        model.predict(FRAME[["skill"]])
    with pytest.raises(ValueError, match="age"):
        model.predict(FRAME.assign(age=1))
    of_arrays = make(learner, sensitive_features=2).fit(ROWS, Y)
    with pytest.raises(ValueError, match="6"):  # whatever the learner says, it counts the columns
        of_arrays.predict(np.hstack([ROWS, ROWS, ROWS])[:, :7])


# --- splits --------------------------------------------------------------------------------------------


@every_engine
def test_rows_held_out_several_times_or_never_count_once(learner):
    for cv in (
        ShuffleSplit(3, test_size=0.3, random_state=0),
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
        0.4,
    ):
        counts = make(learner, cv=cv).fit(FRAME, Y).report_.counts
        if isinstance(cv, ShuffleSplit):
            held_out = np.unique(np.concatenate([test for _, test in cv.split(FRAME)])).size
            assert held_out < N
        else:
            held_out = 96 if cv == 0.4 else N
        assert counts.n.sum() == held_out


@every_engine
def test_held_out_rows_without_weight_are_refused(learner):
    held_out = np.arange(N) >= 120
    with pytest.raises(ValueError, match="rows that cv holds out have sample_weight 0"):
        make(learner, cv=PredefinedSplit(np.where(held_out, 0, -1))).fit(FRAME, Y, sample_weight=~held_out)


@every_engine
def test_splits_that_are_made_already(learner):
    splits = list(StratifiedKFold(2).split(ROWS, Y))
    masks = [tuple(np.isin(np.arange(N), part) for part in split) for split in splits]
    expected = make(learner, cv=splits).fit(FRAME, Y).predict_proba(FRAME)
    for cv in (iter(splits), masks, StratifiedKFold(2)):
        found = make(learner, cv=cv).fit(FRAME, Y).predict_proba(FRAME)
        np.testing.assert_array_equal(found, expected)


@every_engine
def test_a_group_that_is_not_held_out_is_exempt(learner):
    """All women are trained on, none is held out: nothing is known of what models do to women."""
    men = 120 + np.flatnonzero(SEX[120:] == 1)
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
        model = make(learner, cv=[(np.arange(120), men)]).fit(FRAME, Y)
    assert model.report_.exempt == (0.0, 1.0)
    town = np.where(np.arange(N) < 120, np.arange(N) % 3, np.arange(N) % 2)
    with pytest.warns(UserWarning, match="min_group_size=5 rows to measure in: 2"):
        model = make(learner, cv=[(np.arange(120), np.arange(120, N))]).fit(FRAME, Y, sensitive_features=town)
    assert model.report_.exempt == (2,)


@pytest.mark.parametrize("cls", [ConstrainedClassifier, GroupThresholdOptimizer])
def test_splits_of_other_data_are_refused(cls):
    for test in (np.arange(120, N + 60), np.arange(-120, 0)):
        model = cls(LogisticRegression(), sensitive_features="sex", cv=[(np.arange(120), test)])
        with pytest.raises(ValueError, match="but X has the rows 0 to 239: were they made of other data"):
            model.fit(FRAME, Y)


@every_engine
def test_training_rows_of_one_class_are_refused(learner):
    splits = [(np.flatnonzero(Y == 1), np.flatnonzero(Y == 0)), (np.arange(120), np.arange(120, N))]
    with pytest.raises(ValueError, match=r"training rows of split 1 of 2 \(cv\) have one class only"):
        make(learner, cv=splits).fit(FRAME, Y)


# --- values --------------------------------------------------------------------------------------------


@every_engine
def test_no_bound_at_all(learner):
    report = make(learner, max_difference=np.inf).fit(FRAME, Y).report_
    assert report.disparity > 0.1


@every_engine
def test_several_threads_and_generators_give_the_same(learner):
    expected = make(learner, random_state=3).fit(FRAME, Y).predict_proba(FRAME)
    for params in ({"n_jobs": 2, "random_state": 3}, {"random_state": np.random.RandomState(3)}):
        with parallel_config(backend="threading"):  # processes take ten seconds to start: the matrix has them
            model = make(learner, **params).fit(FRAME, Y)
        np.testing.assert_array_equal(model.predict_proba(FRAME), expected)


def test_missing_and_infinite_numbers_are_the_learners_affair():
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="Input X contains"):
            make().fit(FRAME.assign(luck=np.where(np.arange(N) == 3, value, 0.0)), Y)


@pytest.mark.parametrize(
    ("groups", "error", "match"),
    [
        ([{"a": 1}] * N, TypeError, "cannot name a group"),
        ([None] * N, ValueError, r"missing \(NaN or None\) in 240 of 240 rows"),
        (SKILL, ValueError, "looks continuous"),
        (SEX.reshape(1, -1), ValueError, "transpose it"),
        (SEX[:-1], ValueError, "239 rows where 240 are expected"),
        ("sex", TypeError, "must be values"),
    ],
)
def test_values_that_name_no_groups(groups, error, match):
    with pytest.raises(error, match=match):
        make(sensitive_features=None).fit(FRAME[["skill", "luck"]], Y, sensitive_features=groups)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"constraint": "demografic_parity"}, "Did you mean 'demographic_parity'"),
        ({"constraint": []}, "constraint is empty"),
        ({"constraint": None}, "'constraint' parameter of ConstrainedClassifier"),
        ({"max_difference": [0.1, 0.2]}, "max_difference has 2 entries for 1 constraint"),
        ({"margin": None}, "'margin' parameter"),
        ({"max_models": 0}, "'max_models' parameter"),
        ({"min_group_size": 0}, "'min_group_size' parameter"),
        ({"keep_sensitive": None}, "'keep_sensitive' parameter"),
        ({"n_jobs": "2"}, "'n_jobs' parameter"),
        ({"cv": "five"}, "Got five"),
        ({"cv": []}, "cv must make at least one split"),
        ({"estimator": "logistic"}, "'estimator' parameter"),
    ],
)
def test_parameters_that_cannot_be(params, match):
    with pytest.raises(ValueError, match=match):
        make().set_params(**params).fit(FRAME, Y)


def test_estimators_that_cannot_be():
    with pytest.raises(TypeError, match="provide an instance of scikit-learn estimator instead of a class"):
        make(estimator=LogisticRegression).fit(FRAME, Y)
    fitted = LogisticRegression().fit(FRAME[["skill", "luck"]], Y)
    for frozen in (FrozenEstimator(fitted), make_pipeline(FunctionTransformer(), FrozenEstimator(fitted))):
        with pytest.raises(ValueError, match="fits its estimator under the bound, which a frozen one cannot"):
            make(estimator=frozen).fit(FRAME, Y)
    with pytest.raises(ValueError, match=r"LinearRegression is a regressor\. ConstrainedRegressor holds"):
        make(estimator=LinearRegression()).fit(FRAME, Y)
    with pytest.raises(ValueError, match="LinearSVC has none of the methods predict_proba"):
        make(estimator=LinearSVC(), response_method="predict_proba").fit(FRAME, Y)
