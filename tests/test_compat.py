"""What fairsk relies on of scikit-learn's private names: a new version that changes one fails here."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import fbeta_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import TunedThresholdClassifierCV, cross_validate
from sklearn.utils._metadata_requests import SIMPLE_METHODS
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from fairsk._sklearn.compat import (
    BaseScorer,
    HasMethods,
    LastingRequest,
    cached_call,
    check_feature_names,
    check_n_features,
    fit_context,
    num_samples,
    own_requests,
    request_lastingly,
    safe_indexing,
    score_by,
    scorer_parts,
    validate_parameters,
)
from fairsk.scoring import make_fair_scorer, make_group_scorer

SEX = np.array(["f", "f", "m", "m"] * 5)
X = pd.DataFrame({"x": np.arange(20.0), "sex": SEX})
Y = np.tile([0, 1, 1, 0, 1], 4)


class Threshold(DummyClassifier):
    """Positive from 10 on; counts its predictions."""

    calls: list[str] = []

    def predict(self, X):
        Threshold.calls.append("predict")
        return (np.asarray(X["x"]) >= 10).astype(int)


# --- scorers -----------------------------------------------------------------------------------------------


def test_a_scorer_is_taken_apart():
    assert scorer_parts(get_scorer("neg_log_loss")) == (log_loss, -1, {}, "predict_proba")
    scorer = make_scorer(fbeta_score, beta=2, greater_is_better=True)
    function, sign, options, response_method = scorer_parts(scorer)
    assert (function, sign, options, response_method) == (fbeta_score, 1, {"beta": 2}, "predict")
    assert isinstance(scorer, BaseScorer)


def test_scorers_share_predictions():
    """Searches call ``_score(method_caller, ...)``, and the caller remembers what an estimator predicted."""
    Threshold.calls.clear()
    dp = make_fair_scorer("demographic_parity", sensitive_features="sex")
    result = cross_validate(
        Threshold(), X, Y, cv=2, scoring={"acc": "accuracy", "dp": dp}, error_score="raise"
    )
    assert Threshold.calls == ["predict"] * 2
    np.testing.assert_array_equal(result["test_acc"], [0.4, 0.6])
    # In the first ten rows nobody is selected, in the last ten everybody.
    np.testing.assert_array_equal(result["test_dp"], [0.0, 0.0])


def test_a_scorer_takes_predictions_that_others_share():
    model = LogisticRegression().fit(X[["x"]], Y)
    asked = []

    def respond(estimator, method, rows, pos_label=None):
        asked.append((method, pos_label))
        return np.linspace(0, 1, 20) if method != "predict" else np.ones(20, dtype=int)

    assert score_by(get_scorer("accuracy"), respond, model, X[["x"]], Y) == Y.mean()
    weights = np.where(Y == 1, 2.0, 1.0)
    weighted = score_by(get_scorer("accuracy"), respond, model, X[["x"]], Y, sample_weight=weights)
    assert weighted == pytest.approx(weights[Y == 1].sum() / weights.sum())
    score_by(get_scorer("neg_brier_score"), respond, model, X[["x"]], Y)
    assert [method for method, _ in asked] == ["predict", "predict", "predict_proba"]


def test_a_cached_call_returns_predictions_of_the_positive_class():
    model = LogisticRegression().fit(X[["x"]], Y)
    for cache in (None, {}):
        chance = cached_call(cache, model, "predict_proba", X[["x"]], pos_label=0)
        np.testing.assert_allclose(chance, model.predict_proba(X[["x"]])[:, 0])
    assert cached_call({"predict": "remembered"}, model, "predict", X) == "remembered"


def test_threshold_tuning_calls_the_measure_of_a_scorer_with_labels():
    """``TunedThresholdClassifierCV`` reads the function, the sign and the options of a scorer."""
    function, sign, options, _ = scorer_parts(make_fair_scorer("demographic_parity"))
    assert (sign, options) == (1, {})
    assert function(Y, (SEX == "f").astype(int), sensitive_features=SEX) == -1.0
    tuned = TunedThresholdClassifierCV(
        LogisticRegression(), scoring=make_fair_scorer("demographic_parity"), cv=2
    )
    with sklearn.config_context(enable_metadata_routing=True):
        assert tuned.fit(X[["x"]], Y, sensitive_features=SEX).best_score_ == 0.0


def test_a_scorer_says_what_it_requests():
    scorer = make_fair_scorer("demographic_parity")
    requests = get_routing_for_object(scorer).score.requests
    assert requests == {"sensitive_features": True, "sample_weight": None, "strata": True}
    with sklearn.config_context(enable_metadata_routing=True):
        scorer.set_score_request(sensitive_features="group")
    assert get_routing_for_object(scorer).score.requests == {
        "sensitive_features": "group",
        "sample_weight": None,
        "strata": True,
    }
    assert "strata" not in get_routing_for_object(make_group_scorer("accuracy")).score.requests


# --- metadata requests -------------------------------------------------------------------------------------


@pytest.fixture
def one_more_method():
    """Let one more method request metadata, as imbalanced-learn does when it is imported."""
    assert isinstance(SIMPLE_METHODS, list)

    def add():
        SIMPLE_METHODS.append("fit_made_up")

    yield add
    if "fit_made_up" in SIMPLE_METHODS:
        SIMPLE_METHODS.remove("fit_made_up")


def weighted():
    """Return a classifier that requests weights, by a request that lasts."""
    model = LogisticRegression()
    assert own_requests(model, "fit") == {"sample_weight": None}
    with sklearn.config_context(enable_metadata_routing=True):
        request_lastingly(model, "fit", sample_weight=True)
    assert own_requests(model, "fit") == {"sample_weight": True}
    assert own_requests(object(), "fit") == {}
    return model


def test_requests_last_beyond_clones_and_copies():
    model = weighted()
    for copy in (clone(model), pickle.loads(pickle.dumps(model)), clone(clone(model))):
        assert isinstance(copy._metadata_request, LastingRequest)
        assert own_requests(copy, "fit") == {"sample_weight": True}
        assert own_requests(copy, "score") == {"sample_weight": None}
        assert get_routing_for_object(copy).consumes("fit", ["sample_weight"]) == {"sample_weight"}


def test_requests_last_beyond_their_session(one_more_method):
    lasting = pickle.dumps(weighted())
    with sklearn.config_context(enable_metadata_routing=True):
        plain = pickle.dumps(LogisticRegression().set_fit_request(sample_weight=True))
    one_more_method()
    for model in (pickle.loads(lasting), clone(pickle.loads(lasting))):
        assert get_routing_for_object(model).consumes("fit", ["sample_weight"]) == {"sample_weight"}
        assert get_routing_for_object(model).fit_made_up.requests == {}
    # If scikit-learn's own requests last some day, LastingRequest can go.
    with pytest.raises(AttributeError, match="fit_made_up"):
        repr(get_routing_for_object(pickle.loads(plain)))


def test_a_lasting_request_has_no_other_attributes():
    with pytest.raises(AttributeError, match="made_up"):
        _ = LastingRequest.of(MetadataRequest(owner="x")).made_up


# --- parameters, rows and columns --------------------------------------------------------------------------


class Checked(BaseEstimator):
    _parameter_constraints = {"inner": [HasMethods(["fit"])]}

    def __init__(self, inner=None):
        self.inner = inner

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        check_feature_names(self, X, reset=True)
        check_n_features(self, X, reset=True)
        return self


def test_parameters_are_checked_in_fit():
    with pytest.raises(ValueError, match="'inner' parameter of Checked must be an object implementing 'fit'"):
        Checked(3).fit(X)
    with pytest.raises(ValueError, match="'inner' parameter of f must be"):
        validate_parameters(Checked._parameter_constraints, {"inner": 3}, "f")


def test_columns_are_recorded_and_compared():
    model = Checked(LogisticRegression()).fit(X)
    assert model.n_features_in_ == 2
    assert model.feature_names_in_.tolist() == ["x", "sex"]
    check_n_features(model, X, reset=False)
    with pytest.raises(ValueError, match="feature names should match"):
        check_feature_names(model, X[["sex", "x"]], reset=False)
    with pytest.raises(ValueError, match="has 1 features, but Checked is expecting 2"):
        check_n_features(model, X[["x"]], reset=False)


@pytest.mark.parametrize(
    "make",
    [np.asarray, list, pd.Series, pl.Series, lambda x: sparse.csr_matrix(x).T],
    ids=["array", "list", "pandas", "polars", "sparse"],
)
def test_rows_are_counted_and_indexed(make):
    data = make([0.0, 1.0, 2.0, 3.0])
    assert num_samples(data) == 4
    taken = safe_indexing(data, np.array([3, 1]))
    assert type(taken) is type(data)
    values = taken.toarray().ravel() if sparse.issparse(taken) else np.asarray(taken)
    assert values.tolist() == [3.0, 1.0]
